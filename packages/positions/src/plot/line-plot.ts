// Curves: one picture of one or more panels side by side, with axes, a legend and marked places.
import { checkOptions, shapeError } from '@attn/core'
import type { OptionNames } from '@attn/core'
import { element, label, picture, pixels, seriesColors } from './svg.ts'
import type { PlotTheme } from './svg.ts'
import { finiteRange, linearScale, logScale } from './scale.ts'
import type { Scale } from './scale.ts'

/** One curve or cloud of points. */
export interface PlotSeries {
  /** Shown in the legend, and its colour in every panel; without one the series is not listed. */
  readonly label?: string | undefined
  readonly x: ArrayLike<number>
  /** As many as x. Numbers that are not finite leave a gap. */
  readonly y: ArrayLike<number>
  /** Default: `line`. */
  readonly draw?: 'line' | 'dashes' | 'points' | undefined
}

/** A straight line across the panel, at an x or at a y. */
export interface PlotMark {
  readonly x?: number | undefined
  readonly y?: number | undefined
  readonly label: string
}

/** One set of axes. */
export interface PlotPanel {
  /** Above the panel. Default: none. */
  readonly title?: string | undefined
  readonly xLabel: string
  readonly yLabel: string
  readonly series: readonly PlotSeries[]
  readonly marks?: readonly PlotMark[] | undefined
  /** Default: `linear`. */
  readonly xScale?: 'linear' | 'log' | undefined
  /** Default: `linear`. */
  readonly yScale?: 'linear' | 'log' | undefined
  /** Default: what the series span. */
  readonly yRange?: readonly [low: number, high: number] | undefined
}

/** A picture of panels. */
export interface LinePlotOptions {
  /** Written above the plot. */
  readonly title: string
  /** What there is to see, for those who do not see it. */
  readonly description: string
  /** The plots, side by side. */
  readonly panels: readonly PlotPanel[]
  /** Width of each panel's axes in pixels. Default: 460, or 300 where there is more than one. */
  readonly panelWidth?: number | undefined
  /** Default: 260. */
  readonly panelHeight?: number | undefined
  /** Default: `auto`. */
  readonly theme?: PlotTheme | undefined
}

const margin = { top: 62, right: 22, bottom: 54, left: 68 }
const legendLine = 18

const linePlotOptions: OptionNames<LinePlotOptions> = {
  title: true,
  description: true,
  panels: true,
  panelWidth: true,
  panelHeight: true,
  theme: true,
}

/**
 * Curves as an SVG picture.
 *
 * @throws RangeError when a series has more x than y or the reverse.
 *
 * @example
 * ```ts
 * import { linePlot } from '@attn/positions'
 * const svg = linePlot({
 *   title: 'Squares', description: 'A parabola.',
 *   panels: [{ xLabel: 'x', yLabel: 'x squared', series: [{ x: [0, 1, 2], y: [0, 1, 4] }] }],
 * })
 * svg.startsWith('<svg') // => true
 * ```
 */
export function linePlot(options: LinePlotOptions): string {
  checkOptions('linePlot', options, linePlotOptions)
  const { title, description, panels, panelHeight = 260, theme = 'auto' } = options
  const { panelWidth = panels.length > 1 ? 300 : 460 } = options
  for (const { x, y } of panels.flatMap(({ series }) => series)) {
    if (x.length !== y.length) {
      throw shapeError(`linePlot: a series has ${x.length} x and ${y.length} y`)
    }
  }
  const legendRows = Math.max(...panels.map(({ series }) => listedOf(series).length))
  const column = margin.left + panelWidth + margin.right
  const size = {
    width: column * panels.length,
    height: margin.top + panelHeight + margin.bottom + legendRows * legendLine,
  }
  const colors = colorsOf(panels)
  const drawn = panels.map((panel, index) =>
    element(
      'g',
      { transform: `translate(${pixels(index * column + margin.left)} ${margin.top})` },
      drawPanel(panel, panelWidth, panelHeight, colors),
    ),
  )
  return picture(size, title, description, theme, ...drawn)
}

type ColorOf = (series: PlotSeries) => string

/** One colour a label, whatever panel it is in, and the next ones for what has no label. */
function colorsOf(panels: readonly PlotPanel[]): ColorOf {
  const places = new Map<string | PlotSeries, number>()
  for (const series of panels.flatMap((panel) => panel.series)) {
    const key = series.label ?? series
    if (!places.has(key)) places.set(key, places.size)
  }
  return (series) => `var(--series${places.get(series.label ?? series)! % seriesColors})`
}

function listedOf(series: readonly PlotSeries[]): PlotSeries[] {
  return series.filter(({ label: text }) => text !== undefined)
}

function drawPanel(panel: PlotPanel, width: number, height: number, colorOf: ColorOf): string {
  const { series, marks = [] } = panel
  const [xLow, xHigh] = finiteRange(series.map(({ x }) => x))
  const [low, high] = panel.yRange ?? paddedRange(panel)
  const x = (panel.xScale === 'log' ? logScale : linearScale)(xLow, xHigh, Math.floor(width / 75))
  const y = (panel.yScale === 'log' ? logScale : linearScale)(low, high, Math.floor(height / 45))
  const legend = listedOf(series).map((one, row) => {
    const { label: text, draw } = one
    const color = colorOf(one)
    const place = height + margin.bottom + 6 + row * legendLine
    const sample =
      draw === 'points'
        ? element('circle', { cx: 12, cy: place, r: 3, fill: color })
        : element('path', { d: `M0 ${place}h24`, ...stroke(color, draw) })
    return sample + label(text!, { x: 32, y: place + 4 })
  })
  return [
    drawAxes(panel, x, y, width, height),
    // A nested svg clips to the axes.
    element(
      'svg',
      { width, height, overflow: 'hidden' },
      ...series.map((one) => drawSeries(one, colorOf(one), x, y, width, height)),
    ),
    ...marks.map((mark) => drawMark(mark, x, y, width, height)),
    ...legend,
  ].join('')
}

