// Product two: rows of a tensor summed with scores as weights. The weights cross workgroup memory
// transposed, `[column][4 rows]`; the tensor's rows lie there as they are.
import { unroll } from '../../codegen/snippets.ts'
import { eitherSum } from '../careful.ts'
import type { RoundRegion } from '../careful-rounds.ts'
import { columnText, fourRows, lane, loopStep, ownColumnVectors, ownRows } from './grid.ts'
import type { ThreadGrid } from './grid.ts'
import { beginLoads, inChunks, stageRows } from './source.ts'
import type { StagedLoad, TileSource } from './source.ts'

/**
 * Stores the score registers `name{i}_{j}` as weights: `[column][4 rows]`.
 *
 * @param part - A half or a quarter of the columns, and which. Default: all of them.
 */
export function storeWeights(
  grid: ThreadGrid,
  name: string,
  region: string,
  stride: number,
  part: WeightPart = { index: 0, count: 1 },
): string {
  const rowVectors = ownRows(grid) / 4
  // A thread's vectors hold columns a quarter tile apart, so that a part is made of whole lanes.
  const lanes = 4 / part.count
  return unroll(rowVectors, (h) =>
    unroll(ownColumnVectors(grid), (j) =>
      unroll(lanes, (k) => {
        const from = part.index * lanes + k
        const four = fourRows(h, (i) => `${name}${i}_${j}.${lane(from)}`)
        return `tile[${region} + (${columnText(grid, j, k)}) * ${stride}u + row * ${rowVectors}u + ${h}u] = vec4<f32>(${four});`
      }),
    ),
  )
}

/** One of `count` (1, 2 or 4) equal parts of a tile's columns. */
export interface WeightPart {
  readonly index: number
  readonly count: number
}

/** One weighted sum. */
export interface WeightedSum {
  /** Registers `name{i}_{c}`, vectors of dims, declared by the kernel. */
  readonly name: string
  readonly source: TileSource
  /** Names of constants: where weights and rows lie in workgroup memory. */
  readonly weightRegion: string
  readonly sourceRegion: string
  /** Vectors between columns of the weights, and between rows of the source. */
  readonly weightStride: number
  readonly sourceStride: number
  /** Rows of the source in workgroup memory at a time. */
  readonly chunk: number
  /** Whether `beginWeightedSum` stands further up: then its loads overlap what comes between. */
  readonly begun?: boolean
  /**
   * What is done to rows and weights in workgroup memory before they are multiplied, where that takes care of
   * what is not finite; else sums leave hidden pairs out where there is `care`. Default: none.
   */
  readonly counted?: (rows: RoundRegion, weights: RoundRegion | undefined) => string
}

function stagedSource(grid: ThreadGrid, sum: WeightedSum): StagedLoad {
  return stageRows(grid, sum.source, sum.sourceRegion, sum.chunk, sum.sourceStride)
}

/** Starts to load the first rows of a sum to come. */
export function beginWeightedSum(grid: ThreadGrid, sum: WeightedSum): string {
  return grid.rolled ? '' : beginLoads([stagedSource(grid, sum)])
}

/** WGSL of the sum. Barriers inside order it after the weights' stores. */
export function weightedSum(grid: ThreadGrid, sum: WeightedSum): string {
  const { chunk } = sum
  const chunks = grid.tileColumns / chunk
  const column = chunks > 1 ? `(chunk * ${chunk}u + token)` : 'token'
  const multiply = `${countedText(sum)}${multiplyChunk(grid, sum, column)}`
  return inChunks(grid, [stagedSource(grid, sum)], chunks, chunk, multiply, sum.begun)
}

/**
 * The same where workgroup memory holds the weights of one chunk at a time: they are stored from
 * the registers `weights{i}_{j}` together with the chunk. The sum must have been begun.
 */
export function weightedSumInParts(grid: ThreadGrid, sum: WeightedSum, weights: string): string {
  const { chunk } = sum
  const source = stagedSource(grid, sum)
  const count = grid.tileColumns / chunk
  return unroll(
    count,
    (index) => `workgroupBarrier();
${source.store}
${storeWeights(grid, weights, sum.weightRegion, sum.weightStride, { index, count })}
workgroupBarrier();
${index + 1 < count ? `${source.fetch(`${(index + 1) * chunk}u`)}\n` : ''}${countedText(sum, chunk * sum.weightStride)}${multiplyChunk(grid, sum, 'token')}`,
  )
}

/** What takes care of a chunk, and of its weights if they come with it. */
function countedText(sum: WeightedSum, weightVectors?: number): string {
  const { counted, sourceRegion, weightRegion, chunk, sourceStride } = sum
  if (!counted) return ''
  const rows = { region: sourceRegion, vectors: chunk * sourceStride }
  const weights = weightVectors ? { region: weightRegion, vectors: weightVectors } : undefined
  return `${counted(rows, weights)}\n`
}

/** Adds one chunk: outer products of its weights, from `column` on, and its rows. */
function multiplyChunk(grid: ThreadGrid, sum: WeightedSum, column: string): string {
  const { name, chunk } = sum
  const rowVectors = ownRows(grid) / 4
  const dimVectors = sum.sourceStride / grid.threadColumns
  const add = sum.counted ? addAllRows : addRows
  return add(grid, name, dimVectors, chunk, {
    weight: (h) =>
      `tile[${sum.weightRegion} + ${column} * ${sum.weightStride}u + row * ${rowVectors}u + ${h}u]`,
    source: (c) =>
      `tile[${sum.sourceRegion} + token * ${sum.sourceStride}u + column + ${c * grid.threadColumns}u]`,
  })
}

/** Where the weights of four rows and a vector of the source lie, for the variable `token`. */
export interface WeightedRows {
  readonly weight: (rowVector: number) => string
  readonly source: (dimVector: number) => string
}

/** Adds the outer products of `count` tokens to the registers `name{i}_{c}`. */
export function addRows(
  grid: ThreadGrid,
  name: string,
  dimVectors: number,
  count: number,
  rows: WeightedRows,
): string {
  const careful = (tokens: string): string =>
    loopOverRows(grid, name, dimVectors, tokens, rows, (sum, one, row) => {
      return `addVisible(${sum}, ${one}, ${row})`
    })
  // One text is sooner compiled than two.
  if (grid.rolled) return careful(`${count}u`)
  return eitherSum(careful(`${count}u * care`), addAllRows(grid, name, dimVectors, count, rows))
}

/** The same where all is finite, or what is not has been dealt with. */
function addAllRows(
  grid: ThreadGrid,
  name: string,
  dimVectors: number,
  count: number,
  rows: WeightedRows,
): string {
  return loopOverRows(grid, name, dimVectors, `${count}u`, rows, (sum, one, row) => {
    return `fma(vec4<f32>(${one}), ${row}, ${sum})`
  })
}

function loopOverRows(
  grid: ThreadGrid,
  name: string,
  dimVectors: number,
  tokens: string,
  { weight, source }: WeightedRows,
  add: (sum: string, weight: string, row: string) => string,
): string {
  return `for (var token = 0u; token < ${tokens}; ${loopStep(grid, 'token')}) {
${unroll(ownRows(grid) / 4, (h) => `  let w${h} = ${weight(h)};`)}
${unroll(dimVectors, (c) => `  let x${c} = ${source(c)};`)}
${unroll(ownRows(grid), (i) =>
  unroll(dimVectors, (c) => {
    const sum = `${name}${i}_${c}`
    return `  ${sum} = ${add(sum, `w${i >> 2}.${lane(i)}`, `x${c}`)};`
  }),
)}
}`
}
