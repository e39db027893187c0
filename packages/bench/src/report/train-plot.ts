// The loss curves of `attn train` as a picture.
import { drawFigure } from '../chart/figure.ts'
import type { Series } from '../chart/panel.ts'
import type { TrainReport } from './train-report.ts'

/** The loss curves as an SVG document. */
export function drawLosses({
  run,
  comparison,
  earlierLosses,
  firstStep,
  ...rest
}: TrainReport): string {
  const curve = (label: string, losses: readonly number[], first: number): Series => ({
    label,
    points: losses.map((loss, step) => [first + step + 1, loss] as const),
  })
  const { device, text, configuration } = rest
  const before = firstStep - earlierLosses.length
  return drawFigure({
    title: `A decoder learns ${text.name} on ${device.name}`,
    description: 'Loss in nats a character, step by step.',
    panels: [
      {
        kind: 'lines',
        title: `mask ${configuration.mask}, positions ${configuration.positions}`,
        xLabel: 'step',
        yLabel: 'loss, nats a character',
        xScale: 'linear',
        yScale: 'linear',
        series: [
          curve(run.description, [...earlierLosses, ...run.losses], before),
          ...(comparison
            ? [
                {
                  // Dashed, since it lies on the first where both are right.
                  ...curve(comparison.dense.description, comparison.dense.losses, firstStep),
                  draw: 'dashes' as const,
                },
              ]
            : []),
        ],
      },
    ],
  })
}
