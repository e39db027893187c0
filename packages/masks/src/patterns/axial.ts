// Axial attention: along the rows of an image, then along its columns, so that two steps connect any
// two pixels. Axial Transformer (arXiv 1912.12180).
import { checkInteger } from '../check.ts'
import { factorization } from '../factorize/factorization.ts'
import type { Factorization } from '../factorize/factorization.ts'
import { pattern } from '../pattern.ts'
import { slidingWindow } from './sliding-window.ts'

/**
 * For an image in raster order, `width` pixels wide:
 *
 * - A_i(1) = {j : floor(j / width) = floor(i / width)}, the row of pixel i;
 * - A_i(2) = {j : j mod width = i mod width}, its column.
 *
 * Both directions; the target of the factorization is every pixel. `and(causal(), ...)` of a head is
 * its autoregressive form.
 *
 * @param width - Pixels in a row.
 * @throws RangeError when the width is not a whole number of at least 1.
 *
 * @example
 * ```ts
 * import { evaluate } from '@attn/core'
 * import { axial } from '@attn/masks'
 * const { expression } = axial(4).merged()
 * const keys = Array.from({ length: 16 }, (_, key) => key)
 * keys.filter((key) => evaluate(expression, { query: 5, key })) // => [1, 4, 5, 6, 7, 9, 13]
 * axial(4).isValid(16) // => true
 * ```
 */
export function axial(width: number): Factorization {
  checkInteger('axial', 'width', width, 1)
  const row = pattern('row', ({ query, key }) => key.floorDiv(width).eq(query.floorDiv(width)))
  const column = pattern('column', ({ query, key }) => key.mod(width).eq(query.mod(width)), [
    { kind: 'residues', stride: width },
  ])
  return factorization('axial', [row, column], slidingWindow(Infinity, Infinity))
}
