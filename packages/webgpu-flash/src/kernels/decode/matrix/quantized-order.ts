// In which order quantised elements lie in workgroup memory: as their bits come out of the words, two at a time,
// since products do not care for the order of dims as long as both factors have the same.
import type { QuantizedType } from '@attn/core'

/**
 * WGSL of \`keyDim(place)\`, the dim at a place of a row of keys, or of \`valuePlace(dim)\`, the place of a dim of
 * values. A word gives its bytes 0 and 2 and then 1 and 3, of four bits first the lower ones of each two.
 */
export function orderFunction(name: 'key' | 'value', type: QuantizedType): string {
  // Of a first block bytes are counted from the last two on.
  const eights = type === 'q8_0'
  const last = eights ? 31 : 15
  // In every other pair of blocks neighbouring vectors are exchanged, so that threads with one row meet other banks.
  if (name === 'key') {
    return eights
      ? /* wgsl */ `fn keyDim(exchanged: u32) -> u32 {
  let place = exchanged ^ ((exchanged >> 4u) & 4u);
  let inWord = ((place & 1u) << 1u) | ((place >> 1u) & 1u);
  let byte = ((place & 28u) + inWord + ((place >> 4u) & 2u) + 30u) & ${last}u;
  return (place & ~31u) | byte;
}`
      : /* wgsl */ `fn keyDim(exchanged: u32) -> u32 {
  let place = exchanged ^ ((exchanged >> 4u) & 4u);
  let inWord = ((place >> 3u) & 1u) | ((place & 1u) << 1u);
  let byte = (((place & 4u) | ((place >> 1u) & 8u)) + inWord + ((place >> 4u) & 2u) + 14u) & ${last}u;
  return (place & ~31u) | byte | ((place & 2u) << 3u);
}`
  }
  return eights
    ? /* wgsl */ `fn valuePlace(dim: u32) -> u32 {
  let byte = (dim + 2u - ((dim >> 4u) & 2u)) & ${last}u;
  let place = (dim & ~31u) | (byte & 28u) | ((byte & 1u) << 1u) | ((byte >> 1u) & 1u);
  return place ^ ((place >> 4u) & 4u);
}`
    : /* wgsl */ `fn valuePlace(dim: u32) -> u32 {
  let byte = ((dim & 15u) + 2u - ((dim >> 4u) & 2u)) & ${last}u;
  let place = (dim & ~31u) | (byte & 4u) | ((byte & 8u) << 1u) | ((byte & 1u) << 3u) | ((byte >> 1u) & 1u) | ((dim >> 3u) & 2u);
  return place ^ ((place >> 4u) & 4u);
}`
}
