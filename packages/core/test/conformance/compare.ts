// How far two results are apart.

/** Largest |actual - expected|; Infinity where only one is NaN or infinite, or lengths differ. */
export function largestError(actual: ArrayLike<number>, expected: ArrayLike<number>): number {
  if (actual.length !== expected.length) return Infinity
  let largest = 0
  for (let i = 0; i < expected.length; i++) {
    if (Object.is(actual[i]! + 0, expected[i]! + 0)) continue // equal, or both NaN
    const error = Math.abs(actual[i]! - expected[i]!)
    largest = Math.max(largest, Number.isNaN(error) ? Infinity : error)
  }
  return largest
}

/** Largest finite magnitude, at least 1: what an absolute tolerance is multiplied by. */
export function magnitude(values: ArrayLike<number>): number {
  let largest = 1
  for (let i = 0; i < values.length; i++) {
    const size = Math.abs(values[i]!)
    if (size > largest && size < Infinity) largest = size
  }
  return largest
}
