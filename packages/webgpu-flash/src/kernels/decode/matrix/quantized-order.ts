// In which order quantised elements lie in workgroup memory: as their bits come out of the words, two at a time,
// since products do not care for the order of dims as long as both factors have the same.
import type { QuantizedType } from '@attn/core'

/** A word of elements: a word of a pair of blocks, or halves of two. */
export type BlockWord = number | 'mixed'

/**
 * The words of each block of a pair, in the order that they are taken. Of the first block the last two and first
 * two bytes lie in words that hold a scale besides, and make one word together.
 */
export function blockWords(type: QuantizedType): readonly (readonly BlockWord[])[] {
  const inBlock = type === 'q8_0' ? 8 : 4
  const rest = (first: number, count: number): number[] =>
    Array.from({ length: count }, (_, i) => first + i)
  return [['mixed', ...rest(1, inBlock - 1)], rest(inBlock + 1, inBlock)]
}

/**
 * WGSL of \`keyDim(place)\`, the dim at a place of a row of keys, or of \`valuePlace(dim)\`, the place of a dim of
 * values. A word gives its bytes 0 and 2 and then 1 and 3, of four bits first the lower ones of each two.
 */
export function orderFunction(name: 'key' | 'value', type: QuantizedType): string {
  // Of a first block bytes are counted from the last two on.
  const eights = type === 'q8_0'
  const last = eights ? 31 : 15
  if (name === 'key') {
    return eights
      ? /* wgsl */ `fn keyDim(place: u32) -> u32 {
  let inWord = ((place & 1u) << 1u) | ((place >> 1u) & 1u);
  let byte = ((place & 28u) + inWord + ((place >> 4u) & 2u) + 30u) & ${last}u;
  return (place & ~31u) | byte;
}`
      : /* wgsl */ `fn keyDim(place: u32) -> u32 {
  let inWord = ((place >> 2u) & 1u) | ((place & 1u) << 1u);
  let byte = (((place >> 1u) & 12u) + inWord + ((place >> 4u) & 2u) + 14u) & ${last}u;
  return (place & ~31u) | byte | ((place & 2u) << 3u);
}`
  }
  return eights
    ? /* wgsl */ `fn valuePlace(dim: u32) -> u32 {
  let byte = (dim + 2u - ((dim >> 4u) & 2u)) & ${last}u;
  return (dim & ~31u) | (byte & 28u) | ((byte & 1u) << 1u) | ((byte >> 1u) & 1u);
}`
    : /* wgsl */ `fn valuePlace(dim: u32) -> u32 {
  let byte = ((dim & 15u) + 2u - ((dim >> 4u) & 2u)) & ${last}u;
  return (dim & ~31u) | ((byte & 12u) << 1u) | ((byte & 1u) << 2u) | ((byte >> 1u) & 1u) | ((dim >> 3u) & 2u);
}`
}
