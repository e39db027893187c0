// Where on an image, or another periodic sequence, an attention weight lies: near its query, in its
// row, in its column, or elsewhere. Near keys lie in the row as well, and the query itself in row and
// column, so a share of them is owed to what the query gives the farther keys of that row or column.

/** Where positions alone can put a weight. */
export type PositionPlace = 'local' | 'row' | 'column' | 'elsewhere'

/** What decides the place of a pair. */
export interface PlaceRules {
  /** Keys at most this far are near. */
  readonly band: number
  /** Pixels in a row; undefined where there are no rows. */
  readonly width: number | undefined
}

/** Near before row before column. */
export function placeOf(query: number, key: number, { band, width }: PlaceRules): PositionPlace {
  if (Math.abs(query - key) <= band) return 'local'
  if (width === undefined) return 'elsewhere'
  if (inRow(query, key, width)) return 'row'
  return inColumn(query, key, width) ? 'column' : 'elsewhere'
}

/**
 * How many near keys there are by default: the square root of a sequence without rows, which is the
 * stride of a balanced pattern; in an image an eighth of a row, for a band as wide as a row would call
 * every row local.
 */
export function defaultBand(length: number, width: number | undefined): number {
  return width === undefined
    ? Math.round(Math.sqrt(length))
    : Math.max(1, Math.min(width - 1, Math.floor(width / 8)))
}

/**
 * From the first to the last key that a query gives any weight, its own position among them: what it
 * could see. A head that looks at one key only could have looked at those between.
 */
export function spanOf(query: number, weights: Float64Array): { first: number; last: number } {
  const first = weights.findIndex((weight) => weight > 0)
  const last = weights.findLastIndex((weight) => weight > 0)
  return { first: first < 0 ? query : Math.min(first, query), last: Math.max(last, query) }
}

/** The parts of one weight; those of a near pair may be several. */
export type WeightParts = Readonly<Record<PositionPlace, number>>

/**
 * Splits the weights of one query. A near key of the query's own row is owed to the row up to what the
 * farther keys of that row get on average, and likewise with the column; what exceeds that is local.
 * Averages are over the span of the query.
 *
 * @param weights - One query's, `[L]`.
 */
export function splitWeights(
  query: number,
  weights: Float64Array,
  rules: PlaceRules,
): (key: number) => WeightParts {
  const { width } = rules
  const { first, last } = spanOf(query, weights)
  const sums = { local: 0, row: 0, column: 0, elsewhere: 0 }
  const counts = { ...sums }
  for (let key = first; key <= last; key++) {
    const place = placeOf(query, key, rules)
    sums[place] += weights[key]!
    counts[place]++
  }
  const rowLevel = counts.row === 0 ? 0 : sums.row / counts.row
  const columnLevel = counts.column === 0 ? 0 : sums.column / counts.column
  return (key) => {
    const parts = { local: 0, row: 0, column: 0, elsewhere: 0 }
    const weight = weights[key]!
    const place = placeOf(query, key, rules)
    if (place !== 'local' || width === undefined) return { ...parts, [place]: weight }
    const row = inRow(query, key, width) ? Math.min(weight, rowLevel) : 0
    const column = inColumn(query, key, width) ? Math.min(weight - row, columnLevel) : 0
    return { ...parts, row, column, local: weight - row - column }
  }
}

/** The place of the largest part; near where two are as large. */
export function largestPart(parts: WeightParts): PositionPlace {
  let best: PositionPlace = 'local'
  for (const place of ['row', 'column', 'elsewhere'] as const) {
    if (parts[place] > parts[best]) best = place
  }
  return best
}

const inRow = (query: number, key: number, width: number): boolean =>
  Math.floor(query / width) === Math.floor(key / width)
const inColumn = (query: number, key: number, width: number): boolean =>
  query % width === key % width
