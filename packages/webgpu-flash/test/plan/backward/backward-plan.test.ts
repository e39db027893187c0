import { describe, expect, it } from 'vitest'
import { floatTable, mask, scoreModifier, softcap, UnsupportedError } from '@attn/core'
import type { FloatTable } from '@attn/core'
import { defaultCapabilities } from '../../../src/device/capabilities.ts'
import { planBackward } from '../../../src/plan/backward/backward-plan.ts'
import type { GradientPasses } from '../../../src/plan/backward/gradient-passes.ts'
import type { BackwardPlan } from '../../../src/plan/backward/backward-plan.ts'
import { explainBackward } from '../../../src/plan/backward/explain-backward.ts'
import { planForward } from '../../../src/plan/plan.ts'
import type { PlanOptions } from '../../../src/plan/plan-options.ts'

const causal = mask('causal', ({ query, key }) => key.le(query))
const base: PlanOptions = { heads: 4, queryLength: 512, headDim: 64 }

function plan(options: Partial<PlanOptions> = {}): BackwardPlan {
  const forward = planForward({ ...base, ...options }, defaultCapabilities)
  const { backwardTiles = {} } = options
  return planBackward('flash.plan', forward, backwardTiles, defaultCapabilities)
}

const trainable = (shape: readonly number[]): FloatTable =>
  floatTable('bias', new Float32Array(shape.reduce((a, b) => a * b, 1)), shape, { trainable: true })

describe('planBackward', () => {
  it('needs memory that is linear in the lengths', () => {
    const bytes = [1024, 2048, 4096].map((queryLength) => {
      const { memoryBytes } = explainBackward(plan({ queryLength, mask: causal }))
      const { softmaxRows, tables, tableSums, gradients } = memoryBytes
      expect({ softmaxRows, tableSums, gradients }).toEqual({
        softmaxRows: 8 * 4 * queryLength,
        tableSums: 0,
        gradients: 3 * 4 * 4 * 64 * queryLength,
      })
      return tables
    })
    expect(bytes[2]! / bytes[1]!).toBeLessThan(2.1)
    expect(bytes[1]! / bytes[0]!).toBeLessThan(2.1)
  })

  it('makes 3.5 times the operations of forward, in the tiles that the mask leaves', () => {
    const dense = explainBackward(plan())
    expect(dense.floatingPointOperations).toBe(3.5 * 4 * 4 * 512 * 512 * 64)
    const sparse = explainBackward(plan({ mask: causal }))
    expect(sparse.query.blocks.visited).toBeLessThan(0.6 * sparse.query.blocks.total)
    expect(sparse.key.blocks.visited).toBeLessThan(0.6 * sparse.key.blocks.total)
  })

  it('lists the same tiles by key as by query, where the kernels have one tile', () => {
    const tile = {
      rows: 32,
      columns: 32,
      threadRows: 8,
      threadColumns: 8,
      dimChunk: 8,
      sourceChunk: 8,
    }
    const { query, key } = plan({ mask: causal, backwardTiles: { query: tile, key: tile } })
    expect(key.passes[0].packedMap!.visited).toBe(query.passes[0].packedMap!.visited)
    expect(key.passes[0].packedMap!.full).toBe(query.passes[0].packedMap!.full)
    // Causal: the first key tile is seen by all queries, the first query tile sees one.
    expect([query.passes[0].packedMap!.rowTiles[0], key.passes[0].packedMap!.rowTiles[0]]).toEqual([
      1, 16,
    ])
  })

  it('draws on what is visible whatever kernel the forward pass has', () => {
    const masks = { causal, blocks: mask('blocks', ({ query, key }) => key.ge(query)) }
    for (const queryLength of [1, 3, 16, 17]) {
      for (const pattern of [undefined, ...Object.values(masks)]) {
        for (const keyLengths of [[64], [40]]) {
          const options = { queryLength, keyLength: 64, headDim: 128, keyLengths }
          const asked = { ...options, ...(pattern && { mask: pattern }) }
          const { query, key } = plan(asked)
          const forward = planForward({ ...base, ...asked }, defaultCapabilities)
          expect(forward.kind === 'decode').toBe(queryLength <= 16)
          const hides = pattern !== undefined || keyLengths[0] !== 64
          expect([
            query.passes[0].blockMap !== undefined,
            key.passes[0].blockMap !== undefined,
          ]).toEqual([hides, hides])
          const visible = ({ rows, columns }: { rows: number; columns: number }) =>
            forward.call.visibility.blockMap({ queryBlockSize: rows, keyBlockSize: columns })
          expect(query.passes[0].blockMap).toEqual(visible(query.kernel.tile))
        }
      }
    }
  })

  it('takes tiles of two teams where they fit and are faster', () => {
    const large = {
      ...defaultCapabilities,
      limits: {
        ...defaultCapabilities.limits,
        maxComputeWorkgroupStorageSize: 48 * 1024,
        maxComputeInvocationsPerWorkgroup: 1024,
      },
    }
    const teamsOf = ({ kernel }: GradientPasses): number | undefined =>
      kernel.kind === 'tiled' ? kernel.tile.teams : undefined
    const teams = (options: Partial<PlanOptions> = {}): (number | undefined)[] => {
      const forward = planForward({ ...base, ...options }, large)
      const { query, key } = planBackward('flash.plan', forward, {}, large)
      return [teamsOf(query), teamsOf(key)]
    }
    const one = [undefined, undefined]
    expect(teams()).toEqual([2, 2])
    expect(teams({ mask: causal, dtype: 'float16', headDim: 128 })).toEqual([2, 2])
    expect(teams({ dtype: 'float16' })).toEqual(one)
    expect(teams({ headDim: 32 })).toEqual(one)
    expect(teams({ queryLength: 64 })).toEqual(one)
    expect(teams({ dropout: { rate: 0.5, seed: 1 } })).toEqual(one)
    expect(teams({ scoreModifiers: [softcap(5)] })).toEqual(one)
    const sprinkled = mask('sprinkled', ({ query, key }) => query.add(key).mod(16).eq(0))
    expect(teams({ mask: sprinkled })).toEqual(one)
    const bias = scoreModifier('bias', (score, { head }) => score.add(trainable([4]).at(head)))
    expect(teams({ scoreModifiers: [bias] })).toEqual([undefined, 2])
    expect([plan().query, plan().key].map(teamsOf)).toEqual(one)
  })

  it('refuses two teams for gradients of tables', () => {
    const bias = scoreModifier('bias', (score, { head }) => score.add(trainable([4]).at(head)))
    const tile = {
      rows: 16,
      columns: 16,
      threadRows: 4,
      threadColumns: 4,
      dimChunk: 8,
      sourceChunk: 8,
      teams: 2,
    } as const
    expect(() => plan({ scoreModifiers: [bias], backwardTiles: { query: tile } })).toThrow(
      'two teams cannot sum gradients of tables',
    )
    expect(() => plan({ valueDim: 32, backwardTiles: { key: tile } })).toThrow(
      'as many chunks of dims, got headDim 64 and valueDim 32',
    )
  })

  it('takes slopes out of the kernel where all are 1', () => {
    const slopes = floatTable('slopes', [1, 2, 3, 4])
    const shift = scoreModifier('shift', (score, { head }) => score.add(slopes.at(head)))
    expect(plan({ scoreModifiers: [shift] }).key.passes[0].rules.hasSlopes).toBe(false)
    expect(plan({ scoreModifiers: [shift, softcap(5)] }).key.passes[0].rules.hasSlopes).toBe(true)
  })

  it('refuses sums of tables that would not fit', () => {
    const modifier = scoreModifier('bias', (score, { key }) =>
      score.add(trainable([1025]).at(key.mod(1025))),
    )
    const make = (): BackwardPlan => plan({ scoreModifiers: [modifier] })
    expect(make).toThrow(UnsupportedError)
    expect(make).toThrow('flash.plan: the gradient of table bias needs 1025 sums a head')
  })

  it('refuses gradients of tables that cannot be bound', () => {
    const limits = { ...defaultCapabilities.limits, maxStorageBufferBindingSize: 4 * 512 * 512 - 4 }
    const bias = trainable([512, 512])
    const modifier = scoreModifier('bias', (score, { query, key }) =>
      score.add(bias.at(query, key)),
    )
    const forward = planForward({ ...base, scoreModifiers: [modifier] }, defaultCapabilities)
    const make = (): BackwardPlan =>
      planBackward('flash.plan', forward, {}, { ...defaultCapabilities, limits })
    expect(make).toThrow(UnsupportedError)
    expect(make).toThrow('gradients of trainable tables need 1048576 bytes')
  })
})

