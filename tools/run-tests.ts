// node tools/run-tests.ts: every test that this machine can run, and one summary of all. Whatever
// is missing here (a GPU, a browser) is said at the end; ATTN_REQUIRE_GPU=1 and
// ATTN_REQUIRE_BROWSER=1 turn it into failures.
import { spawn } from 'node:child_process'
import { existsSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { nodeOn } from './gpu/adapters.ts'
import { findChromium } from './testing/find-chromium.ts'
import type { TestSummary } from './testing/summary-reporter.ts'
import { repository } from './workspace.ts'

interface Run {
  readonly name: string
  readonly projects: readonly string[]
  readonly environment: Readonly<Record<string, string>>
}

interface Outcome extends TestSummary {
  readonly name: string
  readonly seconds: number
}

const requireGpu = process.env['ATTN_REQUIRE_GPU'] === '1'
const requireBrowser = process.env['ATTN_REQUIRE_BROWSER'] === '1'
const chromium = findChromium()
const withGpu = nodeOn('default').environment

// Two rows of runs side by side, about as long as one another: a software device compiles shaders on
// one core. Chromium brings its own, so the launcher's variables stay away from it.
const lanes: readonly (readonly Run[])[] = [
  [
    { name: 'gpu', projects: ['gpu'], environment: withGpu },
    { name: 'packaging', projects: ['packaging'], environment: withGpu },
  ],
  [
    { name: 'unit', projects: ['unit'], environment: {} },
    { name: 'examples', projects: ['examples'], environment: withGpu },
    ...(chromium ? [{ name: 'browser', projects: ['browser'], environment: {} }] : []),
  ],
]

const outcomes = (await Promise.all(lanes.map(executeAll))).flat()
process.exitCode = report(outcomes) ? 0 : 1

async function executeAll(runs: readonly Run[]): Promise<Outcome[]> {
  const done: Outcome[] = []
  for (const run of runs) done.push(await execute(run))
  return done
}

async function execute({ name, projects, environment }: Run): Promise<Outcome> {
  const file = join(repository, `node_modules/.cache/attn/tests/${name}.json`)
  rmSync(file, { force: true })
  const started = Date.now()
  const child = spawn(
    process.execPath,
    [
      join(repository, 'node_modules/vitest/vitest.mjs'),
      'run',
      ...projects.flatMap((project) => ['--project', project]),
    ],
    {
      cwd: repository,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, ...environment, ATTN_TEST_SUMMARY: file },
    },
  )
  console.log(`${name} tests are running`)
  // Two runs at once: what each says is shown when it is done, so that they do not mix.
  const output: Buffer[] = []
  child.stdout.on('data', (chunk: Buffer) => output.push(chunk))
  child.stderr.on('data', (chunk: Buffer) => output.push(chunk))
  const code = await new Promise<number | null>((resolve) => {
    child.on('close', resolve)
    child.on('error', () => resolve(null))
  })
  console.log(`\n─── ${name} ───\n${Buffer.concat(output).toString()}`)
  const summary: TestSummary = existsSync(file)
    ? (JSON.parse(readFileSync(file, 'utf8')) as TestSummary)
    : { passed: 0, failed: [`${name}: Vitest ended without a result`], skipped: [] }
  const failed =
    code !== 0 && summary.failed.length === 0
      ? [`${name}: Vitest ended with exit status ${code}`]
      : summary.failed
  return { ...summary, failed, name, seconds: (Date.now() - started) / 1000 }
}

/** Prints the summary; true where nothing failed. */
function report(all: readonly Outcome[]): boolean {
  console.log('\n─── all tests ───')
  for (const { name, passed, failed, skipped, seconds } of all) {
    const counts = `${passed} passed, ${failed.length} failed, ${skipped.length} skipped`
    console.log(`${name.padEnd(10)} ${counts} (${seconds.toFixed(1)} s)`)
  }
  const failures = all.flatMap(({ failed }) => failed)
  const skips = all.flatMap(({ skipped }) => skipped)

  // Some variants need what a device may not have; a test says so in the note of its skip.
  for (const note of new Set(skips.map((skip) => skip.note))) {
    const count = skips.filter((skip) => skip.note === note).length
    console.log(`skipped: ${count} tests ${note ? `(${note})` : 'without a reason given'}`)
  }
  if (requireGpu || requireBrowser) {
    const silent = skips.filter(({ note }) => !note.startsWith('this adapter has no '))
    failures.push(...silent.map(({ name }) => `${name}: was skipped`))
  }
  if (all.some(({ name, passed, skipped }) => name === 'gpu' && !passed && skipped.length > 0)) {
    console.log('*** NO GPU HERE, not even in software: the GPU tests did not run. ***')
  }
  if (!chromium) {
    console.log('*** NO CHROMIUM HERE: the browser tests did not run. Set CHROMIUM_PATH. ***')
    if (requireBrowser) failures.push('browser: no Chromium was found')
  }

  for (const failure of failures) console.log(`failed: ${failure}`)
  const passed = all.reduce((sum, outcome) => sum + outcome.passed, 0)
  console.log(`${passed} passed, ${failures.length} failed`)
  return failures.length === 0
}
