// What `attn sparse` found out: what share of causal attention's time a pattern takes.
import { formatLength, threeDigits } from '../../../packages/bench/src/report/format.ts'
import type {
  CausalTime,
  FlexTime,
  SparseReport,
  SparseResult,
  SparseTime,
} from '../../../packages/bench/src/sparse/report.ts'
import { describeDevice, flagsSentence } from './benchmark-setting.ts'
import type { ChartSeries } from '@attn/components/chart'
import { barsOfPoints, notesOf, type ChartView, type ReportParts } from './report-view.ts'

const patterns = {
  window: { label: 'window', color: 'green', marker: 'triangle' },
  bigBird: { label: 'BigBird', color: 'pink', marker: 'diamond' },
  strided: { label: 'strided', color: 'orange', marker: 'square' },
  fixed: { label: 'fixed', color: 'amber', marker: 'circle' },
} as const

export function viewSparse(name: string, report: SparseReport): ReportParts {
  const { created, environment, device, problem, results, flex } = report
  const { batch, heads, headDim, dtype } = problem
  const ofPatterns = (valueOf: (result: SparseResult) => number): ChartSeries[] =>
    Object.entries(patterns)
      .map(([pattern, look]) => ({
        ...look,
        second: false,
        points: results.flatMap(({ length, results: found }) =>
          found
            .filter((result) => result.name === pattern)
            .map((result) => ({ length, value: valueOf(result) })),
        ),
      }))
      .filter(({ points }) => points.length > 0)
  const dense = (
    label: string,
    color: ChartSeries['color'],
    timeOf: (length: SparseReport['results'][number]) => SparseTime | undefined,
  ): ChartSeries => ({
    label,
    color,
    marker: 'circle',
    second: false,
    points: results.flatMap((each) => {
      const time = timeOf(each)
      return time ? [{ length: each.length, value: time.median }] : []
    }),
  })
  const time = ({ median, headsMeasured, extrapolatedFrom }: CausalTime): string => {
    const figure = threeDigits(median)
    if (extrapolatedFrom !== undefined) {
      return `~${figure} (from length ${formatLength(extrapolatedFrom)})`
    }
    return headsMeasured < heads ? `${figure} (from ${headsMeasured} of ${heads} heads)` : figure
  }
  const flexAt = (length: number, pattern: string): FlexTime | undefined =>
    flex?.times.find((each) => each.length === length && each.name === pattern)
  const ofFlex = Object.entries({
    causal: { label: 'causal', color: 'blue', marker: 'circle' } as const,
    ...patterns,
  })
    .map(([pattern, look]): ChartSeries => ({
      ...look,
      label: `${look.label}, FlexAttention`,
      second: true,
      points: (flex?.times ?? [])
        .filter((each) => each.name === pattern)
        .map(({ length, median }) => ({ length, value: median })),
    }))
    .filter(({ points }) => points.length > 0)
  const hasFlex = ofFlex.length > 0
  const hasBackward = results.some(({ backward }) => backward !== undefined)
  const percent = (part: number): string => `${threeDigits(100 * part)} %`
  const charts: ChartView[] = [
    {
      heading: 'Time',
      unit: 'milliseconds',
      series: [
        dense('causal flash', 'blue', ({ causal }) => causal),
        dense('causal standard', 'grey', ({ standard }) => standard),
        ...ofPatterns((result) => result.time.median),
        ...ofFlex,
      ].filter(({ points }) => points.length > 0),
    },
    {
      heading: 'Time per tile',
      unit: 'ratio',
      series: ofPatterns((result) => result.timePerWork),
    },
  ]
  return {
    name,
    title: `Sparse patterns in ${dtype}, ${[...new Set(results.map(({ length }) => formatLength(length)))].join(' and ')} tokens${hasBackward ? ', with gradients' : ''}`,
    created,
    environment,
    devices: [describeDevice(device)],
    paragraphs: [
      `Sparse patterns against causal flash attention. ${dtype}, batch ${batch}, ${heads} heads of dim ${headDim}. ` +
        'Time per tile is the share of the time divided by the share of the tiles: 1 where a tile ' +
        `takes as long as in causal attention.${flagsSentence(device)}`,
      ...(hasFlex
        ? [
            `FlexAttention: PyTorch ${flex?.version} on ${flex?.device}, the same masks in ${dtype}, in the same run after ours.`,
          ]
        : []),
    ],
    ...(results.length > 1 ? { charts } : { charts: [], bars: barsOfPoints(charts, threeDigits) }),
    table: {
      caption: 'Sparse patterns',
      columns: [
        'length',
        'pattern',
        'ms',
        'causal ms',
        'time',
        'tiles',
        'pairs',
        'time per tile',
      ].concat(hasFlex ? ['FlexAttention ms', 'attn is'] : []),
      groups: [
        {
          title: hasBackward ? 'forward' : '',
          rows: results.flatMap(({ length, causal, results: found }) =>
            found.map((result) => [
              formatLength(length),
              result.label,
              time(result.time),
              time(causal),
              percent(result.timeRatio),
              percent(result.workRatio),
              percent(result.pairRatio),
              threeDigits(result.timePerWork),
              ...(hasFlex ? besideFlex(result, flexAt(length, result.name)) : []),
            ]),
          ),
        },
        ...(hasBackward
          ? [
              {
                title: 'backward',
                rows: results.flatMap(({ length, backward }) =>
                  (backward?.results ?? []).map((each) => [
                    formatLength(length),
                    each.label,
                    threeDigits(each.time.median),
                    backward?.causal ? threeDigits(backward.causal.median) : '',
                    ...[each.timeRatio, each.workRatio, each.pairRatio].map((part) =>
                      part === undefined ? '' : percent(part),
                    ),
                    each.timeRatio === undefined || each.workRatio === undefined
                      ? ''
                      : threeDigits(each.timeRatio / each.workRatio),
                    ...(hasFlex ? ['', ''] : []),
                  ]),
                ),
              },
            ]
          : []),
      ],
    },
    notes: [
      notesOf(
        results.flatMap(({ results: found, backward }) => [...found, ...(backward?.results ?? [])]),
      ),
      ...(flex?.notes ?? []).map((note) => `FlexAttention: ${note}.`),
    ].join(' '),
  }
}

function besideFlex({ time }: SparseResult, flex: FlexTime | undefined): string[] {
  return flex ? [threeDigits(flex.median), `${threeDigits(flex.median / time.median)}×`] : ['', '']
}
