// Product one: a tile of scores, rows of one tensor times rows of another, as an outer product at
// each dim. Both lie transposed in workgroup memory, so that one load feeds four rows (or columns).
import { unroll } from '../../codegen/snippets.ts'
import { eachScore, lane, loopStep, ownColumnVectors, ownRows } from './grid.ts'
import type { ThreadGrid } from './grid.ts'
import { inChunks, stageTransposed, transposedStride } from './source.ts'
import type { TileSource } from './source.ts'

/** One product of two tiles. */
export interface ScoreProduct {
  /** Registers `name{i}_{j}`, declared here. */
  readonly name: string
  readonly rows: TileSource
  readonly columns: TileSource
  /** Names of constants: where the two lie in workgroup memory. */
  readonly rowRegion: string
  readonly columnRegion: string
  /** Dims in workgroup memory at a time. */
  readonly dimChunk: number
}

/** WGSL of the product. A barrier must come before other use of the two regions. */
export function scoreProduct(grid: ThreadGrid, product: ScoreProduct): string {
  const { name, rows, columns, dimChunk } = product
  const chunks = Math.ceil(rows.dims / dimChunk)
  const rowVectors = ownRows(grid) / 4
  const columnVectors = ownColumnVectors(grid)
  const multiply = `for (var dim = 0u; dim < ${dimChunk}u; ${loopStep(grid, 'dim')}) {
${unroll(rowVectors, (h) => `  let a${h} = tile[${product.rowRegion} + dim * ${transposedStride(grid.tileRows)}u + row * ${rowVectors}u + ${h}u];`)}
${unroll(columnVectors, (j) => `  let b${j} = tile[${product.columnRegion} + dim * ${transposedStride(grid.tileColumns)}u + column + ${j * grid.threadColumns}u];`)}
${unroll(ownRows(grid), (i) =>
  unroll(
    columnVectors,
    (j) => `  ${name}${i}_${j} = fma(vec4<f32>(a${i >> 2}.${lane(i)}), b${j}, ${name}${i}_${j});`,
  ),
)}
}`
  const staged = [
    stageTransposed(grid, columns, 'columns', product.columnRegion, dimChunk),
    stageTransposed(grid, rows, 'rows', product.rowRegion, dimChunk),
  ]
  return `${eachScore(grid, name, (score) => `var ${score} = vec4<f32>(0.0);`)}
${inChunks(grid, staged, chunks, dimChunk / 4, multiply)}`
}
