// Reproducible inputs without storing them: xorshift32, the same as behind the golden vectors.
import { tensorFrom } from '../../src/index.ts'
import type { CpuDType, Tensor } from '../../src/index.ts'

/** `count` numbers in [-1, 1). */
export function randomNumbers(seed: number, count: number): Float64Array {
  let state = seed >>> 0 || 1
  const numbers = new Float64Array(count)
  for (let place = 0; place < count; place++) {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    state >>>= 0
    numbers[place] = state / 2147483648 - 1
  }
  return numbers
}

/** A row-major tensor of numbers in [-scale, scale). */
export function fill(
  seed: number,
  shape: readonly number[],
  scale = 1,
  dtype: CpuDType = 'float32',
): Tensor {
  const count = shape.reduce((product, size) => product * size, 1)
  return tensorFrom(
    randomNumbers(seed, count).map((value) => value * scale),
    shape,
    dtype,
  )
}
