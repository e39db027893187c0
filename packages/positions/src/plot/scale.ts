// From numbers to places on an axis, and the round numbers to write beside it.

/** An axis: where numbers go, and which are labelled. */
export interface Scale {
  /** Place of a value between 0 (start of the axis) and 1 (its end); outside when out of range. */
  readonly place: (value: number) => number
  readonly ticks: readonly { readonly value: number; readonly text: string }[]
}

/** A linear axis from `low` to `high` with about `count` labels. */
export function linearScale(low: number, high: number, count: number): Scale {
  const span = high - low || 1
  const rough = span / count
  const power = 10 ** Math.floor(Math.log10(rough))
  const step = [1, 2, 5, 10].map((digit) => digit * power).find((candidate) => candidate >= rough)!
  const first = Math.ceil(low / step - 1e-9)
  const last = Math.floor(high / step + 1e-9)
  return {
    place: (value) => (value - low) / span,
    ticks: Array.from({ length: last - first + 1 }, (_, index) => {
      const value = (first + index) * step
      return { value, text: tickText(value, step) }
    }),
  }
}

/** A logarithmic axis; labels at powers of ten, and at 2 and 5 where there is room. */
export function logScale(low: number, high: number, count: number): Scale {
  const [from, to] = [Math.log10(low), Math.log10(high)]
  const every = Math.max(Math.round((to - from) / count), 1)
  const digits = to - from < 2 ? [1, 2, 5] : [1]
  const ticks: Scale['ticks'][number][] = []
  for (let power = Math.floor(from); power <= to; power += every) {
    for (const digit of digits) {
      const value = digit * 10 ** power
      if (value >= low && value <= high) ticks.push({ value, text: tickText(value, 10 ** power) })
    }
  }
  return { place: (value) => (Math.log10(value) - from) / (to - from || 1), ticks }
}

function tickText(value: number, step: number): string {
  if (value === 0) return '0'
  const size = Math.abs(value)
  if (size >= 1e5 || size < 1e-4) return value.toExponential().replace('e+', 'e')
  const digits = Math.max(0, -Math.floor(Math.log10(step) + 1e-9))
  return value.toFixed(digits)
}

/** Smallest and largest finite number of some lists. */
export function finiteRange(lists: Iterable<ArrayLike<number>>): [low: number, high: number] {
  let [low, high] = [Infinity, -Infinity]
  for (const list of lists) {
    for (let index = 0; index < list.length; index++) {
      const value = list[index]!
      if (!Number.isFinite(value)) continue
      low = Math.min(low, value)
      high = Math.max(high, value)
    }
  }
  return low <= high ? [low, high] : [0, 1]
}
