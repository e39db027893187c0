// Charts of lines over lengths, side by side in one SVG document: both axes logarithmic, so that a
// quadratic method is a straight line of slope two. Legends lie above their chart and take as many rows
// as their words need.
import { formatLength, threeDigits } from './format.ts'

/** One line, or marks where it has a single point. */
export interface ChartLine {
  readonly label: string
  readonly color: string
  /** Default: false. */
  readonly dashed?: boolean
  readonly points: readonly (readonly [length: number, value: number])[]
}

/** One set of axes. */
export interface LineChart {
  /** Above it: what the values are. */
  readonly caption: string
  readonly lines: readonly ChartLine[]
  /** Of the axis of values: a line for each power of it. */
  readonly base: number
}

/** Sizes of one chart. */
interface Size {
  readonly width: number
  readonly height: number
}

const margin = { left: 60, right: 20, bottom: 44 }
const titleHeight = 26
const captionHeight = 20
const legendRow = 18
const legendSample = 24
// Of the 12 pixels that the letters are high; the widest sans-serif fonts need no more.
const letterWidth = 7

/** Okabe and Ito's colours: told apart by people with colour-blindness. */
export const chartColors = {
  blue: '#0072b2',
  vermilion: '#d55e00',
  green: '#009e73',
  purple: '#cc79a7',
  orange: '#e69f00',
} as const

/**
 * Draws charts with the same height.
 *
 * @throws RangeError when none of them has a point.
 */
export function drawLineCharts(title: string, charts: readonly LineChart[], size: Size): string {
  if (charts.every(({ lines }) => lines.every(({ points }) => points.length === 0))) {
    throw new RangeError('drawLineCharts: needs at least one point, got none')
  }
  const legends = charts.map(({ lines }) => layOutLegend(lines, size.width))
  const legendHeight = legendRow * Math.max(...legends.map(({ rows }) => rows))
  const top = titleHeight + captionHeight + legendHeight + 6
  const width = size.width * charts.length
  const height = top + size.height + margin.bottom
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" font-family="sans-serif" font-size="12">`,
    `<rect width="${width}" height="${height}" fill="#ffffff"/>`,
    text(margin.left, 18, title, 'font-weight="bold"'),
    ...charts.map((chart, index) =>
      [
        `<g transform="translate(${index * size.width} 0)">`,
        text(margin.left, titleHeight + 14, chart.caption),
        ...drawLegend(legends[index]!),
        ...drawAxesAndLines(chart, top, size),
        '</g>',
      ].join('\n'),
    ),
    '</svg>',
    '',
  ].join('\n')
}

interface Legend {
  readonly rows: number
  readonly entries: readonly {
    readonly line: ChartLine
    readonly x: number
    readonly row: number
  }[]
}

function layOutLegend(lines: readonly ChartLine[], width: number): Legend {
  let [x, row] = [margin.left, 0]
  const entries = lines.map((line) => {
    const needed = legendSample + 6 + letterWidth * line.label.length
    if (x > margin.left && x + needed > width - margin.right) [x, row] = [margin.left, row + 1]
    const entry = { line, x, row }
    x += needed + 14
    return entry
  })
  return { rows: row + 1, entries }
}

function drawLegend({ entries }: Legend): string[] {
  return entries.map(({ line, x, row }) => {
    const y = titleHeight + captionHeight + legendRow * row + 10
    return (
      `<path d="M${x} ${y}h${legendSample}" ${strokeOf(line)}/>` +
      text(x + legendSample + 6, y + 4, line.label)
    )
  })
}

function drawAxesAndLines(
  { lines, base }: LineChart,
  top: number,
  { width, height }: Size,
): string[] {
  const all = lines.flatMap(({ points }) => points)
  if (all.length === 0) return []
  const [left, right, bottom] = [margin.left, width - margin.right, top + height]
  const lengths = all.map(([length]) => length)
  const values = all.map(([, value]) => value)
  const x = axis(lengths, 2, left, right)
  const y = axis(values, base, bottom, top)
  const every = Math.ceil(x.ticks.length / 9)
  return [
    ...x.ticks
      .filter((_, index) => index % every === 0)
      .map((length) => {
        const at = round(x.place(length))
        return `<path d="M${at} ${top}V${bottom}" stroke="#dddddd"/>${text(at, bottom + 16, formatLength(length), 'text-anchor="middle"')}`
      }),
    ...y.ticks.map((value) => {
      const at = round(y.place(value))
      return `<path d="M${left} ${at}H${right}" stroke="#dddddd"/>${text(left - 6, at + 4, threeDigits(value), 'text-anchor="end"')}`
    }),
    text((left + right) / 2, bottom + 36, 'length', 'text-anchor="middle"'),
    ...lines.map((line) => {
      const places = line.points.map(
        ([length, value]) => [round(x.place(length)), round(y.place(value))] as const,
      )
      const fill = line.dashed ? '#ffffff' : line.color
      const dots = places.map(
        ([cx, cy]) =>
          `<circle cx="${cx}" cy="${cy}" r="3" fill="${fill}" stroke="${line.color}" stroke-width="1.5"/>`,
      )
      return `<polyline points="${places.join(' ')}" ${strokeOf(line)}/>${dots.join('')}`
    }),
  ]
}

function strokeOf({ color, dashed }: ChartLine): string {
  const dashes = dashed ? ' stroke-dasharray="5 4"' : ''
  return `fill="none" stroke="${color}" stroke-width="2"${dashes}`
}

/** A logarithmic axis between whole powers of the base. */
function axis(
  values: readonly number[],
  base: number,
  from: number,
  to: number,
): { readonly ticks: readonly number[]; place(value: number): number } {
  const power = (value: number): number => Math.log(value) / Math.log(base)
  const powers = values.map(power)
  const low = Math.floor(Math.min(...powers) + 1e-9)
  const high = Math.max(Math.ceil(Math.max(...powers) - 1e-9), low + 1)
  return {
    ticks: Array.from({ length: high - low + 1 }, (_, index) => base ** (low + index)),
    place: (value) => from + ((power(value) - low) / (high - low)) * (to - from),
  }
}

function text(x: number, y: number, content: string, attributes = ''): string {
  const escaped = content.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
  return `<text x="${round(x)}" y="${round(y)}" ${attributes}>${escaped}</text>`
}

function round(value: number): number {
  return Math.round(value * 10) / 10
}
