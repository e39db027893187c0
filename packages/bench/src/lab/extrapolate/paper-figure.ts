// The papers' tables as curves, in the colours of ours.
import { drawFigure } from '../../chart/figure.ts'
import type { LinePanel } from '../../chart/panel.ts'
import { positionMethodTitles } from '../positions/methods.ts'
import type { PositionMethodName } from '../positions/methods.ts'
import { alibiTable, fineTuningTable } from './paper.ts'
import type { PaperTable } from './paper.ts'

const columnMethods = ['sinusoidal', 'rope', 't5', 'alibi'] as const

/**
 * Draws the table of ALiBi and that of Position Interpolation's fine-tuning.
 *
 * @param methods - Methods of the figure beside it, whose colours are taken.
 */
export function drawPapers(methods: readonly PositionMethodName[]): string {
  return drawFigure({
    title: 'The papers: Press et al. 2022, table 2, and Chen et al. 2023, table 3',
    description:
      'Perplexity by length of models of 16 layers trained at L = 512 with each position method, and of Llama 7B extended with Position Interpolation by steps of fine-tuning.',
    methods: methods.map((method) => positionMethodTitles[method]),
    panels: [byLength(), bySteps()],
  })
}

const axes = { kind: 'lines', yLabel: 'perplexity', yScale: 'log' } as const

/** The numbers of a column that are known, by those of the first. */
function points({ rows }: PaperTable, column: number): (readonly [number, number])[] {
  return rows.flatMap((row) => {
    const value = row[column]
    return typeof value === 'number' ? [[Number(row[0]), value] as const] : []
  })
}

function byLength(): LinePanel {
  return {
    ...axes,
    title: 'trained at L = 512 on WikiText-103',
    xLabel: 'length',
    xScale: 'log',
    series: columnMethods.map((method, index) => {
      return { label: positionMethodTitles[method], points: points(alibiTable, index + 1) }
    }),
  }
}

function bySteps(): LinePanel {
  const [, ...steps] = fineTuningTable.columns
  return {
    ...axes,
    title: 'Llama 7B of 2,048 tokens with Position Interpolation, on PG-19',
    xLabel: 'steps of fine-tuning',
    xScale: 'linear',
    series: fineTuningTable.rows.map(([length, ...values], index) => {
      return {
        label: `interpolated to ${length}`,
        method: 'interpolated',
        draw: index === 0 ? 'line' : 'dashes',
        points: values.map((value, step) => [Number(steps[step]), value as number] as const),
      }
    }),
  }
}
