// What products on subgroup matrices do to float32 sums, as it was measured on an NVIDIA H200: they round them towards
// zero. Lavapipe and SwiftShader do not, so it is imitated.

/** Numbers with mean 0 and variance 1, nearly normal. */
export function normals(seed: number): () => number {
  let counter = Math.imul(seed, 0x9e3779b9)
  const uniform = (): number => {
    counter = (counter + 0x6d2b79f5) | 0
    let word = Math.imul(counter ^ (counter >>> 15), counter | 1)
    word ^= word + Math.imul(word ^ (word >>> 7), word | 61)
    return ((word ^ (word >>> 14)) >>> 0) / 2 ** 32
  }
  return () => Math.fround((uniform() + uniform() + uniform() + uniform() - 2) * Math.sqrt(3))
}

const floats = new Float32Array(1)
const words = new Uint32Array(floats.buffer)
/** The number that `change` makes of the bits of another. */
export function byBits(value: number, change: (bits: number) => number): number {
  floats[0] = value
  words[0] = change(words[0]!)
  return floats[0]
}

/** The next float32 towards zero. */
export function towardsZero(value: number): number {
  const nearest = Math.fround(value)
  const beyond = Math.abs(nearest) > Math.abs(value)
  return beyond ? byBits(nearest, (bits) => bits - 1) : nearest
}
