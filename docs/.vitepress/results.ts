// The measurements that the benchmarks page draws: every JSON file in docs/results.
import { existsSync, readdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

/** Absolute paths. Empty in a checkout that holds no measurements; the page is then left out. */
export function resultFiles(): string[] {
  const folder = new URL('../results/', import.meta.url)
  if (!existsSync(folder)) return []
  return readdirSync(folder)
    .filter((name) => name.endsWith('.json'))
    .toSorted()
    .map((name) => fileURLToPath(new URL(name, folder)))
}
