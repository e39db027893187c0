// Rows that subgroups hold in matrices for as long as a workgroup runs. They come by way of memory that all threads share, as
// many at a time as lie there, the next on their way while subgroups take theirs. Each subgroup could bring its own rows by
// itself, with all of its loads on their way at once, but so much text takes long to compile.
import { indent, unroll } from '../../codegen/snippets.ts'
import type { MatrixShape } from '../../plan/forward/matrix-tile.ts'
import { rolledLoop } from '../rolled-loops.ts'

/** A matrix of each block of rows. */
export interface HeldMatrix {
  /** Its variable, for a block. */
  readonly name: (block: number) => string
  /** The array in which rows lie, and the vector of them that the matrix begins with. */
  readonly array: string
  readonly vector: number
}

/** What is held by whom. */
export interface RowsInTurns {
  /** A variable: the number of those who hold the same rows, so many blocks of them. */
  readonly owner: string
  readonly rowBlocks: number
  readonly matrix: MatrixShape
  readonly matrices: readonly HeldMatrix[]
  /** Rows of the workgroup, and those of a turn: whole matrices. */
  readonly rows: number
  readonly atOnce: number
  /** Vectors between rows in memory. */
  readonly stride: number
  /** Declares the registers that rows pass through. */
  readonly registers: string
  /** Loads those of a turn, given the text of the first among the workgroup's. */
  readonly fetch: (first: string) => string
  /** Moves the registers to memory. */
  readonly store: string
}

/** Declares the matrices and brings the rows; in the scope of `nothing`. Memory may be in use before, and is after. */
export function bringInTurns(held: RowsInTurns): string {
  const { owner, rowBlocks, matrices, atOnce, stride, registers, fetch, store } = held
  const { rows } = held.matrix
  const turns = Math.ceil(held.rows / atOnce)
  const take = unroll(rowBlocks, (b) => {
    const first = `${owner} * ${rowBlocks * rows}u + ${b * rows}u`
    const loads = matrices.map(
      ({ name, array, vector }) =>
        `  ${name(b)} = subgroupMatrixLoad<Left, row_major>(&${array}, place + ${vector}u, ${stride}u);`,
    )
    return `if ((${first}) / ${atOnce}u == turn) {
  let place = (${first}) % ${atOnce}u * ${stride}u;
${loads.join('\n')}
}`
  })
  const turn = `workgroupBarrier();
${store}
workgroupBarrier();
if (turn < ${turns - 1}u) {
${indent(fetch(`(turn + 1u) * ${atOnce}u`), 2)}
}
${take}`
  return `${unroll(rowBlocks, (b) => matrices.map(({ name }) => `var ${name(b)} = Left();`).join('\n'))}
{
${indent(`${registers}\n${fetch('0u')}\n${rolledLoop('turn', turns, turn)}`, 2)}
}`
}
