// What is wrong with a backend's attention weights, as sentences.
import { cast, standardAttention, toFloat64Array } from '../../src/index.ts'
import type { AttentionOptions, Tensor, WeightsSelection } from '../../src/index.ts'
import { largestError, magnitude } from './compare.ts'
import { differs, tooLarge } from './forward-problems.ts'
import type { WeightsCase } from './weights-cases.ts'

/** A backend's attention weights: CPU tensors in, a CPU tensor out. */
export type Weigh = (
  query: Tensor,
  key: Tensor,
  options: AttentionOptions,
  choice: WeightsSelection,
) => Promise<Tensor>

/** What float32 sums of a few hundred terms near 1 stay within. */
const float32Floor = 1e-5
/** A weight is as exact as its score, of which this is what float32 rounds off in a few operations. */
const roundedOff = 2 ** -21

/** Against the probabilities of standard attention in float64, reduced as their definitions say. */
export async function weightsProblems(each: WeightsCase, weigh: Weigh): Promise<string[]> {
  const { query, key, value } = each.inputs()
  const result = await weigh(query, key, each.options, each.choice)
  const { probabilities, scores } = standardAttention(
    cast(query, 'float64'),
    cast(key, 'float64'),
    cast(value, 'float64'),
    each.options,
  )
  const expected = reduced(probabilities, each.choice)
  const allowed = float32Floor + roundedOff * magnitude(toFloat64Array(scores))
  const error = largestError(toFloat64Array(result), expected.values)
  return [
    ...differs('dtype', result.dtype, 'float32'),
    ...differs('shape', result.shape, expected.shape),
    ...tooLarge('weights', error, allowed * magnitude(expected.values)),
  ]
}

/** The definition, entry by entry. */
function reduced(
  probabilities: Tensor,
  { queries, heads, reduce = 'none' }: WeightsSelection,
): { readonly shape: readonly number[]; readonly values: Float64Array } {
  const [batch, allHeads, length, keys] = probabilities.shape as [number, number, number, number]
  const [start, end] = queries ?? [0, length]
  const chosen = heads ?? Array.from({ length: allHeads }, (_, head) => head)
  const at = (b: number, h: number, i: number, j: number): number =>
    probabilities.storage[((b * allHeads + h) * length + i) * keys + j]!
  const rows = Array.from({ length: end - start }, (_, i) => start + i)
  const all = <T>(count: number, of: (index: number) => T): T[] =>
    Array.from({ length: count }, (_, index) => of(index))
  const add = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0)
  const overKeys = (of: (j: number) => number): number[] => all(keys, of)
  const entries = all(batch, (b): (number[] | number[][])[] => {
    if (reduce === 'mean over heads') {
      return rows.map((i) =>
        overKeys((j) => add(chosen.map((h) => at(b, h, i, j))) / chosen.length),
      )
    }
    return chosen.map((h) => {
      if (reduce === 'none') return rows.map((i) => overKeys((j) => at(b, h, i, j)))
      const combine = reduce === 'maximum' ? (list: number[]) => Math.max(...list) : add
      return overKeys((j) => combine(rows.map((i) => at(b, h, i, j))))
    })
  })
  const shapes = {
    none: [batch, chosen.length, rows.length, keys],
    'sum over queries': [batch, chosen.length, keys],
    maximum: [batch, chosen.length, keys],
    'mean over heads': [batch, rows.length, keys],
  }
  return { shape: shapes[reduce], values: Float64Array.from(entries.flat(3)) }
}
