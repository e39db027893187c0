// What a plan is asked for.
import type { AttentionOptions, DType, OptionNames } from '@attn/core'
import type { BackwardTiles } from './backward/gradient-tile.ts'
import type { WantedDecodeTile } from './decode/wanted-decode-tile.ts'
import type { RopeOption } from './rotate/rope-options.ts'
import type { MatrixTileSizes } from './forward/matrix-tile-sizes.ts'
import type { ForwardTile } from './forward/tiles.ts'

/** What a plan is made for: the sizes of the tensors and everything that decides the result. */
export interface PlanOptions extends Omit<AttentionOptions, 'parameters'> {
  /** B: sequences. Default: 1. */
  readonly batch?: number | undefined
  /** H: query heads. */
  readonly heads: number
  /** Hkv: key and value heads; H / Hkv neighbouring query heads share one. Default: `heads`. */
  readonly kvHeads?: number | undefined
  /** L: queries of a sequence. */
  readonly queryLength: number
  /** S: keys of a sequence. Default: `queryLength`. */
  readonly keyLength?: number | undefined
  /** D, 1 to 576; to 256 with `training`. */
  readonly headDim: number
  /** Dv, 1 to 512; to 256 with `training`. Default: `headDim`. */
  readonly valueDim?: number | undefined
  /** Element type of query, key, value and output. Default: float32. */
  readonly dtype?: DType | undefined
  /**
   * Turns queries and keys by their positions before attention. Keys of a cache that are turned
   * already stay as they are with `{ query: embedding }`. Where frequencies change with the length
   * (dynamic NTK, LongRoPE), cache keys unturned and make a plan with the new embedding.
   */
  readonly rope?: RopeOption | undefined
  /**
   * When it is known how many keys there are. `call`: `forward` is given `keyLengths` (and
   * `queryOffset`, which follows them by default) each time, and `keyLength` is the most there may be,
   * the capacity of a cache. One plan then serves while the cache grows. Default: `plan`.
   */
  readonly lengths?: 'plan' | 'call' | undefined
  /**
   * A tile to use instead of the planner's choice: for measuring. `'subgroup-matrix'` asks for the kernels on
   * subgroup matrices with the tile that the planner gives them, in float32 however small the call is; sizes such as
   * `{ subgroups: 4, ownRows: 32, keys: 16 }` ask for them with that tile.
   */
  readonly tile?: ForwardTile | MatrixTileSizes | 'subgroup-matrix' | undefined
  /** The same, or parts of it, for queries so few that keys are read once: for measuring. */
  readonly decodeTile?: WantedDecodeTile | undefined
  /** Whether to plan the backward pass too, of a library made with `training: true`. Default: false. */
  readonly training?: boolean | undefined
  /**
   * Tiles of the backward pass to use instead of the planner's choice: for measuring. Those of pairs, of float32 by halves,
   * are taken whatever the forward pass is; unless it is by halves too, gradients of large scores are less exact.
   */
  readonly backwardTiles?: BackwardTiles | undefined
  /**
   * Floating-point operations a dispatch may hold. Default: 2^38, about a second on a phone. Calls of more are
   * cut, along the keys where few rows are left to spread: the output, in its dtype, is then merged from dispatches.
   */
  readonly workBudget?: number | undefined
}

/** Their names, besides those of every attention function. */
export const planOptionNames: OptionNames<Omit<PlanOptions, keyof AttentionOptions>> = {
  batch: true,
  heads: true,
  kvHeads: true,
  queryLength: true,
  keyLength: true,
  headDim: true,
  valueDim: true,
  dtype: true,
  rope: true,
  lengths: true,
  tile: true,
  decodeTile: true,
  training: true,
  backwardTiles: true,
  workBudget: true,
}
