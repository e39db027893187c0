// Checks of arguments that every pattern shares; each names the function, the rule and what came.
import { rangeError, typeError } from '@attn/core'
import type { Mask } from '@attn/core'

/** Throws unless `value` is a whole number of at least `minimum`. */
export function checkInteger(caller: string, name: string, value: number, minimum: number): void {
  if (!Number.isInteger(value) || value < minimum || value >= 2 ** 31) {
    throw rangeError(
      `${caller}: ${name} must be a whole number of at least ${minimum}, got ${value}`,
    )
  }
}

/** Throws unless `values` are whole numbers of at least `minimum`. */
export function checkIntegers(
  caller: string,
  name: string,
  values: ArrayLike<number>,
  minimum: number,
): void {
  for (let i = 0; i < values.length; i++) {
    if (!Number.isInteger(values[i]) || values[i]! < minimum || values[i]! >= 2 ** 31) {
      throw rangeError(
        `${caller}: ${name} must be whole numbers of at least ${minimum}, got ${values[i]} at ${i}`,
      )
    }
  }
}

/** Throws unless every argument is a mask and there is at least one. */
export function checkMasks(caller: string, masks: readonly Mask[]): void {
  if (masks.length === 0) throw rangeError(`${caller}: need at least one mask, got none`)
  for (const mask of masks) {
    if (mask?.kind !== 'mask') {
      throw typeError(
        `${caller}: need masks made by mask() or a pattern, got ${mask === null ? 'null' : typeof mask}`,
      )
    }
  }
}
