// Which position each row of a query or key tensor stands at.
import { numbersOf, rangeError } from '@attn/core'
import type { IntegerList } from '@attn/core'

/**
 * - a number: row i stands at that offset + i (a cache's length, when decoding);
 * - L numbers: one position a row, for all sequences;
 * - B * L numbers, row-major `[batch, length]`: as `position_ids`.
 *
 * Positions may be fractional. Default: 0 .. L - 1.
 */
export type Positions = number | IntegerList

/**
 * Positions as a function of sequence and row.
 *
 * @throws RangeError when their number does not fit or one is not finite.
 */
export function positionReader(
  caller: string,
  given: Positions,
  batch: number,
  length: number,
): (sequence: number, row: number) => number {
  const positions = typeof given === 'number' ? given : numbersOf(given)
  if (typeof positions === 'number') {
    if (!Number.isFinite(positions)) {
      throw rangeError(`${caller}: positions must be finite, got ${positions}`)
    }
    return (_, row) => positions + row
  }
  const count = positions.length
  if (count !== length && count !== batch * length) {
    throw rangeError(
      `${caller}: positions must be an offset, or length = ${length} or batch * length = ${batch * length} numbers, got ${count}`,
    )
  }
  for (let index = 0; index < count; index++) {
    if (!Number.isFinite(positions[index])) {
      throw rangeError(`${caller}: positions must be finite, got ${positions[index]} at ${index}`)
    }
  }
  return count === length
    ? (_, row) => positions[row]!
    : (sequence, row) => positions[sequence * length + row]!
}
