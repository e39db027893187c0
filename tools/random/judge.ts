// Whether numbers are good enough: an error of at most twice that of a plain implementation of the same
// precision, both against float64 (the rule of FlashAttention's own tests); NaN and infinities where
// float64 has them, and nowhere else.
import type { DType } from '../../packages/core/src/index.ts'
import type { Expected } from './expectation.ts'
import { unitOf } from './rounding-luck.ts'

/** Sentences on what is wrong with a list of numbers. */
export function findings(
  name: string,
  actual: ArrayLike<number>,
  { exact, plain, leftOut, floor, stored }: Expected,
  dtype: DType,
): string[] {
  if (actual.length !== exact.length) {
    return [`${name}: ${actual.length} numbers, expected ${exact.length}`]
  }
  let [error, plainError, largest] = [0, 0, 0]
  let [strange, leftOutError] = [0, 0]
  let example = ''
  for (let i = 0; i < exact.length; i++) {
    const [got, wanted, yardstick] = [actual[i]!, exact[i]!, plain[i]!]
    if (Number.isFinite(wanted) && Number.isFinite(got) && Number.isFinite(yardstick)) {
      error = Math.max(error, Math.abs(got - wanted))
      plainError = Math.max(plainError, Math.abs(yardstick - wanted))
      largest = Math.max(largest, Math.abs(wanted))
      continue
    }
    // Where float64 has a number and the plain program has none, its range is at fault.
    if (same(got, wanted) || (same(got, yardstick) && !same(yardstick, wanted))) continue
    if (Number.isFinite(wanted) && Number.isFinite(got)) continue
    if (leftOut && Number.isFinite(got) && Number.isFinite(leftOut[i]!)) {
      leftOutError = Math.max(leftOutError, Math.abs(got - leftOut[i]!))
      largest = Math.max(largest, Math.abs(leftOut[i]!))
      continue
    }
    // Devices may take a weight below the least normal number for 0, and 0 times infinity is NaN.
    if (stored && Number.isNaN(got) && Math.abs(wanted) === Infinity) continue
    if (strange++ === 0) example = `${got} at ${i}, expected ${wanted}`
  }
  const low = stored && dtype !== 'float32' ? dtype : undefined
  // What storing alone may cost: half a unit of the largest entry, twice.
  const stores = low ? unitOf(low) * largest + 2 ** -24 : 0
  const sums = low ? 0 : floor * Math.max(1, largest)
  const allowed = Math.max(2 * plainError, stores, sums)
  return [
    ...(strange > 0 ? [`${name}: ${strange} of ${exact.length} numbers strange, ${example}`] : []),
    ...(error > allowed ? [`${name}: error ${error}, allowed ${allowed}`] : []),
    // Two plain programs may be off to opposite sides.
    ...(leftOutError > 1.5 * allowed
      ? [`${name}: off by ${leftOutError} where pairs are left out, allowed ${1.5 * allowed}`]
      : []),
  ]
}

const same = (one: number, other: number): boolean => Object.is(one + 0, other + 0)
