// Everything that the mask lab draws of its settings, as plain data.
import { createBlockMap } from '@attn/core'
import {
  legibleLayer,
  pairRaster,
  plannedLayers,
  type PairRaster,
  type PlannedLayers,
  type TileLayer,
  type TileSize,
} from '@attn/components/picture-data'
import { attentionOptions, shapeOf, type Settings } from '../settings/settings.ts'

export interface PictureRequest {
  readonly settings: Settings
  readonly tile: TileSize
  readonly head: number
  /** Whether the planner’s passes are drawn with their pairs. */
  readonly moves: boolean
}

export interface LabPicture {
  readonly request: PictureRequest
  readonly pairs: PairRaster
  readonly tiles: TileLayer
  readonly planned: PlannedLayers
  /** Heads that see different keys; 1 where all see the same. */
  readonly heads: number
}

/** Cells along a side of the picture. */
const resolution = 512
/** @throws RangeError or TypeError for a mask that does not fit its sizes. */
export function makePicture(request: PictureRequest): LabPicture {
  const { settings, tile } = request
  const { mask } = attentionOptions(settings)
  const { heads, queryLength, keyLength } = shapeOf(settings)
  const shape = { batch: 1, heads, queryLength, keyLength }
  const sizes = { queryBlockSize: tile.queries, keyBlockSize: tile.keys }
  const map = createBlockMap(mask, shape, sizes)
  const head = Math.min(request.head, map.heads - 1)
  return {
    request,
    pairs: pairRaster(mask, shape, head, resolution),
    tiles: legibleLayer(map, head),
    planned: plannedLayers(mask, shape, tile, head, request.moves),
    heads: map.heads,
  }
}
