// One set of axes, drawn by Observable Plot: lines and points over lengths or other numbers, or bars
// where there is nothing to draw a line through.
import * as Plot from '@observablehq/plot'
import { parseHTML } from 'linkedom'
import { formatLength, threeDigits } from '../report/format.ts'
import type { Look } from './theme.ts'

/** Points of one method, and how they are drawn. */
export interface Series {
  readonly label: string
  readonly points: readonly (readonly [x: number, y: number])[]
  /** Which method it is, if not the label says so: the same has the same colour in all panels. */
  readonly method?: string
  /**
   * `dashes`: a second setting of the same method; `points`: no line; `bare`: no marks, for bounds and
   * curves that were not measured. Default: `line`.
   */
  readonly draw?: 'line' | 'dashes' | 'points' | 'bare'
  /** Words at each point. Default: none. */
  readonly texts?: readonly string[]
}

/** A dotted line across, at an x or at a y. */
export interface Mark {
  readonly x?: number
  readonly y?: number
  readonly label: string
}

/** Lines over an axis of numbers. */
export interface LinePanel {
  readonly kind: 'lines'
  readonly title?: string
  readonly xLabel: string
  readonly yLabel: string
  /** `length`: logarithmic, with ticks at the lengths that were measured. */
  readonly xScale: 'length' | 'log' | 'linear'
  readonly yScale: 'log' | 'linear'
  readonly series: readonly Series[]
  readonly marks?: readonly Mark[]
  /** What the axis of values has to include, such as 0. */
  readonly yIncludes?: readonly number[]
}

/** One bar. */
export interface Bar {
  readonly label: string
  readonly value: number
  /** The value as it is to be read. */
  readonly text: string
  /** Decides the colour. Default: the label. */
  readonly method?: string
  /** A second setting of the same method: drawn pale. */
  readonly second?: boolean
}

/** Bars one below the other, from zero or from a power of ten. */
export interface BarPanel {
  readonly kind: 'bars'
  readonly title?: string
  readonly valueLabel: string
  /** Default: `linear`. */
  readonly scale?: 'linear' | 'log'
  readonly bars: readonly Bar[]
}

export type Panel = LinePanel | BarPanel

/** Sizes of a panel in pixels. */
export interface PanelSize {
  readonly width: number
  readonly height: number
}

/** Looks by method, shared by the panels of a figure. */
export type Looks = (method: string) => Look

const { document } = parseHTML('<!doctype html><html><body></body></html>')
const shared = {
  document,
  style: { fontSize: '12px', fontFamily: 'inherit', color: 'inherit', background: 'none' },
}
const barHeight = 22
const letter = 6.6

/** Marks on a curve of many points would hide it. */
export function isCurve({ points, draw }: Pick<Series, 'points' | 'draw'>): boolean {
  return points.length > 40 && draw !== 'points'
}

/** How high a panel of this width wants to be. */
export function panelHeight(panel: Panel, width: number): number {
  return panel.kind === 'bars' ? 44 + barHeight * panel.bars.length : Math.round(width * 0.62)
}

/** An svg element as text, without the title. */
export function drawPanel(panel: Panel, size: PanelSize, looks: Looks): string {
  return toText(panel.kind === 'bars' ? barPlot(panel, size, looks) : linePlot(panel, size, looks))
}

/** The sample of one series in a legend: a stroke and its mark. */
export function drawSample(look: Look, series: Pick<Series, 'points' | 'draw'>): string {
  const ends = [
    [0, 0],
    [2, 0],
  ] as [number, number][]
  return toText(
    Plot.plot({
      ...shared,
      width: 28,
      height: 14,
      margin: 0,
      axis: null,
      x: { domain: [0, 2] },
      y: { domain: [-1, 1] },
      marks: seriesMarks(look, series.draw, ends, isCurve(series) ? [] : [[1, 0]]),
    }),
  )
}

