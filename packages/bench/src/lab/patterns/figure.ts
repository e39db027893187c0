// Reports of `comparePatterns` as a picture: how each pattern learns, and where it ends beside dense attention.
import { drawFigure } from '../../chart/figure.ts'
import type { BarPanel, LinePanel } from '../../chart/panel.ts'
import { spreadOf, spreads } from '../extrapolate/report.ts'
import { positionMethodTitles } from '../positions/methods.ts'
import { modelsOf, patternTitle } from './compare-patterns.ts'
import type { PatternReport } from './compare-patterns.ts'

/** Draws reports as an SVG document, two panels each. */
export function drawPatterns(reports: readonly PatternReport[]): string {
  return drawFigure({
    title: 'Dense, strided and fixed attention, the same decoder on the same batches',
    description:
      'Bits a token in training and on held-out data, for each pattern and data set, with the range of the seeds.',
    methods: reports[0]?.plan.patterns.map(({ mask }) => nameOf(mask)) ?? [],
    panels: reports.flatMap((report) => [learning(report), atTheEnd(report)]),
  })
}

const nameOf = (mask: string): string => (mask === 'causal' ? 'dense' : mask)
const bits = (nats: number): number => nats / Math.LN2

/** What was read, in a few words. */
function headOf({ text, plan }: PatternReport): string {
  const [name] = text.name.split(' (')
  return `${name}, ${positionMethodTitles[plan.configuration.positions]} positions`
}

function learning(report: PatternReport): LinePanel {
  const { plan } = report
  const { steps } = plan.configuration
  return {
    kind: 'lines',
    title: `${headOf(report)}: in training`,
    xLabel: 'step',
    yLabel: 'bits a token',
    xScale: 'linear',
    yScale: 'linear',
    series: plan.patterns.map((pattern) => {
      const found = spreads(modelsOf(report, pattern).map(({ losses }) => losses))
      // The first twentieth falls from chance, and would flatten the rest.
      const later = found.map((spread, place) => ({ ...spread, x: place })).slice(1)
      const at = (place: number): number => ((place + 0.5) * steps) / found.length
      return {
        label: nameOf(pattern.mask),
        points: later.map(({ x, mean }) => [at(x), bits(mean)] as const),
        band: later.map(({ x, low, high }) => [at(x), bits(low), bits(high)] as const),
      }
    }),
  }
}

function atTheEnd(report: PatternReport): BarPanel {
  const { plan } = report
  const spreadsOf = plan.patterns.map((pattern) =>
    spreadOf(modelsOf(report, pattern).map(({ bitsPerToken }) => bitsPerToken)),
  )
  return {
    kind: 'bars',
    title: `${headOf(report)}: held out${plan.seeds.length > 1 ? `, range of ${plan.seeds.length} seeds` : ''}`,
    valueLabel: 'bits a token',
    bars: plan.patterns.map((pattern, index) => {
      const { low, mean, high } = spreadsOf[index]!
      return {
        label: patternTitle(pattern),
        method: nameOf(pattern.mask),
        value: mean,
        text: `${mean.toFixed(3)} (${low.toFixed(3)} to ${high.toFixed(3)})`,
      }
    }),
  }
}
