// `attn io` as a figure: traffic over M at one length, where the curves cross, and over N with one M, each
// with the bounds of theorem 2.
import { drawFigure } from '../chart/figure.ts'
import type { Panel, Series } from '../chart/panel.ts'
import { formatLength, threeDigits } from '../report/format.ts'
import { flashBound, standardBound } from './traffic-report.ts'
import type { TrafficReport, TrafficRow } from './traffic-report.ts'

/** Draws the counts of the first head dim as an SVG document. */
export function drawTraffic({
  pass,
  overLength,
  overMemory,
  crossings,
  constants,
}: TrafficReport): string {
  const [crossing] = crossings
  const { headDim } = crossing!
  const own = (rows: readonly TrafficRow[]): TrafficRow[] =>
    rows.filter((row) => row.headDim === headDim)
  const curves = (rows: readonly TrafficRow[], x: (row: TrafficRow) => number): Series[] => [
    { label: 'standard', points: rows.map((row) => [x(row), row.standard] as const) },
    {
      label: 'FlashAttention (keys outside)',
      points: rows.map((row) => [x(row), row.keysOutside] as const),
    },
    {
      label: 'FlashAttention-2 (queries outside)',
      points: rows.map((row) => [x(row), row.queriesOutside] as const),
    },
    {
      label: `${threeDigits(constants.standard)} (N D + N²)`,
      method: 'standard',
      draw: 'bare-dashes',
      points: rows.map((row) => [x(row), constants.standard * standardBound(row)] as const),
    },
    {
      label: `${threeDigits(constants.keysOutside)} N² D² / M`,
      method: 'FlashAttention (keys outside)',
      draw: 'bare-dashes',
      points: rows.map((row) => [x(row), constants.keysOutside * flashBound(row)] as const),
    },
  ]
  const axes = { kind: 'lines', yLabel: 'elements a head', yScale: 'log' } as const
  const panels: Panel[] = [
    {
      ...axes,
      title: `N = ${formatLength(crossing!.length)}, D = ${headDim}: over fast memory`,
      xLabel: 'M / D²',
      xScale: 'log',
      series: curves(own(overMemory), ({ onChipElements }) => onChipElements / headDim ** 2),
      marks: [{ x: crossing!.keysOutside, label: `${threeDigits(crossing!.keysOutside)} D²` }],
    },
    {
      ...axes,
      title: `M = ${own(overLength)[0]!.onChipElements} elements, D = ${headDim}: over length`,
      xLabel: 'N',
      xScale: 'length',
      series: curves(own(overLength), ({ length }) => length),
    },
  ]
  return drawFigure({
    title: `Memory traffic of attention, ${pass === 'both' ? 'forward and backward' : pass}, as counted`,
    description:
      'Elements that standard attention and FlashAttention move between memory and chip, by size of fast memory and by length, with the bounds of the paper.',
    panels,
  })
}
