// Which calls go backward on subgroup matrices, what they need to know for it, and what explain() says.
import { assert, double, integer, property } from 'fast-check'
import { describe, expect, it } from 'vitest'
import { floatTable, mask, scoreModifier, softcap } from '@attn/core'
import { floatWord } from '../../../src/kernels/parameters.ts'
import { measuredPieces, slopeBound } from '../../../src/plan/backward/backward-matrices.ts'
import { planBackward } from '../../../src/plan/backward/backward-plan.ts'
import type { BackwardPlan } from '../../../src/plan/backward/backward-plan.ts'
import { explainBackward } from '../../../src/plan/backward/explain-backward.ts'
import { planForward } from '../../../src/plan/plan.ts'
import type { PlanOptions } from '../../../src/plan/plan-options.ts'
import { withMatrices } from '../matrix-devices.ts'

const base: PlanOptions = { heads: 4, queryLength: 256, headDim: 64, dtype: 'float16' }
/** Of float32 longer calls are split. */
const long = { dtype: 'float32', queryLength: 2048 } as const
const causal = mask('causal', ({ query, key }) => key.le(query))
const table = floatTable('bias', [0.5, 0.25, 0.125, 0.0625], [4], { trainable: true })
const bias = scoreModifier('bias', (score, { head }) => score.add(table.at(head)))
const cubed = scoreModifier('cubed', (score) => score.mul(score).mul(score))

function plan(options: Partial<PlanOptions> = {}, device = withMatrices): BackwardPlan {
  const forward = planForward({ ...base, ...options }, device)
  return planBackward('flash.plan', forward, options.backwardTiles ?? {}, device)
}

describe('the backward pass on subgroup matrices', () => {
  it('is for float16 where the device has them', () => {
    const { query, key, variant, reason, memoryBytes } = explainBackward(plan({ mask: causal }))
    expect([query.variant, key.variant, variant]).toEqual(Array(3).fill('subgroup-matrix'))
    expect(reason).toMatch(/^subgroup matrices in two passes/)
    expect(query.reason).toMatch(/dS scaled by a power of two/)
    // 16 bytes a row, and 16 measures of dO and of V for each of 4 heads.
    expect(memoryBytes.softmaxRows).toBe(16 * 4 * 256 + 4 * 4 * (16 + 16))
  })

  it.each([
    ['few tokens of float32', { dtype: 'float32', keyLength: 100 }, /do not pay for splitting/],
    ['widths of float32 that differ', { dtype: 'float32', valueDim: 32 }, /for these dims/],
    ['few keys', { keyLength: 8 }, /at least 16 queries and keys/],
    ['unbounded slopes', { scoreModifiers: [cubed] }, /how steep/],
    ['dropout of nearly all', { dropout: { rate: 0.999, seed: 1 } }, /keeps too few/],
    ['an enormous scale', { scale: 1e30 }, /scale is too large/],
    ['odd dims', { headDim: 20 }, /no subgroup matrices for these dims/],
  ] as const)('is not for %s, and says so', (_, options, why) => {
    const { query, key, variant } = explainBackward(plan(options))
    expect(variant).toBe('tiled')
    expect(query.reason).toMatch(why)
    expect(key.reason).toMatch(why)
  })

  it('splits float32, and accounts for the halves', () => {
    const planned = plan({ ...long, mask: causal })
    const { query, key, variant, memoryBytes } = explainBackward(planned)
    expect([query.variant, key.variant, variant]).toEqual(Array(3).fill('subgroup-matrix'))
    expect(query.reason).toMatch(/three float16 products/)
    const { batch, heads, kvHeads, queryLength, keyLength, headDim } = planned.call.shape
    // As large as Q, dO, K and V.
    const rows = batch * (heads * queryLength + kvHeads * keyLength)
    expect(memoryBytes.halves).toBe(4 * 2 * rows * headDim)
    expect(explainBackward(plan({ mask: causal })).memoryBytes.halves).toBe(0)
  })

  it.each([32, 64, 96, 128])('finds tiles of split float32 for %i dims', (headDim) => {
    const { query, key } = plan({ ...long, headDim })
    for (const { kernel, leftOut, rowTokens } of [query, key]) {
      if (kernel.kind !== 'split-matrix') throw new Error(`the kernel is one of ${kernel.kind}`)
      expect(kernel.workgroupBytes).toBeLessThanOrEqual(49152)
      expect(kernel.workgroupBytes % 16).toBe(0)
      expect(kernel.tile.pairs).toBe(rowTokens === 'queries' ? 8 : headDim > 64 ? 4 : 6)
      expect(leftOut.map(({ kernel: { kind } }) => kind)).toEqual(['tiled'])
    }
  })

  it('is mixed where tables are trained: dQ sums their gradients in plain WGSL', () => {
    const { query, key, variant } = explainBackward(plan({ scoreModifiers: [bias] }))
    expect([query.variant, key.variant, variant]).toEqual(['tiled', 'subgroup-matrix', 'mixed'])
    expect(query.reason).toMatch(/gradients of tables/)
  })

  it('is not chosen where software imitates matrices, but runs on a tile that is given', () => {
    const adapter = { ...withMatrices.adapter, device: 'llvmpipe' }
    const software = { ...withMatrices, adapter }
    const { key, query } = explainBackward(plan({}, software))
    expect([key.variant, query.reason]).toEqual(['tiled', expect.stringMatching(/imitates/)])
    const { tile } = plan().key.kernel
    const given = explainBackward(plan({ backwardTiles: { key: tile } }, software))
    expect([given.key.variant, given.query.variant]).toEqual(['subgroup-matrix', 'tiled'])
    expect(given.key.reason).toBe('the tile that the caller chose')
  })

  it('refuses a tile that the call or the device cannot use', () => {
    const { tile } = plan().key.kernel
    const given = (options: Partial<PlanOptions>) => () =>
      plan({ ...options, backwardTiles: { key: tile } })
    expect(given({ dtype: 'float32' })).toThrow(RangeError)
    expect(given({ dtype: 'float32' })).toThrow(/without pairs are for float16/)
    const split = plan(long).key.kernel.tile
    expect(() => plan({ backwardTiles: { key: split } })).toThrow(
      /pairs of subgroups are for float32/,
    )
    const odd = { ...split, rows: 17 }
    expect(() => plan({ dtype: 'float32', backwardTiles: { key: odd } })).toThrow(/do not divide/)
    const tall = { ...split, pairs: 64, rows: 1024 }
    expect(() => plan({ dtype: 'float32', backwardTiles: { key: tall } })).toThrow(
      /bytes of workgroup memory/,
    )
    expect(given({ headDim: 20 })).toThrow(/flash.plan: the device has no subgroup matrices of 16/)
  })
})

