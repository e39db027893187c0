// The checks of sizes that every method begins with.
import { rangeError } from '@attn/core'

/**
 * A whole number of at least 1.
 *
 * @throws RangeError when it is not.
 */
export function checkPositiveInteger(caller: string, name: string, value: number): void {
  if (!Number.isInteger(value) || value < 1) {
    throw rangeError(`${caller}: ${name} must be a positive integer, got ${value}`)
  }
}

/**
 * A width that splits into pairs.
 *
 * @throws RangeError when it does not.
 */
export function checkEven(caller: string, name: string, value: number): void {
  if (!Number.isInteger(value) || value < 2 || value % 2 !== 0) {
    throw rangeError(`${caller}: ${name} must be even and at least 2, got ${value}`)
  }
}

/**
 * A finite number above 0.
 *
 * @throws RangeError when it is not.
 */
export function checkPositive(caller: string, name: string, value: number): void {
  if (!(value > 0 && Number.isFinite(value))) {
    throw rangeError(`${caller}: ${name} must be a positive number, got ${value}`)
  }
}
