// Ranges of floats. A block map is planned on the CPU in float64 and its full and absent tiles are
// believed by a GPU that computes in float32, so every inexact operation widens its result by more
// than the error that WGSL allows (WGSL section "Floating Point Accuracy"): a comparison is then
// called always or never only where both agree. Whole numbers below 2^24 are exact in both, and
// keep their stride.
import {
  absoluteIntegers,
  addIntegers,
  assignFloat,
  assignUnknown,
  emptyInterval,
  equalIntegers,
  isUnknown,
  joinIntegers,
  maximumOfIntegers,
  minimumOfIntegers,
  multiplyIntegers,
  negateIntegers,
  never,
  always,
  sometimes,
  subtractIntegers,
} from './strided-interval.ts'
import type { MutableInterval, StridedInterval } from './strided-interval.ts'

// One rounding is 2^-24 relative; a WGSL division may be off by 2.5 units in the last place, 2^-22.
const relativeSlack = 2 ** -20
const smallestNormal = 2 ** -126
const largestFloat32 = 3.4028234663852886e38
const wholeLimit = 2 ** 24

// Beyond the largest float32 a GPU may answer infinity or the largest number, and below the
// smallest normal one it may answer 0.
function roundedDown(value: number, relative: number, absolute: number): number {
  const magnitude = value === 0 ? 0 : Math.max(Math.abs(value), smallestNormal)
  const low = value - magnitude * relative - absolute
  if (low > largestFloat32) return largestFloat32
  if (low < -largestFloat32) return -Infinity
  return low > 0 && low < smallestNormal ? 0 : low
}

function widen(
  out: MutableInterval,
  low: number,
  high: number,
  relative: number = relativeSlack,
  absolute = 0,
): StridedInterval {
  if (Number.isNaN(low) || Number.isNaN(high)) return assignUnknown(out)
  // An infinite end times a slack must not become NaN.
  out.low = Number.isFinite(low) ? roundedDown(low, relative, absolute) : low
  out.high = Number.isFinite(high) ? -roundedDown(-high, relative, absolute) : high
  out.stride = 0
  return out
}

/** Whether all values are whole numbers that float32 holds exactly. */
function isWhole(a: StridedInterval): boolean {
  return (
    (a.stride > 0 || (a.low === a.high && Number.isInteger(a.low))) &&
    a.low >= -wholeLimit &&
    a.high <= wholeLimit
  )
}

/** A number as float64 holds it and as float32 does. */
export function floatConstant(value: number): StridedInterval {
  return floatRange(value, value)
}

/** A range of numbers as float64 holds it and as float32 does. */
export function floatRange(low: number, high: number): StridedInterval {
  return roundToFloat32(emptyInterval(), { low, high, stride: 0 })
}

/** Float64 numbers that a GPU gets as float32. */
export function roundToFloat32(out: MutableInterval, a: StridedInterval): StridedInterval {
  const exact = Math.fround(a.low) === a.low && Math.fround(a.high) === a.high
  return exact ? assignFloat(out, a.low, a.high) : widen(out, a.low, a.high)
}

/** Integers as floats. */
export function toFloats(out: MutableInterval, a: StridedInterval): StridedInterval {
  return isWhole(a) ? a : widen(out, a.low, a.high)
}

/** Floats rounded down to integers. */
export function floorFloats(out: MutableInterval, a: StridedInterval): StridedInterval {
  if (isWhole(a)) return a
  out.low = Math.floor(a.low)
  out.high = Math.floor(a.high)
  out.stride = out.low === out.high ? 0 : 1
  return out
}

export function negateFloats(out: MutableInterval, a: StridedInterval): StridedInterval {
  return isWhole(a) ? negateIntegers(out, a) : assignFloat(out, -a.high, -a.low)
}

export function absoluteFloats(out: MutableInterval, a: StridedInterval): StridedInterval {
  if (isWhole(a)) return absoluteIntegers(out, a)
  if (a.low >= 0) return a
  return assignFloat(out, a.high <= 0 ? -a.high : 0, Math.max(-a.low, a.high))
}

export function addFloats(
  out: MutableInterval,
  a: StridedInterval,
  b: StridedInterval,
): StridedInterval {
  if (isWhole(a) && isWhole(b) && isWhole(addIntegers(out, a, b))) return out
  const opposed =
    (a.low === -Infinity && b.high === Infinity) || (a.high === Infinity && b.low === -Infinity)
  return opposed ? assignUnknown(out) : widen(out, a.low + b.low, a.high + b.high)
}

export function subtractFloats(
  out: MutableInterval,
  a: StridedInterval,
  b: StridedInterval,
): StridedInterval {
  if (isWhole(a) && isWhole(b) && isWhole(subtractIntegers(out, a, b))) return out
  const opposed =
    (a.low === -Infinity && b.low === -Infinity) || (a.high === Infinity && b.high === Infinity)
  return opposed ? assignUnknown(out) : widen(out, a.low - b.high, a.high - b.low)
}

const holdsZero = (a: StridedInterval): boolean => a.low <= 0 && a.high >= 0
const isFinite = (a: StridedInterval): boolean => a.low > -Infinity && a.high < Infinity

export function multiplyFloats(
  out: MutableInterval,
  a: StridedInterval,
  b: StridedInterval,
): StridedInterval {
  if (isWhole(a) && isWhole(b) && isWhole(multiplyIntegers(out, a, b))) return out
  if ((holdsZero(a) && !isFinite(b)) || (holdsZero(b) && !isFinite(a))) return assignUnknown(out)
  return widenCorners(out, a.low * b.low, a.low * b.high, a.high * b.low, a.high * b.high)
}

