// Numbers for people: three digits, with a unit that keeps them short.

/**
 * Bytes with a decimal unit: `17.2 GB`.
 *
 * @example
 * ```ts
 * import { formatBytes } from '@attn/bench'
 * formatBytes(2 ** 34) // => '17.2 GB'
 * formatBytes(512) // => '512 B'
 * ```
 */
export function formatBytes(bytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB', 'PB']
  let power = 0
  let value = bytes
  while (value >= 999.5 && power < units.length - 1) {
    value /= 1000
    power++
  }
  return `${power === 0 ? Math.round(value) : threeDigits(value)} ${units[power]}`
}

/** Three significant digits, never in exponent form: `0.0123`, `1.23`, `123`, `12300`. */
export function threeDigits(value: number): string {
  if (value === 0) return '0'
  if (Math.abs(value) >= 1000) return String(Number(value.toPrecision(3)))
  const before = Math.floor(Math.log10(Math.abs(Number(value.toPrecision(3))))) + 1
  return value.toFixed(Math.min(Math.max(3 - before, 0), 20))
}

/** A length as it is usually written: `4k` for 4096, `100` for 100. */
export function formatLength(length: number): string {
  return length >= 1024 && length % 1024 === 0 ? `${length / 1024}k` : String(length)
}
