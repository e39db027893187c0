// That both passes of a float32 call round scores alike: by products of halves, or in plain WGSL. Why, by a model
// of a forward pass on matrices that round towards zero, beside gradients in plain float32 and beside such as
// round alike; and that plans keep to it.
import { assert, constantFrom, integer, property, record } from 'fast-check'
import { describe, expect, it } from 'vitest'
import { floatTable, mask, scoreModifier } from '@attn/core'
import type { Capabilities } from '../../../src/device/capabilities.ts'
import { planBackward } from '../../../src/plan/backward/backward-plan.ts'
import type { BackwardPlan } from '../../../src/plan/backward/backward-plan.ts'
import { explainBackward } from '../../../src/plan/backward/explain-backward.ts'
import { explainPlan } from '../../../src/plan/explain.ts'
import { planForward } from '../../../src/plan/plan.ts'
import type { PlanOptions } from '../../../src/plan/plan-options.ts'
import type { Tuning } from '../../../src/plan/tuning.ts'
import { withEights, withMatrices } from '../matrix-devices.ts'
import { firstText } from '../plans.ts'
import { normals, towardsZero } from './matrix-rounding.ts'

type Product = (one: readonly number[], other: readonly number[]) => number

/** In float32, one after the other. */
const inPlain: Product = (one, other) =>
  one.reduce((sum, number, d) => Math.fround(sum + number * other[d]!), 0)
/** By matrices of depth 16. */
const onMatrices: Product = (one, other) => {
  let sum = 0
  for (let first = 0; first < one.length; first += 16) {
    let product = 0
    for (let d = first; d < first + 16; d++) product += one[d]! * other[d]!
    sum = towardsZero(sum + product)
  }
  return sum
}
const exactly: Product = (one, other) => one.reduce((sum, number, d) => sum + number * other[d]!, 0)

/**
 * The largest error of dQ where the forward pass and the gradients make scores in these ways and nothing else is
 * rounded but P, relative to what the 2x rule allows.
 */
function ratio(forward: Product, backward: Product, seed: number): number {
  const next = normals(seed)
  const [queries, keys, dims] = [24, 96, 32]
  // Scores of about 100.
  const rows = (count: number): number[][] =>
    Array.from({ length: count }, () => Array.from({ length: dims }, () => Math.fround(4 * next())))
  const [query, key, value, dOutput] = [rows(queries), rows(keys), rows(keys), rows(queries)]
  const logSumExp = (scores: readonly number[]): number => {
    const most = Math.max(...scores)
    return most + Math.log(scores.reduce((sum, score) => sum + Math.exp(score - most), 0))
  }
  let [error, plainError] = [0, 0]
  for (const [row, own] of query.entries()) {
    const scoresBy = (product: Product): number[] => key.map((other) => product(own, other))
    const dP = value.map((other) => exactly(dOutput[row]!, other))
    const right = scoresBy(exactly)
    const sum = logSumExp(right)
    const delta = right.reduce((all, score, j) => all + Math.exp(score - sum) * dP[j]!, 0)
    const gradient = (scores: readonly number[], saved: number): number[] =>
      own.map((_, d) =>
        scores.reduce(
          (all, score, j) => all + Math.exp(score - saved) * (dP[j]! - delta) * key[j]![d]!,
          0,
        ),
      )
    const exact = gradient(right, sum)
    const off = (forwardBy: Product, backwardBy: Product): number =>
      Math.max(
        ...gradient(scoresBy(backwardBy), Math.fround(logSumExp(scoresBy(forwardBy)))).map(
          (number, d) => Math.abs(number - exact[d]!),
        ),
      )
    error = Math.max(error, off(forward, backward))
    plainError = Math.max(plainError, off(inPlain, inPlain))
  }
  return error / (2 * plainError)
}
const worst = (forward: Product, backward: Product): number =>
  Math.max(...[1, 2, 3, 4].map((seed) => ratio(forward, backward, seed)))

describe('scores of about 100', () => {
  it('miss the 2x rule where one pass rounds them towards zero, and not the other', () => {
    expect(worst(onMatrices, inPlain)).toBeGreaterThan(1)
    expect(worst(inPlain, onMatrices)).toBeGreaterThan(1)
  })

  it('keep it where both do', () => {
    expect(worst(onMatrices, onMatrices)).toBeLessThan(0.8)
  })
})

const table = floatTable('bias', [0.5, 0.25, 0.125, 0.0625], [4], { trainable: true })
const bias = scoreModifier('bias', (score, { head }) => score.add(table.at(head.mod(4))))
const huge = scoreModifier('huge', (score) => score.add(1e35))
const causal = mask('causal', ({ query, key }) => key.le(query))
const long = { heads: 16, queryLength: 4096, headDim: 64, dtype: 'float32' } as const

