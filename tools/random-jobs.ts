// Random problems dealt to several processes, since compiling is most of their time and each process
// compiles on one core:
//
//   pnpm conformance:random --adapter lavapipe --jobs 2 --count 5000 --theme 50
//     --json docs/results/conformance-lavapipe-random.json -- --limits adapter --without-zeroing
//
// What stands after `--` goes to tools/conformance.ts, as do count, seed and theme; the records of all
// processes become one. The exit status is 1 where any failed.
import { spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { mergeReports, problemSlices } from './conformance/merge-reports.ts'
import type { ConformanceReport } from './conformance/report.ts'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    jobs: { type: 'string', default: String(availableParallelism()) },
    count: { type: 'string', default: '300' },
    seed: { type: 'string', default: '1' },
    theme: { type: 'string', default: '20' },
    json: { type: 'string' },
  },
})

/** A whole number of at least 1 among the options. */
function whole(name: 'jobs' | 'count' | 'theme'): number {
  const number = Number(values[name])
  if (Number.isInteger(number) && number > 0) return number
  throw new RangeError(
    `random-jobs: --${name} must be a positive whole number, got ${values[name]}`,
  )
}

const folder = mkdtempSync(join(tmpdir(), 'attn-random-'))
const program = join(import.meta.dirname, 'conformance.ts')
const slices = problemSlices(whole('count'), whole('theme'), whole('jobs'))
const ended = await Promise.all(
  slices.map(async ({ first, count }, slice) => {
    const json = join(folder, `${slice}.json`)
    const numbers = { first, count, seed: values.seed, theme: values.theme }
    const own = Object.entries(numbers).flatMap(([name, number]) => [`--${name}`, String(number)])
    const child = spawn(
      process.execPath,
      [...process.execArgv, program, '--suites', 'random', ...own, '--json', json, ...positionals],
      { stdio: ['ignore', 'inherit', 'inherit'] },
    )
    const code = await new Promise<number>((resolve) => {
      child.on('close', (status) => resolve(status ?? 1))
      child.on('error', () => resolve(1))
    })
    return { json, code }
  }),
)
const reports = ended
  .filter(({ json }) => existsSync(json))
  .map(({ json }) => JSON.parse(readFileSync(json, 'utf8')) as ConformanceReport)
rmSync(folder, { recursive: true })
const report = mergeReports(reports)
for (const { flags, limits, passed, failures, random } of report.results) {
  console.log(
    `all ${ended.length} processes, ${flags}, ${limits}: ${passed} of ${random?.count} passed, ${failures.length} failed`,
  )
}
if (values.json !== undefined) {
  writeFileSync(values.json, `${JSON.stringify(report, undefined, 2)}\n`)
}
process.exitCode = ended.every(({ code }) => code === 0) ? 0 : 1
