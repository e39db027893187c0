// Reproducible random numbers for demonstrations: xorshift32, made normal by Box and Muller.

/** `count` numbers from the standard normal distribution, the same for the same seed. */
export function normalNumbers(seed: number, count: number): Float64Array<ArrayBuffer> {
  let state = Math.imul(seed | 0, 0x9e3779b1) ^ 0x85ebca6b || 1
  const uniform = (): number => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return ((state >>> 0) + 0.5) / 2 ** 32
  }
  return Float64Array.from({ length: count }, () => {
    const radius = Math.sqrt(-2 * Math.log(uniform()))
    return radius * Math.cos(2 * Math.PI * uniform())
  })
}
