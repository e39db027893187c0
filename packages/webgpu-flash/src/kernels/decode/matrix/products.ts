// The products of a chunk: scores of a subgroup's keys, and of all keys with its dims of the values. Query rows are
// rows of matrices or columns of them, keys and dims of values the other; both are the same numbers in memory.
import { indent, unroll } from '../../../codegen/snippets.ts'
import { matrixSizes } from '../../../plan/decode/decode-matrix-tile.ts'
import type { DecodeMatrixTile } from '../../../plan/decode/decode-matrix-tile.ts'
import type { DecodeMatrixConfig } from './config.ts'

/** How each factor is loaded and each product stored. */
interface Sides {
  /** Queries and weights, whose rows lie one after another. */
  readonly ofRows: string
  /** Keys, whose dims are summed over. */
  readonly ofKeys: string
  /** Values, whose keys are. */
  readonly ofValues: string
  /** Scores and output, whose query rows lie one after another. */
  readonly order: string
  readonly multiply: (rows: string, others: string, sum: string) => string
}

function sides({ keysAreRows }: DecodeMatrixTile): Sides {
  return keysAreRows
    ? {
        ofRows: 'Right, col_major',
        ofKeys: 'Left, row_major',
        ofValues: 'Left, col_major',
        order: 'col_major',
        multiply: (rows, others, sum) =>
          `${sum} = subgroupMatrixMultiplyAccumulate(${others}, ${rows}, ${sum});`,
      }
    : {
        ofRows: 'Left, row_major',
        ofKeys: 'Right, col_major',
        ofValues: 'Right, row_major',
        order: 'row_major',
        multiply: (rows, others, sum) =>
          `${sum} = subgroupMatrixMultiplyAccumulate(${rows}, ${others}, ${sum});`,
      }
}

/** A line for each matrix of a subgroup's output: query rows n, dims d. */
export function eachOutput(
  { tile, memory }: DecodeMatrixConfig,
  line: (name: string, n: number, d: number) => string,
): string {
  const { queries, keys } = matrixSizes(tile)
  return unroll(tile.rows / queries, (n) =>
    unroll(memory.ownDims / keys, (d) => line(`output${n}_${d}`, n, d)),
  )
}

/** The queries, which all chunks meet. */
export function loadQueries({ tile, memory, headDim }: DecodeMatrixConfig): string {
  const { queries, depth } = matrixSizes(tile)
  return unroll(tile.rows / queries, (n) =>
    unroll(
      headDim / depth,
      (k) =>
        `let query${n}_${k} = subgroupMatrixLoad<${sides(tile).ofRows}>(&halves, ${n * queries * memory.keyStride + (k * depth) / 4}u, ${memory.keyStride}u);`,
    ),
  )
}

/** S = Q K^T, to workgroup memory. */
export function scoreProducts({ tile, memory, headDim }: DecodeMatrixConfig): string {
  const { queries, keys, depth } = matrixSizes(tile)
  const { ofKeys, order, multiply } = sides(tile)
  const ownKeys = tile.keys / tile.subgroups
  const blocks = tile.rows / queries
  return unroll(ownKeys / keys, (b) => {
    const products = unroll(blocks, (n) => `var product${n} = Result();`)
    const steps = unroll(
      headDim / depth,
      (k) => `{
  let keys = subgroupMatrixLoad<${ofKeys}>(&tile[subgroup], ${b * keys * memory.keyStride + (k * depth) / 4}u, ${memory.keyStride}u);
${unroll(blocks, (n) => `  ${multiply(`query${n}_${k}`, 'keys', `product${n}`)}`)}
}`,
    )
    const stores = unroll(
      blocks,
      (n) =>
        `subgroupMatrixStore<${order}>(&scores[subgroup], ${n * queries * memory.scoreStride + (b * keys) / 4}u, product${n}, ${memory.scoreStride}u);`,
    )
    return `{\n${indent(`${products}\n${steps}\n${stores}`, 2)}\n}`
  })
}

/** O += P V. */
export function outputProducts(config: DecodeMatrixConfig): string {
  const { tile, memory } = config
  const { queries, keys, depth } = matrixSizes(tile)
  const { ofRows, ofValues, multiply } = sides(tile)
  const blocks = tile.rows / queries
  const array = tile.apart ? 'valueTile' : 'tile'
  return unroll(tile.keys / depth, (k) => {
    const weights = unroll(
      blocks,
      (n) =>
        `let weights${n} = subgroupMatrixLoad<${ofRows}>(&halves, ${n * queries * memory.weightStride + (k * depth) / 4}u, ${memory.weightStride}u);`,
    )
    const steps = unroll(
      memory.ownDims / keys,
      (d) => `{
  let values = subgroupMatrixLoad<${ofValues}>(&${array}[subgroup], ${k * depth * memory.valueStride + (d * keys) / 4}u, ${memory.valueStride}u);
${unroll(blocks, (n) => `  ${multiply(`weights${n}`, 'values', `output${n}_${d}`)}`)}
}`,
    )
    return `{\n${indent(`${weights}\n${steps}`, 2)}\n}`
  })
}

/** Brings the output to workgroup memory. */
export function storeOutput(config: DecodeMatrixConfig): string {
  const { tile, memory } = config
  return eachOutput(
    config,
    (name, n, d) =>
      `subgroupMatrixStore<${sides(tile).order}>(&sums[subgroup], ${outputPlace(config, n, d)}u, ${name}, ${memory.ownDims}u);`,
  )
}

const outputPlace = ({ tile, memory }: DecodeMatrixConfig, n: number, d: number): number => {
  const { queries, keys } = matrixSizes(tile)
  return n * queries * memory.ownDims + d * keys
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
${eachOutput(config, (name, n, d) => `${name} = subgroupMatrixLoad<Result, ${sides(tile).order}>(&sums[subgroup], ${outputPlace(config, n, d)}u, ${memory.ownDims}u);`)}
if (thread == 0u) { found = vec4<u32>(0u); }`
}
