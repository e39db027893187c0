// Philox4x32-10, a counter-based random number generator (Salmon et al., "Parallel random numbers: as
// easy as 1, 2, 3", SC 2011): ten rounds of multiplication turn a counter and a key into four random
// words. There is no state, so any worker can make any number, in any order, on any device.

/** Four 32-bit words. */
export type FourWords = readonly [number, number, number, number]

const rounds = 10
const multipliers = [0xd2511f53, 0xcd9e8d57] as const
const weyl = [0x9e3779b9, 0xbb67ae85] as const // Golden ratio and sqrt(3) - 1.

/**
 * Four random 32-bit words for a counter and a key.
 *
 * @param counter - Four 32-bit words, unsigned or signed.
 * @param key - Two 32-bit words, the low one first.
 *
 * @example
 * ```ts
 * import { philox4x32 } from '@attn/core'
 * philox4x32([0, 0, 0, 0], [0, 0])[0].toString(16) // => '6627e8d5'
 * ```
 */
export function philox4x32(counter: FourWords, key: readonly [number, number]): FourWords {
  let [a, b, c, d] = counter
  let [keyLow, keyHigh] = key
  for (let round = 0; round < rounds; round++) {
    const highA = multiplyHigh(multipliers[0], a)
    const highC = multiplyHigh(multipliers[1], c)
    const lowA = Math.imul(multipliers[0], a)
    const lowC = Math.imul(multipliers[1], c)
    a = highC ^ b ^ keyLow
    b = lowC
    c = highA ^ d ^ keyHigh
    d = lowA
    keyLow = (keyLow + weyl[0]) | 0
    keyHigh = (keyHigh + weyl[1]) | 0
  }
  return [a >>> 0, b >>> 0, c >>> 0, d >>> 0]
}

/** The upper 32 bits of the unsigned product; by halves, since a number holds only 53 bits. */
function multiplyHigh(x: number, y: number): number {
  const [xHigh, xLow] = [x >>> 16, x & 0xffff]
  const [yHigh, yLow] = [y >>> 16, y & 0xffff]
  const middle = xHigh * yLow + ((xLow * yLow) >>> 16)
  const carry = (middle & 0xffff) + xLow * yHigh
  return xHigh * yHigh + (middle >>> 16) + (carry >>> 16)
}
