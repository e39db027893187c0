// What one pixel of an image attends to, the two-dimensional view of the Sparse Transformer's figure
// 3 (arXiv 1904.10509), as an SVG picture.
import { checkOptions, rangeError } from '@attn/core'
import type { Mask, OptionNames } from '@attn/core'
import { componentsOf } from '../pattern.ts'
import { colorsOf, hiddenCell, ink, label, legend, paleInk, picture, short } from './svg.ts'
import { gridParts } from './text.ts'
import type { GridOptions } from './text.ts'

/** How to draw an image. */
export interface GridSvgOptions extends GridOptions {
  /** Heading. Default: the mask's name. */
  readonly title?: string | undefined
  /** Longest side of the image, in pixels. Default: 320. */
  readonly size?: number | undefined
}

const gridSvgOptions: OptionNames<GridSvgOptions> = {
  head: true,
  batch: true,
  parameters: true,
  width: true,
  height: true,
  query: true,
  title: true,
  size: true,
}

/**
 * Draws an image in which one pixel attends: its square is dark, and those it sees have the colour
 * of the part that allows them.
 *
 * @returns A complete SVG document as text.
 * @throws RangeError when a size is not a whole number, or the query lies outside the image.
 *
 * @example
 * ```ts
 * import { gridSvg, strided } from '@attn/masks'
 * const svg = gridSvg(strided(16).merged(), { width: 16, query: 135 })
 * svg.includes('pixel 135 of 16 x 16') // => true
 * ```
 */
export function gridSvg(mask: Mask, options: GridSvgOptions): string {
  checkOptions('gridSvg', options, gridSvgOptions)
  const { title = mask.name, size = 320 } = options
  if (!(size > 0 && Number.isFinite(size))) {
    throw rangeError(`gridSvg: size must be a positive number, got ${size}`)
  }
  const { width, height, query, parts } = gridParts('gridSvg', mask, options)
  const scale = size / Math.max(width, height)
  const gap = Math.min(2, scale / 8)
  const left = 20
  const top = 52
  const components = componentsOf(mask)
  const colors = colorsOf(components.map(({ name }) => name))
  const squares = parts.map((part, key) => {
    const x = left + (key % width) * scale
    const y = top + Math.floor(key / width) * scale
    const color = key === query ? ink : part < 0 ? hiddenCell : colors[part]!
    const side = short(scale - gap)
    return `<rect x="${short(x)}" y="${short(y)}" width="${side}" height="${side}" fill="${color}"/>`
  })
  const entries = components
    .map(({ name }, part) => ({ color: colors[part]!, text: name, part }))
    .filter(({ part }) => parts.includes(part))
  const below = top + height * scale + 14
  const key = legend([{ color: ink, text: 'query' }, ...entries], left, below, width * scale)
  const subtitle = `pixel ${query} of ${width} x ${height}`
  return picture(title, left + Math.max(width * scale, 200) + 20, below + key.height, [
    label({ x: left, y: 22, text: title, size: 16, bold: true }),
    label({ x: left, y: 40, text: subtitle, size: 12, color: paleInk }),
    ...squares,
    ...key.markup,
  ])
}
