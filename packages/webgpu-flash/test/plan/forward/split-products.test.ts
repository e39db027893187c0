// Which float32 calls are planned by products of float16 halves, what the plan says of it and holds for it.
import { biasFromTensor, floatTable, mask, scoreModifier } from '@attn/core'
import { describe, expect, it } from 'vitest'
import { defaultCapabilities } from '../../../src/device/capabilities.ts'
import { explainPlan } from '../../../src/plan/explain.ts'
import { formatExplanation } from '../../../src/plan/format-explanation.ts'
import { mostSplitProduct } from '../../../src/plan/forward/halves-plan.ts'
import { passText } from '../../../src/plan/forward/pass-text.ts'
import { planForward } from '../../../src/plan/plan.ts'
import { byHalves, firstText } from '../plans.ts'
import type { PlanOptions } from '../../../src/plan/plan-options.ts'
import { withEights, withMatrices } from '../matrix-devices.ts'

const device = {
  ...withMatrices,
  limits: { ...withMatrices.limits, maxStorageBufferBindingSize: 2 ** 30, maxBufferSize: 2 ** 30 },
}
const call = { heads: 16, queryLength: 4096, headDim: 64 }
const causal = mask('causal', ({ query, key }) => key.le(query))
const window = (width: number) =>
  mask('window', ({ query, key }) => key.le(query).and(key.gt(query.sub(width))))
const strided = {
  ...mask('strided', ({ query, key }) => query.sub(key).mod(64).eq(0)),
  orders: [{ kind: 'residues', stride: 64 } as const],
}
const plan = (options: Partial<PlanOptions>, capabilities = device) =>
  planForward({ ...call, ...options }, capabilities)
const splits = (options: Partial<PlanOptions>, capabilities = device): boolean =>
  plan(options, capabilities).kind === 'halves'

