// Product one: a tile of scores, rows of one tensor times rows of another, as an outer product at
// each dim. Both lie transposed in workgroup memory, so that one load feeds four rows (or columns).
import { indent, unroll } from '../../codegen/snippets.ts'
import { eachScore, lane, ownColumnVectors, ownRows } from './grid.ts'
import type { ThreadGrid } from './grid.ts'
import { loadTransposed, transposedStride } from './source.ts'
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
  /** Whether the rows are in workgroup memory already, with all their dims. */
  readonly rowsResident: boolean
  /** More to load along with the first chunk, or nothing. */
  readonly alongside?: string
}

/** WGSL of the product. Begins and ends such that a barrier must come before other use of the regions. */
export function scoreProduct(grid: ThreadGrid, product: ScoreProduct): string {
  const { name, rows, columns, dimChunk, rowsResident } = product
  const chunks = Math.ceil(rows.dims / dimChunk)
  const rowVectors = ownRows(grid) / 4
  const columnVectors = ownColumnVectors(grid)
  const rowDim = rowsResident && chunks > 1 ? `(chunk * ${dimChunk}u + dim)` : 'dim'
  const multiply = `for (var dim = 0u; dim < ${dimChunk}u; dim++) {
${unroll(rowVectors, (h) => `  let a${h} = tile[${product.rowRegion} + ${rowDim} * ${transposedStride(grid.tileRows)}u + row * ${rowVectors}u + ${h}u];`)}
${unroll(columnVectors, (j) => `  let b${j} = tile[${product.columnRegion} + dim * ${transposedStride(grid.tileColumns)}u + column + ${j * grid.threadColumns}u];`)}
${unroll(ownRows(grid), (i) =>
  unroll(
    columnVectors,
    (j) => `  ${name}${i}_${j} = fma(vec4<f32>(a${i >> 2}.${lane(i)}), b${j}, ${name}${i}_${j});`,
  ),
)}
}`
  const from = chunks === 1 ? '0u' : `chunk * ${dimChunk / 4}u`
  const step = [
    'workgroupBarrier();',
    loadTransposed(grid, columns, 'columns', product.columnRegion, from, dimChunk),
    rowsResident ? '' : loadTransposed(grid, rows, 'rows', product.rowRegion, from, dimChunk),
    product.alongside ?? '',
    'workgroupBarrier();',
    multiply,
  ]
    .filter((part) => part !== '')
    .join('\n')
  const declarations = eachScore(grid, name, (score) => `var ${score} = vec4<f32>(0.0);`)
  return chunks === 1
    ? `${declarations}\n${step}`
    : `${declarations}\nfor (var chunk = 0u; chunk < ${chunks}u; chunk++) {\n${indent(step, 2)}\n}`
}
