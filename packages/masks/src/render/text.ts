// Pictures in plain text, for terminals, logs and documentation.
import { checkOptions, rangeError } from '@attn/core'
import type { Mask, OptionNames } from '@attn/core'
import { checkInteger } from '../check.ts'
import { planeOf } from '../analyze/plane.ts'
import type { PlaneOptions } from '../analyze/plane.ts'
import { cellsOf, partTest } from './cells.ts'
import { componentsOf } from '../pattern.ts'

const glyphs = '#o+x*%@&=~'
const hidden = '·'
const self = '■'

const glyphOf = (part: number): string => glyphs[part % glyphs.length]!

/** How to draw a matrix in text. */
export interface MatrixTextOptions extends PlaneOptions {
  /** Most characters a line; beyond that a character stands for a square of tokens. Default: 64. */
  readonly mostCells?: number | undefined
}

const matrixTextOptions: OptionNames<MatrixTextOptions> = {
  queryLength: true,
  queryOffset: true,
  head: true,
  batch: true,
  parameters: true,
  mostCells: true,
}

/**
 * The score matrix, a line a query and a character a key, with a glyph for the part of the pattern
 * that allows the pair: the first one, or in squares of tokens the one with most pairs.
 *
 * @param length - S: keys, and queries unless `queryLength` says otherwise.
 * @throws RangeError when a size is not a whole number of at least 1.
 *
 * @example
 * ```ts
 * import { fixed, matrixText } from '@attn/masks'
 * matrixText(fixed(4).merged(), 9) // =>
 * // #········
 * // ##·······
 * // ###······
 * // ####·····
 * // ···o#····
 * // ···o##···
 * // ···o###··
 * // ···o####·
 * // ···o···o#
 * // # block  o summary
 * ```
 */
export function matrixText(mask: Mask, length: number, options: MatrixTextOptions = {}): string {
  checkOptions('matrixText', options, matrixTextOptions)
  const { mostCells = 64 } = options
  checkInteger('matrixText', 'mostCells', mostCells, 1)
  const cells = cellsOf(mask, planeOf('matrixText', length, options), mostCells)
  const lines = Array.from({ length: cells.rows }, (_, row) =>
    Array.from(cells.part.subarray(row * cells.columns, (row + 1) * cells.columns), (part) =>
      part < 0 ? hidden : glyphOf(part),
    ).join(''),
  )
  const legend = [...cells.names]
    .toSorted(([a], [b]) => a - b)
    .map(([part, name]) => `${glyphOf(part)} ${name}`)
  if (cells.tokens > 1) legend.push(`(a character is ${cells.tokens} x ${cells.tokens} tokens)`)
  return [...lines, legend.join('  ')].join('\n')
}

/** An image in raster order and one of its pixels. */
export interface GridOptions extends Omit<PlaneOptions, 'queryLength' | 'queryOffset'> {
  /** Pixels in a row. */
  readonly width: number
  /** Rows. Default: as many as are wide. */
  readonly height?: number | undefined
  /** Position of the pixel that attends. Default: the one just after the middle. */
  readonly query?: number | undefined
}

/** Checks a grid and says which part lets its query see each pixel, -1 for none. */
export function gridParts(
  caller: string,
  mask: Mask,
  options: GridOptions,
): { width: number; height: number; query: number; parts: readonly number[] } {
  const { width, height = width } = options
  checkInteger(caller, 'width', width, 1)
  checkInteger(caller, 'height', height, 1)
  const middle = Math.floor(height / 2) * width + Math.floor(width / 2)
  const { query = middle } = options
  checkInteger(caller, 'query', query, 0)
  if (query >= width * height) {
    throw rangeError(`${caller}: query must be one of ${width * height} pixels, got ${query}`)
  }
  const plane = planeOf(caller, width * height, options)
  const partOf = partTest(mask, plane)
  const parts = Array.from({ length: width * height }, (_, key) => partOf(query, key))
  return { width, height, query, parts }
}

const gridOptions: OptionNames<GridOptions> = {
  head: true,
  batch: true,
  parameters: true,
  width: true,
  height: true,
  query: true,
}

/**
 * What one pixel of an image attends to: the two-dimensional view of the Sparse Transformer's figure
 * 3 (arXiv 1904.10509), in text. `■` is the pixel itself.
 *
 * @throws RangeError when a size is not a whole number, or the query lies outside the image.
 *
 * @example
 * ```ts
 * import { gridText, strided } from '@attn/masks'
 * gridText(strided(6).merged(), { width: 6 }) // =>
 * // ···o··
 * // ···o··
 * // ···###
 * // ###■··
 * // ······
 * // ······
 * // # window  o strided
 * ```
 */
export function gridText(mask: Mask, options: GridOptions): string {
  checkOptions('gridText', options, gridOptions)
  const { width, height, query, parts } = gridParts('gridText', mask, options)
  const lines = Array.from({ length: height }, (_, row) =>
    Array.from({ length: width }, (_, column) => {
      const key = row * width + column
      if (key === query) return self
      return parts[key]! < 0 ? hidden : glyphOf(parts[key]!)
    }).join(''),
  )
  const legend = componentsOf(mask)
    .map(({ name }, part) => ({ name, part }))
    .filter(({ part }) => parts.includes(part))
    .map(({ name, part }) => `${glyphOf(part)} ${name}`)
  return [...lines, legend.join('  ')].join('\n')
}
