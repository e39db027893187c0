// What a dense layer's attention weights look like: how much of them a sparse pattern could have
// known beforehand. Sparse Transformers (arXiv 1904.10509, figure 2) found layers that are local, layers that
// split into rows and columns of the image, and layers that depend on the data.
import { checkOptions, rangeError, shapeError, toFloat64Array } from '@attn/core'
import type { OptionNames, Tensor } from '@attn/core'
import { checkInteger } from '../check.ts'
import { defaultBand, placeOf, spanOf, splitWeights } from './weight-places.ts'
import type { PlaceRules, WeightParts } from './weight-places.ts'

/** How to sort attention weights. */
export interface SparsityProfileOptions {
  /**
   * Keys at most this far from the query are near. Default: the square root of the length, rounded; with
   * `width` an eighth of a row, at least 1.
   */
  readonly band?: number | undefined
  /**
   * Pixels in a row of the image, or another period to look for: keys in the query's row, and keys a
   * multiple of it away, are counted. Near keys of the row, and the query itself, count as row (or
   * column) up to what the farther keys of that row (column) get on average, and as local beyond that.
   * Default: none.
   */
  readonly width?: number | undefined
  /**
   * A key is a global one if at least half of the queries that are not near it give it this many times
   * what they would if they spread their weight evenly from their first to their last key, their own
   * position among them. Default: 8.
   */
  readonly globalFactor?: number | undefined
}

/** Where weights can lie. */
export type WeightPlace = 'local' | 'row' | 'column' | 'globalKeys' | 'elsewhere'

/** Shares of the weight; they add up to 1. */
export type WeightShares = Readonly<Record<WeightPlace, number>>

/** The profile of one head. */
export interface HeadProfile {
  /** Where the weight lies. */
  readonly shares: WeightShares
  /** Where it would lie if each query spread it evenly over the keys it gives any weight. */
  readonly chance: WeightShares
  /** Keys that nearly all queries attend to, such as attention sinks. */
  readonly globalKeys: readonly number[]
  /**
   * The share of the weight that no fixed pattern foresees. With several sequences: what they do not
   * agree on, 1 - the average over queries of the sum over keys of the smallest weight that any
   * sequence gives. With one, where nothing can be compared: the share that lies elsewhere.
   */
  readonly dataDependent: number
  /** Keys that hold 90% of a query's weight, averaged over queries: how sparse the weights are. */
  readonly keysForNinety: number
}

/** The profile of a layer. */
export interface SparsityProfile {
  readonly length: number
  readonly band: number
  readonly width: number | undefined
  /** One profile for each head. */
  readonly heads: readonly HeadProfile[]
  /** Average of the heads' shares. */
  readonly shares: WeightShares
  /** Average of the heads' data-dependent shares. */
  readonly dataDependent: number
}

export const weightPlaces: readonly WeightPlace[] = [
  'local',
  'row',
  'column',
  'globalKeys',
  'elsewhere',
]

const sparsityProfileOptions: OptionNames<SparsityProfileOptions> = {
  band: true,
  width: true,
  globalFactor: true,
}

/**
 * Sorts the attention weights of a dense layer into what a local band holds, what lies in rows or
 * columns of an image, what goes to keys that all attend to, and the rest; and says how much depends
 * on the data.
 *
 * @param probabilities - Weights after the softmax, `[B, H, L, L]`: each row adds up to 1, or to 0 for
 *   a query that sees nothing. Several sequences make the data-dependent share a measurement.
 * @throws RangeError for another shape, weights that are negative or not finite, or options that are not
 *   whole numbers.
 *
 * @example
 * ```ts
 * import { tensorFrom } from '@attn/core'
 * import { sparsityProfile } from '@attn/masks'
 * // Two queries in three look at themselves, one at key 0.
 * const weights = Array.from({ length: 64 * 64 }, (_, pair) => {
 *   const [query, key] = [Math.floor(pair / 64), pair % 64]
 *   return (query === key ? 2 / 3 : 0) + (key === 0 ? 1 / 3 : 0)
 * })
 * const { shares, heads } = sparsityProfile(tensorFrom(weights, [1, 1, 64, 64]), { band: 4 })
 * heads[0]!.globalKeys // => [0]
 * shares.local // => 0.69
 * shares.globalKeys // => 0.31
 * ```
 */
export function sparsityProfile(
  probabilities: Tensor,
  options: SparsityProfileOptions = {},
): SparsityProfile {
  checkOptions('sparsityProfile', options, sparsityProfileOptions)
  const [batch, heads, length] = checkedShape(probabilities)
  const { width, globalFactor = 8 } = options
  if (width !== undefined) checkInteger('sparsityProfile', 'width', width, 1)
  const { band = defaultBand(length, width) } = options
  checkInteger('sparsityProfile', 'band', band, 0)
  if (!(globalFactor > 0)) {
    throw rangeError(`sparsityProfile: globalFactor must be positive, got ${globalFactor}`)
  }
  const values = toFloat64Array(probabilities)
  const wrong = values.find((weight) => !(weight >= 0 && Number.isFinite(weight)))
  if (wrong !== undefined) {
    throw rangeError(`sparsityProfile: weights must be finite and at least 0, got ${wrong}`)
  }
  const size = length * length
  const profiles = Array.from({ length: heads }, (_, head) =>
    profileOf(
      Array.from({ length: batch }, (_, sequence) => {
        const start = (sequence * heads + head) * size
        return values.subarray(start, start + size)
      }),
      { length, band, width, globalFactor },
    ),
  )
  const average = (read: (profile: HeadProfile) => number): number =>
    profiles.reduce((sum, profile) => sum + read(profile), 0) / heads
  return {
    length,
    band,
    width,
    heads: profiles,
    shares: sharesOf((place) => average(({ shares }) => shares[place])),
    dataDependent: average(({ dataDependent }) => dataDependent),
  }
}

