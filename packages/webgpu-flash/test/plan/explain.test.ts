import { describe, expect, it } from 'vitest'
import { compile, floatTable, mask, numbersOf, scoreModifier } from '@attn/core'
import type { Mask } from '@attn/core'
import { defaultCapabilities } from '../../src/device/capabilities.ts'
import { explainPlan } from '../../src/plan/explain.ts'
import type { PlanExplanation } from '../../src/plan/explanation.ts'
import { formatExplanation } from '../../src/plan/format-explanation.ts'
import { planForward } from '../../src/plan/plan.ts'
import type { PlanOptions } from '../../src/plan/plan-options.ts'

const causal = mask('causal', ({ query, key }) => key.le(query))
const perHead = mask('perHead', ({ batch, head, query, key }) =>
  query.sub(key).abs().lt(head.add(1).mul(40)).or(key.eq(batch)),
)
const slopes = floatTable('slopes', [0.5, 0.25, 0.125, 0.1])
const alibi = scoreModifier('alibi', (score, { head, query, key }) =>
  score.sub(slopes.at(head.mod(4)).mul(query.sub(key))),
)

function explain(options: PlanOptions): PlanExplanation {
  return explainPlan(planForward(options, defaultCapabilities), defaultCapabilities)
}

/** Tiles counted by looking at every pair of every head. */
function countTiles(pattern: Mask, options: PlanOptions, tile: PlanExplanation['tile']) {
  const { batch = 1, heads, queryLength, keyLength = queryLength } = options
  const keyLengths = options.keyLengths && numbersOf(options.keyLengths)
  const visible = compile(pattern.expression)
  const counts = { total: 0, visited: 0, full: 0, partial: 0, skipped: 0 }
  for (let b = 0; b < batch; b++) {
    const keys = keyLengths?.[b] ?? keyLength
    const offset = keys - queryLength
    for (let head = 0; head < heads; head++) {
      for (let firstRow = 0; firstRow < queryLength; firstRow += tile.queries) {
        for (let firstKey = 0; firstKey < keyLength; firstKey += tile.keys) {
          let seen = 0
          const rows = Math.min(tile.queries, queryLength - firstRow)
          for (let i = firstRow; i < firstRow + rows; i++) {
            for (let key = firstKey; key < Math.min(firstKey + tile.keys, keys); key++) {
              seen += visible({ batch: b, head, query: offset + i, queryIndex: i, key })
            }
          }
          counts.total++
          if (seen === 0) counts.skipped++
          else if (seen === rows * tile.keys) counts.full++
          else counts.partial++
        }
      }
    }
  }
  return { ...counts, visited: counts.full + counts.partial }
}