function plan(
  options: PlanOptions,
  device: Capabilities = withMatrices,
  tuning?: Tuning,
): BackwardPlan {
  const forward = planForward(options, device, tuning)
  return planBackward('flash.plan', forward, options.backwardTiles ?? {}, device)
}

/** Whether each pass is by halves: of the forward one, of dQ, of dK and dV. */
const halves = ({ forward, query, key }: BackwardPlan): boolean[] => [
  forward.kind === 'halves',
  ...[query, key].map(({ kernel }) => kernel.kind === 'split-matrix'),
]

describe('both passes of float32', () => {
  it('are by halves or in plain WGSL, all kernels of a call', () => {
    const calls = record({
      heads: integer({ min: 1, max: 32 }),
      queryLength: integer({ min: 1, max: 6000 }),
      keyLength: integer({ min: 1, max: 6000 }),
      headDim: constantFrom(16, 20, 32, 64, 128, 160),
      valueDim: constantFrom(undefined, undefined, 32),
      mask: constantFrom(undefined, causal),
      scoreModifiers: constantFrom([], [], [bias], [huge]),
      device: constantFrom(withMatrices, withMatrices, withEights),
    })
    const seen = new Set<string>()
    assert(
      property(calls, ({ device, ...options }) => {
        const found = halves(plan({ ...options, dtype: 'float32' }, device))
        expect(new Set(found).size).toBe(1)
        seen.add(String(found[0]))
      }),
      { numRuns: 200 },
    )
    expect(seen.size).toBe(2)
  })

  it('are in plain WGSL where tables are trained, and say why', () => {
    expect(halves(plan(long))).toEqual([true, true, true])
    const trained = plan({ ...long, scoreModifiers: [bias] })
    expect(halves(trained)).toEqual([false, false, false])
    expect(explainPlan(trained.forward, withMatrices).reason).toMatch(
      /both passes round scores alike, and gradients are not by halves: gradients of tables are summed/,
    )
    const { query, key } = explainBackward(trained)
    for (const { reason } of [query, key]) expect(reason).toMatch(/gradients of tables/)
    // Not the text of one that hardly ever runs.
    const access = { dtype: 'float32', nativeFloat16: true, vector: true } as const
    const accesses = { query: access, key: access, value: access, output: access }
    expect(firstText(trained.forward, accesses)).toMatch(/dim\+\+/)
  })

  it('are in plain WGSL where the forward pass cannot be by halves', () => {
    const barred = plan({ ...long, scoreModifiers: [huge] })
    expect(halves(barred)).toEqual([false, false, false])
    expect(explainBackward(barred).key.reason).toMatch(
      /the forward pass is not by halves: numbers of/,
    )
  })

  it('are by halves in calls so short that the forward pass alone would not be, but not in shorter ones', () => {
    const short = { ...long, queryLength: 1024 }
    expect(planForward(short, withMatrices).kind).toBe('passes')
    expect(halves(plan(short))).toEqual([true, true, true])
    const shorter = plan({ ...long, queryLength: 256 })
    expect(halves(shorter)).toEqual([false, false, false])
    expect(explainBackward(shorter).query.reason).toMatch(/so short a call/)
  })

  it('follow a tile of the caller or of a record', () => {
    const { kernel } = plan({ ...long, headDim: 20 }).query
    if (kernel.kind !== 'tiled') throw new Error(`the kernel is one of ${kernel.kind}`)
    const given = { ...long, backwardTiles: { query: kernel.tile } }
    expect(halves(plan(given))).toEqual([false, false, false])
    const forward = planForward({ ...long, headDim: 20 }, withMatrices)
    if (forward.kind !== 'passes' || forward.passes[0].kernel.kind !== 'tiled') throw new Error()
    const { tile } = forward.passes[0].kernel
    expect(halves(plan({ ...long, tile }))).toEqual([false, false, false])
    const tuning = { find: () => ({ forward: { tile, speedUp: 1.5 } }) }
    const tuned = plan(long, withMatrices, tuning)
    expect(halves(tuned)).toEqual([true, true, true])
    expect(explainPlan(tuned.forward, withMatrices).reason).toMatch(/gradients are by halves/)
  })

  it('are refused where a forward pass by halves is asked for, and gradients cannot be', () => {
    const asked = { ...long, scoreModifiers: [bias], tile: 'subgroup-matrix' } as const
    expect(() => plan(asked)).toThrow(
      /^flash.plan: tile 'subgroup-matrix' is not to be had: .*gradients of tables/,
    )
    const { tile } = plan(long).key.kernel
    expect(() => plan({ ...long, scoreModifiers: [bias], backwardTiles: { key: tile } })).toThrow(
      /gradients of tables are summed in plain WGSL/,
    )
  })
})
