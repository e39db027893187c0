// The report of `attn sparse` as two charts: milliseconds over length, and how many times its share of
// the work a pattern takes.
import { formatLength, threeDigits } from '../report/format.ts'
import { patternNames } from './patterns.ts'
import type { PatternName } from './patterns.ts'
import type { SparseReport } from './report.ts'

interface Line {
  readonly label: string
  readonly color: string
  readonly points: readonly (readonly [length: number, value: number])[]
}

const width = 460
const height = 340
const frame = { left: 56, right: 16, top: 62, bottom: 40 }

// Okabe and Ito: told apart by people with colour-blindness.
const colors: Readonly<Record<PatternName, string>> = {
  window: '#009e73',
  bigBird: '#cc79a7',
  strided: '#d55e00',
  fixed: '#e69f00',
}
const causalColor = '#0072b2'

/**
 * Draws the report as an SVG document.
 *
 * @throws RangeError when nothing was measured.
 */
export function drawSparse({ device, problem, results }: SparseReport): string {
  if (results.length === 0) throw new RangeError('drawSparse: needs at least one length, got none')
  const lineOf = (name: PatternName, value: 'time' | 'timePerWork'): Line => ({
    label: name,
    color: colors[name],
    points: results.flatMap(({ length, results: patterns }) =>
      patterns
        .filter((pattern) => pattern.name === name)
        .map(
          (pattern) =>
            [length, value === 'time' ? pattern.time.median : pattern.timePerWork] as const,
        ),
    ),
  })
  const causal: Line = {
    label: 'causal',
    color: causalColor,
    points: results.map(({ length, causal: { median } }) => [length, median] as const),
  }
  const times = [causal, ...patternNames.map((name) => lineOf(name, 'time'))]
  const shares = patternNames.map((name) => lineOf(name, 'timePerWork'))
  const title = `${device.name}: float32, ${problem.heads} heads of dim ${problem.headDim}`
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${2 * width} ${height}" font-family="sans-serif" font-size="12">`,
    `<rect width="${2 * width}" height="${height}" fill="#ffffff"/>`,
    text(frame.left, 18, title, 'font-weight="bold"'),
    chart(0, 'milliseconds', times, 10),
    chart(width, 'time / share of causal tiles', shares, 2),
    '</svg>',
    '',
  ].join('\n')
}

function chart(left: number, caption: string, lines: readonly Line[], base: number): string {
  const all = lines.flatMap(({ points }) => points)
  const x = axis(
    all.map(([length]) => length),
    2,
    frame.left,
    width - frame.right,
  )
  const y = axis(
    all.map(([, value]) => value),
    base,
    height - frame.bottom,
    frame.top,
  )
  const every = Math.ceil(x.ticks.length / 8)
  return [
    `<g transform="translate(${left} 0)">`,
    text(frame.left, 36, caption),
    ...lines.map(({ label, color }, index) =>
      text(frame.left + 78 * index, 52, label, `fill="${color}" font-weight="bold"`),
    ),
    ...x.ticks
      .filter((_, index) => index % every === 0)
      .map((length) => {
        const at = round(x.place(length))
        return `<path d="M${at} ${frame.top}V${height - frame.bottom}" stroke="#dddddd"/>${text(at, height - 22, formatLength(length), 'text-anchor="middle"')}`
      }),
    ...y.ticks.map((value) => {
      const at = round(y.place(value))
      return `<path d="M${frame.left} ${at}H${width - frame.right}" stroke="#dddddd"/>${text(frame.left - 6, at + 4, threeDigits(value), 'text-anchor="end"')}`
    }),
    ...lines.map(({ color, points }) => {
      const places = points.map(
        ([length, value]) => `${round(x.place(length))},${round(y.place(value))}`,
      )
      const dots = places.map((place) => {
        const [cx, cy] = place.split(',')
        return `<circle cx="${cx}" cy="${cy}" r="3" fill="${color}"/>`
      })
      return `<polyline points="${places.join(' ')}" fill="none" stroke="${color}" stroke-width="2"/>${dots.join('')}`
    }),
    '</g>',
  ].join('\n')
}

/** A logarithmic axis between whole powers of the base. */
function axis(
  values: readonly number[],
  base: number,
  from: number,
  to: number,
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

function text(x: number, y: number, content: string, attributes = ''): string {
  const escaped = content.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
  return `<text x="${round(x)}" y="${round(y)}" ${attributes}>${escaped}</text>`
}

function round(value: number): number {
  return Math.round(value * 10) / 10
}
