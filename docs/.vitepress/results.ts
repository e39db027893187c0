// The measurements that the benchmarks page draws: every JSON file in docs/results.
import { existsSync, readdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

/** The lecture as it was run, which has a page of its own. */
export const lectureFile: string = fileURLToPath(
  new URL('../results/lecture.json', import.meta.url),
)

/** What `attn extrapolate` and `attn patterns` found. */
export const laboratoryFiles: readonly string[] = [
  'extrapolate',
  'patterns-text-learned',
  'patterns-images-learned',
].map((name) => fileURLToPath(new URL(`../results/lab/${name}.json`, import.meta.url)))

/** Absolute paths. Empty in a checkout that holds no measurements; the page is then left out. */
export function resultFiles(): string[] {
  const folder = new URL('../results/', import.meta.url)
  if (!existsSync(folder)) return []
  return readdirSync(folder)
    .filter((name) => name.endsWith('.json') && name !== 'lecture.json')
    .toSorted()
    .map((name) => fileURLToPath(new URL(name, folder)))
}
