// Attention to the pixels around a pixel of an image. Image Transformer (arXiv 1802.05751);
// Neighborhood Attention Transformer (arXiv 2204.07143).
import { checkOptions, rangeError, typeError } from '@attn/core'
import type { BooleanExpression, IntegerExpression, OptionNames } from '@attn/core'
import { checkInteger } from '../check.ts'
import { pattern } from '../pattern.ts'
import type { Pattern } from '../pattern.ts'

/** An image in raster order (row after row) and the size of a neighbourhood. */
export interface NeighbourhoodOptions {
  /** Rows of the image. */
  readonly height: number
  /** Pixels of a row. */
  readonly width: number
  /** Odd side of the neighbourhood in pixels, one number or [rows, columns]. */
  readonly kernel: number | readonly [rows: number, columns: number]
  /**
   * At the border: `shift` moves the neighbourhood inwards so that every pixel sees as many (NATTEN's
   * rule); `crop` cuts it off. Default: `shift`.
   */
  readonly edges?: 'shift' | 'crop' | undefined
}

const neighbourhoodOptions: OptionNames<NeighbourhoodOptions> = {
  height: true,
  width: true,
  kernel: true,
  edges: true,
}

/**
 * S_i = {j : |row(j) - r(i)| <= (k - 1) / 2 and the same for columns}, where r(i) is row(i), with
 * `shift` kept (k - 1) / 2 away from the border; row(j) = floor(j / width), column(j) = j mod width.
 *
 * @throws RangeError for sizes that are not whole, an even kernel, or with `shift` one that is larger
 *   than the image; TypeError for other edges.
 *
 * @example
 * ```ts
 * import { evaluate } from '@attn/core'
 * import { neighbourhood } from '@attn/masks'
 * const { expression } = neighbourhood({ height: 4, width: 4, kernel: 3 })
 * const keys = Array.from({ length: 16 }, (_, key) => key)
 * keys.filter((key) => evaluate(expression, { query: 0, key })) // => [0, 1, 2, 4, 5, 6, 8, 9, 10]
 * ```
 */
export function neighbourhood(options: NeighbourhoodOptions): Pattern {
  checkOptions('neighbourhood', options, neighbourhoodOptions)
  const { height, width, kernel, edges = 'shift' } = options
  const [rows, columns] = typeof kernel === 'number' ? [kernel, kernel] : kernel
  checkInteger('neighbourhood', 'height', height, 1)
  checkInteger('neighbourhood', 'width', width, 1)
  if (edges !== 'shift' && edges !== 'crop') {
    throw typeError(`neighbourhood: edges must be 'shift' or 'crop', got ${String(edges)}`)
  }
  for (const [side, size] of [
    [rows, height],
    [columns, width],
  ] as const) {
    checkInteger('neighbourhood', 'kernel', side, 1)
    if (side % 2 === 0) throw rangeError(`neighbourhood: kernel must be odd, got ${side}`)
    if (edges === 'shift' && side > size) {
      throw rangeError(`neighbourhood: kernel must fit the image, got ${side} for ${size}`)
    }
  }
  const near = (
    query: IntegerExpression,
    key: IntegerExpression,
    side: number,
    size: number,
  ): BooleanExpression => {
    const radius = (side - 1) / 2
    const centre = edges === 'crop' ? query : query.max(radius).min(size - 1 - radius)
    return key.sub(centre).abs().le(radius)
  }
  return pattern('neighbourhood', ({ query, key }) =>
    near(query.floorDiv(width), key.floorDiv(width), rows, height).and(
      near(query.mod(width), key.mod(width), columns, width),
    ),
  )
}
