// Suites dealt to several processes, since compiling is most of their time and each process compiles on one core:
//
//   pnpm conformance:jobs --adapter lavapipe --jobs 2 --count 5000 --theme 50
//     --json docs/results/conformance-lavapipe-random.json -- --limits adapter --without-zeroing
//   pnpm conformance:jobs --suites backward --jobs 8 --json backward.json -- --limits both
//
// Random problems, unless `--suites` names others, are dealt in whole themes; of other suites each process has
// every so manieth case. What stands after `--` goes to tools/conformance.ts; the records of all processes become
// one. The exit status is 1 where any failed.
import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { mergeReports, problemSlices } from './conformance/merge-reports.ts'
import type { ConformanceReport } from './conformance/report.ts'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    suites: { type: 'string', default: 'random' },
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
    `conformance-jobs: --${name} must be a positive whole number, got ${values[name]}`,
  )
}

const folder = mkdtempSync(join(tmpdir(), 'attn-conformance-'))
const program = join(import.meta.dirname, 'conformance.ts')
// Where time is up, the suites that have ended are kept.
const children: ChildProcess[] = []
process.on('SIGTERM', () => children.forEach((child) => child.kill()))
const ended = await Promise.all(
  shares().map(async (share, place) => {
    const json = join(folder, `${place}.json`)
    const own = ['--suites', values.suites, ...share, '--json', json, ...positionals]
    const child = spawn(process.execPath, [...process.execArgv, program, ...own], {
      stdio: ['ignore', 'inherit', 'inherit'],
    })
    children.push(child)
    const code = await new Promise<number>((resolve) => {
      child.on('close', (status) => resolve(status ?? 1))
      child.on('error', () => resolve(1))
    })
    return { json, code }
  }),
)

/** What each process is told of its share. */
function shares(): string[][] {
  const jobs = whole('jobs')
  if (values.suites !== 'random') {
    return Array.from({ length: jobs }, (_, job) => ['--part', `${job + 1}/${jobs}`])
  }
  return problemSlices(whole('count'), whole('theme'), jobs).map((slice) =>
    Object.entries({ ...slice, seed: values.seed, theme: values.theme }).flatMap(
      ([name, number]) => [`--${name}`, String(number)],
    ),
  )
}

const reports = ended
  .filter(({ json }) => existsSync(json))
  .map(({ json }) => JSON.parse(readFileSync(json, 'utf8')) as ConformanceReport)
rmSync(folder, { recursive: true })
const report = mergeReports(reports)
for (const { flags, limits, suite, passed, failures } of report.results) {
  console.log(
    `all ${ended.length} processes, ${flags}, ${limits}, ${suite}: ${passed} passed, ${failures.length} failed`,
  )
}
if (values.json !== undefined) {
  writeFileSync(values.json, `${JSON.stringify(report, undefined, 2)}\n`)
}
process.exitCode = ended.every(({ code }) => code === 0) ? 0 : 1
