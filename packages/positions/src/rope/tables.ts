// Cosine and sine tables, for frameworks that apply the rotation themselves (ONNX Runtime's
// RotaryEmbedding, transformers.js, FlashAttention's rotary_cos and rotary_sin).
import { checkOptions, rangeError } from '@attn/core'
import type { IntegerList, OptionNames, RotaryEmbedding } from '@attn/core'
import { positionReader } from './positions.ts'
import { checkRotary, pairElements } from './turn-pairs.ts'

/** Cosines and sines, row-major `[length, width]`, `attentionFactor` included. */
export interface RotaryTables {
  readonly cos: Float32Array<ArrayBuffer>
  readonly sin: Float32Array<ArrayBuffer>
  readonly length: number
  /** Columns: rotaryDim / 2, or rotaryDim. */
  readonly width: number
}

/** Shape of the tables. */
export interface RotaryTableOptions {
  /**
   * `pairs` (default): one column a pair, as ONNX Runtime and FlashAttention want. `elements`: one
   * column an element, as Hugging Face's `rotate_half` and its interleaved kin multiply with.
   */
  readonly columns?: 'pairs' | 'elements' | undefined
}

const rotaryTableOptions: OptionNames<RotaryTableOptions> = { columns: true }

/**
 * Tables of cosines and sines, computed in float64 and rounded once to float32: angles such as
 * 70000 radians lose three digits when they are computed in float32.
 *
 * @param positions - How many positions from 0 on, or the positions themselves.
 * @throws RangeError when the embedding or a position is not valid.
 *
 * @example
 * ```ts
 * import { ropeFrequencies, rotaryTables } from '@attn/positions'
 * const { cos, sin, width } = rotaryTables(ropeFrequencies({ headDim: 64 }), 4096)
 * width // => 32
 * cos.length === sin.length && cos.length === 4096 * 32 // => true
 * ```
 */
export function rotaryTables(
  rotary: RotaryEmbedding,
  positions: number | IntegerList,
  options: RotaryTableOptions = {},
): RotaryTables {
  checkOptions('rotaryTables', options, rotaryTableOptions)
  checkRotary('rotaryTables', rotary)
  const length = typeof positions === 'number' ? positions : positions.length
  if (!Number.isInteger(length) || length < 0) {
    throw rangeError(`rotaryTables: the number of positions must be an integer, got ${length}`)
  }
  const positionAt = positionReader(
    'rotaryTables',
    typeof positions === 'number' ? 0 : positions,
    1,
    length,
  )
  const { inverseFrequencies, attentionFactor, layout, rotaryDim } = rotary
  const perElement = options.columns === 'elements'
  const width = perElement ? rotaryDim : rotaryDim / 2
  const cos = new Float32Array(length * width)
  const sin = new Float32Array(length * width)
  for (let row = 0; row < length; row++) {
    for (let pair = 0; pair < rotaryDim / 2; pair++) {
      const angle = positionAt(0, row) * inverseFrequencies[pair]!
      for (const column of perElement ? pairElements(layout, rotaryDim, pair) : [pair]) {
        cos[row * width + column] = Math.cos(angle) * attentionFactor
        sin[row * width + column] = Math.sin(angle) * attentionFactor
      }
    }
  }
  return { cos, sin, length, width }
}
