// A block map as a small picture in text, for debugging and for documentation.
import { rangeError } from '../errors.ts'
import { blockMapRow } from './block-map.ts'
import type { BlockMap } from './block-map.ts'

/**
 * Draws one sequence and head of a block map, a line for each row of query tiles: `#` full, `+`
 * partial, `.` empty.
 *
 * @throws RangeError when the picture would be wider than 512 characters or the map has no such
 *   sequence or head.
 *
 * @example
 * ```ts
 * import { blockMapToText, createBlockMap, mask } from '@attn/core'
 * const causal = mask('causal', ({ query, key }) => key.le(query))
 * const shape = { batch: 1, heads: 1, queryLength: 192, keyLength: 256 }
 * const map = createBlockMap(causal, shape, { queryBlockSize: 64, keyBlockSize: 64 })
 * blockMapToText(map).split('\n') // => ['#+..', '##+.', '###+']
 * ```
 */
export function blockMapToText(map: BlockMap, batch = 0, head = 0): string {
  const limit = 512
  if (map.keyBlocks > limit || map.queryBlocks > limit) {
    throw rangeError(
      `blockMapToText: can draw at most ${limit} x ${limit} tiles, got ${map.queryBlocks} x ${map.keyBlocks}`,
    )
  }
  const has = (index: number, size: number): boolean => size === 1 || (index >= 0 && index < size)
  if (!has(batch, map.batch) || !has(head, map.heads)) {
    throw rangeError(
      `blockMapToText: the map has ${map.batch} sequences and ${map.heads} heads, got batch=${batch} head=${head}`,
    )
  }
  const lines = Array.from({ length: map.queryBlocks }, (_, queryBlock) => {
    const tiles = Array<string>(map.keyBlocks).fill('.')
    for (const { start, end, full } of blockMapRow(map, batch, head, queryBlock)) {
      tiles.fill(full ? '#' : '+', start, end)
    }
    return tiles.join('')
  })
  return lines.join('\n')
}
