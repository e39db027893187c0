// Lines and points over lengths or other numbers, drawn by Observable Plot.
import * as Plot from '@observablehq/plot'
import { decades, shared, shortLength, shortNumber, toText } from './axes.ts'
import type { PlotElement } from './axes.ts'
import type { LinePanel, Looks, Mark, PanelSize, Series } from './panel.ts'
import type { Look } from './theme.ts'

/** Marks on a curve of many points would hide it. */
function isCurve({ points, draw }: Pick<Series, 'points' | 'draw'>): boolean {
  return points.length > 40 && draw !== 'points'
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

/** One panel. */
export function linePlot(
  panel: LinePanel,
  { width, height }: PanelSize,
  looks: Looks,
): PlotElement {
  const { xLabel, yLabel, xScale, yScale, series, marks = [], yIncludes = [] } = panel
  const all = series.flatMap(({ points }) => points)
  const lengths = [...new Set(all.map(([x]) => x))].toSorted((a, b) => a - b)
  const every = Math.ceil(lengths.length / Math.floor(width / 60))
  const values = [
    ...all.map(([, y]) => y),
    ...series.flatMap(({ band = [] }) => band.flatMap(([, low, high]) => [low, high])),
    ...yIncludes,
    ...marks.flatMap(({ y }) => y ?? []),
  ]
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
      ...series.flatMap(({ label, method = label, band = [] }) => {
        const range = band.map(([x, low, high]) => ({ x, low, high }))
        const fill = looks(method).color
        return [Plot.areaY(range, { x: 'x', y1: 'low', y2: 'high', fill, fillOpacity: 0.18 })]
      }),
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

function seriesMarks(
  { color, symbol }: Look,
  draw: Series['draw'],
  points: [number, number][],
  marked: [number, number][],
): Plot.Markish[] {
  const dashed = draw === 'dashes' || draw === 'bare-dashes'
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
  return draw === 'points'
    ? [dot]
    : draw === 'bare' || draw === 'bare-dashes'
      ? [line]
      : [line, dot]
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
