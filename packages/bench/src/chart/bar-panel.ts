// Bars one below the other, where there is nothing to draw a line through, drawn by Observable Plot.
import * as Plot from '@observablehq/plot'
import { decades, shared, shortNumber } from './axes.ts'
import type { PlotElement } from './axes.ts'
import type { Bar, BarPanel, Looks, PanelSize } from './panel.ts'

const letter = 6.6

/** One panel. */
export function barPlot(panel: BarPanel, { width, height }: PanelSize, looks: Looks): PlotElement {
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
