// What a plan makes of tuning records, seen through `explain()`.
import { mask } from '@attn/core'
import { describe, expect, it } from 'vitest'
import { defaultLimits } from '../../src/device/capabilities.ts'
import { createFlashAttention } from '../../src/index.ts'
import type { FlashAttention, PlanOptions, TuningRecord } from '../../src/index.ts'
import { explainPlan } from '../../src/plan/explain.ts'
import type { PlanExplanation } from '../../src/plan/explanation.ts'
import { planForward } from '../../src/plan/plan.ts'
import { training } from '../../src/run/backward/training.ts'
import { createImportedTuning } from '../../src/tune/imported-tuning.ts'
import { fakeDevice } from '../device/fake-device.ts'
import { adapter, capabilities, entry, record, slowTile } from './a-record.ts'

const options: PlanOptions = { heads: 8, queryLength: 1000, headDim: 64 }

/** The account of a plan on a device that knows these records. */
function explained(
  records: unknown,
  change: Partial<PlanOptions> = {},
  own = capabilities,
): PlanExplanation {
  const tuning = createImportedTuning(own)
  tuning.add('test', records)
  const forward = planForward({ ...options, ...change }, own, tuning)
  const { backwardTiles = {} } = change
  const backward = change.training
    ? training.plan('test', forward, backwardTiles, own).explain()
    : undefined
  return explainPlan(forward, own, backward)
}

const withEntry = (change: object): TuningRecord => ({
  ...record,
  entries: [{ ...entry, ...change }],
})
const withDevice = (change: object): TuningRecord => ({
  ...record,
  device: { ...record.device, ...change },
})

