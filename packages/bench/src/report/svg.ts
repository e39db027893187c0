// The times of a run as a chart: length against milliseconds, both logarithmic, so that a quadratic
// method is a straight line of slope two and a window one of slope one.
import type { LengthResult } from '../suites/outcome.ts'
import { methods } from '../suites/problem.ts'
import type { Method } from '../suites/problem.ts'
import { formatLength } from './format.ts'
import type { RunReport } from './run-report.ts'

interface Point {
  readonly length: number
  readonly milliseconds: number
}

const width = 640
const height = 400
const frame = { left: 64, right: 24, top: 44, bottom: 44 }

// Colours of equal lightness that people with colour-blindness tell apart (Okabe and Ito).
const series: Readonly<Record<Method, { readonly label: string; readonly color: string }>> = {
  standard: { label: 'standard', color: '#d55e00' },
  flash: { label: 'flash', color: '#0072b2' },
  windowFlash: { label: 'flash, window', color: '#009e73' },
}

/**
 * Draws the first configuration of a run as an SVG document.
 *
 * @throws RangeError when nothing in it was measured.
 */
export function drawChart(report: RunReport): string {
  const [configuration] = report.configurations
  const results = configuration?.results ?? []
  const lines = methods.map((method) => ({ method, points: pointsOf(results, method) }))
  const all = lines.flatMap(({ points }) => points)
  if (all.length === 0)
    throw new RangeError('drawChart: needs at least one measured time, got none')
  const x = scale(
    all.map(({ length }) => length),
    2,
    [frame.left, width - frame.right],
  )
  const y = scale(
    all.map(({ milliseconds }) => milliseconds),
    10,
    [height - frame.bottom, frame.top],
  )
  const { dtype, batch, heads, headDim } = report.problem
  const title = `${configuration!.device.name}: ${dtype}, batch ${batch}, ${heads} heads of dim ${headDim}`
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" font-family="sans-serif" font-size="12">`,
    `<rect width="${width}" height="${height}" fill="#ffffff"/>`,
    text(frame.left, 18, title, 'font-weight="bold"'),
    ...x.ticks.map((length) => tick(x.place(length), formatLength(length), 'vertical')),
    ...y.ticks.map((time) =>
      tick(y.place(time), String(Number(time.toPrecision(1))), 'horizontal'),
    ),
    text(width / 2, height - 8, 'length', 'text-anchor="middle"'),
    text(8, frame.top - 10, 'milliseconds'),
    ...lines.flatMap(({ method, points }, index) => {
      const { label, color } = series[method]
      const path = points.map(
        ({ length, milliseconds }) => `${round(x.place(length))},${round(y.place(milliseconds))}`,
      )
      const legendX = frame.left + 60 + 120 * index
      return [
        `<polyline points="${path.join(' ')}" fill="none" stroke="${color}" stroke-width="2"/>`,
        ...path.map((place) => {
          const [cx, cy] = place.split(',')
          return `<circle cx="${cx}" cy="${cy}" r="3" fill="${color}"/>`
        }),
        `<rect x="${legendX}" y="${frame.top - 18}" width="12" height="3" fill="${color}"/>`,
        text(legendX + 18, frame.top - 12, label),
      ]
    }),
    '</svg>',
    '',
  ].join('\n')
}

function pointsOf(results: readonly LengthResult[], method: Method): Point[] {
  return results.flatMap(({ length, outcomes }) => {
    const outcome = outcomes[method]
    return outcome.status === 'measured' ? [{ length, milliseconds: outcome.time.median }] : []
  })
}

/** A logarithmic axis between whole powers of the base. */
function scale(
  values: readonly number[],
  base: number,
  [from, to]: readonly [number, number],
): { readonly ticks: readonly number[]; place(value: number): number } {
  const power = (value: number): number => Math.log(value) / Math.log(base)
  const powers = values.map(power)
  const low = Math.floor(Math.min(...powers) + 1e-9)
  const high = Math.max(Math.ceil(Math.max(...powers) - 1e-9), low + 1)
  return {
    ticks: Array.from({ length: high - low + 1 }, (_, index) => base ** (low + index)),
    place: (value) => from + ((power(value) - low) / (high - low)) * (to - from),
  }
}

function tick(place: number, label: string, line: 'vertical' | 'horizontal'): string {
  const at = round(place)
  return line === 'vertical'
    ? `<path d="M${at} ${frame.top}V${height - frame.bottom}" stroke="#dddddd"/>` +
        text(at, height - frame.bottom + 16, label, 'text-anchor="middle"')
    : `<path d="M${frame.left} ${at}H${width - frame.right}" stroke="#dddddd"/>` +
        text(frame.left - 6, at + 4, label, 'text-anchor="end"')
}

function text(x: number, y: number, content: string, attributes = ''): string {
  const escaped = content.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
  return `<text x="${round(x)}" y="${round(y)}" ${attributes}>${escaped}</text>`
}

function round(value: number): number {
  return Math.round(value * 10) / 10
}