function checkedShape({ shape }: Tensor): readonly [number, number, number] {
  const [batch, heads, queries, keys] = shape
  if (shape.length !== 4 || queries !== keys || shape.includes(0)) {
    throw shapeError(
      `sparsityProfile: probabilities must have shape [batch, heads, length, length], got [${shape.join(', ')}]`,
    )
  }
  return [batch!, heads!, queries!]
}

const sharesOf = (read: (place: WeightPlace) => number): WeightShares => ({
  local: read('local'),
  row: read('row'),
  column: read('column'),
  globalKeys: read('globalKeys'),
  elsewhere: read('elsewhere'),
})

type Mutable<Shares> = { -readonly [Place in keyof Shares]: Shares[Place] }

interface Rules extends PlaceRules {
  readonly length: number
  readonly globalFactor: number
}

function profileOf(sequences: readonly Float64Array[], rules: Rules): HeadProfile {
  const globalKeys = globalKeysOf(sequences, rules)
  const isGlobal = new Set(globalKeys)
  const { length } = rules
  const shares = { local: 0, row: 0, column: 0, globalKeys: 0, elsewhere: 0 }
  const chance = { ...shares }
  let total = 0
  let agreed = 0
  let keysForNinety = 0
  let rows = 0
  for (let query = 0; query < length; query++) {
    const rowsHere = sequences.map((weights) =>
      weights.subarray(query * length, (query + 1) * length),
    )
    const weight = new Float64Array(length)
    for (const row of rowsHere) row.forEach((value, key) => (weight[key]! += value))
    const support = weight.reduce((count, value) => count + (value > 0 ? 1 : 0), 0)
    const sum = weight.reduce((all, value) => all + value, 0)
    if (sum === 0) continue
    const partsOf = splitWeights(query, weight, rules)
    const even = weight.map((value) => (value > 0 ? sum / support : 0))
    const evenPartsOf = splitWeights(query, even, rules)
    const addTo = (shares: Mutable<WeightShares>, key: number, parts: WeightParts): void => {
      shares.local += parts.local
      shares.row += parts.row
      shares.column += parts.column
      shares[isGlobal.has(key) ? 'globalKeys' : 'elsewhere'] += parts.elsewhere
    }
    for (let key = 0; key < length; key++) {
      if (weight[key] === 0) continue
      addTo(shares, key, partsOf(key))
      addTo(chance, key, evenPartsOf(key))
      agreed += rowsHere.reduce((least, row) => Math.min(least, row[key]!), Infinity)
    }
    total += sum
    rows += rowsHere.length
    for (const row of rowsHere) keysForNinety += keysHolding(row, 0.9)
  }
  const scale = total === 0 ? 0 : 1 / total
  const final = sharesOf((place) => shares[place] * scale)
  return {
    shares: final,
    chance: sharesOf((place) => chance[place] * scale),
    globalKeys,
    dataDependent:
      sequences.length > 1 ? Math.max(0, 1 - agreed * sequences.length * scale) : final.elsewhere,
    keysForNinety: rows === 0 ? 0 : keysForNinety / rows,
  }
}

/** Keys that at least half of the queries, of those whom position does not explain, single out. */
function globalKeysOf(sequences: readonly Float64Array[], rules: Rules): readonly number[] {
  const { length, globalFactor } = rules
  const queries = new Int32Array(length)
  const strong = new Int32Array(length)
  for (const weights of sequences) {
    for (let query = 0; query < length; query++) {
      const row = weights.subarray(query * length, (query + 1) * length)
      const { first, last } = spanOf(query, row)
      for (let key = first; key <= last; key++) {
        if (placeOf(query, key, rules) !== 'elsewhere') continue
        queries[key]!++
        if (row[key]! * (last - first + 1) >= globalFactor) strong[key]!++
      }
    }
  }
  // A key that few queries see from afar may stand out by chance.
  const fewest = (sequences.length * length) / 8
  return [...queries.keys()].filter(
    (key) => queries[key]! >= fewest && 2 * strong[key]! >= queries[key]!,
  )
}

/** How many of a row's largest weights hold a share of it. */
function keysHolding(row: Float64Array, share: number): number {
  const sorted = row.toSorted()
  const wanted = share * sorted.reduce((sum, value) => sum + value, 0)
  let held = 0
  let keys = 0
  while (held < wanted && keys < sorted.length) held += sorted[sorted.length - ++keys]!
  return keys
}
