// The speeds of a peers run as a figure: for every problem a panel of bars, one per implementation, on
// a logarithmic axis, for some are a hundred times slower than others.
import { rangeError } from '@attn/core'
import { drawFigure } from '../chart/figure.ts'
import { formatPeerShape } from '../suites/peer-shapes.ts'
import { threeDigits } from './format.ts'
import type { PeerRow, PeersReport } from './peers-report.ts'

interface Bar {
  readonly row: PeerRow
  readonly teraflops: number
}

/**
 * Draws every row that was measured, as an SVG document.
 *
 * @throws RangeError when nothing was measured.
 */
export function drawPeersChart({ device, rows }: PeersReport): string {
  const bars = rows.flatMap((row): Bar[] =>
    row.outcome.status === 'measured' ? [{ row, teraflops: row.outcome.teraflops }] : [],
  )
  if (bars.length === 0) {
    throw rangeError('drawPeersChart: needs at least one measured time, got none')
  }
  const shapes = [...new Set(bars.map(({ row }) => formatPeerShape(row.shape)))]
  return drawFigure({
    title: `${device.name}: TFLOP/s of each implementation, logarithmic`,
    description: 'TFLOP/s of every implementation for every problem.',
    columns: 1,
    panelWidth: 760,
    methods: [...new Set(bars.map(({ row }) => row.peer))],
    panels: shapes.map((title) => ({
      kind: 'bars',
      title,
      valueLabel: 'TFLOP/s',
      scale: 'log',
      bars: bars
        .filter(({ row }) => formatPeerShape(row.shape) === title)
        .map(({ row: { peer, variant, flags, outcome }, teraflops }) => {
          const wrong = outcome.status === 'measured' && !outcome.agreement.agrees ? ', WRONG' : ''
          return {
            label: `${peer} ${variant}, ${flags}${wrong}`,
            method: peer,
            second: flags !== 'browser-equivalent',
            value: teraflops,
            text: threeDigits(teraflops),
          }
        }),
    })),
  })
}
