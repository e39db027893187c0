// What a score modifier adds: the matrix of biases that the pictures show, and that other frameworks
// take as an additive attention mask.
import { checkOptions, compile, zeros } from '@attn/core'
import type { OptionNames, ScoreModifier, Tensor } from '@attn/core'
import { checkPositiveInteger } from '../check-size.ts'

/** The sizes of the matrix. */
export interface BiasMatrixOptions {
  /** H. */
  readonly heads: number
  /** L. */
  readonly queryLength: number
  /** S. Default: queryLength. */
  readonly keyLength?: number | undefined
  /** Position of the first query. Default: keyLength - queryLength. */
  readonly queryOffset?: number | undefined
  /** Score that is modified. Default: 0, so that the result is the bias itself. */
  readonly score?: number | undefined
}

const biasMatrixOptions: OptionNames<BiasMatrixOptions> = {
  heads: true,
  queryLength: true,
  keyLength: true,
  queryOffset: true,
  score: true,
}

/**
 * A score modifier applied to a constant score at every pair of positions.
 *
 * @returns float32 `[1, H, L, S]`, ready to add to scores elsewhere (ONNX Runtime's attention_bias,
 *   PyTorch's attn_mask).
 * @throws RangeError when a size is not a positive integer.
 *
 * @example
 * ```ts
 * import { alibi, biasMatrix } from '@attn/positions'
 * const bias = biasMatrix(alibi({ heads: 1, slopes: [1] }), { heads: 1, queryLength: 1, keyLength: 4 })
 * Array.from(bias.storage) // => [-3, -2, -1, 0]
 * ```
 */
export function biasMatrix(modifier: ScoreModifier, options: BiasMatrixOptions): Tensor {
  checkOptions('biasMatrix', options, biasMatrixOptions)
  const { heads, queryLength, keyLength = queryLength, score = 0 } = options
  const { queryOffset = keyLength - queryLength } = options
  checkPositiveInteger('biasMatrix', 'heads', heads)
  checkPositiveInteger('biasMatrix', 'queryLength', queryLength)
  checkPositiveInteger('biasMatrix', 'keyLength', keyLength)
  const modified = compile(modifier.expression)
  const result = zeros([1, heads, queryLength, keyLength])
  let index = 0
  for (let head = 0; head < heads; head++) {
    for (let queryIndex = 0; queryIndex < queryLength; queryIndex++) {
      for (let key = 0; key < keyLength; key++) {
        const query = queryOffset + queryIndex
        result.storage[index++] = modified({
          batch: 0,
          head,
          query,
          queryIndex,
          key,
          queryLength,
          keyLength,
          heads,
          score,
        })
      }
    }
  }
  return result
}
