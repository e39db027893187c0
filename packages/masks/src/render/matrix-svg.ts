// The score matrix as an SVG picture: a row for each query, a column for each key, coloured by the
// part of the pattern that allows the pair.
import { checkOptions, rangeError } from '@attn/core'
import type { Mask, OptionNames } from '@attn/core'
import { planeOf } from '../analyze/plane.ts'
import type { PlaneOptions } from '../analyze/plane.ts'
import { cellsOf } from './cells.ts'
import type { Cells } from './cells.ts'
import { componentsOf } from '../pattern.ts'
import { colorsOf, hiddenCell, label, legend, paleInk, paper, picture, short } from './svg.ts'

/** How to draw a matrix. */
export interface MatrixSvgOptions extends PlaneOptions {
  /** Heading. Default: the mask's name. */
  readonly title?: string | undefined
  /** Longest side of the matrix, in pixels. Default: 512. */
  readonly size?: number | undefined
}

const mostCells = 256
const margin = { left: 52, top: 64, right: 20, bottom: 16 }
const faintest = 0.55
const shades = 4
const small = { size: 11, color: paleInk }
// Widths in pixels of letters and captions, generously.
const titleLetter = 11
const subtitleLetter = 7
const tickLetter = 7
const keysCaption = 56
const lineHeight = 16

const matrixSvgOptions: OptionNames<MatrixSvgOptions> = {
  queryLength: true,
  queryOffset: true,
  head: true,
  batch: true,
  parameters: true,
  title: true,
  size: true,
}

/**
 * Draws a mask as a matrix. Up to 256 tokens every pair is a square; beyond that a square stands for
 * several tokens, in the colour of the part with most pairs and the fainter the fewer are visible.
 *
 * @param length - S: keys, and queries unless `queryLength` says otherwise.
 * @returns A complete SVG document as text.
 * @throws RangeError when a size is not a whole number of at least 1.
 *
 * @example
 * ```ts
 * import { matrixSvg, strided } from '@attn/masks'
 * const svg = matrixSvg(strided(8).merged(), 64, { title: 'Strided attention, l = 8' })
 * svg.startsWith('<svg xmlns="http://www.w3.org/2000/svg"') // => true
 * ```
 */
export function matrixSvg(mask: Mask, length: number, options: MatrixSvgOptions = {}): string {
  checkOptions('matrixSvg', options, matrixSvgOptions)
  const { title = mask.name, size = 512 } = options
  if (!(size > 0 && Number.isFinite(size))) {
    throw rangeError(`matrixSvg: size must be a positive number, got ${size}`)
  }
  const plane = planeOf('matrixSvg', length, options)
  const cells = cellsOf(mask, plane, mostCells)
  const scale = size / Math.max(cells.rows, cells.columns)
  const width = cells.columns * scale
  const height = cells.rows * scale
  const place = `translate(${margin.left} ${margin.top}) scale(${short4(scale)})`
  const colors = colorsOf(componentsOf(mask).map(({ name }) => name))
  const entries = [...cells.names]
    .toSorted(([a], [b]) => a - b)
    .map(([part, text]) => ({ color: colors[part]!, text }))
  const note = cells.tokens > 1 ? [`${cells.tokens} x ${cells.tokens} tokens a square`] : []
  const subtitle = [`${plane.queryLength} queries, ${plane.keyLength} keys`, ...note].join(', ')
  // A narrow matrix leaves no room for its captions above itself.
  const captions = Math.max(width, subtitleLetter * subtitle.length + keysCaption)
  const key = legend(entries, margin.left, margin.top + height + margin.bottom, captions)
  const longest = Math.floor(captions / titleLetter)
  const heading = title.length > longest ? `${title.slice(0, longest - 1)}…` : title
  return picture(
    title,
    margin.left + captions + margin.right,
    margin.top + height + margin.bottom + key.height,
    [
      label({ x: margin.left, y: 22, text: heading, size: 16, bold: true }),
      label({ x: margin.left, y: 40, text: subtitle, size: 12, color: paleInk }),
      label({ x: margin.left + captions, y: 40, text: 'keys →', anchor: 'end', ...small }),
      ...axes(width, height, plane.keyLength, plane.queryOffset, plane.queryLength),
      `<g transform="${place}">`,
      `<rect width="${cells.columns}" height="${cells.rows}" fill="${hiddenCell}"/>`,
      ...runs(cells, colors),
      ...gridLines(cells, scale),
      '</g>',
      ...key.markup,
    ],
  )
}

const short4 = (value: number): string => String(Math.round(value * 1e4) / 1e4)

/** One path for each colour and shade; each run of equal cells in a row is one rectangle of it. */
function runs(
  { rows, columns, part, density, tokens }: Cells,
  colors: readonly string[],
): readonly string[] {
  const shadeOf = (cell: number): number =>
    tokens === 1 ? shades : Math.max(1, Math.ceil(density[cell]! * shades))
  const paths = new Map<string, string[]>()
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns;) {
      const cell = row * columns + column
      const shade = shadeOf(cell)
      let end = column + 1
      while (
        end < columns &&
        part[row * columns + end] === part[cell] &&
        (part[cell]! < 0 || shadeOf(row * columns + end) === shade)
      ) {
        end++
      }
      if (part[cell]! >= 0) {
        const name = `${part[cell]} ${shade}`
        const path = paths.get(name) ?? []
        path.push(`M${column} ${row}h${end - column}v1H${column}z`)
        paths.set(name, path)
      }
      column = end
    }
  }
  return [...paths]
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, path]) => {
      const [index, shade] = name.split(' ').map(Number) as [number, number]
      const opacity = faintest + ((1 - faintest) * (shade - 1)) / (shades - 1)
      const fade = shade === shades ? '' : ` fill-opacity="${short(opacity)}"`
      return `<path fill="${colors[index]!}"${fade} shape-rendering="crispEdges" d="${path.join('')}"/>`
    })
}

/** White lines between squares that are large enough to be counted. */
function gridLines({ rows, columns }: Cells, scale: number): readonly string[] {
  if (scale < 5) return []
  const across = Array.from({ length: rows - 1 }, (_, row) => `M0 ${row + 1}h${columns}`)
  const down = Array.from({ length: columns - 1 }, (_, column) => `M${column + 1} 0v${rows}`)
  return [
    `<path stroke="${paper}" stroke-width="${short4(Math.min(1, scale / 10) / scale)}" d="${across.join('')}${down.join('')}"/>`,
  ]
}

/** Positions along both sides. */
function axes(
  width: number,
  height: number,
  keys: number,
  firstQuery: number,
  queries: number,
): readonly string[] {
  const ticks = (count: number, room: number): readonly number[] => {
    const most = Math.min(8, Math.max(1, room))
    const step = Math.max(1, 2 ** Math.ceil(Math.log2(count / most)))
    return Array.from({ length: Math.ceil(count / step) }, (_, index) => index * step)
  }
  return [
    ...ticks(keys, width / (10 + tickLetter * String(keys).length)).map((key) =>
      label({
        x: margin.left + ((key + 0.5) * width) / keys,
        y: margin.top - 6,
        text: String(key),
        anchor: 'middle',
        ...small,
      }),
    ),
    ...ticks(queries, height / lineHeight).map((row) =>
      label({
        x: margin.left - 8,
        y: margin.top + ((row + 0.5) * height) / queries + 4,
        text: String(firstQuery + row),
        anchor: 'end',
        ...small,
      }),
    ),
    label({ x: 14, y: margin.top + height, text: '← queries', turn: -90, ...small }),
  ]
}
