// Rows of keys and values on their way: those of a chunk lie one after another, so they are loaded 16 bytes at a time,
// while the chunk before is worked on, and come to workgroup memory as they are.
import { unroll } from '../../../codegen/snippets.ts'
import { placeText } from '../decode-places.ts'
import { chunkNumber } from '../matrix/staged-rows.ts'
import { eachUnit } from '../../tile/source.ts'
import { rowWords } from '../block-words.ts'
import type { DecodeIntegersConfig } from './config.ts'

/** The texts that move the rows of a tensor. */
export interface StagedRows {
  /** Declares registers. */
  readonly registers: string
  /** Sends for the rows of a chunk, where there is one. */
  send(chunk: string): string
  /** Brings them to the tile. */
  readonly store: string
}

/** The rows of keys or of values. */
export function stagedRows(
  { types, headDim, valueDim, places, tile }: DecodeIntegersConfig,
  name: 'key' | 'value',
): StagedRows {
  const words = rowWords(types[name], name === 'key' ? headDim : valueDim)
  const vectors = (tile.keys * words) / 4
  const slots = Math.ceil(vectors / 32)
  const register = (slot: number): string => `${name}Next${slot}`
  // Threads without a vector left load another's: where paths part, loads would be waited for.
  const held = (slot: number): string =>
    (slot + 1) * 32 <= vectors
      ? `lane + ${slot * 32}u`
      : `min(lane + ${slot * 32}u, ${vectors - 1}u)`
  const place = placeText(places, tile.keys).rows(1, 'let ', () => 'min(firstKey, lastKey)')
  return {
    registers: unroll(slots, (slot) => `var ${register(slot)} = vec4<u32>();`),
    send: (chunk) => `if (${chunk} < endChunk) {
  let firstKey = ${chunkNumber(chunk)} * chunkKeys;
  ${place.replaceAll('\n', '\n  ')}
  let first = ${name}Base + (place0 >> 2u) * ${words}u;
${unroll(slots, (slot) => `  ${register(slot)} = ${name}[first + ${held(slot)}];`)}
}`,
    store: eachUnit(
      vectors,
      32,
      (slot) => `tile[2u * lane + ${64 * slot}u] = ${register(slot)}.xy;
tile[2u * lane + ${64 * slot + 1}u] = ${register(slot)}.zw;`,
      'lane',
    ),
  }
}
