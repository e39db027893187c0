// Expressions that are nested deep, wide, or use subtrees many times, as shaders.
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { coordinate, evaluate, float, mask, scoreModifier } from '@attn/core'
import type { ExpressionNode } from '@attn/core'
import { acquireGpu } from '../../../tools/testing/acquire-gpu.ts'
import { createFlashAttention } from '../src/index.ts'
import type { FlashAttention } from '../src/index.ts'
import { expectClose, expectedGradients, runBackward } from './run-backward.ts'
import type { BackwardProblem } from './run-backward.ts'
import { runExpressions } from './run-expressions.ts'

const gpu = await acquireGpu()

const repeat = <T>(count: number, start: T, step: (value: T, index: number) => T): T => {
  let value = start
  for (let index = 0; index < count; index++) value = step(value, index)
  return value
}
const key = coordinate('key')
const anywhere = { batch: 0, head: 0, query: 0, queryIndex: 0, score: 0, slot: 0 }
const point = { ...anywhere, queryLength: 4, keyLength: 4, heads: 1 }
const sizes = { batch: 1, heads: 1, kvHeads: 1, queryLength: 20, keyLength: 20, headDim: 4 }

describe.skipIf(!gpu)('nested expressions', () => {
  let flash: FlashAttention
  beforeAll(async () => {
    flash = await createFlashAttention({ gpu: gpu!, training: true })
  })
  afterAll(() => flash.destroy())

  test('deeper than compilers take have the values of the CPU', async () => {
    const nodes: ExpressionNode[] = [
      repeat(140, key, (sum, index) => sum.add(index % 3)).node,
      repeat(140, key, (least, index) => least.min(index + 7)).node,
      repeat(140, key.eq(3), (any, index) => any.or(key.eq(2 * index))).node,
      repeat(140, float(2), (chosen, index) => key.eq(index).select(chosen.add(0.5), chosen)).node,
      repeat(140, key.toFloat(), (sum) => sum.add(sum).mul(0.5)).node,
    ]
    const points = [-4, 3, 11, 12].map((place) => ({
      ...point,
      key: place,
    }))
    const results = await runExpressions(flash.device, nodes, points, {})
    expect(results).toEqual(nodes.map((node) => points.map((point) => evaluate({ node }, point))))
  })

  test('attention and its gradients agree with the CPU', async () => {
    const wide = mask('wide', (at) =>
      repeat(12, at.key.le(at.query), (any, index) => any.or(at.key.eq(7 * index))),
    )
    const shared = scoreModifier('shared', (score) =>
      repeat(20, score, (sum) => sum.add(sum).mul(0.5)).tanh(),
    )
    expect.hasAssertions()
    const problem: BackwardProblem = {
      ...sizes,
      mask: wide,
      scoreModifiers: [shared],
    }
    expectClose(await runBackward(flash, problem), expectedGradients(problem))
  })
})
