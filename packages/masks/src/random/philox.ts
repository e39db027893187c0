// Philox4x32-10, the counter-based generator of "Parallel Random Numbers: As Easy as 1, 2, 3"
// (Salmon et al., SC 2011): a word is a pure function of a key and a counter, in 32-bit integer
// arithmetic, so a seed means the same random pattern on every machine and in every language.

/** The 64 bits of a 32 x 32 bit product, from 16-bit halves, as numbers hold 53 bits exactly. */
function highWord(a: number, b: number): number {
  const aLow = a & 0xffff
  const aHigh = a >>> 16
  const bLow = b & 0xffff
  const bHigh = b >>> 16
  const middle = aHigh * bLow + ((aLow * bLow) >>> 16)
  const carried = aLow * bHigh + (middle & 0xffff)
  return (aHigh * bHigh + (middle >>> 16) + (carried >>> 16)) >>> 0
}

/**
 * Fills `out` with the four words of one counter. Key and counter are 32-bit words; `out` may hold
 * the counter itself.
 */
export function philox(
  key0: number,
  key1: number,
  counter: readonly [number, number, number, number],
  out: Uint32Array,
): void {
  let [x0, x1, x2, x3] = counter
  for (let round = 0; round < 10; round++) {
    const high0 = highWord(0xd2511f53, x0)
    const high1 = highWord(0xcd9e8d57, x2)
    const low0 = Math.imul(0xd2511f53, x0) >>> 0
    const low1 = Math.imul(0xcd9e8d57, x2) >>> 0
    x0 = (high1 ^ x1 ^ key0) >>> 0
    x1 = low1
    x2 = (high0 ^ x3 ^ key1) >>> 0
    x3 = low0
    key0 = (key0 + 0x9e3779b9) >>> 0
    key1 = (key1 + 0xbb67ae85) >>> 0
  }
  out[0] = x0
  out[1] = x1
  out[2] = x2
  out[3] = x3
}