function linePlot(panel: LinePanel, { width, height }: PanelSize, looks: Looks): PlotElement {
  const { xLabel, yLabel, xScale, yScale, series, marks = [], yIncludes = [] } = panel
  const all = series.flatMap(({ points }) => points)
  const lengths = [...new Set(all.map(([x]) => x))].toSorted((a, b) => a - b)
  const every = Math.ceil(lengths.length / Math.floor(width / 60))
  const values = [...all.map(([, y]) => y), ...yIncludes, ...marks.flatMap(({ y }) => y ?? [])]
  const [low, high] = [Math.min(...values), Math.max(...values)]
  const padded = yScale === 'log' ? [low / 1.25, high * 1.25] : [low, high]
  return Plot.plot({
    ...shared,
    width,
    height,
    marginLeft: 60,
    marginRight: 24,
    marginTop: 26,
    marginBottom: 40,
    x: {
      label: xLabel,
      labelAnchor: 'center',
      labelArrow: 'none',
      inset: 8,
      ...(xScale === 'length'
        ? {
            type: 'log',
            base: 2,
            ticks: lengths.filter((_, index) => index % every === 0),
            tickFormat: shortLength,
          }
        : {
            type: xScale,
            ticks: decades(lengths[0]!, lengths.at(-1)!, xScale) ?? Math.floor(width / 80),
            tickFormat: shortNumber,
          }),
    },
    y: {
      label: yLabel,
      labelArrow: 'none',
      type: yScale,
      domain: padded,
      nice: yScale === 'linear',
      ticks: decades(low, high, yScale) ?? Math.floor(height / 45),
      tickFormat: shortNumber,
      grid: true,
    },
    marks: [
      Plot.frame({ stroke: 'var(--faint)' }),
      ...marks.flatMap((mark) => markMarks(mark, lengths)),
      ...series.flatMap(({ label, method = label, points, draw, texts }) => {
        const look = looks(method)
        const drawn = points.map(([x, y]) => [x, y] as [number, number])
        const marked = isCurve({ points, ...(draw && { draw }) }) ? [] : drawn
        return [
          ...seriesMarks(look, draw, drawn, marked),
          ...(texts ? [pointTexts(drawn, texts, lengths)] : []),
        ]
      }),
    ],
  })
}

/** Powers of ten, where a logarithmic axis has at least two of them: lines between them are noise. */
function decades(low: number, high: number, scale: string): number[] | undefined {
  if (scale !== 'log') return undefined
  const [first, last] = [Math.ceil(Math.log10(low / 1.25)), Math.floor(Math.log10(high * 1.25))]
  if (last - first < 1) return undefined
  const every = Math.ceil((last - first + 1) / 8)
  return Array.from(
    { length: Math.floor((last - first) / every) + 1 },
    (_, index) => 10 ** (first + every * index),
  )
}

function seriesMarks(
  { color, symbol }: Look,
  draw: Series['draw'],
  points: [number, number][],
  marked: [number, number][],
): Plot.Markish[] {
  const dashed = draw === 'dashes'
  const line = Plot.line(points, {
    stroke: color,
    strokeWidth: 1.75,
    ...(dashed ? { strokeDasharray: '5 4' } : {}),
  })
  const dot = Plot.dot(marked, {
    symbol,
    stroke: color,
    fill: dashed ? 'var(--paper)' : color,
    r: 3.2,
  })
  return draw === 'points' ? [dot] : draw === 'bare' ? [line] : [line, dot]
}

/** Words to the right of a point, or to its left where the right edge is near. */
function pointTexts(
  points: [number, number][],
  texts: readonly string[],
  xs: readonly number[],
): Plot.Markish {
  const middle = Math.sqrt(Math.max(1e-9, xs[0]!) * Math.max(1e-9, xs.at(-1)!))
  return points.map(([x, y], index) =>
    Plot.text([[x, y]], {
      text: [texts[index]!],
      textAnchor: x > middle ? 'end' : 'start',
      dx: x > middle ? -7 : 7,
      dy: -7,
      fill: 'currentColor',
      stroke: 'var(--paper)',
      strokeWidth: 3,
    }),
  )
}

