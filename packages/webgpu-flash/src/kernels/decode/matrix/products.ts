// The products of a chunk: scores of a subgroup's keys, and of all keys with its dims of the values.
import { indent, unroll } from '../../../codegen/snippets.ts'
import type { DecodeMatrixConfig } from './config.ts'

/** A line for each matrix of a subgroup's output: query rows n, dims d. */
export function eachOutput(
  { tile, memory }: DecodeMatrixConfig,
  line: (name: string, n: number, d: number) => string,
): string {
  const { rows, columns } = tile.matrix
  return unroll(tile.rows / rows, (n) =>
    unroll(memory.ownDims / columns, (d) => line(`output${n}_${d}`, n, d)),
  )
}

/** The queries, which all chunks meet. */
export function loadQueries({ tile, memory, headDim }: DecodeMatrixConfig): string {
  const { rows, depth } = tile.matrix
  return unroll(tile.rows / rows, (n) =>
    unroll(
      headDim / depth,
      (k) =>
        `let query${n}_${k} = subgroupMatrixLoad<Left, row_major>(&halves, ${n * rows * memory.keyStride + (k * depth) / 4}u, ${memory.keyStride}u);`,
    ),
  )
}

/** S = Q K^T, to workgroup memory. */
export function scoreProducts({ tile, memory, headDim }: DecodeMatrixConfig): string {
  const { rows, columns, depth } = tile.matrix
  const ownKeys = tile.keys / tile.subgroups
  const blocks = tile.rows / rows
  return unroll(ownKeys / columns, (b) => {
    const products = unroll(blocks, (n) => `var product${n} = Result();`)
    const steps = unroll(
      headDim / depth,
      (k) => `{
  let keys = subgroupMatrixLoad<Right, col_major>(&tile[subgroup], ${b * columns * memory.keyStride + (k * depth) / 4}u, ${memory.keyStride}u);
${unroll(blocks, (n) => `  product${n} = subgroupMatrixMultiplyAccumulate(query${n}_${k}, keys, product${n});`)}
}`,
    )
    const stores = unroll(
      blocks,
      (n) =>
        `subgroupMatrixStore<row_major>(&scores[subgroup], ${n * rows * memory.scoreStride + (b * columns) / 4}u, product${n}, ${memory.scoreStride}u);`,
    )
    return `{\n${indent(`${products}\n${steps}\n${stores}`, 2)}\n}`
  })
}

/** O += P V. */
export function outputProducts(config: DecodeMatrixConfig): string {
  const { tile, memory } = config
  const { rows, columns, depth } = tile.matrix
  const blocks = tile.rows / rows
  return unroll(tile.keys / depth, (k) => {
    const weights = unroll(
      blocks,
      (n) =>
        `let weights${n} = subgroupMatrixLoad<Left, row_major>(&halves, ${n * rows * memory.weightStride + (k * depth) / 4}u, ${memory.weightStride}u);`,
    )
    const steps = unroll(
      memory.ownDims / columns,
      (d) => `{
  let values = subgroupMatrixLoad<Right, row_major>(&tile[subgroup], ${k * depth * memory.valueStride + (d * columns) / 4}u, ${memory.valueStride}u);
${unroll(blocks, (n) => `  output${n}_${d} = subgroupMatrixMultiplyAccumulate(weights${n}, values, output${n}_${d});`)}
}`,
    )
    return `{\n${indent(`${weights}\n${steps}`, 2)}\n}`
  })
}

/** Brings the output to workgroup memory. */
export function storeOutput(config: DecodeMatrixConfig): string {
  const { memory } = config
  return eachOutput(
    config,
    (name, n, d) =>
      `subgroupMatrixStore<row_major>(&sums[subgroup], ${outputPlace(config, n, d)}u, ${name}, ${memory.ownDims}u);`,
  )
}

const outputPlace = ({ tile, memory }: DecodeMatrixConfig, n: number, d: number): number => {
  const { rows, columns } = tile.matrix
  return n * rows * memory.ownDims + d * columns
}

/** Scales the rows of the output, by way of workgroup memory. */
export function rescaleOutput(config: DecodeMatrixConfig): string {
  const { tile, memory } = config
  return `${storeOutput(config)}
workgroupBarrier();
for (var unit = lane; unit < ${tile.rows * memory.ownDims}u; unit += ${tile.subgroupSize}u) {
  sums[subgroup][unit] *= rowNumbers[unit / ${memory.ownDims}u];
}
workgroupBarrier();
${eachOutput(config, (name, n, d) => `${name} = subgroupMatrixLoad<Result, row_major>(&sums[subgroup], ${outputPlace(config, n, d)}u, ${memory.ownDims}u);`)}
if (thread == 0u) { found = vec4<u32>(0u); }`
}
