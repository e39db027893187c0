// The products of a chunk: scores of a subgroup's keys, and of all keys with its dims of the values. Keys, and dims of
// values, are the rows of a product, query rows its columns: products are at least as many rows as columns, and of
// columns most calls have few.
import { indent, unroll } from '../../../codegen/snippets.ts'
import type { DecodeMatrixConfig } from './config.ts'

/** A line for each matrix of a subgroup's output: query rows n, dims d. */
export function eachOutput(
  { tile, memory }: DecodeMatrixConfig,
  line: (name: string, n: number, d: number) => string,
): string {
  return unroll(memory.columnBlocks, (n) =>
    unroll(memory.ownDims / tile.matrix.rows, (d) => line(`output${n}_${d}`, n, d)),
  )
}

/** The queries of a block of columns, which all chunks meet. */
export function loadQueries({ tile, memory, headDim }: DecodeMatrixConfig, n: number): string {
  const { depth } = tile.matrix
  return unroll(
    headDim / depth,
    (k) =>
      `let query${n}_${k} = subgroupMatrixLoad<Right, col_major>(&tile[subgroup], ${(k * depth) / 4}u, ${memory.keyStride}u);`,
  )
}

/** S^T = K Q^T, to workgroup memory. */
export function scoreProducts({ tile, memory, headDim }: DecodeMatrixConfig): string {
  const { rows, columns, depth } = tile.matrix
  const ownKeys = tile.keys / tile.subgroups
  const { columnBlocks } = memory
  const each = ownKeys / rows
  const one = (line: (b: number, n: number) => string): string =>
    unroll(each, (b) => unroll(columnBlocks, (n) => line(b, n)))
  const products = one((b, n) => `var product${b}_${n} = Result();`)
  const steps = unroll(headDim / depth, (k) =>
    unroll(
      each,
      (b) => `{
  let keys = subgroupMatrixLoad<Left, row_major>(&tile[subgroup], ${b * rows * memory.keyStride + (k * depth) / 4}u, ${memory.keyStride}u);
${unroll(columnBlocks, (n) => `  product${b}_${n} = subgroupMatrixMultiplyAccumulate(keys, query${n}_${k}, product${b}_${n});`)}
}`,
    ),
  )
  const stores = one(
    (b, n) =>
      `subgroupMatrixStore<col_major>(&scores[subgroup], ${n * columns * memory.scoreStride + (b * rows) / 4}u, product${b}_${n}, ${memory.scoreStride}u);`,
  )
  return `{\n${indent(`${products}\n${steps}\n${stores}`, 2)}\n}`
}

/** O^T += V^T P^T. */
export function outputProducts(config: DecodeMatrixConfig): string {
  const { tile, memory } = config
  const { rows, columns, depth } = tile.matrix
  return unroll(tile.keys / depth, (k) => {
    const weights = unroll(
      memory.columnBlocks,
      (n) =>
        `let weights${n} = subgroupMatrixLoad<Right, col_major>(&weights, ${n * columns * memory.weightStride + (k * depth) / 4}u, ${memory.weightStride}u);`,
    )
    const steps = unroll(
      memory.ownDims / rows,
      (d) => `{
  let values = subgroupMatrixLoad<Left, col_major>(&tile[subgroup], ${k * depth * memory.valueStride + (d * rows) / 4}u, ${memory.valueStride}u);
${unroll(memory.columnBlocks, (n) => `  output${n}_${d} = subgroupMatrixMultiplyAccumulate(values, weights${n}, output${n}_${d});`)}
}`,
    )
    return `{\n${indent(`${weights}\n${steps}`, 2)}\n}`
  })
}

/** The output's pieces that are in workgroup memory at once, one after another. */
export function eachPiece({ memory }: DecodeMatrixConfig, text: (piece: number) => string): string {
  return unroll(memory.ownDims / memory.pieceDims, text)
}

/** A line for each matrix of a piece, with its place in workgroup memory. */
function eachOfPiece(
  config: DecodeMatrixConfig,
  piece: number,
  line: (name: string, place: string) => string,
): string {
  const { tile, memory } = config
  const { rows, columns } = tile.matrix
  const each = memory.pieceDims / rows
  const stride = memory.pieceDims / 4
  return unroll(memory.columnBlocks, (n) =>
    unroll(each, (d) =>
      line(`output${n}_${piece * each + d}`, `${n * columns * stride + (d * rows) / 4}u`),
    ),
  )
}

/** Brings a piece of the output to workgroup memory, `[query row][dim]`, where the scores were. */
export function storePiece(config: DecodeMatrixConfig, piece: number): string {
  const stride = config.memory.pieceDims / 4
  return eachOfPiece(
    config,
    piece,
    (name, place) =>
      `subgroupMatrixStore<col_major>(&scores[subgroup], ${place}, ${name}, ${stride}u);`,
  )
}

/** Scales the rows of the output, by way of workgroup memory. */
export function rescaleOutput(config: DecodeMatrixConfig): string {
  const { tile, memory } = config
  const stride = memory.pieceDims / 4
  return eachPiece(
    config,
    (piece) => `${storePiece(config, piece)}
workgroupBarrier();
for (var unit = lane; unit < ${tile.rows * stride}u; unit += ${tile.subgroupSize}u) {
  scores[subgroup][unit] *= rowNumbers[unit / ${stride}u];
}
workgroupBarrier();
${eachOfPiece(config, piece, (name, place) => `${name} = subgroupMatrixLoad<Result, col_major>(&scores[subgroup], ${place}, ${stride}u);`)}
workgroupBarrier();`,
  )
}
