// Matrices as coloured cells: small multiples with one colour bar for all of them.
import { checkOptions, shapeError } from '@attn/core'
import type { OptionNames } from '@attn/core'
import { element, label, picture, pixels } from './svg.ts'
import type { PlotTheme } from './svg.ts'
import { finiteRange, linearScale } from './scale.ts'

/** One matrix; -Infinity (a hidden pair) is left blank. */
export interface HeatMapPanel {
  readonly title: string
  /** Row-major. */
  readonly values: ArrayLike<number>
  readonly rows: number
  readonly columns: number
}

/** A picture of matrices. */
export interface HeatMapOptions {
  /** Written above the map. */
  readonly title: string
  /** What there is to see, for those who do not see it. */
  readonly description: string
  /** The maps, side by side. */
  readonly panels: readonly HeatMapPanel[]
  /** What the columns are. */
  readonly xLabel: string
  /** What the rows are. */
  readonly yLabel: string
  /** Beside the colour bar. */
  readonly valueLabel: string
  /** Panels in a row. Default: 4. */
  readonly panelsPerRow?: number | undefined
  /** Width of each matrix in pixels. Default: 170. */
  readonly panelWidth?: number | undefined
  /** Default: `auto`. */
  readonly theme?: PlotTheme | undefined
}

const margin = { top: 66, right: 18, bottom: 46, left: 52 }
const bar = { width: 14, gap: 12, labels: 66 }
const shades = 64

// Five stops of viridis: brightness alone tells them apart, in any colour vision and in print.
const stops = [
  [68, 1, 84],
  [59, 82, 139],
  [33, 145, 140],
  [94, 201, 98],
  [253, 231, 37],
] as const

function shadeColor(shade: number): string {
  const place = (shade / (shades - 1)) * (stops.length - 1)
  const before = Math.min(Math.floor(place), stops.length - 2)
  const channels = [0, 1, 2].map((channel) => {
    const from = stops[before]![channel]!
    const to = stops[before + 1]![channel]!
    return Math.round(from + (to - from) * (place - before))
  })
  return `rgb(${channels.join(',')})`
}

const heatMapOptions: OptionNames<HeatMapOptions> = {
  title: true,
  description: true,
  panels: true,
  xLabel: true,
  yLabel: true,
  valueLabel: true,
  panelsPerRow: true,
  panelWidth: true,
  theme: true,
}

/**
 * Matrices as an SVG picture, on one colour scale.
 *
 * @throws RangeError when a panel does not hold rows * columns values.
 *
 * @example
 * ```ts
 * import { heatMap } from '@attn/positions'
 * const svg = heatMap({
 *   title: 'Distances', description: 'Zero on the diagonal.', xLabel: 'key', yLabel: 'query',
 *   valueLabel: 'distance',
 *   panels: [{ title: 'one', values: [0, 1, 1, 0], rows: 2, columns: 2 }],
 * })
 * svg.includes('<title>Distances</title>') // => true
 * ```
 */
export function heatMap(options: HeatMapOptions): string {
  checkOptions('heatMap', options, heatMapOptions)
  const { title, description, panels, theme = 'auto', panelWidth = 170, panelsPerRow = 4 } = options
  for (const { values, rows, columns } of panels) {
    if (values.length !== rows * columns) {
      throw shapeError(
        `heatMap: a panel of ${rows} rows and ${columns} columns needs ${rows * columns} values, got ${values.length}`,
      )
    }
  }
  const [low, high] = finiteRange(panels.map(({ values }) => values))
  const across = Math.min(panelsPerRow, panels.length)
  const down = Math.ceil(panels.length / panelsPerRow)
  const heights = panels.map(({ rows, columns }) => (panelWidth * rows) / columns)
  const panelHeight = Math.max(...heights)
  const column = margin.left + panelWidth + margin.right
  const row = margin.top + panelHeight + margin.bottom - 20
  const size = {
    width: across * column + bar.gap + bar.width + bar.labels,
    height: down * row + 20,
  }
  const drawn = panels.map((panel, index) => {
    const x = (index % across) * column + margin.left
    const y = Math.floor(index / across) * row + margin.top
    return element(
      'g',
      { transform: `translate(${pixels(x)} ${pixels(y)})` },
      drawCells(panel, panelWidth, heights[index]!, low, high),
      drawAxes(panel, panelWidth, heights[index]!, options),
    )
  })
  const barPlace = `translate(${pixels(across * column + bar.gap)} ${margin.top})`
  return picture(
    size,
    title,
    description,
    theme,
    ...drawn,
    element('g', { transform: barPlace }, drawBar(panelHeight, low, high, options.valueLabel)),
  )
}

