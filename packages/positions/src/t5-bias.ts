// T5's relative position bias: a learned number for every head and bucket of distances, added to
// the attention scores (Raffel et al., arXiv 1910.10683; Mesh TensorFlow's transformer_layers.py).
// It is not added to the values, whatever some lectures say; values carry no position in T5.
import {
  checkOptions,
  floatTable,
  integerTable,
  rangeError,
  scoreModifier,
  typeError,
} from '@attn/core'
import type { OptionNames, ScoreModifier, Table } from '@attn/core'
import { checkPositiveInteger } from './check-size.ts'

/** How distances fall into buckets. */
export interface T5BucketOptions {
  /** Number of buckets. Default: 32. Bidirectional bias uses half of them for each side. */
  readonly buckets?: number | undefined
  /**
   * Distance from which on all keys share the last bucket. Default: 128. Choose it below the
   * training length: buckets that training never reaches stay random and wreck longer sequences.
   */
  readonly maxDistance?: number | undefined
  /** True in encoders; false in decoders, where keys after the query count as distance 0. */
  readonly bidirectional: boolean
}

/** Options of {@link t5Bias}. */
export interface T5BiasOptions extends T5BucketOptions {
  /** H: number of query heads. */
  readonly heads: number
  /**
   * Row-major `[buckets, heads]`, as in `relative_attention_bias.weight` of a checkpoint. A
   * Float32Array or Float64Array is kept, so training may update it in place. Default: zeros.
   */
  readonly table?: ArrayLike<number> | undefined
}

/** T5's bias: a score modifier that knows its trainable table. */
export interface T5Bias extends ScoreModifier {
  /** `[buckets, heads]`; the backward pass returns its gradient. */
  readonly table: Table
}

/**
 * The bucket of every distance 0 .. maxDistance on one side of the query. The first half of the
 * buckets holds one distance each, the rest grow logarithmically up to `maxDistance`. The
 * boundaries are decided in integers, since the logarithms at distances such as 16, 32 and 64 are
 * whole numbers that rounding would put on either side.
 */
function bucketsByDistance(caller: string, options: T5BucketOptions): Int32Array {
  const { buckets = 32, maxDistance = 128, bidirectional } = options
  if (typeof bidirectional !== 'boolean') {
    throw typeError(`${caller}: bidirectional must be true or false, got ${typeof bidirectional}`)
  }
  const sides = bidirectional ? 2 : 1
  if (!Number.isInteger(buckets) || buckets < 2 * sides) {
    throw rangeError(`${caller}: buckets must be an integer >= ${2 * sides}, got ${buckets}`)
  }
  const oneSide = Math.floor(buckets / sides)
  const exact = Math.floor(oneSide / 2)
  if (!Number.isInteger(maxDistance) || maxDistance <= exact) {
    throw rangeError(
      `${caller}: maxDistance must be an integer above ${exact} (the distances with a bucket of their own), got ${maxDistance}`,
    )
  }
  // Bucket exact + b begins where log(n / exact) / log(maxDistance / exact) * wide >= b, that is
  // (n / exact)^wide >= (maxDistance / exact)^b.
  const wide = oneSide - exact
  const reaches = (distance: number, b: number): boolean =>
    BigInt(distance) ** BigInt(wide) * BigInt(exact) ** BigInt(b) >=
    BigInt(maxDistance) ** BigInt(b) * BigInt(exact) ** BigInt(wide)
  const result = new Int32Array(maxDistance + 1)
  let current = 0
  for (let distance = 0; distance <= maxDistance; distance++) {
    if (distance <= exact) current = distance
    else while (current < oneSide - 1 && reaches(distance, current + 1 - exact)) current++
    result[distance] = current
  }
  return result
}

const t5BucketOptions: OptionNames<T5BucketOptions> = {
  buckets: true,
  maxDistance: true,
  bidirectional: true,
}

/**
 * The bucket of a relative position.
 *
 * @param relativePosition - key position - query position.
 * @throws RangeError when an option is out of range or the position is not an integer.
 *
 * @example
 * ```ts
 * import { t5Bucket } from '@attn/positions'
 * t5Bucket(-16, { bidirectional: false }) // => 16
 * t5Bucket(-113, { bidirectional: false }) // => 31
 * t5Bucket(16, { bidirectional: true }) // => 26
 * ```
 */
export function t5Bucket(relativePosition: number, options: T5BucketOptions): number {
  checkOptions('t5Bucket', options, t5BucketOptions)
  if (!Number.isInteger(relativePosition)) {
    throw rangeError(`t5Bucket: relativePosition must be an integer, got ${relativePosition}`)
  }
  const { buckets = 32, maxDistance = 128, bidirectional } = options
  const byDistance = bucketsByDistance('t5Bucket', options)
  const distance = bidirectional ? Math.abs(relativePosition) : Math.max(-relativePosition, 0)
  const side = bidirectional && relativePosition > 0 ? Math.floor(buckets / 2) : 0
  return side + byDistance[Math.min(distance, maxDistance)]!
}

const t5BiasOptions: OptionNames<T5BiasOptions> = {
  buckets: true,
  maxDistance: true,
  bidirectional: true,
  heads: true,
  table: true,
}

/**
 * T5's relative position bias as a score modifier with a trainable table. Buckets are looked up by
 * distance in a table of integers, so no backend computes a logarithm. T5 itself also leaves scores
 * unscaled: pass `scale: 1` to attention for its checkpoints. One table serves all layers; encoder
 * and decoder have one each, and cross-attention none.
 *
 * @throws RangeError when an option is out of range or the table does not fit.
 *
 * @example
 * ```ts
 * import { compile } from '@attn/core'
 * import { t5Bias } from '@attn/positions'
 * const table = Float32Array.from({ length: 32 * 2 }, (_, index) => index) // [32 buckets, 2 heads]
 * const bias = t5Bias({ heads: 2, bidirectional: false, table })
 * compile(bias.expression)({ score: 0.5, head: 1, query: 20, key: 4 }) // => 33.5
 * bias.table.trainable // => true
 * ```
 */
export function t5Bias(options: T5BiasOptions): T5Bias {
  checkOptions('t5Bias', options, t5BiasOptions)
  const { heads, buckets = 32, bidirectional } = options
  const byDistance = integerTable('t5Buckets', bucketsByDistance('t5Bias', options))
  checkPositiveInteger('t5Bias', 'heads', heads)
  const { table: values = new Float32Array(buckets * heads) } = options
  if (values.length !== buckets * heads) {
    throw rangeError(
      `t5Bias: table must hold buckets * heads = ${buckets * heads} numbers, got ${values.length}`,
    )
  }
  const bias = floatTable('t5Bias', values, [buckets, heads], { trainable: true })
  const modifier = scoreModifier('t5Bias', (score, { head, query, key }) => {
    const distance = query.sub(key)
    // Tables clamp their index: a key after the query is at distance 0, a far one at maxDistance.
    const bucket = bidirectional
      ? byDistance.at(distance.abs()).add(key.gt(query).select(Math.floor(buckets / 2), 0))
      : byDistance.at(distance)
    return score.add(bias.at(bucket, head))
  })
  return Object.freeze({ ...modifier, table: bias.table })
}
