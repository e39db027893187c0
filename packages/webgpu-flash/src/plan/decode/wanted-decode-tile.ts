// What a caller may ask of the tile of few queries: for measuring.
import type { Optional } from '@attn/core'
import type { WantedIntegers } from './decode-integers-tile.ts'
import type { DecodeMatrixTile } from './decode-matrix-tile.ts'
import type { DecodeTile } from './decode-tile.ts'

/**
 * A tile to use instead of the choice, or parts of one; `matrix` the same on subgroup matrices, or whether to, and `integers`
 * on products of signed bytes.
 */
export type WantedDecodeTile = Optional<DecodeTile> & {
  readonly matrix?: boolean | Partial<DecodeMatrixTile> | undefined
  readonly integers?: boolean | WantedIntegers | undefined
}
