// Product two: rows of a tensor summed with scores as weights. The weights cross workgroup memory
// transposed, `[column][4 rows]`; the tensor's rows lie there as they are.
import { unroll } from '../../codegen/snippets.ts'
import { columnText, fourRows, lane, ownColumnVectors, ownRows } from './grid.ts'
import type { ThreadGrid } from './grid.ts'
import { beginLoads, inChunks, stageRows } from './source.ts'
import type { StagedLoad, TileSource } from './source.ts'

/** Stores the score registers `name{i}_{j}` as weights: `[column][4 rows]`. */
export function storeWeights(
  grid: ThreadGrid,
  name: string,
  region: string,
  stride: number,
): string {
  const rowVectors = ownRows(grid) / 4
  return unroll(rowVectors, (h) =>
    unroll(ownColumnVectors(grid), (j) =>
      unroll(4, (k) => {
        const four = fourRows(h, (i) => `${name}${i}_${j}.${lane(k)}`)
        return `tile[${region} + (${columnText(grid, j, k)}) * ${stride}u + row * ${rowVectors}u + ${h}u] = vec4<f32>(${four});`
      }),
    ),
  )
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
}

function stagedSource(grid: ThreadGrid, sum: WeightedSum): StagedLoad {
  return stageRows(grid, sum.source, sum.sourceRegion, sum.chunk, sum.sourceStride)
}

/** Starts to load the first rows of a sum to come. */
export function beginWeightedSum(grid: ThreadGrid, sum: WeightedSum): string {
  return beginLoads([stagedSource(grid, sum)])
}

/** WGSL of the sum. Barriers inside order it after the weights' stores. */
export function weightedSum(grid: ThreadGrid, sum: WeightedSum): string {
  const { name, chunk } = sum
  const chunks = grid.tileColumns / chunk
  const rowVectors = ownRows(grid) / 4
  const dimVectors = sum.sourceStride / grid.threadColumns
  const column = chunks > 1 ? `(chunk * ${chunk}u + token)` : 'token'
  const multiply = `for (var token = 0u; token < ${chunk}u; token++) {
${unroll(rowVectors, (h) => `  let w${h} = tile[${sum.weightRegion} + ${column} * ${sum.weightStride}u + row * ${rowVectors}u + ${h}u];`)}
${unroll(dimVectors, (c) => `  let x${c} = tile[${sum.sourceRegion} + token * ${sum.sourceStride}u + column + ${c * grid.threadColumns}u];`)}
${unroll(ownRows(grid), (i) =>
  unroll(
    dimVectors,
    (c) => `  ${name}${i}_${c} = fma(vec4<f32>(w${i >> 2}.${lane(i)}), x${c}, ${name}${i}_${c});`,
  ),
)}
}`
  return inChunks([stagedSource(grid, sum)], chunks, chunk, multiply, sum.begun)
}
