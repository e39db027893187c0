// A tensor that a kernel reads tiles of: how its text addresses a row, and the two ways a tile is
// brought to workgroup memory. Both go through registers: while a thread computes with one chunk, the
// next is on its way.
import { capitalized, indent, unroll } from '../../codegen/snippets.ts'
import { loopStep, threadCount } from './grid.ts'
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
  /** Function from slots to tokens, where rows stand in an order of their own. */
  readonly token?: string
}

/** Text that loads one vector of dims of one row of the tile; rows past the last repeat it. */
export function loadText(
  { name, first, last, token }: TileSource,
  row: string,
  vector: string,
): string {
  const capital = capitalized(name)
  const place = token ? `${token}(${first} + ${row})` : `${first} + ${row}`
  return `load${capital}(${name}Base + min(${place}, ${last}) * params.${name}Row, ${vector})`
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
 * A load in two halves: from memory to registers, early, and from there to workgroup memory once
 * everyone is done with what lies there. Between the two the thread computes.
 */
export interface StagedLoad {
  /** Declares the registers. */
  readonly declarations: string
  /** Fills the registers with the chunk that begins at `from`. */
  fetch(from: string): string
  /** Writes the registers to workgroup memory. */
  readonly store: string
}

/**
 * Runs `body(slot, unit)` for the units of a thread, of which every thread has as many or none.
 *
 * @param thread - Text of its number among the threads. Default: `thread`.
 */
export function eachUnit(
  units: number,
  threads: number,
  body: (slot: number, unit: string) => string,
  thread = 'thread',
): string {
  return unroll(Math.ceil(units / threads), (slot) => {
    const text = body(slot, slot === 0 ? thread : `(${thread} + ${slot * threads}u)`)
    if ((slot + 1) * threads <= units) return text
    return `if (${thread} < ${units - slot * threads}u) {\n${indent(text, 2)}\n}`
  })
}

/**
 * Loads dims (a power of two, at least 8) of a tile transposed: `[dim][4 tokens]`, dims
 * `transposedStride` apart. `from` counts vectors of dims.
 *
 * A unit of work reads four tokens at one vector of dims and writes the transpose of the 4 x 4 as
 * vectors. Neighbouring threads take neighbouring dims, because a cache line is read along dim; but
 * only two of them before the next token, because their stores would meet in one bank.
 */
export function stageTransposed(
  grid: ThreadGrid,
  source: TileSource,
  role: TileRole,
  region: string,
  dims: number,
): StagedLoad {
  const tokens = role === 'rows' ? grid.tileRows : grid.tileColumns
  const vectors = tokens / 4
  const stride = transposedStride(tokens)
  const pairs = dims / 8
  const threads = threadCount(grid)
  const units = (vectors * dims) / 4
  const register = (slot: number, k: number): string => `${source.name}${slot}_${k}`
  const vector = (unit: string): string =>
    `(((${unit} >> 1u) & 3u) | ((${unit} >> ${3 + Math.log2(pairs)}u) << 2u))`
  const dimVector = (unit: string): string =>
    `((${unit} & 1u) | (((${unit} >> 3u) & ${pairs - 1}u) << 1u))`
  const token = (unit: string, k: number): string =>
    role === 'rows' ? `4u * ${vector(unit)} + ${k}u` : `${vector(unit)} + ${k * vectors}u`
  const loads = (slot: number, unit: string, from: string): string =>
    unroll(4, (k) => {
      const loaded = loadText(source, token(unit, k), `${from} + ${dimVector(unit)}`)
      return `${register(slot, k)} = ${loaded};`
    })
  const widthVectors = Math.ceil(source.dims / 4)
  const whole = source.dims % dims === 0
  return {
    declarations: unroll(Math.ceil(units / threads), (slot) =>
      unroll(4, (k) => `var ${register(slot, k)} = vec4<f32>(0.0);`),
    ),
    fetch: (from) =>
      eachUnit(units, threads, (slot, unit) =>
        whole
          ? loads(slot, unit, from)
          : `if (${from} + ${dimVector(unit)} < ${widthVectors}u) {\n${indent(loads(slot, unit, from), 2)}\n} else {\n${unroll(4, (k) => `  ${register(slot, k)} = vec4<f32>(0.0);`)}\n}`,
      ),
    store: eachUnit(units, threads, (slot, unit) =>
      unroll(4, (d) => {
        const four = [0, 1, 2, 3].map((k) => `${register(slot, k)}[${d}]`).join(', ')
        return `tile[${region} + (4u * ${dimVector(unit)} + ${d}u) * ${stride}u + ${vector(unit)}] = vec4<f32>(${four});`
      }),
    ),
  }
}

/** Loads `count` tokens of a tile as they are: `[token][dim vector]`. `from` counts tokens. */
export function stageRows(
  grid: ThreadGrid,
  source: TileSource,
  region: string,
  count: number,
  stride: number,
): StagedLoad {
  const vectors = Math.ceil(source.dims / 4)
  const threads = threadCount(grid)
  const units = count * stride
  const register = (slot: number): string => `${source.name}Row${slot}`
  const slots = Math.ceil(units / threads)
  return {
    declarations: unroll(slots, (slot) => `var ${register(slot)} = vec4<f32>(0.0);`),
    fetch: (from) =>
      eachUnit(units, threads, (slot, unit) => {
        const load = loadText(source, `${from} + ${unit} / ${stride}u`, `${unit} % ${stride}u`)
        // Vectors past the width fill up whole columns of threads and stay zero.
        return vectors === stride
          ? `${register(slot)} = ${load};`
          : `if (${unit} % ${stride}u < ${vectors}u) { ${register(slot)} = ${load}; }`
      }),
    store: eachUnit(
      units,
      threads,
      (slot, unit) => `tile[${region} + ${unit}] = ${register(slot)};`,
    ),
  }
}

/**
 * Walks through the chunks of staged loads: `compute` works on each in workgroup memory, while the
 * registers take in the next. Declares and fills the registers first, unless that was done before.
 *
 * @param step - What `from` grows by from chunk to chunk.
 */
export function inChunks(
  grid: Pick<ThreadGrid, 'rolled'>,
  loads: readonly StagedLoad[],
  chunks: number,
  step: number,
  compute: string,
  begun = false,
): string {
  const each = (text: (load: StagedLoad) => string): string => loads.map(text).join('\n')
  if (grid.rolled) {
    // One text of the loads is sooner compiled than two. They are waited for.
    return `for (var chunk = 0u; chunk < ${chunks}u; ${loopStep(grid, 'chunk')}) {
${indent(
  `${each((load) => load.declarations)}
${each((load) => load.fetch(`chunk * ${step}u`))}
workgroupBarrier();
${each((load) => load.store)}
workgroupBarrier();
${compute}`,
  2,
)}
}`
  }
  const begin = begun ? '' : `${beginLoads(loads)}\n`
  const stored = `workgroupBarrier();\n${each((load) => load.store)}\nworkgroupBarrier();`
  if (chunks === 1) return `{\n${indent(`${begin}${stored}\n${compute}`, 2)}\n}`
  const next = `if (chunk < ${chunks - 1}u) {
${indent(
  each((load) => load.fetch(`(chunk + 1u) * ${step}u`)),
  2,
)}
}`
  return `{
${indent(begin, 2)}  for (var chunk = 0u; chunk < ${chunks}u; ${loopStep(grid, 'chunk')}) {
${indent(`${stored}\n${next}\n${compute}`, 4)}
  }
}`
}

/** Declares the registers of staged loads and fills them with the first chunk. */
export function beginLoads(loads: readonly StagedLoad[]): string {
  return loads.map((load) => `${load.declarations}\n${load.fetch('0u')}`).join('\n')
}