describe('planHalves', () => {
  it('takes calls with enough work, under masks too', () => {
    expect(splits({})).toBe(true)
    expect(splits({ headDim: 128, mask: causal })).toBe(true)
    expect(splits({ queryLength: 2048 })).toBe(true)
    expect(splits({ queryLength: 1024 })).toBe(false)
    expect(splits({ queryLength: 8, keyLength: 65536, heads: 64 })).toBe(false)
    // 32 keys of each query: few tiles.
    expect(splits({ mask: window(32) })).toBe(false)
    // Enough of them, and two thirds partial; a fifth.
    expect(splits({ queryLength: 65536, mask: window(128) })).toBe(false)
    expect(splits({ queryLength: 65536, mask: window(512) })).toBe(true)
    // A fifth, and every pair is asked.
    const either = mask('either', ({ query, key }) =>
      key.le(query).and(key.gt(query.sub(512)).or(key.lt(1))),
    )
    expect(splits({ queryLength: 65536, mask: either })).toBe(false)
  })

  it('keeps a plain kernel whose loops stay rolled up, as every plan compiles it and hardly any call runs it', () => {
    const access = { dtype: 'float32', nativeFloat16: true, vector: true } as const
    const accesses = { query: access, key: access, value: access, output: access }
    const [fallback, only] = [
      passText(byHalves(plan({})).otherwise.passes[0], accesses),
      firstText(plan({ queryLength: 1024 }), accesses),
    ]
    const loops = /\b(dim|token|chunk|other|i)\+\+/
    expect(fallback).not.toMatch(loops)
    expect(only).toMatch(loops)
    // Nor are there texts for parts of its probabilities, or for loads ahead.
    const sums = (text: string) => text.split('for (var token').length - 1
    const loads = (text: string) => text.split('= loadKey(').length - 1
    expect([sums(fallback), sums(only)]).toEqual([1, 4])
    expect(loads(fallback)).toBeLessThan(loads(only))
  })

  it('leaves other kernels what is theirs', () => {
    expect(splits({ dtype: 'float16' })).toBe(false)
    expect(splits({ mask: strided })).toBe(false)
    expect(splits({ headDim: 60 })).toBe(false)
    expect(splits({ headDim: 144 })).toBe(false)
    expect(splits({ tile: byHalves(plan({})).otherwise.passes[0].kernel.tile })).toBe(false)
    expect(splits({}, { ...device, subgroupMatrices: [] })).toBe(false)
    // Whole rows of the lowest float are a mean.
    const lowest = -3.4028234663852886e38
    const additive = biasFromTensor([0, lowest], [1, 1, 1, 2])
    const adding = scoreModifier('adding', (score) => score.add(lowest))
    for (const scoreModifiers of [[additive], [adding]]) {
      expect(splits({ keyLength: 2, scoreModifiers })).toBe(false)
      expect(() => plan({ keyLength: 2, scoreModifiers, tile: 'subgroup-matrix' })).toThrow(
        'beyond 2^100',
      )
    }
    const hiding = biasFromTensor([0, -Infinity], [1, 1, 1, 2])
    expect(splits({ keyLength: 2, scoreModifiers: [hiding], tile: 'subgroup-matrix' })).toBe(true)
    expect(splits({}, { ...device, limits: { ...device.limits, maxBufferSize: 2 ** 24 } })).toBe(
      false,
    )
  })

  it('takes any call that asks for it, or says why not', () => {
    const asked = { tile: 'subgroup-matrix', queryLength: 45, mask: strided } as const
    expect(splits(asked)).toBe(true)
    expect(splits({ ...asked, headDim: 16 }, withEights)).toBe(true)
    expect(() => plan({ ...asked, headDim: 60 })).toThrow(
      "flash.plan: tile 'subgroup-matrix' is not to be had: no subgroup matrix fits headDim 60",
    )
    expect(() => plan(asked, defaultCapabilities)).toThrow('offers no subgroup matrices')
    expect(() => plan({ ...asked, dtype: 'float16' }, defaultCapabilities)).toThrow(
      "tile 'subgroup-matrix' is not to be had: the adapter offers no subgroup matrices",
    )
  })

  it('is explained, with the memory of the halves and the kernel that may take over', () => {
    const made = byHalves(plan({ kvHeads: 4, keyLength: 2048 }))
    const explanation = explainPlan(made, device)
    expect(explanation).toMatchObject({
      variant: 'subgroup-matrix',
      tile: { queries: 64, keys: 16 },
      workgroupMemoryBytes: 19984,
      products: { ofEach: 3, otherwise: made.otherwise.passes[0].kernel.tile },
    })
    const { query, key, value } = made.bytes
    expect([query, key, value]).toEqual([
      4 * 16 * 4096 * 64 + 16 * 16,
      4 * 4 * 2048 * 64 + 16 * 4,
      4 * 4 * 2048 * 64 + 16 * 4,
    ])
    expect(explanation.memoryBytes.halves).toBeGreaterThanOrEqual(query + key + value)
    expect(formatExplanation(explanation)).toContain(
      'products   3 of float16 for each of float32, halves of the tensors 20.0 MiB; plain WGSL in tiles of 64 x 64',
    )
    expect(explainPlan(plan({ queryLength: 256 }), device).reason).toContain(
      'float16 halves on subgroup matrices would not be faster',
    )
  })

  it('cuts planes into pieces that hold every row', () => {
    for (const [heads, queryLength, keyLength] of [
      [1, 33, 4096],
      [16, 4096, 100],
      [700, 512, 512],
    ] as const) {
      const asked = { heads, queryLength, keyLength, tile: 'subgroup-matrix' } as const
      const { pieces } = byHalves(plan(asked))
      expect(pieces.count * pieces.queryRows).toBeGreaterThanOrEqual(queryLength)
      expect(pieces.count * pieces.keyRows).toBeGreaterThanOrEqual(keyLength)
    }
  })

  it('bounds scores by the scale, whatever it is', () => {
    expect(mostSplitProduct(plan({}).call)).toBe(2 ** 17)
    expect(mostSplitProduct(plan({ scale: 0 }).call)).toBe(2 ** 120)
  })

  it('has WGSL as reviewed', async () => {
    const slopes = floatTable(
      'slopes',
      Array.from({ length: 16 }, (_, head) => head / 16),
    )
    const alibi = scoreModifier('alibi', (score, { head, query, key }) =>
      score.sub(slopes.at(head).mul(query.sub(key).toFloat())),
    )
    const [pass] = byHalves(plan({ mask: causal, scoreModifiers: [alibi] })).passes
    const halves = { dtype: 'float16', nativeFloat16: true, vector: true } as const
    const staged = { ...halves, wide: true }
    const output = { ...halves, dtype: 'float32' } as const
    const code = passText(pass, { query: halves, key: staged, value: staged, output })
    await expect(code).toMatchFileSnapshot('../../__wgsl__/forward-split-causal-alibi.wgsl')
  })
})
