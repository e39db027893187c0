// What planning knows of tiles that were measured on the device: the interface through which a plan
// asks, so that planning stays pure and knows nothing of where the answers come from.
import type { DType } from '@attn/core'
import type { BackwardTile } from './backward/backward-tile.ts'
import type { MatrixTileSizes } from './forward/matrix-tile-sizes.ts'
import type { ForwardTile } from './forward/tiles.ts'

/** What tells calls apart whose tiles are measured separately. */
export interface ShapeClass {
  readonly dtype: DType
  readonly headDim: number
  readonly valueDim: number
  readonly queryLength: number
  /** Whether there is a mask: tiles then differ in how many of them are empty. */
  readonly masked: boolean
}

/** A tile of the tiled kernel or of that on subgroup matrices, or a kernel with the tile that the planner gives it. */
export type ForwardKernelTile = ForwardTile | MatrixTileSizes | 'subgroup-matrix' | 'decode'

/** Whether a kernel on subgroup matrices is meant. */
export function isOnMatrices(tile: ForwardKernelTile): tile is MatrixTileSizes | 'subgroup-matrix' {
  return tile === 'subgroup-matrix' || (typeof tile === 'object' && 'subgroups' in tile)
}

/** The same of a backward kernel. */
export type BackwardKernelTile = BackwardTile | 'subgroup-matrix'

/** A tile that was measured, and how many times faster than the planner's own choice it was. */
export interface TunedTile<Tile> {
  readonly tile: Tile
  readonly speedUp: number
}

/** The tiles of one kind of calls; undefined for kernels that were not measured. */
export interface TunedTiles {
  readonly forward?: TunedTile<ForwardKernelTile>
  readonly backward?: TunedGradients
}

/** The tiles of both backward kernels, and the name of the kernels that were measured. */
export interface TunedGradients {
  readonly kernels: string
  readonly query: TunedTile<BackwardKernelTile>
  readonly key: TunedTile<BackwardKernelTile>
}

/** What is known of a call: tiles, or why what was imported does not apply. */
export type TuningAnswer = TunedTiles | { readonly ignored: string }

/** Answers for every call; undefined where nothing was imported. */
export interface Tuning {
  find(call: ShapeClass): TuningAnswer | undefined
}

/** Where a tile comes from; `explain()` tells. */
export type TileOrigin =
  | { readonly kind: 'given' }
  | { readonly kind: 'model'; readonly ignored?: string }
  | { readonly kind: 'tuned'; readonly speedUp: number }

/** The words of `explain()` for a tile. */
export function describeOrigin(origin: TileOrigin, model: string): string {
  if (origin.kind === 'given') return 'the tile that the caller chose'
  if (origin.kind === 'model') {
    return origin.ignored === undefined ? model : `${model}; not tuned: ${origin.ignored}`
  }
  const { speedUp } = origin
  return speedUp > 1
    ? `tuned on this device: ${speedUp.toFixed(2)}x over the model's choice`
    : "tuned on this device: the model's choice is the fastest"
}