function widenCorners(
  out: MutableInterval,
  first: number,
  second: number,
  third: number,
  fourth: number,
  relative: number = relativeSlack,
): StridedInterval {
  return widen(
    out,
    Math.min(first, second, third, fourth),
    Math.max(first, second, third, fourth),
    relative,
  )
}

export function divideFloats(
  out: MutableInterval,
  a: StridedInterval,
  b: StridedInterval,
): StridedInterval {
  if (!(b.low > 0 || b.high < 0)) return assignUnknown(out)
  return widenCorners(out, a.low / b.low, a.low / b.high, a.high / b.low, a.high / b.high)
}

/** Powers of numbers that are not negative, which grow or fall steadily in either argument. */
export function powerOfFloats(
  out: MutableInterval,
  a: StridedInterval,
  b: StridedInterval,
): StridedInterval {
  if (!(a.low >= 0) || !isFinite(b)) return assignUnknown(out)
  if (a.low === 0 && b.low < 0) return assignUnknown(out) // (-0) ** -1 is -Infinity
  const lowest = a.low ** b.low
  const highest = a.high ** b.high
  const third = a.low ** b.high
  const fourth = a.high ** b.low
  // WGSL computes exp2(b log2(a)), so errors of the exponent are multiplied by what it holds.
  const exponent =
    Math.max(-b.low, b.high) * (1 + Math.max(logMagnitude(a.low), logMagnitude(a.high)))
  const relative = relativeSlack * (2 + exponent)
  // An error of the exponent is a factor: where it is not small, it may be any number.
  if (!(relative < 0.1)) return assignUnknown(out)
  return widenCorners(out, lowest, highest, third, fourth, relative)
}

function logMagnitude(value: number): number {
  return Math.abs(Math.log(Math.min(Math.max(value, smallestNormal), largestFloat32)))
}

export function minimumOfFloats(
  out: MutableInterval,
  a: StridedInterval,
  b: StridedInterval,
): StridedInterval {
  if (isWhole(a) && isWhole(b)) return minimumOfIntegers(out, a, b)
  return assignFloat(out, Math.min(a.low, b.low), Math.min(a.high, b.high))
}

export function maximumOfFloats(
  out: MutableInterval,
  a: StridedInterval,
  b: StridedInterval,
): StridedInterval {
  if (isWhole(a) && isWhole(b)) return maximumOfIntegers(out, a, b)
  return assignFloat(out, Math.max(a.low, b.low), Math.max(a.high, b.high))
}

export function joinFloats(
  out: MutableInterval,
  a: StridedInterval,
  b: StridedInterval,
): StridedInterval {
  if (isWhole(a) && isWhole(b)) return joinIntegers(out, a, b)
  return assignFloat(out, Math.min(a.low, b.low), Math.max(a.high, b.high))
}

export function equalFloats(a: StridedInterval, b: StridedInterval): StridedInterval {
  if (isWhole(a) && isWhole(b)) return equalIntegers(a, b)
  if (a.high < b.low || b.high < a.low) return never
  return a.low === a.high && b.low === b.high && a.low === b.low ? always : sometimes
}

export function exponentialOfFloats(out: MutableInterval, a: StridedInterval): StridedInterval {
  const magnitude = Math.min(Math.max(-a.low, a.high), 128)
  return widen(out, Math.exp(a.low), Math.exp(a.high), relativeSlack * (1 + magnitude))
}

export function logarithmOfFloats(out: MutableInterval, a: StridedInterval): StridedInterval {
  if (!(a.low >= 0)) return assignUnknown(out)
  const low = a.low < smallestNormal ? -Infinity : Math.log(a.low)
  return widen(out, low, Math.log(a.high), relativeSlack, 2 ** -20)
}

export function squareRootOfFloats(out: MutableInterval, a: StridedInterval): StridedInterval {
  return a.low >= 0 ? widen(out, Math.sqrt(a.low), Math.sqrt(a.high)) : assignUnknown(out)
}

export function tanhOfFloats(out: MutableInterval, a: StridedInterval): StridedInterval {
  return widen(out, Math.tanh(a.low), Math.tanh(a.high), relativeSlack, 2 ** -15)
}

export function cosineOfFloats(out: MutableInterval, a: StridedInterval): StridedInterval {
  return waveOfFloats(out, a, Math.cos, 0)
}

export function sineOfFloats(out: MutableInterval, a: StridedInterval): StridedInterval {
  return waveOfFloats(out, a, Math.sin, Math.PI / 2)
}

/** A cosine whose crest is at `crest`. */
function waveOfFloats(
  out: MutableInterval,
  a: StridedInterval,
  wave: (x: number) => number,
  crest: number,
): StridedInterval {
  if (!isFinite(a) || isUnknown(a)) return assignUnknown(out)
  const turn = 2 * Math.PI
  const holds = (phase: number): boolean =>
    Math.ceil((a.low - phase) / turn) * turn + phase <= a.high
  const first = wave(a.low)
  const second = wave(a.high)
  const low = holds(crest + Math.PI) ? -1 : Math.min(first, second)
  const high = holds(crest) ? 1 : Math.max(first, second)
  // WGSL promises 2^-11 between -pi and pi; further out the reduction to that range loses more.
  return widen(out, low, high, 0, 2 ** -10 + Math.max(-a.low, a.high) * relativeSlack)
}
