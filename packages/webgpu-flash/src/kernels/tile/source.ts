// A tensor that a kernel reads tiles of: how its text addresses a row, and the two ways a tile is
// brought to workgroup memory.
import { unroll } from '../../codegen/snippets.ts'
import { distribute, threadCount } from './grid.ts'
import type { ThreadGrid } from './grid.ts'

/** A tensor as the text of a kernel knows it. */
export interface TileSource {
  /** Names the load function (`loadQuery`), the base variable (`queryBase`) and the row stride. */
  readonly name: string
  /** Variables that hold the tile's first row and the last row there is. */
  readonly first: string
  readonly last: string
  /** Width in elements. */
  readonly dims: number
}

/** Text that loads one vector of dims of one row of the tile; rows past the last repeat it. */
function loadText({ name, first, last }: TileSource, row: string, vector: string): string {
  const capital = `${name[0]!.toUpperCase()}${name.slice(1)}`
  return `load${capital}(${name}Base + min(${first} + ${row}, ${last}) * params.${name}Row, ${vector})`
}

/** Which tokens share a vector: rows of the score tile their neighbours, columns those of `columnText`. */
export type TileRole = 'rows' | 'columns'

/**
 * Vectors between neighbouring dims of a transposed tile: one more than it holds, so that the stores
 * below meet every bank once.
 */
export function transposedStride(tokens: number): number {
  return tokens / 4 + 1
}

/**
 * Loads `dims` dims (a power of two, at least 8) from dim vector `from` on, transposed:
 * `[dim][4 tokens]`, dims `transposedStride` apart.
 *
 * A unit of work reads four tokens at one vector of dims and writes the transpose of the 4 x 4 as
 * vectors. Neighbouring threads take neighbouring dims, because a cache line is read along dim; but
 * only two of them before the next token, because their stores would meet in one bank.
 */
export function loadTransposed(
  grid: ThreadGrid,
  source: TileSource,
  role: TileRole,
  region: string,
  from: string,
  dims: number,
): string {
  const tokens = role === 'rows' ? grid.tileRows : grid.tileColumns
  const vectors = tokens / 4
  const stride = transposedStride(tokens)
  const pairs = dims / 8
  const token = (k: number): string =>
    role === 'rows' ? `4u * vector + ${k}u` : `vector + ${k * vectors}u`
  return distribute(
    (vectors * dims) / 4,
    threadCount(grid),
    `let vector = ((unit >> 1u) & 3u) | ((unit >> ${3 + Math.log2(pairs)}u) << 2u);
let dimVector = (unit & 1u) | (((unit >> 3u) & ${pairs - 1}u) << 1u);
let source = ${from} + dimVector;
var r0 = vec4<f32>(0.0);
var r1 = vec4<f32>(0.0);
var r2 = vec4<f32>(0.0);
var r3 = vec4<f32>(0.0);
if (source < ${Math.ceil(source.dims / 4)}u) {
${unroll(4, (k) => `  r${k} = ${loadText(source, token(k), 'source')};`)}
}
let place = ${region} + 4u * dimVector * ${stride}u + vector;
${unroll(4, (d) => `tile[place + ${d * stride}u] = vec4<f32>(r0[${d}], r1[${d}], r2[${d}], r3[${d}]);`)}`,
  )
}

/** Loads `count` tokens from token `from` of the tile on, as they are: `[token][dim vector]`. */
export function loadRows(
  grid: ThreadGrid,
  source: TileSource,
  region: string,
  from: string,
  count: number,
  stride: number,
): string {
  const vectors = Math.ceil(source.dims / 4)
  const load = loadText(source, `${from} + token`, 'dimVector')
  // Vectors past the width fill up whole columns of threads.
  const write =
    vectors === stride
      ? `tile[${region} + unit] = ${load};`
      : `var loaded = vec4<f32>(0.0);
if (dimVector < ${vectors}u) { loaded = ${load}; }
tile[${region} + unit] = loaded;`
  return distribute(
    count * stride,
    threadCount(grid),
    `let token = unit / ${stride}u;
let dimVector = unit % ${stride}u;
${write}`,
  )
}
