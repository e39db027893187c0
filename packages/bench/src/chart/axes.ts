// What line and bar panels share: the document they are made in, ticks and short numbers.
import type * as Plot from '@observablehq/plot'
import { parseHTML } from 'linkedom'
import { formatLength, threeDigits } from '../report/format.ts'

/** What Plot makes. */
export type PlotElement = ReturnType<typeof Plot.plot>

const { document } = parseHTML('<!doctype html><html><body></body></html>')
/** Options of every plot. */
export const shared: Pick<Plot.PlotOptions, 'document' | 'style'> = {
  document,
  style: { fontSize: '12px', fontFamily: 'inherit', color: 'inherit', background: 'none' },
}
/** Powers of ten, where a logarithmic axis has at least two of them: lines between them are noise. */
export function decades(low: number, high: number, scale: string): number[] | undefined {
  if (scale !== 'log') return undefined
  const [first, last] = [Math.ceil(Math.log10(low / 1.25)), Math.floor(Math.log10(high * 1.25))]
  if (last - first < 1) return undefined
  const every = Math.ceil((last - first + 1) / 8)
  return Array.from(
    { length: Math.floor((last - first) / every) + 1 },
    (_, index) => 10 ** (first + every * index),
  )
}

/** Without Plot's own style sheet, whose sizes are for charts that stand alone in a page. */
export function toText(element: PlotElement): string {
  element.querySelector('style')?.remove()
  element.removeAttribute('class')
  return element.outerHTML
}

/** `64k` for 65,536, `1M` for 2^20. */
export function shortLength(length: number): string {
  return length % 2 ** 20 === 0 ? `${length / 2 ** 20}M` : formatLength(length)
}

/** `1.5M` for 1,500,000, `0.02` as it is. */
export function shortNumber(value: number): string {
  const size = Math.abs(value)
  const units = [
    { from: 1e12, scale: 1e12, sign: 'T' },
    { from: 1e9, scale: 1e9, sign: 'G' },
    { from: 1e6, scale: 1e6, sign: 'M' },
    { from: 1e4, scale: 1e3, sign: 'k' },
  ]
  for (const { from, scale, sign } of units) {
    if (size >= from) return `${Number(threeDigits(value / scale))}${sign}`
  }
  if (size !== 0 && size < 1e-3) return value.toExponential(0)
  return String(Number(threeDigits(value)))
}
