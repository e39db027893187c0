// Numbers for people.

/** 1234567 as 1,234,567. */
export function count(value: number): string {
  return value.toLocaleString('en')
}

/** A fraction as percent, with as many digits as it needs. */
export function percent(fraction: number): string {
  const value = 100 * fraction
  return `${value === 0 || value >= 99.95 ? value.toFixed(0) : value.toPrecision(value < 1 ? 2 : 3)} %`
}

/** Milliseconds with three digits. */
export function duration(milliseconds: number): string {
  if (milliseconds < 1) return `${(1000 * milliseconds).toPrecision(3)} µs`
  if (milliseconds < 1000) return `${milliseconds.toPrecision(3)} ms`
  return `${(milliseconds / 1000).toPrecision(3)} s`
}

/** Bytes in powers of 1024. */
export function bytes(value: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB']
  const power = Math.min(units.length - 1, Math.floor(Math.log2(Math.max(value, 1)) / 10))
  const scaled = value / 1024 ** power
  return `${power === 0 || scaled >= 100 ? scaled.toFixed(0) : scaled.toPrecision(3)} ${units[power]}`
}

/** Operations in a second, in powers of 1000. */
export function operationRate(operations: number, milliseconds: number): string {
  const perSecond = (1000 * operations) / milliseconds
  const units = ['', 'k', 'M', 'G', 'T', 'P']
  const power = Math.min(units.length - 1, Math.floor(Math.log10(Math.max(perSecond, 1)) / 3))
  return `${(perSecond / 1000 ** power).toPrecision(3)} ${units[power]}FLOP/s`
}

/** A small number, as 1.23e-7. */
export function scientific(value: number): string {
  return value === 0 ? '0' : value.toExponential(2)
}