function drawCells(
  panel: HeatMapPanel,
  width: number,
  height: number,
  low: number,
  high: number,
): string {
  const { values, rows, columns } = panel
  // One path a shade, in units of cells; runs of one shade in a row are one rectangle.
  const paths = new Map<number, string>()
  for (let row = 0; row < rows; row++) {
    let column = 0
    while (column < columns) {
      const shade = shadeOf(values[row * columns + column]!, low, high)
      const start = column
      while (column < columns && shadeOf(values[row * columns + column]!, low, high) === shade) {
        column++
      }
      if (shade === undefined) continue
      const run = column - start
      paths.set(shade, `${paths.get(shade) ?? ''}M${start} ${row}h${run}v1h-${run}z`)
    }
  }
  return element(
    'g',
    {
      transform: `scale(${width / columns} ${height / rows})`,
      'shape-rendering': 'crispEdges',
    },
    ...[...paths].map(([shade, d]) => element('path', { d, fill: shadeColor(shade) })),
  )
}

function shadeOf(value: number, low: number, high: number): number | undefined {
  if (!Number.isFinite(value)) return undefined
  return Math.round(((value - low) / (high - low || 1)) * (shades - 1))
}

function drawAxes(
  panel: HeatMapPanel,
  width: number,
  height: number,
  options: HeatMapOptions,
): string {
  const across = linearScale(0, panel.columns - 1, 4).ticks
  const down = linearScale(0, panel.rows - 1, 4).ticks
  return [
    element('rect', { width, height, fill: 'none', stroke: 'var(--ink)' }),
    label(panel.title, { x: width / 2, y: -8, 'text-anchor': 'middle', 'font-weight': '600' }),
    label(options.xLabel, { x: width / 2, y: height + 34, 'text-anchor': 'middle' }),
    label(options.yLabel, {
      transform: `translate(-34 ${pixels(height / 2)}) rotate(-90)`,
      'text-anchor': 'middle',
    }),
    ...across.map(({ value, text }) =>
      label(text, {
        x: ((value + 0.5) / panel.columns) * width,
        y: height + 16,
        'text-anchor': 'middle',
      }),
    ),
    ...down.map(({ value, text }) =>
      label(text, { x: -6, y: ((value + 0.5) / panel.rows) * height + 4, 'text-anchor': 'end' }),
    ),
  ].join('')
}

function drawBar(height: number, low: number, high: number, valueLabel: string): string {
  const cells = Array.from({ length: shades }, (_, shade) =>
    element('rect', {
      y: height * (1 - (shade + 1) / shades),
      width: bar.width,
      // A hair more, or seams show between the shades.
      height: height / shades + 0.5,
      fill: shadeColor(shade),
    }),
  )
  const scale = linearScale(low, high, 5)
  return [
    ...cells,
    element('rect', { width: bar.width, height, fill: 'none', stroke: 'var(--ink)' }),
    ...scale.ticks.map(({ value, text }) =>
      label(text, { x: bar.width + 6, y: height * (1 - scale.place(value)) + 4 }),
    ),
    label(valueLabel, { x: 0, y: -8 }),
  ].join('')
}
