// What decides the text of a forward kernel: of all of them the pass, and of the one in plain WGSL its tile.
import type { Access } from '../../codegen/access.ts'
import type { ScoreRules } from '../../codegen/snippets.ts'
import type { ForwardTile, TileMemory } from '../../plan/forward/tiles.ts'
import type { OptionalFields } from '../parameters.ts'

/** What decides the text of any forward kernel, beside its tile. */
export interface PassConfig extends OptionalFields {
  readonly headDim: number
  readonly valueDim: number
  readonly query: Access
  readonly key: Access
  readonly value: Access
  readonly output: Access
  readonly rules: ScoreRules
  /** Whether score modifiers may add numbers near the lowest float32, as additive masks do. Default: false. */
  readonly hugeScores?: boolean
  /** Whether masks are asked in loops over the pairs of a row. Default: false. */
  readonly shortText?: boolean
  /** Whether key tiles come from a block map; without one all are visited. */
  readonly blockMap: boolean
  /** WGSL of `queryToken` and `keyToken` where tokens stand in an order of their own. */
  readonly tokens?: string | undefined
  /** Whether a workgroup takes a part of a row of tiles; see plan/forward/split-rows.ts. Default: false. */
  readonly parts?: boolean
  readonly descriptorWords: number
  readonly parameterWords: number
}

/** All that decides the text of the kernel in plain WGSL. */
export interface ForwardConfig extends PassConfig {
  readonly tile: ForwardTile
  readonly memory: TileMemory
  /** Whether its loops stay rolled up, as it hardly ever runs. Default: false. */
  readonly rolled?: boolean
}
