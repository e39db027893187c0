// Pictures of masks as data, without what draws it: for workers.
export { maskPicture } from './mask-picture.ts'
export type { MaskPicture } from './mask-picture.ts'
export { pairRaster } from './pair-raster.ts'
export type { PairRaster, PictureShape } from './pair-raster.ts'
export { plannedLayers } from './pass-layers.ts'
export type { PassLayer, PlannedLayers } from './pass-layers.ts'
export { legibleLayer, tileLayer } from './tile-layer.ts'
export type { TileLayer, TileSize } from './tile-layer.ts'
