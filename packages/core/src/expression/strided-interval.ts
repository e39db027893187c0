// Sets of integers as a range and a congruence: low, low + stride, ..., high. The range alone cannot
// see through `mod`, the congruence alone cannot see through `<=`. These are the strided intervals
// of Reps and Balakrishnan (Compiler Construction 2008). Each operation writes its result into
// `out`, because planning a block map asks millions of times and must not allocate.

/**
 * The numbers low, low + stride, ..., high.
 *
 * - Integers: stride is 0 where low equals high. An infinite end means that no bound is known.
 * - Floats: stride is 0 unless all values are known to be whole numbers.
 * - Booleans: 0 and 1, so `low === 1` is always, `high === 0` never, 0 to 1 sometimes.
 * - NaN in low and high: the value may be anything, also undefined (a division by zero).
 */
export interface StridedInterval {
  readonly low: number
  readonly high: number
  readonly stride: number
}

/** An interval that operations write their results into. */
export type MutableInterval = { -readonly [Field in keyof StridedInterval]: number }

/** Whole numbers up to here are exact in float64. */
const exactLimit = 2 ** 53

export const never: StridedInterval = Object.freeze({ low: 0, high: 0, stride: 0 })
export const always: StridedInterval = Object.freeze({ low: 1, high: 1, stride: 0 })
export const sometimes: StridedInterval = Object.freeze({ low: 0, high: 1, stride: 1 })

/** A fresh interval to write into. */
export function emptyInterval(): MutableInterval {
  return { low: NaN, high: NaN, stride: 1 }
}

/** The remainder in 0 .. divisor - 1. */
function residue(value: number, divisor: number): number {
  return value - divisor * Math.floor(value / divisor)
}

/** The greatest common divisor; 1 where an argument is not a known whole number. */
export function greatestCommonDivisor(first: number, second: number): number {
  if (first === 1 || second === 1) return 1
  let a = Math.abs(first)
  let b = Math.abs(second)
  if (!(a + b <= exactLimit)) return 1
  while (b !== 0) {
    const rest = a % b
    a = b
    b = rest
  }
  return a
}

/** Writes an interval, forgetting ends that float64 cannot hold exactly. */
export function assign(
  out: MutableInterval,
  low: number,
  high: number,
  stride: number,
): StridedInterval {
  const bounded = low >= -exactLimit && high <= exactLimit
  // Adding 0 turns -0 into 0.
  out.low = low < -exactLimit ? -Infinity : low > exactLimit ? exactLimit : low + 0
  out.high = high > exactLimit ? Infinity : high < -exactLimit ? -exactLimit : high + 0
  out.stride = low === high ? 0 : bounded ? stride : 1
  return out
}

/** Writes "may be anything, also undefined". */
export function assignUnknown(out: MutableInterval): StridedInterval {
  out.low = NaN
  out.high = NaN
  out.stride = 1
  return out
}

/** Writes a range of floats. */
export function assignFloat(out: MutableInterval, low: number, high: number): StridedInterval {
  if (Number.isNaN(low) || Number.isNaN(high)) return assignUnknown(out)
  out.low = low
  out.high = high
  out.stride = 0
  return out
}

/** Whether nothing at all is known; see {@link StridedInterval}. */
export function isUnknown(a: StridedInterval): boolean {
  return Number.isNaN(a.low) || Number.isNaN(a.high)
}

export function negateIntegers(out: MutableInterval, a: StridedInterval): StridedInterval {
  return assign(out, -a.high, -a.low, a.stride)
}

export function absoluteIntegers(out: MutableInterval, a: StridedInterval): StridedInterval {
  if (a.low >= 0) return a
  if (a.high <= 0) return negateIntegers(out, a)
  const high = Math.max(-a.low, a.high)
  if (!Number.isFinite(high)) return assign(out, isUnknown(a) ? NaN : 0, high, 1)
  // The two values next to zero are r and r - stride. Both signs keep the congruence only as far
  // as -low and low agree.
  const smallest = residue(a.low, a.stride)
  return assign(
    out,
    Math.min(smallest, a.stride - smallest),
    high,
    greatestCommonDivisor(a.stride, 2 * a.low),
  )
}

export function addIntegers(
  out: MutableInterval,
  a: StridedInterval,
  b: StridedInterval,
): StridedInterval {
  return assign(out, a.low + b.low, a.high + b.high, greatestCommonDivisor(a.stride, b.stride))
}