function markMarks({ x, y, label }: Mark, xs: readonly number[]): Plot.Markish[] {
  const line = { stroke: 'currentColor', strokeDasharray: '2 4' }
  if (x !== undefined) {
    const late = x > Math.sqrt(Math.max(1e-9, xs[0]!) * xs.at(-1)!)
    return [
      Plot.ruleX([x], line),
      Plot.text([x], {
        x: (value: number) => value,
        text: [label],
        frameAnchor: 'top',
        textAnchor: late ? 'end' : 'start',
        dx: late ? -5 : 5,
        dy: 6,
      }),
    ]
  }
  return [
    Plot.ruleY([y!], line),
    Plot.text([y!], {
      y: (value: number) => value,
      text: [label],
      frameAnchor: 'left',
      textAnchor: 'start',
      dx: 6,
      dy: -8,
    }),
  ]
}

function barPlot(panel: BarPanel, { width, height }: PanelSize, looks: Looks): PlotElement {
  const { bars, valueLabel, scale = 'linear' } = panel
  const values = bars.map(({ value }) => value)
  const most = Math.max(...values)
  const least = scale === 'log' ? 10 ** Math.floor(Math.log10(Math.min(...values)) - 1e-9) : 0
  const from = Math.min(least, ...values)
  const places = bars.map((_, index) => String(index))
  const longest = Math.max(...bars.map(({ label }) => label.length))
  const longestText = Math.max(...bars.map(({ text }) => text.length))
  return Plot.plot({
    ...shared,
    width,
    height,
    marginLeft: Math.min(Math.ceil(longest * letter) + 14, Math.round(width * 0.6)),
    marginRight: Math.ceil(longestText * letter) + 14,
    marginTop: 6,
    marginBottom: 38,
    x: {
      label: valueLabel,
      labelAnchor: 'center',
      labelArrow: 'none',
      type: scale,
      domain: [from, most === from ? from + 1 : most],
      ticks: decades(from, most, scale) ?? Math.max(2, Math.floor(width / 130)),
      tickFormat: shortNumber,
      grid: true,
    },
    y: {
      domain: places,
      label: null,
      tickSize: 0,
      padding: 0.25,
      tickFormat: (place: string) => bars[Number(place)]!.label,
    },
    marks: [
      ...bars.map(({ label, method = label, value, second }, index) =>
        Plot.barX([value], {
          x1: from < 0 ? 0 : from,
          x2: (each: number) => each,
          y: () => places[index]!,
          fill: looks(method).color,
          fillOpacity: second ? 0.45 : 1,
        }),
      ),
      Plot.text(bars, {
        x: ({ value }: Bar) => Math.max(value, from < 0 ? 0 : from),
        y: (_bar: Bar, index: number) => places[index]!,
        text: 'text',
        textAnchor: 'start',
        dx: 5,
      }),
      ...(from < 0 ? [Plot.ruleX([0])] : []),
    ],
  })
}

type PlotElement = ReturnType<typeof Plot.plot>

/** Without Plot's own style sheet, whose sizes are for charts that stand alone in a page. */
function toText(element: PlotElement): string {
  element.querySelector('style')?.remove()
  element.removeAttribute('class')
  return element.outerHTML
}

function shortLength(length: number): string {
  return length % 2 ** 20 === 0 ? `${length / 2 ** 20}M` : formatLength(length)
}

/** `1.5M` for 1,500,000, `0.02` as it is. */
function shortNumber(value: number): string {
  const size = Math.abs(value)
  const units = [
    { from: 1e12, scale: 1e12, sign: 'T' },
    { from: 1e9, scale: 1e9, sign: 'G' },
    { from: 1e6, scale: 1e6, sign: 'M' },
    { from: 1e4, scale: 1e3, sign: 'k' },
  ]
  for (const { from, scale, sign } of units) {
    if (size >= from) return `${Number(threeDigits(value / scale))}${sign}`
  }
  if (size !== 0 && size < 1e-3) return value.toExponential(0)
  return String(Number(threeDigits(value)))
}
