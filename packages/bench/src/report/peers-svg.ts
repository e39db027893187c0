// The speeds of a peers run as a chart: for every problem a group of bars, one per implementation, on
// a logarithmic axis, for some are a hundred times slower than others.
import { formatPeerShape } from '../suites/peer-shapes.ts'
import { threeDigits } from './format.ts'
import type { PeerRow, PeersReport } from './peers-report.ts'

const width = 830
const barHeight = 14
const groupGap = 26
const frame = { left: 320, right: 70, top: 40 }

// Okabe and Ito's colours, told apart by people with colour-blindness.
const colors: Readonly<Record<string, string>> = {
  attn: '#0072b2',
  'onnxruntime-node': '#d55e00',
  'onnxruntime-web': '#e69f00',
  'jax-js': '#009e73',
  'tensorflow.js': '#cc79a7',
  pytorch: '#777777',
}

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
    throw new RangeError('drawPeersChart: needs at least one measured time, got none')
  }
  const powers = bars.map(({ teraflops }) => Math.log10(teraflops))
  const low = Math.floor(Math.min(...powers))
  const high = Math.max(Math.ceil(Math.max(...powers)), low + 1)
  const place = (teraflops: number): number =>
    frame.left + ((Math.log10(teraflops) - low) / (high - low)) * (width - frame.left - frame.right)

  const parts: string[] = []
  let y = frame.top
  for (const title of new Set(bars.map(({ row }) => formatPeerShape(row.shape)))) {
    y += groupGap
    parts.push(text(frame.left, y - 6, title, 'font-weight="bold"'))
    for (const { row, teraflops } of bars) {
      if (formatPeerShape(row.shape) !== title) continue
      const end = place(teraflops)
      const { peer, variant, flags, outcome } = row
      const wrong = outcome.status === 'measured' && !outcome.agreement.agrees ? ', WRONG' : ''
      const faint = flags === 'browser-equivalent' ? '' : ' fill-opacity="0.6"'
      parts.push(
        text(frame.left - 6, y + 10, `${peer} ${variant}, ${flags}${wrong}`, 'text-anchor="end"'),
        `<rect x="${frame.left}" y="${y}" width="${round(end - frame.left)}" height="${barHeight - 2}" ` +
          `fill="${colors[peer] ?? '#000000'}"${faint}/>`,
        text(end + 4, y + 10, threeDigits(teraflops)),
      )
      y += barHeight
    }
  }
  const height = y + 20
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" font-family="sans-serif" font-size="10">`,
    `<rect width="${width}" height="${height}" fill="#ffffff"/>`,
    text(8, 18, `${device.name}: TFLOP/s, logarithmic`, 'font-weight="bold" font-size="12"'),
    ...Array.from({ length: high - low + 1 }, (_, index) => 10 ** (low + index)).flatMap((tick) => [
      `<path d="M${round(place(tick))} ${frame.top}V${y}" stroke="#dddddd"/>`,
      text(place(tick), y + 14, String(Number(tick.toPrecision(1))), 'text-anchor="middle"'),
    ]),
    ...parts,
    '</svg>',
    '',
  ].join('\n')
}

function text(x: number, y: number, content: string, attributes = ''): string {
  const escaped = content.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
  return `<text x="${round(x)}" y="${round(y)}" ${attributes}>${escaped}</text>`
}

function round(value: number): number {
  return Math.round(value * 10) / 10
}
