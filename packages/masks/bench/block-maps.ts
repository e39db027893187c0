// How long a block map takes and how much memory: each pattern in a fresh process of its own, so
// that neither a warm compiler nor another pattern's memory flatters it. Prints a table.
//
//     pnpm --filter @attn/masks bench [exponent of the length] [part of a name]
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { createBlockMap, planSparsity } from '@attn/core'
import { patternsOf } from './patterns.ts'

const sizes = { queryBlockSize: 64, keyBlockSize: 64 }
const megabyte = 1e6

/** What one pattern takes. */
interface Measurement {
  readonly make: number
  readonly seconds: number
  /** Size of the map. */
  readonly map: number
  readonly runs: number
  /** Most memory the process ever held, Node's own 45 MB included. */
  readonly peak: number
  readonly sum: number
}

function measure(exponent: number, name: string, plan: boolean): Measurement {
  const length = 2 ** exponent
  const { make, heads = 1 } = patternsOf(length)[name]!
  const start = performance.now()
  const pattern = make()
  const made = performance.now()
  const shape = { batch: 1, heads, queryLength: length, keyLength: length }
  const maps = plan
    ? planSparsity(pattern, shape, sizes).passes.map(({ blockMap }) => blockMap)
    : [createBlockMap(pattern, shape, sizes)]
  const done = performance.now()
  const bytes = maps.map(({ rowOffsets, runs }) => rowOffsets.byteLength + runs.byteLength)
  let sum = 0
  for (const { runs, rowOffsets } of maps) {
    for (const word of runs) sum = (Math.imul(sum, 31) + word) | 0
    for (const word of rowOffsets) sum = (Math.imul(sum, 31) + word) | 0
  }
  return {
    make: (made - start) / 1e3,
    seconds: (done - made) / 1e3,
    map: bytes.reduce((all, each) => all + each, 0) / megabyte,
    runs: maps.reduce((all, each) => all + each.runs.length / 2, 0),
    peak: (process.resourceUsage().maxRSS * 1024) / megabyte,
    sum,
  }
}

const [exponent = '20', part = '', only] = process.argv.slice(2)
const plan = process.argv.includes('--plan')
if (only === '--one') {
  process.stdout.write(JSON.stringify(measure(Number(exponent), part, plan)))
} else {
  const names = Object.keys(patternsOf(4096)).filter((name) => name.includes(part))
  console.log('| pattern | make, s | map, s | peak, MB | map, MB | runs |')
  console.log('| --- | --- | --- | --- | --- | --- |')
  for (const name of names) {
    const child = spawnSync(
      process.execPath,
      [
        ...process.execArgv,
        fileURLToPath(import.meta.url),
        exponent,
        name,
        '--one',
        ...(plan ? ['--plan'] : []),
      ],
      { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] },
    )
    if (child.status !== 0) {
      console.log(`| ${name} | failed |`)
      continue
    }
    const { make, seconds, peak, map, runs, sum } = JSON.parse(child.stdout) as Measurement
    const cells = [make.toFixed(2), seconds.toFixed(2), peak.toFixed(0), map.toFixed(1), runs, sum]
    console.log(`| ${name} | ${cells.join(' | ')} |`)
  }
}
