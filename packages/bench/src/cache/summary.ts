// The report of `attn cache` as text.
import { formatTable } from '../report/table.ts'
import { storages } from './report.ts'
import type { CacheReport } from './report.ts'

/** Tables of errors and of times. */
export function formatCache({
  errors,
  times,
  copyGigabytes,
  device,
  matrices,
}: CacheReport): string {
  const parts: string[] = []
  for (const kind of ['normal', 'outliers'] as const) {
    if (errors.length === 0) continue
    const rows = errors.map(({ keyLength, relative }) => [
      String(keyLength),
      ...storages.map((name) => relative[kind][name].toExponential(1)),
    ])
    const title =
      kind === 'normal' ? 'keys that are normal' : 'keys of which some channels are large'
    parts.push(`relative error of the output, ${title}\n${table(['tokens', ...storages], rows)}`)
  }
  const [first] = times
  if (first) {
    const rows = times.map(({ name, tile, gpu, bytes, chained, host, difference }) => [
      tile ? `${name} ${JSON.stringify(tile)}` : name,
      gpu.median.toFixed(4),
      (gpu.median / first.gpu.median).toFixed(2),
      (bytes / gpu.median / 1e6).toFixed(0),
      chained?.toFixed(4) ?? '',
      host?.toFixed(4) ?? '',
      difference?.toExponential(1) ?? '',
    ])
    const head = ['cache', 'ms', 'of float16', 'GB/s', 'chained ms', 'host ms', 'difference']
    const copy = copyGigabytes ? `, a copy ${copyGigabytes.toFixed(0)} GB/s` : ''
    const without = matrices === false ? ', without subgroup matrices' : ''
    parts.push(`${device?.name ?? ''}${copy}${without}\n${table(head, rows)}`)
  }
  return parts.join('\n\n')
}

const table = (head: readonly string[], rows: readonly (readonly string[])[]): string =>
  formatTable(
    head.map((title) => ({ group: '', title })),
    rows,
  )
