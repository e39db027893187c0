// A small mask as everything that a picture of it shows, made where it is drawn.
import { createBlockMap, type Mask } from '@attn/core'
import { maskStatistics } from '@attn/masks'
import { pairRaster, type PairRaster } from './pair-raster.ts'
import { tileLayer, type TileLayer } from './tile-layer.ts'

export interface MaskPicture {
  readonly tiles: TileLayer
  readonly pairs: PairRaster
  readonly visiblePairs: number
}

/** @param mask - Undefined where every pair is visible. */
export function maskPicture(mask: Mask | undefined, length: number, block: number): MaskPicture {
  const shape = { batch: 1, heads: 1, queryLength: length, keyLength: length }
  const map = createBlockMap(mask, shape, { queryBlockSize: block, keyBlockSize: block })
  return {
    tiles: tileLayer(map),
    pairs: pairRaster(mask, shape, 0, 512),
    visiblePairs: mask ? maskStatistics(mask, length).pairs : length ** 2,
  }
}
