// `attn device` as a figure: bandwidth by size, and the roofline with attention's kernels under it.
import { drawFigure } from '../chart/figure.ts'
import { formatBytes } from '../report/format.ts'
import { cacheBandwidth, memoryBandwidth } from './report.ts'
import type { HierarchyReport } from './report.ts'

/** Draws a report as an SVG document. */
export function drawHierarchy(report: HierarchyReport): string {
  const { device, copy, workgroupBytesPerSecond, operationsPerSecond, kernels } = report
  const rate = operationsPerSecond.float32
  const intensities = kernels.map(({ operations, bytes }) => operations / bytes)
  const [low, high] = [
    Math.min(...intensities, rate / workgroupBytesPerSecond) / 3,
    Math.max(...intensities, rate / memoryBandwidth(report)) * 3,
  ]
  const roof = (label: string, bandwidth: number) => ({
    label: `${label}, ${formatBytes(bandwidth)}/s`,
    draw: 'bare' as const,
    points: [low, rate / bandwidth, high].map(
      (intensity) => [intensity, Math.min(rate, intensity * bandwidth)] as const,
    ),
  })
  return drawFigure({
    title: `${device.name}: memory hierarchy and roofline`,
    description:
      'Copy bandwidth by size, and the operations a second that attention kernels reach under the bounds of memory, cache, workgroup memory and arithmetic.',
    panels: [
      {
        kind: 'lines',
        title: 'Copying: caches and memory',
        xLabel: 'bytes copied',
        yLabel: 'bytes read and written a second',
        xScale: 'log',
        yScale: 'log',
        series: [
          {
            label: 'copy',
            points: copy.map(({ bytes, bytesPerSecond }) => [bytes, bytesPerSecond] as const),
          },
        ],
        marks: [{ y: workgroupBytesPerSecond, label: 'workgroup memory (reads)' }],
      },
      {
        kind: 'lines',
        title: 'Roofline, float32',
        xLabel: 'operations a byte',
        yLabel: 'operations a second',
        xScale: 'log',
        yScale: 'log',
        series: [
          roof('memory', memoryBandwidth(report)),
          roof('cache', cacheBandwidth(report)),
          roof('workgroup memory', workgroupBytesPerSecond),
          {
            label: 'kernels',
            draw: 'points',
            points: kernels.map(
              ({ operations, bytes, milliseconds }) =>
                [operations / bytes, operations / (milliseconds / 1000)] as const,
            ),
            texts: kernels.map(({ label }) => label),
          },
        ],
      },
    ],
  })
}
