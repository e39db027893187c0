// Random expression trees: the shader text gives what `evaluate` gives.
import * as fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { compile, coordinate } from '@attn/core'
import type { ExpressionNode, Point } from '@attn/core'
import { acquireGpu } from '../../../tools/testing/acquire-gpu.ts'
import { coordinateRanges } from '../../core/test/arbitrary-box.ts'
import { arbitraryTrees } from '../../core/test/arbitrary-expression.ts'
import type { TreeOptions } from '../../core/test/arbitrary-expression.ts'
import { compileFloat32 } from '../../core/test/expression/float32-evaluator.ts'
import { showExpression } from '../../core/test/show-expression.ts'
import { runExpressions } from './run-expressions.ts'

const gpu = await acquireGpu()
const seed = 20_26
const parameters = { width: 7, slope: Math.fround(0.7) }

const arbitraryPoints: fc.Arbitrary<Required<Point>> = fc.record({
  ...(Object.fromEntries(
    Object.entries(coordinateRanges).map(([name, [min, max]]) => [name, fc.integer({ min, max })]),
  ) as Record<keyof typeof coordinateRanges, fc.Arbitrary<number>>),
  score: fc.integer({ min: -32, max: 32 }).map((value) => value / 8),
  slot: fc.constant(0),
})

function trees(
  kind: 'integers' | 'floats' | 'booleans',
  count: number,
  options: TreeOptions,
): ExpressionNode[] {
  const arbitrary = arbitraryTrees(options)[kind] as fc.Arbitrary<{ readonly node: ExpressionNode }>
  return fc.sample(arbitrary, { numRuns: count, seed }).map(({ node }) => node)
}

describe.skipIf(!gpu)('random expressions on the GPU', () => {
  let device: GPUDevice
  beforeAll(async () => {
    const adapter = await gpu!.requestAdapter()
    device = await adapter!.requestDevice()
  })
  afterAll(() => device.destroy())

  const points = fc.sample(arbitraryPoints, { numRuns: 64, seed })

  test('powers of zero are those of the CPU', async () => {
    const base = coordinate('key').toFloat().abs()
    const one = coordinate('heads').toFloat() // So that no exponent is known when text is made.
    const nodes = [-2, -1, -0.5, 0, 0.5, 3]
      .flatMap((exponent) => [base.pow(exponent), base.pow(one.mul(exponent))])
      .map((power) => power.min(100).node)
    const [anywhere] = points
    const places = [0, 1, 4].map((key) => ({ ...anywhere!, key, heads: 1 }))
    const results = await runExpressions(device, nodes, places, parameters)
    const errors = nodes.flatMap((node, index) =>
      places.map((place, at) => Math.abs(compile({ node })(place) - results[index]![at]!)),
    )
    expect(Math.max(...errors)).toBeLessThan(1e-4)
  })

  test.each([
    ['integers', { floats: false }],
    ['booleans', { floats: false }],
  ] as const)('%s are exact', async (kind, options) => {
    const nodes = trees(kind, 50, { ...options, defined: true })
    const results = await runExpressions(device, nodes, points, parameters)
    const wrong = nodes.flatMap((node, index) => {
      const value = compile({ node }, { parameters })
      const place = points.findIndex((point, p) => value(point) !== results[index]![p])
      if (place < 0) return []
      const [expected, got] = [value(points[place]!), results[index]![place]]
      return [`${showExpression(node)}: ${expected}, got ${got}`]
    })
    expect(wrong).toEqual([])
  })

  /** How far a value may be from the exact one: what float32 evaluations are, and then some. */
  function tolerance(node: ExpressionNode, point: Point, exact: number): number {
    const float32 = compileFloat32({ node }, { parameters })
    const errors = Array.from({ length: 8 }, () => Math.abs(float32(point) - exact))
    // WGSL promises nothing of sines beyond pi, where SwiftShader is off by 2e-4.
    const slack = /\b(sin|cos)\(/.test(showExpression(node)) ? 2e-3 : 4e-6
    return 4 * Math.max(...errors) + slack * Math.max(1, Math.abs(exact))
  }

  /** The part of all points where a value is as it should be, and the first expression with others. */
  async function agreement(
    nodes: readonly ExpressionNode[],
  ): Promise<{ share: number; first: string }> {
    const results = await runExpressions(device, nodes, points, parameters)
    let [good, all, first] = [0, 0, '']
    for (const [index, node] of nodes.entries()) {
      const value = compile({ node }, { parameters })
      for (const [p, point] of points.entries()) {
        const exact = value(point)
        const got = results[index]![p]!
        // At the edge of a condition on floats, either side is right.
        const fits =
          node.type === 'float'
            ? Math.abs(got - exact) <= tolerance(node, point, exact)
            : got === exact
        all++
        if (fits) good++
        else first ||= `${showExpression(node)}: ${exact}, got ${got} at ${JSON.stringify(point)}`
      }
    }
    return { share: good / all, first }
  }

  test('smooth floats are as exact as float32 is', async () => {
    const nodes = trees('floats', 80, { smooth: true, defined: true, score: true })
    expect(await agreement(nodes)).toEqual({ share: 1, first: '' })
  })

  test.each(['floats', 'booleans', 'integers'] as const)(
    '%s with floats anywhere agree but for edges',
    async (kind) => {
      const nodes = trees(kind, 40, { defined: true, score: true })
      const { share, first } = await agreement(nodes)
      expect(share > 0.99 ? '' : `${share}: ${first}`).toBe('')
    },
  )
})
