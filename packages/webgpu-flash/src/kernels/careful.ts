// NaN and infinities. A hidden pair contributes nothing whatever its key and value hold, yet a weight of
// 0 times NaN is NaN; and the weights of visible pairs must not hide what is wrong with their scores. To
// ask every pair whether it counts would slow down every call. So a kernel first computes as if all was
// finite: whatever was not comes out as NaN or infinity, since neither ever leaves a sum or a product. Where
// that is so the workgroup computes once more, with care: hidden pairs are left out of the sums one by one.
import { indent } from '../codegen/snippets.ts'

/** Says `-Infinity` where the uniform block has a field for it: no literal can, and compilers may not know. */
export const hiddenScore = 'let hidden = bitcast<f32>(params.negativeInfinity);'

/** Comparisons with it are of bits, since compilers may take for granted that floats are finite. */
export const hiddenBits =
  'const hiddenBits = 0xff800000u; // a score of -Infinity, or a log-sum-exp'

/**
 * WGSL of `exponential` and `logarithm` for single numbers, which keep NaN: some software adapters make
 * numbers of it.
 */
export const rowFunctions: string = /* wgsl */ `fn isNotANumber(x: f32) -> bool {
  return (bitcast<u32>(x) & 0x7fffffffu) > 0x7f800000u;
}

fn exponential(x: f32) -> f32 {
  return select(exp(x), x, isNotANumber(x));
}

fn logarithm(x: f32) -> f32 {
  return select(log(x), x, isNotANumber(x));
}`

/**
 * WGSL functions for weights and sums, which scores of -Infinity are left out of.
 *
 * @param keepsNaN - Whether NaN must be kept by hand, as on software adapters. Hardware does it.
 */
export const carefulFunctions = (keepsNaN: boolean): string => /* wgsl */ `${hiddenBits}
const hiddenWeightBits = 0x80000000u; // its weight is -0, which no exponential is, not if it underflows

fn pairWeights(scores: vec4<f32>, reference: vec4<f32>) -> vec4<f32> {
${
  keepsNaN
    ? `  let exponents = scores - reference;
  let numbers = (bitcast<vec4<u32>>(exponents) & vec4<u32>(0x7fffffffu)) <= vec4<u32>(0x7f800000u);
  let weights = bitcast<vec4<u32>>(select(exponents, exp(exponents), numbers));`
    : '  let weights = bitcast<vec4<u32>>(exp(scores - reference));'
}
  return bitcast<vec4<f32>>(select(weights, vec4<u32>(hiddenWeightBits), bitcast<vec4<u32>>(scores) == vec4<u32>(hiddenBits)));
}

fn addVisible(sum: vec4<f32>, weight: f32, row: vec4<f32>) -> vec4<f32> {
  return select(fma(vec4<f32>(weight), row, sum), sum, bitcast<u32>(weight) == hiddenWeightBits);
}

fn allFinite(values: vec4<f32>) -> bool {
  return all((bitcast<vec4<u32>>(values) & vec4<u32>(0x7f800000u)) != vec4<u32>(0x7f800000u));
}`

/** The same for one pair. */
export const pairWeightFunction: string = /* wgsl */ `fn pairWeight(score: f32, reference: f32) -> f32 {
  return pairWeights(vec4<f32>(score), vec4<f32>(reference)).x;
}`

/**
 * WGSL that runs `compute`, again with `careful` true where that left something that is not finite, and
 * then `finish`. Both may hold barriers.
 *
 * @param sums - Vectors of a thread that are not finite if anything is not.
 * @param flag - A float or vector in workgroup memory that nothing else uses: its text and type.
 * @param atOnce - Whether `compute` knows no other way than with care. Default: false.
 */
export function withCare(
  compute: string,
  finish: string,
  sums: readonly string[],
  flag: readonly [place: string, type: 'f32' | 'vec4<f32>'],
  atOnce = false,
): string {
  if (atOnce) return `${compute}\n${finish}`
  const [place, type] = flag
  return `// The second time with care; see kernels/careful.ts.
var careful = false;
var care = 0u; // the same as a number, 1 or 0, which no compiler knows
if (thread == 0u) { ${place} = ${type}(0.0); }
loop {
${indent(compute, 2)}
  if (!careful) {
    // Sums may overflow here: then care is taken for nothing.
    if (!allFinite(${sums.join(' + ')})) { ${place} = ${type}(1.0); }
    care = u32(workgroupUniformLoad(&${place})${type === 'f32' ? '' : '.x'});
    careful = care != 0u;
    if (careful) { continue; }
  }
${indent(finish, 2)}
  break;
}`
}

/**
 * Text that sums with care or without: two texts, since the first is slower. Loops with care run `care` times
 * their number, so that drivers do not unroll what hardly ever runs.
 */
export function eitherSum(careful: string, usual: string): string {
  return `if (careful) {\n${indent(careful, 2)}\n} else {\n${indent(usual, 2)}\n}`
}