describe('slopeBound', () => {
  it('bounds the derivative of a chain, where it can', () => {
    expect(slopeBound([])).toBe(1)
    expect(slopeBound([bias])).toBe(1)
    expect(slopeBound([softcap(5)])).toBeLessThanOrEqual(2.01)
    expect(slopeBound([softcap(5)])).toBeGreaterThanOrEqual(1)
    const doubled = scoreModifier('doubled', (score) => score.mul(2))
    expect(slopeBound([doubled, doubled])).toBeGreaterThanOrEqual(4)
    expect(slopeBound([cubed])).toBe(Infinity)
  })
})

describe('measuredPieces', () => {
  it('covers every row with at most 256 pieces, of which none is empty', () => {
    assert(
      property(integer({ min: 1, max: 2 ** 24 }), (length) => {
        const { rows, count } = measuredPieces(length)
        expect(count).toBeLessThanOrEqual(256)
        expect(rows * count).toBeGreaterThanOrEqual(length)
        expect(rows * (count - 1)).toBeLessThan(length)
      }),
    )
  })
})

describe('the scale of dS', () => {
  // scaleOfBound of backward-matrix/scaling.ts, in JavaScript.
  const scaleOf = (bound: number): number => {
    const exponent = (floatWord(bound) >>> 23) - 127
    return 2 ** Math.min(Math.max(5 - exponent, -100), 100)
  }

  it('keeps dS within float16, with no more than two powers of two to spare', () => {
    const largest = 65504
    assert(
      property(double({ min: 2 ** -90, max: 2 ** 90, noNaN: true }), (bound) => {
        const dS = 2 ** 8 * scaleOf(bound) * 2 * bound
        expect(dS).toBeLessThanOrEqual(largest)
        expect(dS).toBeGreaterThan(largest / 8)
      }),
    )
    expect(scaleOf(0)).toBe(2 ** 100)
  })
})
