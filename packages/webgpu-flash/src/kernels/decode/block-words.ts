// Where the elements of two neighbouring blocks lie in words (see quantize.ts of core), which begin and end on whole ones:
// scale of two bytes, elements; scale, elements. The second scale lies in a word with the last two bytes of the first
// block, whose first two lie beside the first scale. Brought together these four make the first block's last word, so
// each block is whole words.
import type { QuantizedType } from '@attn/core'

/** Words of two blocks, the word with the second scale, words of a block; elements of a byte. */
export const blockSizes = {
  q8_0: { pair: 17, second: 8, words: 8, inByte: 1 },
  q4_0: { pair: 9, second: 4, words: 4, inByte: 2 },
} as const

/** Words of a row. */
export const rowWords = (type: QuantizedType, dims: number): number =>
  (dims / 64) * blockSizes[type].pair

/** The word of a row that begins a pair of blocks, and with it the scale of the first in its lower half. */
export const pairWord = (type: QuantizedType, pair: number): number => pair * blockSizes[type].pair

/** The word with the second scale in its upper half. */
export const middleWord = (type: QuantizedType, pair: number): number =>
  pairWord(type, pair) + blockSizes[type].second

/** The word of a row that has the elements `n` of a block. */
export function elementWord(type: QuantizedType, block: number, n: number): number {
  const { second } = blockSizes[type]
  return pairWord(type, block >> 1) + 1 + n + (block & 1) * second
}

/** The first block's last two and first two bytes as its last word, of the words that they lie in. */
export const broughtTogether = (middle: string, first: string): string =>
  `(${middle} & 0xffffu) | (${first} & 0xffff0000u)`

/** The two scales, of the same words. */
export const bothScales = (middle: string, first: string): string =>
  `(${first} & 0xffffu) | (${middle} & 0xffff0000u)`

/**
 * WGSL of the dim of byte `byte` of the word `n` of a block, of four bits that of its lower ones: those of the block's
 * upper half are 16 further.
 *
 * @param first - Whether it is the first block of a pair.
 */
export function byteDim(type: QuantizedType, n: string, byte: string, first: string): string {
  return `((4u * ${n} + ${byte} + select(0u, 2u, ${first})) & ${type === 'q8_0' ? 31 : 15}u)`
}

/**
 * A statement that notes in `notFinite`, above each exponent, that a scale is not finite: sums of whole numbers hide it.
 */
export const noteScales = (scales: string): string =>
  `notFinite |= (${scales} & 0x7c007c00u) + 0x04000400u;`
