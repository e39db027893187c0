// Axes of the charts: where a value goes, and which values get a line and a label.

export interface Scale {
  readonly ticks: readonly number[]
  /** From the lowest tick, 0, to the highest, 1. */
  place(value: number): number
}

/** Whole powers of the base around the values, at most `most` of them labelled. */
export function logScale(values: readonly number[], base: number, most = 9): Scale {
  const power = (value: number): number => Math.log(value) / Math.log(base)
  const powers = values.map(power)
  const low = Math.floor(Math.min(...powers) + 1e-9)
  const high = Math.max(Math.ceil(Math.max(...powers) - 1e-9), low + 1)
  const every = Math.ceil((high - low + 1) / most)
  const ticks: number[] = []
  for (let exponent = low; exponent <= high; exponent += every) ticks.push(base ** exponent)
  return { ticks, place: (value) => (power(value) - low) / (high - low) }
}

/** Four to eight round steps, zero among them. */
export function linearScale(values: readonly number[]): Scale {
  const largest = Math.max(0, ...values)
  const smallest = Math.min(0, ...values)
  const range = largest - smallest || 1
  const magnitude = 10 ** Math.floor(Math.log10(range / 4))
  const step = [5, 2, 1].map((digit) => digit * magnitude).find((each) => each * 4 <= range)!
  const low = Math.floor(smallest / step + 1e-9)
  const high = Math.ceil(largest / step - 1e-9)
  const ticks = Array.from({ length: high - low + 1 }, (_, index) => (low + index) * step)
  return { ticks, place: (value) => (value / step - low) / (high - low) }
}
