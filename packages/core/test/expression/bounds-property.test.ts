import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { compile, compileBounds, coordinate, float } from '@attn/core'
import type { Environment, Evaluator, ExpressionNode, StridedInterval } from '@attn/core'
import { arbitraryBoxes, pointsOf } from '../arbitrary-box.ts'
import type { SampleBox } from '../arbitrary-box.ts'
import { arbitraryParameters, arbitraryTrees } from '../arbitrary-expression.ts'
import { compileFloat32 } from './float32-evaluator.ts'

type Tree = { readonly node: ExpressionNode }

/**
 * Whether bounds admit a value. One that is undefined, as after a division by zero, needs bounds that
 * say nothing; as a condition it counts as false.
 */
function admits({ node }: Tree, bounds: StridedInterval, value: number | undefined): boolean {
  const { low, high, stride } = bounds
  if (Number.isNaN(low) && Number.isNaN(high)) return true
  if (node.type === 'boolean') return value ? high === 1 : low === 0
  if (value === undefined || !(value >= low && value <= high)) return false
  return stride === 0 || !Number.isFinite(low) || (value - low) % stride === 0
}

/** The first point of a box where the bounds leave out the value of some reading, in words. */
function firstLeftOut(
  tree: Tree,
  box: SampleBox,
  bounds: StridedInterval,
  readings: readonly Evaluator[],
): string | undefined {
  for (const point of pointsOf(box, tree.node)) {
    for (const evaluate of readings) {
      const value = evaluate(point)
      if (!admits(tree, bounds, value)) {
        return `${bounds.low}..${bounds.high} by ${bounds.stride}: ${value} at ${JSON.stringify(point)}`
      }
    }
  }
  return undefined
}

describe.each(['integers', 'floats', 'booleans'] as const)('bounds of random %s', (kind) => {
  it.each([
    ['anything', {}],
    ['no undefined values', { defined: true }],
    ['with the score', { defined: true, score: true }],
  ])('leave out no value, on the CPU or on a GPU: %s', (_, options) => {
    fc.assert(
      fc.property(
        arbitraryTrees(options)[kind] as fc.Arbitrary<Tree>,
        arbitraryBoxes,
        arbitraryParameters,
        fc.boolean(),
        (tree, box, parameters, known) => {
          const environment: Environment = { parameters }
          const bounds = compileBounds(tree, known ? environment : {})(box)
          const readings = [compile, compileFloat32].map((reading) => reading(tree, environment))
          expect(firstLeftOut(tree, box, bounds, readings)).toBeUndefined()
        },
      ),
      { numRuns: 2000 },
    )
  })

  it('say something about most trees', () => {
    const trees = fc.sample(fc.tuple(arbitraryTrees({ defined: true })[kind], arbitraryBoxes), 2000)
    const decided = trees.filter(([tree, box]) => {
      const { low, high } = compileBounds(tree)(box)
      return kind === 'booleans' ? low === high : high - low < 1000
    })
    expect(decided.length).toBeGreaterThan(kind === 'booleans' ? 600 : 900)
  })
})

describe('bounds of exponentials that underflow', () => {
  const key = coordinate('key').toFloat()

  it.each([
    ['exp', key.neg().exp()],
    ['power', float(0.5).pow(key.mul(1.5))],
  ])('begin at 0, below which no reading goes: %s', (_, expression) => {
    const read = compileFloat32(expression, {})
    // The other end underflows in float64, too.
    const bounds = compileBounds(expression)({ key: { low: 80, high: 2000, stride: 1 } })
    expect(bounds.low).toBe(0)
    for (let each = 80; each < 400; each++) {
      const value = read({ key: each })
      expect(admits(expression, bounds, value), `${value} at ${each}`).toBe(true)
    }
  })
})
