// What computes a pass of a forward call: a kernel with its tile. Each kind has a file that makes it and says in its
// own words what the tile is; the list of them is kernel-families.ts.
import type { BlockMap } from '@attn/core'
import type { Capabilities } from '../../device/capabilities.ts'
import type { PassConfig } from '../../kernels/forward/forward-config.ts'
import type { Call } from '../call.ts'
import type { Refusal } from '../planned.ts'
import type { MatrixTile } from './matrix-tile.ts'
import type { ForwardTile } from './tiles.ts'

/** A kernel of one kind, with a tile in its words. */
interface KernelOf<Kind extends string, Tile> {
  readonly kind: Kind
  readonly tile: Tile
  /** Threads of a workgroup, and what memory it shares. */
  readonly threads: number
  readonly workgroupBytes: number
  /** Whether eight float16 of keys and values are read as one where they lie so. */
  readonly readsEights: boolean
  /** How long visible tiles take, of which partial ones ask every pair or compare ends; compares tiles of one kind. */
  cost(maps: readonly BlockMap[], asksPairs: boolean): number
  /** Why the planner chose it, in words. */
  reason(whyNoOther: string): string
  /** The WGSL for a pass. */
  text(config: PassConfig): string
}

/** In plain WGSL. */
export type TiledKernel = KernelOf<'tiled', ForwardTile>
/** On subgroup matrices, of elements as they are. */
export type MatrixKernel = KernelOf<'subgroup-matrix', MatrixTile>
/** On subgroup matrices, of the float16 halves of float32. */
export type HalvesKernel = KernelOf<'halves', MatrixTile>

/** A kernel of any kind. */
export type ForwardKernel = TiledKernel | MatrixKernel | HalvesKernel

/** Kernels of one kind for a call: the first choice, then those that some masks suit better. Or why there are none. */
export type KernelChoice<Kernel extends ForwardKernel = ForwardKernel> =
  { readonly kernels: readonly [Kernel, ...Kernel[]] } | Refusal

/** A kind of kernels. */
export interface KernelFamily<Kernel extends ForwardKernel = ForwardKernel> {
  readonly kind: Kernel['kind']
  /** Those for a call on a device. */
  candidates(call: Call, capabilities: Capabilities): KernelChoice<Kernel>
}
