// How the steps before the gradients read rows of tensors: eight threads share one, each with every eighth vector of it.
// A thread's loads are all on their way before the first is waited for. One after the other, they are what such a step
// takes its time for: on an NVIDIA H200 these took a fifth less, and a quarter, of 65,536 rows of 8 heads.
import { indent, unroll } from '../../codegen/snippets.ts'

/** Rows that a workgroup reads side by side. */
export const rowsAtOnce = 16
/** Threads that share a row. */
export const threadsPerRow = 8
/** Threads of a workgroup. */
export const rowThreads: number = rowsAtOnce * threadsPerRow

/** Vectors of a tensor that a thread has on their way at a time. */
const vectorsAhead = 16

/** Vectors of a row that a thread has, of which its last may be past the row's end. */
const ownVectors = (dims: number): number => Math.ceil(dims / 4 / threadsPerRow)

/** Rows that a thread reads at a time; a power of two. */
export const rowsAhead = (dims: number): number =>
  2 ** Math.max(0, Math.floor(Math.log2(vectorsAhead / ownVectors(dims))))

/** Text of the row that a thread reads beside `row`, so many of its own further. */
export const ownRow = (row: string, further: number): string =>
  further === 0 ? row : `(${row} + ${further * rowsAtOnce}u)`

/**
 * Statements for each vector of a thread in each of its `rows` rows, after the loads of all of them; in the scope of `part`,
 * its number among those that share a row.
 *
 * @param load - Declarations with `at` behind their names: what is loaded of a vector of a row.
 * @param line - Statements on that.
 */
export function eachOwnVector(
  dims: number,
  rows: number,
  load: (row: number, vector: string, at: string) => string,
  line: (row: number, at: string) => string,
): string {
  const vectors = Math.ceil(dims / 4)
  const own = ownVectors(dims)
  const together = Math.min(own, vectorsAhead)
  const each = (first: string, text: (row: number, vector: string, n: number) => string): string =>
    unroll(rows, (row) =>
      unroll(together, (n) => text(row, n === 0 ? first : `${first} + ${n * threadsPerRow}u`, n)),
    )
  const body = (first: string, exists: (n: number) => boolean): string => `${each(
    first,
    (row, vector, n) =>
      load(row, exists(n) ? vector : `min(${vector}, ${vectors - 1}u)`, `${row}_${n}`),
  )}
${each(first, (row, vector, n) => {
  const text = line(row, `${row}_${n}`)
  return exists(n) ? text : `if (${vector} < ${vectors}u) { ${text} }`
})}`
  if (together === own) return body('part', (n) => (n + 1) * threadsPerRow <= vectors)
  return `for (var first = part; first < ${vectors}u; first += ${together * threadsPerRow}u) {
${indent(
  body('first', () => false),
  2,
)}
}`
}
