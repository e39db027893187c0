// The masks and score modifiers that the suite needs, written with core's builder: core may not
// import @attn/masks and @attn/positions, which have the public ones.
import { floatTable, integerTable, mask, scoreModifier } from '../../src/index.ts'
import type { FloatTable, Mask, ScoreModifier } from '../../src/index.ts'

export const causal: Mask = mask('causal', ({ query, key }) => key.le(query))

export function slidingWindow(left: number, right: number): Mask {
  return mask('slidingWindow', ({ query, key }) =>
    key.ge(query.sub(left)).and(key.le(query.add(right))),
  )
}

/** Sparse Transformer (arXiv 1904.10509), both heads merged. */
export function strided(stride: number): Mask {
  return mask('strided', ({ query, key }) => {
    const distance = query.sub(key)
    return distance.ge(0).and(distance.le(stride).or(distance.mod(stride).eq(0)))
  })
}

/** Sparse Transformer's fixed pattern, both heads merged: own block and its last `summary` columns. */
export function fixed(stride: number, summary: number): Mask {
  return mask('fixed', ({ query, key }) =>
    key.le(query).and(
      key
        .floorDiv(stride)
        .eq(query.floorDiv(stride))
        .or(key.mod(stride).ge(stride - summary)),
    ),
  )
}

/** Causal within each of the documents packed into one sequence. */
export function causalDocuments(documents: readonly number[]): Mask {
  const table = integerTable('documents', documents)
  return mask('causalDocuments', ({ query, key }) =>
    key.le(query).and(table.at(query).eq(table.at(key))),
  )
}

export function prefixLm(prefix: number): Mask {
  return mask('prefixLm', ({ query, key }) => key.le(query).or(key.lt(prefix)))
}

/** Every query sees keys at least three places before it: the first rows see nothing. */
export const distantPast: Mask = mask('distantPast', ({ query, key }) => key.lt(query.sub(2)))

/** ALiBi (arXiv 2108.12409) with the slopes given. */
export function alibi(slopes: readonly number[]): ScoreModifier {
  const table = floatTable('slopes', slopes)
  return scoreModifier('alibi', (score, { head, query, key }) =>
    score.sub(table.at(head).mul(query.sub(key))),
  )
}

/** The same for any number of heads, which take the slopes in turn. */
export function alibiInTurn(slopes: readonly number[]): ScoreModifier {
  const table = floatTable('slopes', slopes)
  return scoreModifier('alibi', (score, { head, query, key }) =>
    score.sub(table.at(head.mod(slopes.length)).mul(query.sub(key))),
  )
}

export interface T5Options {
  readonly numBuckets: number
  readonly maxDistance: number
  readonly bidirectional: boolean
}

/** Bucket of a relative position `key - query` in T5 (arXiv 1910.10683), as transformers computes it. */
export function t5Bucket(relative: number, options: T5Options): number {
  const { numBuckets, maxDistance, bidirectional } = options
  const buckets = bidirectional ? numBuckets / 2 : numBuckets
  const side = bidirectional && relative > 0 ? buckets : 0
  const distance = bidirectional ? Math.abs(relative) : Math.max(-relative, 0)
  const exact = Math.floor(buckets / 2)
  if (distance < exact) return side + distance
  const share = Math.fround(Math.log(distance / exact)) / Math.log(maxDistance / exact)
  return side + Math.min(exact + Math.floor(Math.fround(share * (buckets - exact))), buckets - 1)
}

/** T5's bias: a trainable table `[numBuckets, heads]`, its rows chosen by a table of buckets. */
export function t5Bias(
  values: Float32Array | Float64Array,
  heads: number,
  options: T5Options,
): { readonly table: FloatTable; readonly modifier: ScoreModifier } {
  const { numBuckets, maxDistance } = options
  const table = floatTable('t5Bias', values, [numBuckets, heads], { trainable: true })
  // Beyond the distance at which the last bucket begins, clamping the index changes nothing.
  const buckets = integerTable(
    't5Buckets',
    Array.from({ length: 2 * maxDistance + 1 }, (_, index) =>
      t5Bucket(index - maxDistance, options),
    ),
  )
  const modifier = scoreModifier('t5Bias', (score, { head, query, key }) =>
    score.add(table.at(buckets.at(key.sub(query).add(maxDistance)), head)),
  )
  return { table, modifier }
}
