import { describe, expect, it } from 'vitest'
import { createBlockMap, floatTable, integerTable, mask, scoreModifier } from '@attn/core'
import { defaultCapabilities } from '../../src/device/capabilities.ts'
import { planBackward } from '../../src/plan/backward/backward-plan.ts'
import { explainPlan } from '../../src/plan/explain.ts'
import { formatExplanation } from '../../src/plan/format-explanation.ts'
import { planForward } from '../../src/plan/plan.ts'
import type { PlanOptions } from '../../src/plan/plan-options.ts'
import type { ForwardPlan } from '../../src/plan/forward/forward-plan.ts'
import { inPasses } from './plans.ts'

const causal = mask('causal', ({ query, key }) => key.le(query))
const strided = {
  ...mask('strided', ({ query, key }) => query.sub(key).mod(64).eq(0)),
  orders: [{ kind: 'residues', stride: 64 }],
} as const
const buckets = integerTable('buckets', [0, 1, 1, 2, 2, 2, 3])
const bias = floatTable('bias', new Float32Array(8), [4, 2])
const t5 = scoreModifier('t5', (score, { head, query, key }) =>
  score.add(bias.at(buckets.at(query.sub(key)), head)),
)
const call = { heads: 2, queryLength: 700, headDim: 16 }
const sequences = { cumulativeQueryLengths: [0, 300, 300, 700] }

const plan = (options: Partial<PlanOptions>): ForwardPlan =>
  planForward({ ...call, ...options }, defaultCapabilities)

describe('plans of packed sequences', () => {
  it('change scores by distance with the code of a single sequence', () => {
    const packed = plan({ mask: causal, scoreModifiers: [t5], sequences })
    const single = plan({ mask: causal, scoreModifiers: [t5] })
    const functionsOf = ({ call: { rules } }: ForwardPlan): string[] =>
      ['lookUp', 'modified'].map((name) => rules.code.split(`fn ${name}(`)[1]!.split('\n}')[0]!)
    // Places of tables differ, the mask's come first.
    const placeless = (text: string): string => text.replace(/tables\[\d\]\.\w/g, 'table')
    expect(functionsOf(packed).map(placeless)).toEqual(functionsOf(single).map(placeless))
    expect(functionsOf(packed)[0]).toContain('headValue')
  })

  it('need no other text for other lengths', () => {
    const options = { mask: causal, scoreModifiers: [t5], dropout: { rate: 0.1, seed: 1 } }
    const one = plan({ ...options, sequences })
    const other = plan({ ...options, sequences: { cumulativeQueryLengths: [0, 1, 2, 699, 700] } })
    expect(other.call.rules.code).toBe(one.call.rules.code)
    const codeOf = (forward: ForwardPlan): string =>
      planBackward('test', forward, {}, defaultCapabilities).key.passes[0].rules.code
    expect(codeOf(other)).toBe(codeOf(one))
  })

  it('visit the tiles of the sequences alone, forward and backward', () => {
    const packed = plan({ mask: causal, sequences })
    const { keys, queries } = inPasses(packed).passes[0].kernel.tile
    const visitedBy = (queryLength: number): number => {
      const shape = { batch: 1, heads: 1, queryLength, keyLength: queryLength }
      const sizes = { queryBlockSize: queries, keyBlockSize: keys }
      const map = createBlockMap(causal, shape, sizes)
      return Array.from(map.runs).reduce(
        (sum, word, index) => sum + (index % 2 ? word >>> 1 : 0),
        0,
      )
    }
    const { blocks, call: planned } = explainPlan(packed, defaultCapabilities)
    expect(planned.sequences).toBe(3)
    // Those of the two alone, and a tile at most where the second begins within one for each row and column.
    const alone = visitedBy(300) + visitedBy(400)
    expect(blocks.visited / 2).toBeGreaterThanOrEqual(alone)
    expect(blocks.visited / 2 - alone).toBeLessThan(400 / keys + 400 / queries + 4)
    const { query, key } = planBackward('test', packed, {}, defaultCapabilities)
    expect(query.passes[0].packedMap!.visited).toBeLessThan(
      0.4 * query.passes[0].rowTiles * query.passes[0].columnTiles,
    )
    expect(key.passes[0].packedMap!.visited).toBeLessThan(
      0.4 * key.passes[0].rowTiles * key.passes[0].columnTiles,
    )
    expect(formatExplanation(explainPlan(packed, defaultCapabilities))).toContain(
      '3 packed sequences, 2 heads',
    )
  })

  it('stay in natural order', () => {
    const orders = (options: Partial<PlanOptions>) =>
      inPasses(plan({ mask: strided, ...options })).passes.map((pass) => pass.orders !== undefined)
    expect(orders({})).toEqual([true])
    expect(orders({ sequences })).toEqual([false])
  })

  it('turn rows by their places within the sequence, or by the positions given', () => {
    const rotary = {
      inverseFrequencies: [1, 0.1],
      attentionFactor: 1,
      layout: 'half',
      rotaryDim: 4,
    } as const
    const cross = { ...sequences, cumulativeKeyLengths: [0, 310, 310, 700] }
    const { rope } = plan({ rope: rotary, sequences: cross }).call
    const wholes = (words: Uint32Array): number[] =>
      [0, 299, 300, 699].map((row) => words[2 * row]! | 0)
    expect(wholes(rope!.query!.positions.words)).toEqual([10, 309, -10, 389])
    expect(wholes(rope!.key!.positions.words)).toEqual([0, 299, 300, 389])
    const given = plan({ rope: { query: rotary, queryPositions: 5 }, sequences: cross }).call
    expect(Array.from(given.rope!.query!.positions.words)).toEqual([5, 0])
  })

  it('refuse what core refuses', () => {
    expect(() => plan({ batch: 2, sequences })).toThrow('flash.plan: packed sequences lie in one')
    expect(() => plan({ sequences: { cumulativeQueryLengths: [0, 600] } })).toThrow(
      'must end with the query length 700',
    )
    expect(() => plan({ lengths: 'call', sequences })).toThrow(
      "sequences cannot be given here with lengths 'call'",
    )
  })
})
