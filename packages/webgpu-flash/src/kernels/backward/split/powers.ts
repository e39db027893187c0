// float32 on matrices of float16: x = high + low, both float16, so that a product of two is three
// products, high high + high low + low high, whose float32 sum is as exact as float32's own (Ootomo and
// Yokota, arXiv 2203.03341). float16 holds few powers of two, so each tensor is first multiplied by one
// that brings its largest row close to float16's largest: the same for all rows that a key head meets.

/** The tensors that are split for the backward pass, in the order their powers are packed in. */
export const splitTensors = ['query', 'key', 'dOutput', 'value'] as const
/** The name of one. */
export type SplitTensor = (typeof splitTensors)[number]

/** Whether rows of a tensor are keys. */
export const followsKeys = (name: SplitTensor): boolean => name === 'key' || name === 'value'

/** Rows are brought below this power of two: float16 holds numbers below the next. */
export const largestExponent = 15

/**
 * WGSL of the four exponents in one word, each from -64 to 63, as a float that is neither NaN, nor infinite,
 * nor so small that devices take it for 0: nothing may touch its bits between two shaders.
 */
export const packExponents = /* wgsl */ `fn packExponents(query: i32, key: i32, dOutput: i32, value: i32) -> f32 {
  let all = vec4<u32>(clamp(vec4<i32>(query, key, dOutput, value), vec4<i32>(-64), vec4<i32>(63)) + 64);
  return bitcast<f32>(all.x | (all.y << 7u) | (all.z << 14u) | ((all.w + 64u) << 23u));
}`

/** WGSL of the exponents: `unpackExponents(packed)`, and `powerOf(exponent)`. */
export const unpackExponents = /* wgsl */ `// Of Q, K, dO and V.
fn unpackExponents(packed: f32) -> vec4<i32> {
  let bits = bitcast<u32>(packed);
  return vec4<i32>(vec3<i32>((vec3<u32>(bits) >> vec3<u32>(0u, 7u, 14u)) & vec3<u32>(127u)) - 64, i32(bits >> 23u) - 128);
}

fn powerOf(exponent: i32) -> f32 { return bitcast<f32>(u32(clamp(exponent, -126, 127) + 127) << 23u); }`

/**
 * WGSL of `highPart`: x rounded to the 11 bits that float16 has, by its bits, since compilers may take
 * `f32(f16(x))` for x. What is left, x - highPart(x), has at most 12.
 */
export const highPart = /* wgsl */ `fn highPart(x: vec4<f32>) -> vec4<f32> {
  return bitcast<vec4<f32>>((bitcast<vec4<u32>>(x) + vec4<u32>(0x1000u)) & vec4<u32>(0xffffe000u));
}`
