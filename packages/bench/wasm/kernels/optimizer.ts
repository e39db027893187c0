// AdamW (Loshchilov and Hutter, arXiv 1711.05101), four weights at a time.
import { sumOf } from './vector'

function at(base: usize, index: i32): usize {
  return base + ((<usize>index) << 2)
}

/** The sum of the squares of a multiple of 4 numbers. */
export function sumOfSquares(count: i32, x: usize): f32 {
  let sums = f32x4.splat(0)
  for (let i = 0; i < count; i += 4) {
    const value = v128.load(at(x, i))
    sums = f32x4.add(sums, f32x4.mul(value, value))
  }
  return sumOf(sums)
}

/**
 * One step.
 *
 * @param factor - What gradients are multiplied by: clipping.
 * @param firstCorrection - 1 / (1 - decay^step), and likewise the second.
 * @param shrink - Weight decay.
 */
export function adamW(
  count: i32,
  weights: usize,
  gradients: usize,
  first: usize,
  second: usize,
  factor: f32,
  rate: f32,
  firstDecay: f32,
  secondDecay: f32,
  firstCorrection: f32,
  secondCorrection: f32,
  shrink: f32,
): void {
  for (let i = 0; i < count; i += 4) {
    const g = f32x4.mul(v128.load(at(gradients, i)), f32x4.splat(factor))
    const mean = f32x4.add(
      f32x4.mul(v128.load(at(first, i)), f32x4.splat(firstDecay)),
      f32x4.mul(g, f32x4.splat(1 - firstDecay)),
    )
    const square = f32x4.add(
      f32x4.mul(v128.load(at(second, i)), f32x4.splat(secondDecay)),
      f32x4.mul(f32x4.mul(g, g), f32x4.splat(1 - secondDecay)),
    )
    v128.store(at(first, i), mean)
    v128.store(at(second, i), square)
    const deviation = f32x4.add(
      f32x4.sqrt(f32x4.mul(square, f32x4.splat(secondCorrection))),
      f32x4.splat(1e-8),
    )
    const weight = v128.load(at(weights, i))
    const step = f32x4.add(
      f32x4.div(f32x4.mul(mean, f32x4.splat(firstCorrection)), deviation),
      f32x4.mul(weight, f32x4.splat(shrink)),
    )
    v128.store(at(weights, i), f32x4.sub(weight, f32x4.mul(step, f32x4.splat(rate))))
  }
}