describe('explainPlan', () => {
  it.each<[string, Mask, PlanOptions]>([
    ['a shared map', causal, { heads: 3, queryLength: 200, headDim: 24, valueDim: 8 }],
    [
      'maps of their own, padding, other queries than keys',
      perHead,
      {
        batch: 2,
        heads: 4,
        kvHeads: 2,
        queryLength: 150,
        keyLength: 260,
        headDim: 16,
        keyLengths: [260, 170],
      },
    ],
  ])('counts what looking at every pair counts: %s', (_, pattern, options) => {
    const { tile, blocks, floatingPointOperations, ...rest } = explain({
      ...options,
      mask: pattern,
    })
    const counted = countTiles(pattern, options, tile)
    expect(blocks).toEqual(counted)
    const { headDim, valueDim = headDim, queryLength, heads, batch = 1 } = options
    const perTile = tile.queries * tile.keys * 2 * (headDim + valueDim)
    expect(floatingPointOperations).toBe(counted.visited * perTile)
    const rows = batch * heads * queryLength
    expect(rest.bytes).toEqual({
      read: 4 * counted.visited * (tile.queries * headDim + tile.keys * (headDim + valueDim)),
      written: rows * (valueDim + 1) * 4,
    })
    expect(rest.memoryBytes).toMatchObject({ output: rows * valueDim * 4, logSumExp: rows * 4 })
    expect(rest.scoreBytes).toBe(rows * (options.keyLength ?? queryLength) * 4)
  })

  it('counts all tiles without a mask, full but for the last keys', () => {
    const { tile, blocks } = explain({ heads: 2, queryLength: 100, keyLength: 250, headDim: 64 })
    const rows = 2 * Math.ceil(100 / tile.queries)
    const columns = Math.ceil(250 / tile.keys)
    const tail = 250 % tile.keys === 0 ? 0 : 1
    expect(blocks).toEqual({
      total: rows * columns,
      visited: rows * columns,
      full: rows * (columns - tail),
      partial: rows * tail,
      skipped: 0,
    })
  })

  it('says what was planned, with names and defaults', () => {
    const options: PlanOptions = {
      heads: 4,
      queryLength: 64,
      headDim: 32,
      mask: causal,
      scoreModifiers: [alibi],
      sinks: [0, 0, 0, 0],
    }
    expect(explain(options).call).toEqual({
      batch: 1,
      heads: 4,
      kvHeads: 4,
      queryLength: 64,
      keyLength: 64,
      headDim: 32,
      valueDim: 32,
      dtype: 'float32',
      mask: 'causal',
      scoreModifiers: ['alibi'],
      dropout: false,
      sinks: true,
    })
  })

  it('counts dispatches, and bytes of halves', () => {
    const options: PlanOptions = { heads: 4, queryLength: 256, headDim: 32 }
    expect(explain(options).dispatches).toBe(1)
    const { floatingPointOperations } = explain(options)
    const workBudget = floatingPointOperations / 4
    expect(explain({ ...options, workBudget }).dispatches).toBe(4)
    expect(explain({ ...options, dtype: 'float16' }).memoryBytes.output).toBe(4 * 256 * 32 * 2)
  })

  it('is plain data', () => {
    const explanation = explain({ heads: 4, queryLength: 64, headDim: 32, mask: causal })
    expect(JSON.parse(JSON.stringify(explanation))).toEqual(explanation)
  })
})

describe('formatExplanation', () => {
  const options: PlanOptions = {
    heads: 8,
    kvHeads: 2,
    queryLength: 4096,
    headDim: 64,
    valueDim: 32,
    mask: causal,
    scoreModifiers: [alibi],
  }

  it('answers one question a line', () => {
    const explanation = explain(options)
    const { blocks } = explanation
    const lines = formatExplanation(explanation).split('\n')
    const names = lines.map((line) => line.slice(0, 11).trim())
    expect(names.slice(0, 7)).toEqual([
      'attention',
      'kernel',
      'tile',
      'blocks',
      'work',
      'traffic',
      'memory',
    ])
    expect(lines[0]).toBe(
      'attention  1 sequence, 8 heads on 2 key heads, 4,096 queries x 4,096 keys, dims 64 and 32, float32, mask causal, alibi',
    )
    const digits = (value: number): string => value.toLocaleString('en-US')
    expect(lines[3]).toContain(`${digits(blocks.visited)} of ${digits(blocks.total)} visited`)
    expect(lines[3]).toContain(`${digits(blocks.skipped)} skipped`)
    expect(lines[6]).toContain('output 4.00 MiB, log-sum-exp 128 KiB')
    expect(lines[6]).toContain('scores, never stored: 512 MiB')
  })

  it.each([
    [1, '1 FLOP'],
    [999, '999 FLOP'],
    [999_600, '1.00 MFLOP'],
    [123_456, '123 kFLOP'],
    [2.5e18, '2500 PFLOP'],
  ])('writes %d operations as %s', (floatingPointOperations, text) => {
    const explanation = { ...explain(options), floatingPointOperations }
    expect(formatExplanation(explanation).replace('2.50e+3', '2500')).toContain(
      `work       ${text} in`,
    )
  })
})
