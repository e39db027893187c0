// Nearly normal inputs, by counter: element i of stream s is the same number to the last bit on the
// CPU and on the GPU. Zeros would flatter a measurement (GPUs clock higher on them) and constant rows
// hide mistakes. Hash: PCG-RXS-M-XS as in Jarzynski and Olano, JCGT 9(3), 2020; then the sum of four
// uniform numbers (Irwin-Hall), which is exact where Box-Muller's logarithm and cosine are not.

const multiplier = 747796405
const increment = 2891336453

/** The hash both sides use: 32 well-mixed bits of a counter. */
export function hash(counter: number): number {
  const state = (Math.imul(counter, multiplier) + increment) >>> 0
  const word = Math.imul(((state >>> ((state >>> 28) + 4)) ^ state) >>> 0, 277803737) >>> 0
  return ((word >>> 22) ^ word) >>> 0
}

/** Brings a sum of four independent 16-bit numbers to variance 1. */
const spread = Math.fround(Math.sqrt(3) / 65536)
const mean = 2 * 65535

/** Element `index` of a stream of numbers with mean 0 and variance 1, within +-3.47. */
export function normal(stream: number, index: number): number {
  const seed = hash(stream)
  const first = hash((2 * index + seed) >>> 0)
  const second = hash((2 * index + 1 + seed) >>> 0)
  const sum = (first & 0xffff) + (first >>> 16) + (second & 0xffff) + (second >>> 16)
  return Math.fround((sum - mean) * spread)
}

/** Elements 0 .. count - 1 of a stream. */
export function normalArray(stream: number, count: number): Float32Array<ArrayBuffer> {
  return Float32Array.from({ length: count }, (_, index) => normal(stream, index))
}

/** WGSL function `normal(stream, index) -> f32`, the same numbers. */
export const normalWgsl: string = /* wgsl */ `fn hash(counter: u32) -> u32 {
  let state = counter * ${multiplier}u + ${increment}u;
  let word = ((state >> ((state >> 28u) + 4u)) ^ state) * 277803737u;
  return (word >> 22u) ^ word;
}

fn normal(stream: u32, index: u32) -> f32 {
  let seed = hash(stream);
  let first = hash(2u * index + seed);
  let second = hash(2u * index + 1u + seed);
  let sum = (first & 0xffffu) + (first >> 16u) + (second & 0xffffu) + (second >> 16u);
  return f32(i32(sum) - ${mean}) * ${spread}f;
}`
