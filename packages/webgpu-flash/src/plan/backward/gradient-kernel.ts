// What computes the gradients of rows: a kernel with its tile. Each kind has a file that makes it; the list of them is
// in choose-gradient-kernel.ts.
import type { Access } from '../../codegen/access.ts'
import type { Capabilities } from '../../device/capabilities.ts'
import type { GradientConfig } from '../../kernels/backward/backward-frame.ts'
import type { RowScales } from '../../kernels/backward/backward-rows.wgsl.ts'
import type { SharedGradient } from '../../kernels/backward/sum-parts.wgsl.ts'
import type { TableSum } from '../../kernels/tile/table-sums.ts'
import type { Call } from '../call.ts'
import type { Refusal } from '../planned.ts'
import type { TileOrigin } from '../tuning.ts'
import type { BackwardTile, GradientRows } from './backward-tile.ts'
import type { GradientMatrixTile } from './gradient-matrix-tile.ts'
import type { SplitMatrixTile } from './split-matrix-tile.ts'

/** What decides the text of any kernel, beside its tile. */
export interface GradientTextConfig extends Omit<GradientConfig, 'tile' | 'memory'> {
  /** How each gradient is written. */
  readonly gradients: Readonly<Record<SharedGradient, Access>>
  /** Look-ups in trainable tables, whose gradients are summed. */
  readonly tables: readonly TableSum[]
}

/** A kernel of one kind for the rows of queries or of keys, with a tile in its words. */
interface KernelOf<Kind extends string, Tile> {
  readonly kind: Kind
  readonly tile: Tile
  readonly workgroupBytes: number
  /** Why this kernel and this tile, in words. */
  readonly reason: string
  /** Whether a tile of two teams suits the call. */
  readonly teams: boolean
  /** What it has to know of rows to scale its numbers. */
  readonly scales: RowScales
  /** Whether it reads float16 halves in place of the tensors. */
  readonly readsHalves: boolean
  /** Whether it can go on with float32 totals and write the gradients themselves. */
  readonly readsTotals: boolean
  /** Gradients in the order in which it binds them. */
  readonly writes: readonly SharedGradient[]
  /** The WGSL. */
  text(config: GradientTextConfig): string
}

/** In plain WGSL. */
export type TiledGradient = KernelOf<'tiled', BackwardTile>
/** On subgroup matrices, of float16. */
export interface MatrixGradient extends KernelOf<'subgroup-matrix', GradientMatrixTile> {
  /** The kernel with the tile for rows that meet few tokens; undefined where there is none. */
  readonly ofFewTokens?: MatrixGradient | undefined
}
/** On subgroup matrices, of float32 as three products of float16. Heads whose rows cannot be split it leaves out. */
export interface SplitGradient extends KernelOf<'split-matrix', SplitMatrixTile> {
  /** As of `MatrixGradient`. */
  readonly ofFewTokens?: SplitGradient | undefined
}

/** A kernel of any kind. */
export type GradientKernel = TiledGradient | MatrixGradient | SplitGradient

/** What a kernel on subgroup matrices is made for. */
export interface MatrixRequest {
  readonly call: Call
  readonly gradients: GradientRows
  /** The caller's tile; undefined where the planner chooses. */
  readonly given: GradientMatrixTile | SplitMatrixTile | undefined
  readonly origin: TileOrigin
  /** What keeps the call from any matrices; undefined where nothing does. */
  readonly problem: string | undefined
  readonly capabilities: Capabilities
}

/** Makes the kernel of one kind, or says why not; undefined for types and tiles that are another kind's. */
export type MatrixFamily = (request: MatrixRequest) => GradientKernel | Refusal | undefined
