// How long a block map takes and how much memory: each pattern in a fresh process of its own, so
// that neither a warm compiler nor another pattern's memory flatters it. Prints a table, with a
// checksum by which two versions of the planner can be compared.
//
//     pnpm --filter @attn/masks bench [log2 of the length] [part of a name] [--plan]
//
// With --plan, orders of the tokens and passes are planned as well (planSparsity).
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { createBlockMap, planSparsity } from '@attn/core'
import type { BlockMap } from '@attn/core'
import { patternsOf } from './patterns.ts'

const sizes = { queryBlockSize: 64, keyBlockSize: 64 }

/** What one pattern takes. */
interface Measurement {
  /** To write the pattern down, which is drawing for random ones. */
  readonly make: number
  readonly seconds: number
  /** Processor time, that of the garbage collector included. */
  readonly processor: number
  /** Most memory that the process ever held, in MB. */
  readonly peak: number
  /** Size of the map or maps, in MB. */
  readonly map: number
  readonly runs: number
  readonly checksum: number
}

function measure(exponent: number, name: string, plan: boolean): Measurement {
  const length = 2 ** exponent
  const { make, heads = 1 } = patternsOf(length)[name]!
  const shape = { batch: 1, heads, queryLength: length, keyLength: length }
  const start = performance.now()
  const pattern = make()
  const made = performance.now()
  const before = process.cpuUsage()
  const maps = plan
    ? planSparsity(pattern, shape, sizes).passes.map(({ blockMap }) => blockMap)
    : [createBlockMap(pattern, shape, sizes)]
  const done = performance.now()
  const { user, system } = process.cpuUsage(before)
  const sum = (count: (map: BlockMap) => number): number =>
    maps.reduce((all, map) => all + count(map), 0)
  return {
    make: (made - start) / 1e3,
    seconds: (done - made) / 1e3,
    processor: (user + system) / 1e6,
    peak: (process.resourceUsage().maxRSS * 1024) / 1e6,
    map: sum(({ rowOffsets, runs }) => rowOffsets.byteLength + runs.byteLength) / 1e6,
    runs: sum(({ runs }) => runs.length / 2),
    checksum: sum(checksumOf),
  }
}

function checksumOf({ rowOffsets, runs }: BlockMap): number {
  let sum = 0
  for (const word of runs) sum = (Math.imul(sum, 31) + word) | 0
  for (const word of rowOffsets) sum = (Math.imul(sum, 31) + word) | 0
  return sum
}

/** Measures a pattern in a process of its own. */
function measureApart(exponent: string, name: string, options: readonly string[]): Measurement {
  const { status, stdout } = spawnSync(
    process.execPath,
    [...process.execArgv, fileURLToPath(import.meta.url), exponent, name, '--one', ...options],
    { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] },
  )
  if (status !== 0) throw new Error(`bench: ${name} failed`)
  return JSON.parse(stdout) as Measurement
}

const options = process.argv.slice(2).filter((word) => word.startsWith('--'))
const [exponent = '20', part = ''] = process.argv.slice(2).filter((word) => !word.startsWith('--'))
if (options.includes('--one')) {
  process.stdout.write(JSON.stringify(measure(Number(exponent), part, options.includes('--plan'))))
} else {
  console.log(
    '| pattern | make, s | map, s | processor, s | peak, MB | map, MB | runs | checksum |',
  )
  console.log('| --- | --- | --- | --- | --- | --- | --- | --- |')
  for (const name of Object.keys(patternsOf(4096)).filter((each) => each.includes(part))) {
    const { make, seconds, processor, peak, map, runs, checksum } = measureApart(
      exponent,
      name,
      options,
    )
    const times = [make, seconds, processor].map((time) => time.toFixed(2))
    const cells = [name, ...times, peak.toFixed(0), map.toFixed(1), runs, checksum]
    console.log(`| ${cells.join(' | ')} |`)
  }
}