describe('tables', () => {
  const kinds = (options: Partial<PlanOptions>) =>
    plan(options).storage.lookups.map(({ direct, ownEntries }) => ({ direct, ownEntries }))
  const look = (
    table: FloatTable,
    ...axes: readonly ('batch' | 'head' | 'query' | 'queryIndex' | 'key')[]
  ) => scoreModifier('look', (score, at) => score.add(table.at(...axes.map((axis) => at[axis]))))

  it('are summed by what varies within a head, or added to in place where pairs have their own', () => {
    const buckets = trainable([32, 4])
    const t5 = scoreModifier('t5', (score, { head, query, key }) =>
      score.add(buckets.at(query.sub(key), head)),
    )
    expect(kinds({ scoreModifiers: [t5] })).toEqual([{ direct: false, ownEntries: 32 }])
    expect(kinds({ scoreModifiers: [look(trainable([4]), 'head')] })).toEqual([
      { direct: false, ownEntries: 1 },
    ])
    const full = look(trainable([4, 512, 512]), 'head', 'queryIndex', 'key')
    expect(kinds({ scoreModifiers: [full] })).toEqual([{ direct: true, ownEntries: 4 * 512 * 512 }])
  })

  it.each([
    ['keys beyond its end', 500, {}],
    ['queries before its start', 512, { queryOffset: -1 }],
    ['queries beyond its end', 512, { queryOffset: 1 }],
  ])('are not added to in place with %s, which share entries', (_, keys, options) => {
    const table = trainable([512, keys])
    const bounded = scoreModifier('bounded', (score, { query, key }) =>
      score.add(table.at(query.max(0).min(511), key.min(keys - 1))),
    )
    const make = () => plan({ scoreModifiers: [bounded], ...options })
    expect(make).toThrow(UnsupportedError)
  })

  it('that heads or sequences share are taken a head at a time', () => {
    const own = look(trainable([2, 4, 64, 64]), 'batch', 'head', 'queryIndex', 'key')
    const shared = look(trainable([4, 64, 64]), 'head', 'queryIndex', 'key')
    const sizes = { batch: 2, queryLength: 64 }
    expect(plan({ ...sizes, scoreModifiers: [own] }).storage.separatePlanes).toBe(false)
    expect(plan({ ...sizes, scoreModifiers: [shared] }).storage.separatePlanes).toBe(true)
    const single = { queryLength: 64, scoreModifiers: [shared] }
    expect(plan(single).storage.separatePlanes).toBe(false)
  })
})