function paddedRange({ series, yScale }: PlotPanel): [low: number, high: number] {
  const [low, high] = finiteRange(series.map(({ y }) => y))
  if (yScale === 'log') return [low / 1.3, high * 1.3]
  const padding = (high - low || 1) * 0.05
  return [low - padding, high + padding]
}

function drawAxes(panel: PlotPanel, x: Scale, y: Scale, width: number, height: number): string {
  const faint = { stroke: 'var(--faint)', 'stroke-width': '1' }
  return [
    ...y.ticks.map(({ value, text }) => {
      const place = height * (1 - y.place(value))
      return (
        element('path', { d: `M0 ${pixels(place)}h${width}`, ...faint }) +
        label(text, { x: -8, y: place + 4, 'text-anchor': 'end' })
      )
    }),
    ...x.ticks.map(({ value, text }) => {
      const place = width * x.place(value)
      return (
        element('path', { d: `M${pixels(place)} ${height}v5`, stroke: 'var(--ink)' }) +
        label(text, { x: place, y: height + 19, 'text-anchor': 'middle' })
      )
    }),
    element('rect', { width, height, fill: 'none', stroke: 'var(--ink)' }),
    label(panel.xLabel, { x: width / 2, y: height + 38, 'text-anchor': 'middle' }),
    label(panel.yLabel, {
      transform: `translate(-54 ${pixels(height / 2)}) rotate(-90)`,
      'text-anchor': 'middle',
    }),
    panel.title === undefined
      ? ''
      : label(panel.title, { x: width / 2, y: -12, 'text-anchor': 'middle', 'font-weight': '600' }),
  ].join('')
}

function drawMark(mark: PlotMark, x: Scale, y: Scale, width: number, height: number): string {
  const line = { stroke: 'var(--ink)', 'stroke-dasharray': '2 4' }
  if (mark.x !== undefined) {
    const place = width * x.place(mark.x)
    // On the side where there is room.
    const late = place > 0.75 * width
    const side: Readonly<Record<string, string | number>> = late
      ? { x: place - 5, 'text-anchor': 'end' }
      : { x: place + 5 }
    return (
      element('path', { d: `M${pixels(place)} 0v${height}`, ...line }) +
      label(mark.label, { ...side, y: 14 })
    )
  }
  const place = height * (1 - y.place(mark.y ?? 0))
  return (
    element('path', { d: `M0 ${pixels(place)}h${width}`, ...line }) +
    label(mark.label, { x: 6, y: place < 18 ? place + 15 : place - 5 })
  )
}

function drawSeries(
  series: PlotSeries,
  color: string,
  x: Scale,
  y: Scale,
  width: number,
  height: number,
): string {
  const places: [number, number][] = Array.from(series.x, (value, index) => [
    width * x.place(value),
    height * (1 - y.place(series.y[index]!)),
  ])
  if (series.draw === 'points') {
    const dots = places
      .filter(([, down]) => Number.isFinite(down))
      .map(([right, down]) => `M${pixels(right)} ${pixels(down)}h0`)
    // A cloud is drawn fine and pale, a few points large.
    const cloud = dots.length > 400
    return element('path', {
      d: dots.join(''),
      stroke: color,
      'stroke-width': cloud ? '2' : '4.5',
      'stroke-opacity': cloud ? '0.5' : '1',
      'stroke-linecap': 'round',
    })
  }
  return element('path', { d: tracePath(places), ...stroke(color, series.draw) })
}

function stroke(color: string, draw: PlotSeries['draw']): Record<string, string> {
  return {
    fill: 'none',
    stroke: color,
    'stroke-width': '1.6',
    'stroke-linejoin': 'round',
    ...(draw === 'dashes' ? { 'stroke-dasharray': '6 4' } : {}),
  }
}

/** A path through the places; of the many that share a pixel column only the extremes remain. */
function tracePath(places: readonly [number, number][]): string {
  const columns = new Map<number, [number, number][]>()
  places.forEach((place, index) => {
    const key = Number.isFinite(place[1]) ? Math.round(place[0] * 2) : -1 - index
    const column = columns.get(key)
    if (!column) columns.set(key, [place])
    else column.push(place)
  })
  let path = ''
  let pen = 'M'
  for (const column of columns.values()) {
    const downs = column.map(([, down]) => down)
    const kept = [column[0]!, ...extremes(column, downs), column.at(-1)!]
    for (const [right, down] of new Set(kept)) {
      if (!Number.isFinite(down)) {
        pen = 'M'
        continue
      }
      // Far outside the axes renderers lose precision, and nothing is seen.
      path += `${pen}${pixels(right)} ${pixels(Math.min(Math.max(down, -1e4), 1e4))}`
      pen = 'L'
    }
  }
  return path
}

function extremes(
  column: readonly [number, number][],
  downs: readonly number[],
): [number, number][] {
  const top = downs.indexOf(Math.min(...downs))
  const bottom = downs.indexOf(Math.max(...downs))
  return [...new Set([top, bottom].toSorted((a, b) => a - b))].flatMap((index) =>
    index < 0 ? [] : [column[index]!],
  )
}
