// A figure: a title, one legend, and panels beside or below one another in one SVG document. A method has
// one colour and one mark in all of them, and no text is wider than the figure.
import { rangeError } from '@attn/core'
import { toText } from './axes.ts'
import { barPlot } from './bar-panel.ts'
import { drawSample, linePlot } from './line-panel.ts'
import type { Looks, Panel, PanelSize, Series } from './panel.ts'
import { figureStyle, lookOf } from './theme.ts'
import type { Look } from './theme.ts'

/** What is drawn. */
export interface Figure {
  readonly title: string
  /** What there is to see, for those who do not see it. */
  readonly description: string
  readonly panels: readonly Panel[]
  /** Panels beside one another. Default: as many as there are, at most 2. */
  readonly columns?: number
  /** Of one panel. Default: 640 for a single one, else 460. */
  readonly panelWidth?: number
  /** Methods in the order of their colours, where the order of appearance would not do. */
  readonly methods?: readonly string[]
}

const margin = 16
const letterWidth = 6.6
const titleLetter = 8.2
const legendRow = 20
const sampleWidth = 28

/**
 * Draws a figure as an SVG document, in light and dark colours.
 *
 * @throws RangeError when a panel has nothing to draw.
 */
export function drawFigure(figure: Figure): string {
  const { title, description, panels, methods = [] } = figure
  if (panels.length === 0 || panels.some(isEmpty)) {
    throw rangeError('drawFigure: every panel needs at least one value')
  }
  const { columns = Math.min(panels.length, 2) } = figure
  const { panelWidth = columns === 1 ? 640 : 460 } = figure
  const looks = lookBook(methods)
  const width = columns * panelWidth + 2 * margin
  const lines = wrap(title, Math.floor((width - 2 * margin) / titleLetter))
  let y = 12 + 20 * lines.length
  const parts = lines.map((line, index) =>
    text(margin, 24 + 20 * index, line, ' font-size="15" font-weight="600"'),
  )
  const bodies = panels.map((panel) =>
    drawPanel(panel, { width: panelWidth, height: panelHeight(panel, panelWidth) }, looks),
  )
  for (const row of layOutLegend(legendOf(panels), width - 2 * margin)) {
    for (const { x, series } of row) {
      const look = looks(series.method ?? series.label)
      parts.push(
        at(drawSample(look, series), margin + x, y + 3),
        text(margin + x + sampleWidth + 6, y + 14, series.label),
      )
    }
    y += legendRow
  }
  for (let first = 0; first < panels.length; first += columns) {
    const row = panels.slice(first, first + columns)
    const titles = row.map(({ title: each = '' }) => wrap(each, Math.floor(panelWidth / 7)))
    const titleHeight = 18 * Math.max(...titles.map((each) => each.length)) + 8
    row.forEach((_, column) => {
      const x = margin + column * panelWidth
      titles[column]!.forEach((line, index) =>
        parts.push(text(x + 4, y + 20 + 18 * index, line, ' font-weight="600"')),
      )
      parts.push(at(bodies[first + column]!, x, y + titleHeight))
    })
    y += titleHeight + Math.max(...row.map((panel) => panelHeight(panel, panelWidth)))
  }
  const height = y + 8
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" class="attn-chart" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img">`,
    `<title>${escape(title)}</title><desc>${escape(description)}</desc><style>${figureStyle}</style>`,
    `<rect width="${width}" height="${height}" fill="var(--paper)"/>`,
    ...parts,
    '</svg>',
    '',
  ].join('\n')
}

const barHeight = 22

/** How high a panel of this width wants to be. */
function panelHeight(panel: Panel, width: number): number {
  return panel.kind === 'bars' ? 44 + barHeight * panel.bars.length : Math.round(width * 0.62)
}

/** An svg element as text. */
function drawPanel(panel: Panel, size: PanelSize, looks: Looks): string {
  return toText(panel.kind === 'bars' ? barPlot(panel, size, looks) : linePlot(panel, size, looks))
}

function isEmpty(panel: Panel): boolean {
  return panel.kind === 'bars'
    ? panel.bars.length === 0
    : panel.series.every(({ points }) => points.length === 0)
}

/** Looks in the order in which methods are asked for. */
function lookBook(methods: readonly string[]): (method: string) => Look {
  const known = new Map(methods.map((method, index) => [method, lookOf(index)]))
  return (method) => {
    const look = known.get(method) ?? lookOf(known.size)
    known.set(method, look)
    return look
  }
}

/** Each label once, whatever panels it is in; bars carry their labels themselves. */
function legendOf(panels: readonly Panel[]): Series[] {
  const all = panels.flatMap((panel) => (panel.kind === 'lines' ? panel.series : []))
  const byLabel = new Map(all.toReversed().map((series) => [series.label, series]))
  return all.filter((series, index) => {
    const first = all.findIndex(({ label }) => label === series.label)
    return byLabel.has(series.label) && first === index && series.points.length > 0
  })
}

function layOutLegend(
  entries: readonly Series[],
  width: number,
): (readonly { readonly x: number; readonly series: Series }[])[] {
  const rows: { x: number; series: Series }[][] = []
  let x = 0
  for (const series of entries) {
    const needed = sampleWidth + 6 + letterWidth * series.label.length
    if (rows.length === 0 || x + needed > width) {
      rows.push([])
      x = 0
    }
    rows.at(-1)!.push({ x, series })
    x += needed + 18
  }
  return rows
}

/** Lines of at most so many letters, broken between words. */
function wrap(words: string, letters: number): string[] {
  const lines: string[] = []
  for (const word of words.split(' ').filter((each) => each !== '')) {
    const last = lines.at(-1)
    if (last !== undefined && last.length + 1 + word.length <= letters) {
      lines[lines.length - 1] = `${last} ${word}`
    } else {
      lines.push(word)
    }
  }
  return lines
}

/** A nested svg element at a place. */
function at(svg: string, x: number, y: number): string {
  return svg.replace('<svg ', `<svg x="${x}" y="${y}" `)
}

function text(x: number, y: number, content: string, attributes = ''): string {
  return `<text x="${Math.round(x)}" y="${y}" fill="currentColor"${attributes}>${escape(content)}</text>`
}

function escape(content: string): string {
  return content.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
}
