// Which pairs are visible, by the part of the pattern that allows them, a cell of pairs for each point
// of the screen. Cells are tiles to `createBlockMap`, so a million tokens take no more looks than their pattern
// has edges.
import { blockMapRow, createBlockMap, type BlockMapShape, type Mask } from '@attn/core'
import { componentsOf } from '@attn/masks'

export interface PairRaster {
  readonly columns: number
  readonly rows: number
  /** Side of a cell, in tokens: 1 where every pair has a cell of its own. */
  readonly cell: number
  /**
   * Row by row: 0 where nothing is visible, else `2 * part + 1` where some pairs are and `2 * part + 2`
   * where all are. Where parts overlap it is the first.
   */
  readonly cells: Uint8Array<ArrayBuffer>
  /** Names of the parts. */
  readonly parts: readonly string[]
}

/** What `createBlockMap` knows without packed sequences. */
export type PictureShape = Pick<
  BlockMapShape,
  'batch' | 'heads' | 'queryLength' | 'keyLength' | 'queryOffset'
>

/** Parts past this one share its colour. */
export const mostParts = 6

/**
 * The pairs of one head.
 *
 * @param mask - Undefined where every pair is visible.
 * @param resolution - Cells along the longer side, at most.
 */
export function pairRaster(
  mask: Mask | undefined,
  shape: PictureShape,
  head: number,
  resolution: number,
): PairRaster {
  const { queryLength, keyLength } = shape
  const cell = Math.max(1, Math.ceil(Math.max(queryLength, keyLength) / resolution))
  const rows = Math.ceil(queryLength / cell)
  const columns = Math.ceil(keyLength / cell)
  const parts = mask ? componentsOf(mask) : []
  const cells = new Uint8Array(rows * columns)
  const paint = (part: Mask | undefined, put: (at: number, full: boolean) => void): void => {
    const map = createBlockMap(part, shape, { queryBlockSize: cell, keyBlockSize: cell })
    for (let row = 0; row < rows; row++) {
      for (const { start, end, full } of blockMapRow(map, 0, Math.min(head, map.heads - 1), row)) {
        for (let column = start; column < end; column++) put(row * columns + column, full)
      }
    }
  }
  paint(mask, (at, full) => (cells[at] = full ? 2 : 1))
  // From the last to the first, so that the first is on top. Those that overlap fill a cell together.
  const own = parts.length > 1 ? parts : []
  for (let part = own.length - 1; part >= 0; part--) {
    const number = 2 * Math.min(part, mostParts - 1)
    paint(own[part], (at) => (cells[at] = number + (cells[at]! % 2 === 0 ? 2 : 1)))
  }
  const names = parts.map(({ name }) => inWords(name))
  return { columns, rows, cell, cells, parts: names.length > 0 ? names : ['every pair'] }
}

/** `slidingWindow` as `sliding window`. */
function inWords(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`).replaceAll('_', ' ')
}
