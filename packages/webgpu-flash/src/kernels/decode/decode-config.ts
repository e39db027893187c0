// All that decides the text of the decode kernel.
import type { Access } from '../../codegen/access.ts'
import type { ScoreRules } from '../../codegen/snippets.ts'
import type { DecodeMemory, DecodeTile } from '../../plan/decode/decode-tile.ts'
import type { PlacesText } from '../../plan/decode/key-places.ts'
import type { DecodeAccess } from './decode-access.ts'

/** All that decides the text of the kernel. */
export interface DecodeConfig {
  readonly tile: DecodeTile
  readonly memory: DecodeMemory
  readonly headDim: number
  readonly valueDim: number
  readonly query: Access
  readonly key: DecodeAccess
  readonly value: DecodeAccess
  readonly output: Access
  /** Rules for single pairs; see `pairwiseRules`. */
  readonly rules: ScoreRules
  /** Whether the text is kept short: for software adapters. */
  readonly shortText: boolean
  /** Whether one workgroup has all keys of a row, so that nothing is to be merged. */
  readonly whole: boolean
  readonly sinks: boolean
  readonly dropout: boolean
  /** Where keys lie. Default: at the rows of their positions. */
  readonly places?: PlacesText | undefined
  /** The fields of the uniform block. */
  readonly fields: readonly string[]
  readonly descriptorWords: number
  readonly parameterWords: number
}
