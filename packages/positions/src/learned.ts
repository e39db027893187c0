// Learned position embeddings: a trainable row for each position, added to the token embeddings
// (Gehring et al., arXiv 1705.03122; GPT-2, GPT-3, BERT). There is no row past the training length,
// which is the plainest way to fail at extrapolation.
import {
  checkOptions,
  elementReader,
  elementWriter,
  numbersOf,
  rangeError,
  shapeError,
  zeros,
} from '@attn/core'
import type { IntegerList, OptionNames, Tensor } from '@attn/core'

/** What to do with positions that the table has no row for. */
export interface LearnedOptions {
  /**
   * - `error` (default): throw.
   * - `clamp`: take the last row, as experiments on extrapolation do; perplexity explodes.
   */
  readonly outOfRange?: 'error' | 'clamp' | undefined
}

function rowsOf(
  caller: string,
  positions: IntegerList,
  rows: number,
  options: LearnedOptions,
): number[] {
  return Array.from(numbersOf(positions), (position) => {
    if (!Number.isInteger(position) || position < 0) {
      throw rangeError(`${caller}: positions must be integers from 0 on, got ${position}`)
    }
    if (position >= rows && options.outOfRange !== 'clamp') {
      throw rangeError(
        `${caller}: the table has ${rows} rows, got position ${position}; a learned table ends at its training length (outOfRange: 'clamp' repeats the last row)`,
      )
    }
    return Math.min(position, rows - 1)
  })
}

const learnedOptions: OptionNames<LearnedOptions> = { outOfRange: true }

/**
 * The rows of a learned position table.
 *
 * @param table - `[maximum length, dim]`, any strides and dtype.
 * @param positions - Integers.
 * @returns A new tensor `[positions, dim]` of the table's dtype.
 * @throws RangeError for a position without a row, or a table of another rank.
 *
 * @example
 * ```ts
 * import { tensorFrom } from '@attn/core'
 * import { learnedPositions } from '@attn/positions'
 * const table = tensorFrom([1, 2, 3, 4, 5, 6], [3, 2])
 * Array.from(learnedPositions(table, [2, 0]).storage) // => [5, 6, 1, 2]
 * ```
 */
export function learnedPositions(
  table: Tensor,
  positions: IntegerList,
  options: LearnedOptions = {},
): Tensor {
  checkOptions('learnedPositions', options, learnedOptions)
  const [rows, dim] = matrixShape('learnedPositions', table)
  const chosen = rowsOf('learnedPositions', positions, rows, options)
  const result = zeros([chosen.length, dim], table.dtype)
  const read = elementReader(table)
  const write = elementWriter(result)
  const [rowStride, stride] = table.strides as [number, number]
  chosen.forEach((row, index) => {
    for (let element = 0; element < dim; element++) {
      write(index * dim + element, read(table.offset + row * rowStride + element * stride))
    }
  })
  return result
}

/**
 * Gradient of {@link learnedPositions} with respect to the table: rows of the gradient, summed in
 * float64 where a position occurs more than once.
 *
 * @param gradient - `[positions, dim]`.
 * @param rows - Rows of the table.
 * @returns `[rows, dim]` of the gradient's dtype.
 * @throws RangeError as `learnedPositions` does, or when the positions do not fit the gradient.
 *
 * @example
 * ```ts
 * import { tensorFrom } from '@attn/core'
 * import { learnedPositionsBackward } from '@attn/positions'
 * const gradient = tensorFrom([1, 2, 10, 20], [2, 2])
 * Array.from(learnedPositionsBackward(gradient, [1, 1], 3).storage) // => [0, 0, 11, 22, 0, 0]
 * ```
 */
export function learnedPositionsBackward(
  gradient: Tensor,
  positions: IntegerList,
  rows: number,
  options: LearnedOptions = {},
): Tensor {
  checkOptions('learnedPositionsBackward', options, learnedOptions)
  const [count, dim] = matrixShape('learnedPositionsBackward', gradient)
  if (count !== positions.length) {
    throw shapeError(
      `learnedPositionsBackward: need one position for each of ${count} rows, got ${positions.length}`,
    )
  }
  const chosen = rowsOf('learnedPositionsBackward', positions, rows, options)
  const sums = new Float64Array(rows * dim)
  const read = elementReader(gradient)
  const [rowStride, stride] = gradient.strides as [number, number]
  chosen.forEach((row, index) => {
    for (let element = 0; element < dim; element++) {
      sums[row * dim + element]! += read(gradient.offset + index * rowStride + element * stride)
    }
  })
  const result = zeros([rows, dim], gradient.dtype)
  sums.forEach((sum, index) => elementWriter(result)(index, sum))
  return result
}

function matrixShape(caller: string, view: Tensor): [rows: number, dim: number] {
  const { shape } = view
  if (shape.length !== 2) {
    throw shapeError(`${caller}: need shape [length, dim], got [${shape.join(', ')}]`)
  }
  return shape as [number, number]
}
