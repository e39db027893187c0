// Blocks that do not see one another: chunked attention, as in Blockwise Transformers (arXiv
// 1911.02972) and Llama 4's chunked layers.
import { checkInteger } from '../check.ts'
import { pattern } from '../pattern.ts'
import type { Pattern } from '../pattern.ts'

/**
 * S_i = {j : floor(j / b) = floor(i / b)}, in both directions. `document` has blocks of different
 * lengths.
 *
 * @param blockSize - b, in tokens.
 * @throws RangeError when the block size is not a whole number of at least 1.
 *
 * @example
 * ```ts
 * import { evaluate } from '@attn/core'
 * import { blockDiagonal } from '@attn/masks'
 * const keys = [0, 1, 2, 3, 4, 5]
 * keys.filter((key) => evaluate(blockDiagonal(3).expression, { query: 4, key })) // => [3, 4, 5]
 * ```
 */
export function blockDiagonal(blockSize: number): Pattern {
  checkInteger('blockDiagonal', 'blockSize', blockSize, 1)
  return pattern('blockDiagonal', ({ query, key }) =>
    key.floorDiv(blockSize).eq(query.floorDiv(blockSize)),
  )
}
