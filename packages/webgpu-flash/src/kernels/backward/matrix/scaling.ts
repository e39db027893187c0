// Powers of two that keep P and dS within float16 on their way to the matrices. P is at most 1, and is
// kept 2^8 times as large, so that small probabilities keep their bits (dropout makes it up to 100 times
// larger). |dS| <= 2 |dO| |V| for the largest rows of both, with dropout and slopes as many times more
// as the plan allows for: dS is scaled by the power of two that brings this bound to float16's largest.

/** Of P: probabilities are kept 2^8 times as large. */
export const weightBits = 8

/** Declares what P is multiplied by: its log2, or itself where P is `exact`; and one over that. */
export const weightConstants = (
  bits: number = weightBits,
  exact = false,
): string => `const ${exact ? `weightScale = ${2 ** bits}.0` : `weightBits = ${bits}.0`};
const weightUnit = ${2 ** -bits};
const log2e = 1.4426950408889634;`

/**
 * WGSL of `scaleOfBound`: the power of two for dS, of a bound on |dO| |V| times what dropout and slopes
 * make of it. float16 holds numbers below 2^16: 2^8 for P, 2 for the difference of dP and D, and one
 * bit because the bound is rounded down to a power of two leave 2^6, one of which pays for rounding.
 */
export const scaleOfBoundFunction = (
  bits: number = weightBits,
): string => /* wgsl */ `fn scaleOfBound(bound: f32) -> f32 {
  let exponent = i32(bitcast<u32>(bound) >> 23u) - 127; // of the power of two below
  return bitcast<f32>(u32(clamp(${13 - bits} - exponent, -100, 100) + 127) << 23u);
}`
