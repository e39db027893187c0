// Numbers that are given for each sequence, one for all of them, or not at all.
import { rangeError, shapeError, typeError } from '../errors.ts'
import { numbersOf } from '../integer-list.ts'
import type { IntegerList } from '../integer-list.ts'

/** One integer for each sequence. */
export function perSequence(
  caller: string,
  name: string,
  count: number,
  given: number | IntegerList | undefined,
  fallback: (sequence: number) => number,
): Int32Array {
  const values = new Int32Array(count)
  if (given === null) throw typeError(`${caller}: ${name} must be numbers, got null`)
  if (typeof given === 'object' && given.length !== count) {
    throw shapeError(
      `${caller}: ${name} needs one number for each of ${count} sequences, got ${given.length}`,
    )
  }
  const list = typeof given === 'object' ? numbersOf(given) : undefined
  for (let sequence = 0; sequence < count; sequence++) {
    const value =
      given === undefined
        ? fallback(sequence)
        : typeof given === 'number'
          ? given
          : list![sequence]!
    if ((value | 0) !== value) throw rangeError(`${caller}: ${name} must be integers, got ${value}`)
    values[sequence] = value
  }
  return values
}
