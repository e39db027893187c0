// A mask from a table of pairs, for what no expression says.
import { booleanTable, rangeError, shapeError } from '@attn/core'
import { pattern } from '../pattern.ts'
import type { Pattern } from '../pattern.ts'

/**
 * S_i = {j : matrix[i][j]}. One byte a pair; `maskFromBlocks` holds far more tokens. Rows and columns
 * are absolute positions, so a decoding step reads the row of its token; pairs outside the matrix
 * are hidden. (Core's `maskFromTensor` reads rows of the query tensor, and has batch and head axes.)
 *
 * @param matrix - A row for each query, all of one length: anything but 0 and false is visible.
 * @throws RangeError when the matrix is empty or its rows differ in length.
 *
 * @example
 * ```ts
 * import { evaluate } from '@attn/core'
 * import { maskFromMatrix } from '@attn/masks'
 * const { expression } = maskFromMatrix([[1, 0, 0], [1, 1, 0], [1, 0, 1]])
 * const keys = [0, 1, 2]
 * keys.filter((key) => evaluate(expression, { query: 2, key })) // => [0, 2]
 * ```
 */
export function maskFromMatrix(
  matrix: readonly (ArrayLike<number | boolean> | ArrayLike<bigint>)[],
  name = 'matrix',
): Pattern {
  const queries = matrix.length
  const keys = matrix[0]?.length ?? 0
  if (keys === 0) throw rangeError('maskFromMatrix: need at least one row and one column')
  const values = new Uint8Array(queries * keys)
  matrix.forEach((row, query) => {
    if (row.length !== keys) {
      throw shapeError(
        `maskFromMatrix: every row needs the same length, got ${keys} and ${row.length} in row ${query}`,
      )
    }
    for (let key = 0; key < keys; key++) values[query * keys + key] = row[key] ? 1 : 0
  })
  const table = booleanTable(name, values, [queries, keys])
  return pattern(name, ({ query, key }) =>
    query
      .ge(0)
      .and(query.lt(queries))
      .and(key.lt(keys))
      .and(table.at(query.max(0).min(queries - 1), key.min(keys - 1))),
  )
}