describe('a plan on a device that was tuned', () => {
  it('takes the tile that was the fastest', () => {
    const { tile, reason } = explained(record)
    expect(tile).toEqual(slowTile)
    expect(reason).toBe("tuned on this device: 1.18x over the model's choice")
  })

  it("says so where the model's choice was the fastest", () => {
    const { reason } = explained(withEntry({ forward: { ...entry.forward, speedUp: 1 } }))
    expect(reason).toBe("tuned on this device: the model's choice is the fastest")
  })

  it('takes tiles of both backward kernels', () => {
    const { backward } = explained(record, { training: true })
    expect(backward!.query.tile.rows).toBe(32)
    expect(backward!.query.reason).toBe("tuned on this device: 1.10x over the model's choice")
    expect(backward!.key.reason).toBe("tuned on this device: the model's choice is the fastest")
  })

  it('finds gradients in an earlier record where a later one has none', () => {
    const { backward: _, ...forwardOnly } = entry
    const later = { ...record, entries: [forwardOnly] }
    expect(explained([record, later], { training: true }).backward!.query.tile.rows).toBe(32)
  })

  it('takes no tiles of other backward kernels, and says so', () => {
    const foreign = { backward: { ...entry.backward!, kernels: '00000000' } }
    const { tile, reason, backward } = explained(withEntry(foreign), { training: true })
    expect(tile).toEqual(slowTile)
    expect(reason).toContain('1.18x')
    expect(backward!.key.tile.rows).not.toBe(32)
    const why = 'not tuned: its record is of other versions of the backward kernels'
    for (const rows of ['query', 'key'] as const) {
      expect(backward![rows].reason).toContain(why)
    }
  })

  it('takes the later of two records', () => {
    const forward = { ...entry.forward, speedUp: 2 }
    expect(explained([record, withEntry({ forward })]).reason).toContain('2.00x')
  })

  it("leaves the caller's tile alone", () => {
    const own = { ...slowTile, valueChunk: 16 }
    const { tile, reason } = explained(record, { tile: own })
    expect(tile).toEqual(own)
    expect(reason).toBe('the tile that the caller chose')
  })

  it.each([
    ['longer calls', { queryLength: 1025 }],
    ['shorter calls', { queryLength: 256 }],
    ['another width', { headDim: 32 }],
    ['another width of values', { valueDim: 32 }],
    ['float16', { dtype: 'float16' as const }],
    ['a mask', { mask: mask('causal', ({ query, key }) => key.le(query)) }],
  ])('has nothing for %s', (_, change) => {
    const { tile, reason } = explained(record, change)
    expect(tile).not.toEqual(slowTile)
    expect(reason).toContain('; not tuned: the tuning of this device has no entry for such calls')
  })

  it.each([
    [
      'another adapter',
      withDevice({ adapter: { ...adapter, architecture: 'two' } }),
      'a record is of the adapter acme two, this one is acme one',
    ],
    [
      'other limits',
      withDevice({ maxComputeWorkgroupStorageSize: 32768 }),
      'a record is of a device with maxComputeWorkgroupStorageSize=32768, this one has 16384',
    ],
    [
      'other features',
      withDevice({ subgroupMatrices: true }),
      'a record is of a device with subgroupMatrices=true, this one has false',
    ],
    [
      'other kernels',
      { ...record, kernels: '00000000' },
      'a record is of other versions of the kernels',
    ],
  ])('ignores a record of %s, and says so', (_, foreign, why) => {
    const { tile, reason } = explained(foreign)
    expect(tile).not.toEqual(slowTile)
    expect(reason).toContain(`least estimated time`)
    expect(reason).toContain(`; not tuned: ${why}`)
    // Beside a record of its own it does not matter.
    expect(explained([foreign, record]).tile).toEqual(slowTile)
  })

  it('takes either kernel for few queries, as measured', () => {
    const few = { queryLengths: { from: 1, to: 16 } }
    const best = (tile: unknown): PlanExplanation =>
      explained(withEntry({ ...few, forward: { ...entry.forward, best: tile } }), {
        queryLength: 1,
        keyLength: 1000,
      })
    const decoded = best('decode')
    expect(decoded.variant).toBe('decode')
    expect(decoded.reason).toBe("tuned on this device: 1.18x over the model's choice")
    expect(best(slowTile)).toMatchObject({ variant: 'tiled', tile: slowTile })
  })

  it('takes a record with the model for an adapter that does not say its own, as in browsers', () => {
    const named = (device: string) => ({ ...adapter, device })
    expect(explained(withDevice({ adapter: named('Acme 5') })).tile).toEqual(slowTile)
    const own = { ...capabilities, adapter: named('Acme 6') }
    expect(explained(withDevice({ adapter: named('Acme 5') }), {}, own).reason).toContain(
      'a record is of the adapter acme one Acme 5, this one is acme one Acme 6',
    )
  })

  it.each([
    ['that does not divide', { ...slowTile, queries: 33 }, 'the sizes of the tile do not divide'],
    ['that does not fit', { ...slowTile, dimChunk: 64 }, 'bytes of workgroup memory'],
    [
      'that the call cannot use',
      'subgroup-matrix',
      'subgroup matrices were the fastest, which this call cannot use',
    ],
    [
      'of matrices that the device does not have',
      { subgroups: 4, ownRows: 16, keys: 16 },
      'subgroup matrices were the fastest, which this call cannot use',
    ],
    [
      'of a kernel that is not for such calls',
      'decode',
      'the decode kernel was the fastest, which this call cannot use',
    ],
  ])('does not trust a tile %s', (_, best, why) => {
    const { reason } = explained(withEntry({ forward: { ...entry.forward, best } }))
    expect(reason).toContain(`; not tuned: `)
    expect(reason).toContain(why)
  })
})

describe('createFlashAttention with tuning', () => {
  const device = (): GPUDevice => fakeDevice({ ...defaultLimits }).device
  const create = (tuning: unknown): Promise<FlashAttention> =>
    createFlashAttention({
      device: device(),
      adapterInfo: adapter as unknown as GPUAdapterInfo,
      tuning: tuning as TuningRecord,
    })

  it('plans with it, as with what useTuning is given later', async () => {
    const flash = await create(record)
    expect(flash.plan(options).explain().tile).toEqual(slowTile)
    const later = await create([])
    expect(later.plan(options).explain().reason).not.toContain('tuned')
    later.useTuning(record)
    expect(later.plan(options).explain().tile).toEqual(slowTile)
  })

  it('rejects what is no record, naming the field, and adds none of several', async () => {
    await expect(create({ ...record, entries: 3 })).rejects.toThrow(
      new TypeError('createFlashAttention: record.entries must be an array, got 3'),
    )
    const flash = await create([])
    const wrong = { ...record, clock: '' } as unknown as TuningRecord
    expect(() => flash.useTuning([record, wrong])).toThrow('flash.useTuning: record 1.clock must')
    expect(flash.plan(options).explain().tile).not.toEqual(slowTile)
  })
})
