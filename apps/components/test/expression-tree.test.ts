// What the picture of an expression says at each node is what core says.
import { expect, test } from 'vitest'
import { mask } from '@attn/core'
import { expressionTree, nodesBelow } from '../src/expression/expression-tree.ts'

const { expression } = mask('window', ({ query, key }) =>
  key.le(query).and(query.sub(key).lt(12).or(key.lt(4))),
)
const tile = (low: number) => ({ low, high: low + 7, stride: 1 })

test('every node lies within its bounds at each pair of the tile', () => {
  for (const [firstQuery, firstKey] of [
    [16, 8],
    [0, 0],
    [24, 0],
  ] as const) {
    for (let pair = 0; pair < 64; pair++) {
      const point = { query: firstQuery + (pair >> 3), key: firstKey + (pair & 7) }
      const box = { query: tile(firstQuery), key: tile(firstKey) }
      for (const node of nodesBelow(expressionTree(expression.node, point, box).root)) {
        expect(node.value).toBeGreaterThanOrEqual(node.low)
        expect(node.value).toBeLessThanOrEqual(node.high)
      }
    }
  }
})

test('leaves stand side by side under the operations that read them', () => {
  const { root, columns, depth } = expressionTree(
    expression.node,
    { query: 19, key: 9 },
    { query: tile(16), key: tile(8) },
  )
  const nodes = nodesBelow(root)
  const leaves = nodes.filter(({ inputs }) => inputs.length === 0)
  expect(leaves.map(({ column }) => column)).toEqual(Array.from({ length: columns }, (_, i) => i))
  expect(
    nodes.every(({ inputs, depth: own }) => inputs.every((each) => each.depth === own + 1)),
  ).toBe(true)
  expect(Math.max(...nodes.map((node) => node.depth))).toBe(depth)
  expect([root.label, root.value, root.low, root.high]).toEqual(['and', 1, 0, 1])
})
