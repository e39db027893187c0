// A float32 number as the sum of two float16 numbers, for matrices that multiply float16 with sums in float32:
// a b = (a1 + a2) (b1 + b2), of which a1 b1 + a1 b2 + a2 b1 is all that float32 would keep. 11 bits each, and
// the second has a sign of its own, so 23 of the 24 bits of a number are there.
//
// Float16 has few exponents: a tensor is multiplied by a power of two for each of its planes (head of a
// sequence), such that the largest number comes to 2^14 .. 2^15. What is less than the largest by 2^17 or more
// loses bits of its second half, and is off by 2^-39 of the largest at most; kernels/forward/split/forward-choice.wgsl.ts
// decides where that does not matter.

/** Numbers of a plane are less than 2^15 once they are multiplied. */
const largestExponent = 14

/** WGSL of `upperHalves`: the nearest numbers of 11 bits. What remains is exact. */
export const upperHalvesFunction: string = /* wgsl */ `// By bits: compilers take f32(f16(x)) for x.
fn upperHalves(values: vec4<f32>) -> vec4<f32> {
  return bitcast<vec4<f32>>((bitcast<vec4<u32>>(values) + vec4<u32>(0x1000u)) & vec4<u32>(0xffffe000u));
}`

/** WGSL of `powerOfTwo`, which is normal: exponents are clamped. */
export const powerOfTwoFunction: string = /* wgsl */ `fn powerOfTwo(exponent: i32) -> f32 {
  return bitcast<f32>(u32(clamp(exponent, -126, 127) + 127) << 23u);
}`

/** WGSL of `exponentOf`: of what a plane is multiplied by, from the bits of its largest magnitude. */
export const exponentOfFunction: string = /* wgsl */ `fn exponentOf(largest: u32) -> i32 {
  return select(clamp(${largestExponent} - (i32(largest >> 23u) - 127), -126, 126), 0, largest == 0u);
}`

/** Vectors of four halves that a split row of so many dims takes: its first halves, then its second. */
export function splitRowVectors(dims: number): number {
  return dims / 2
}