export function subtractIntegers(
  out: MutableInterval,
  a: StridedInterval,
  b: StridedInterval,
): StridedInterval {
  return assign(out, a.low - b.high, a.high - b.low, greatestCommonDivisor(a.stride, b.stride))
}

/** A product of ends, where an infinite end is a bound that is not known and 0 times it is 0. */
function productOfEnds(a: number, b: number): number {
  return a === 0 || b === 0 ? (Number.isNaN(a + b) ? NaN : 0) : a * b
}

export function multiplyIntegers(
  out: MutableInterval,
  a: StridedInterval,
  b: StridedInterval,
): StridedInterval {
  const first = productOfEnds(a.low, b.low)
  const second = productOfEnds(a.low, b.high)
  const third = productOfEnds(a.high, b.low)
  const fourth = productOfEnds(a.high, b.high)
  // (a + i s)(b + j t) = ab + i s b + j t a + i j s t.
  const stride = greatestCommonDivisor(
    greatestCommonDivisor(a.stride * b.low, b.stride * a.low),
    a.stride * b.stride,
  )
  return assign(
    out,
    Math.min(first, second, third, fourth),
    Math.max(first, second, third, fourth),
    stride,
  )
}

export function floorDivideIntegers(
  out: MutableInterval,
  a: StridedInterval,
  b: StridedInterval,
): StridedInterval {
  if (!(b.low > 0)) return assignUnknown(out)
  if (b.low === b.high) {
    const stride = a.stride % b.low === 0 ? a.stride / b.low : 1
    return assign(out, Math.floor(a.low / b.low), Math.floor(a.high / b.low), stride)
  }
  const largest = Math.min(b.high, exactLimit)
  return assign(
    out,
    Math.min(Math.floor(a.low / b.low), Math.floor(a.low / largest)),
    Math.max(Math.floor(a.high / b.low), Math.floor(a.high / largest)),
    1,
  )
}

export function moduloIntegers(
  out: MutableInterval,
  a: StridedInterval,
  b: StridedInterval,
): StridedInterval {
  if (!(b.low > 0) || isUnknown(a)) return assignUnknown(out)
  if (a.low >= 0 && a.high < b.low) return a
  if (b.low !== b.high) {
    return assign(out, 0, a.low >= 0 ? Math.min(a.high, b.high - 1) : b.high - 1, 1)
  }
  const divisor = b.low
  const period = Math.floor(a.low / divisor)
  if (period === Math.floor(a.high / divisor) && Number.isFinite(period)) {
    return assign(out, a.low - divisor * period, a.high - divisor * period, a.stride)
  }
  const stride = greatestCommonDivisor(a.stride, divisor)
  const low = stride === 1 ? 0 : residue(a.low, stride)
  return assign(out, low, divisor - stride + low, stride)
}

/** The stride of a set that holds both a and b. */
function commonStride(a: StridedInterval, b: StridedInterval): number {
  return greatestCommonDivisor(greatestCommonDivisor(a.stride, b.stride), a.low - b.low)
}

export function minimumOfIntegers(
  out: MutableInterval,
  a: StridedInterval,
  b: StridedInterval,
): StridedInterval {
  if (a.high <= b.low) return a
  if (b.high <= a.low) return b
  return assign(out, Math.min(a.low, b.low), Math.min(a.high, b.high), commonStride(a, b))
}

export function maximumOfIntegers(
  out: MutableInterval,
  a: StridedInterval,
  b: StridedInterval,
): StridedInterval {
  if (a.low >= b.high) return a
  if (b.low >= a.high) return b
  return assign(out, Math.max(a.low, b.low), Math.max(a.high, b.high), commonStride(a, b))
}

/** The smallest strided interval that holds both. */
export function joinIntegers(
  out: MutableInterval,
  a: StridedInterval,
  b: StridedInterval,
): StridedInterval {
  return assign(out, Math.min(a.low, b.low), Math.max(a.high, b.high), commonStride(a, b))
}

/** Whether a value of one can equal a value of the other: ranges must meet and residues agree. */
export function equalIntegers(a: StridedInterval, b: StridedInterval): StridedInterval {
  if (a.high < b.low || b.high < a.low) return never
  if (a.low === a.high && b.low === b.high && a.low === b.low) return always
  const stride = greatestCommonDivisor(a.stride, b.stride)
  return stride > 1 && (a.low - b.low) % stride !== 0 ? never : sometimes
}
