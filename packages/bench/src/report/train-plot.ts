// The loss curves of `attn train` as a picture.
import { linePlot } from '@attn/positions'
import type { PlotSeries } from '@attn/positions'
import type { TrainReport } from './train-report.ts'

/** The loss curves as an SVG document. */
export function drawLosses({
  run,
  comparison,
  earlierLosses,
  firstStep,
  ...rest
}: TrainReport): string {
  const curve = (label: string, losses: readonly number[], first: number): PlotSeries => ({
    label,
    x: losses.map((_, step) => first + step + 1),
    y: losses,
  })
  const { device, text, configuration } = rest
  return linePlot({
    title: `A decoder learns ${text.name} on ${device.name}`,
    description: 'Loss in nats a character, step by step.',
    panels: [
      {
        title: `mask ${configuration.mask}, positions ${configuration.positions}`,
        xLabel: 'step',
        yLabel: 'loss',
        series: [
          curve(
            run.description,
            [...earlierLosses, ...run.losses],
            firstStep - earlierLosses.length,
          ),
          ...(comparison
            ? [
                {
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
