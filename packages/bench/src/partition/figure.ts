// `attn partition` as a figure.
import { drawFigure } from '../chart/figure.ts'
import type { Panel } from '../chart/panel.ts'
import { formatLength } from '../report/format.ts'
import { partitionNames, partitions } from './report.ts'
import type { PartitionReport } from './report.ts'
import { partitionTime } from './summary.ts'

/**
 * How many times less time query tiles take, over heads, and all times at the longest length.
 *
 * @throws RangeError when nothing was measured.
 */
export function drawPartition({ device, headDim, results }: PartitionReport): string {
  const lengths = [...new Set(results.map(({ length }) => length))]
  const longest = Math.max(...lengths)
  const speedUps: Panel = {
    kind: 'lines',
    title: 'A workgroup a query tile, against keys outside',
    xLabel: 'heads (B x H)',
    yLabel: 'times faster',
    xScale: 'length',
    yScale: 'log',
    marks: [{ y: 2, label: "the paper's factor" }],
    series: lengths.map((length) => ({
      label: `length ${formatLength(length)}`,
      points: results.flatMap((result) => {
        const [before, after] = (['keysOutside', 'queryTiles'] as const).map((partition) =>
          partitionTime(result, partition),
        )
        return result.length === length && before && after
          ? [[result.heads, before / after] as const]
          : []
      }),
    })),
  }
  const times: Panel = {
    kind: 'lines',
    title: `Milliseconds at length ${formatLength(longest)}`,
    xLabel: 'heads (B x H)',
    yLabel: 'ms',
    xScale: 'length',
    yScale: 'log',
    series: partitions.map((partition) => ({
      label: partitionNames[partition],
      points: results.flatMap((result) => {
        const time = partitionTime(result, partition)
        return result.length === longest && time !== undefined
          ? [[result.heads, time] as const]
          : []
      }),
    })),
  }
  return drawFigure({
    title: `${device.name}: the same tiles in three partitions, float32, dim ${headDim}`,
    description:
      'How much faster attention is with a workgroup for each query tile than with one for each head, by number of heads and length.',
    panels: [speedUps, times],
  })
}
