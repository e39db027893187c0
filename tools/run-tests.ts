// node tools/run-tests.ts [--quick]: every test that this machine can run, and one summary of all; quickly, that is
// without packaging, other libraries and most cases on software adapters (see testing/test-runs.ts). Whatever
// is missing here (a GPU, an adapter, a browser) is said at the end; ATTN_REQUIRE_GPU=1,
// ATTN_REQUIRE_ADAPTERS=swiftshader,lavapipe and ATTN_REQUIRE_BROWSER=1 turn it into failures.
import { spawn } from 'node:child_process'
import { existsSync, readFileSync, rmSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { keepCompiled } from './testing/compile-cache.ts'
import { findChromium } from './testing/find-chromium.ts'
import type { TestSummary } from './testing/summary-reporter.ts'
import { kernelsFolder, planTests } from './testing/test-runs.ts'
import type { TestRun } from './testing/test-runs.ts'
import { repository } from './workspace.ts'

interface Outcome extends TestSummary {
  readonly run: TestRun
  readonly seconds: number
}

keepCompiled()
const requireGpu = process.env['ATTN_REQUIRE_GPU'] === '1'
const requireBrowser = process.env['ATTN_REQUIRE_BROWSER'] === '1'
const requireAdapters = (process.env['ATTN_REQUIRE_ADAPTERS'] ?? '').split(',').filter(Boolean)
const chromium = findChromium()
rmSync(kernelsFolder, { recursive: true, force: true })
const whole = !process.argv.includes('--quick')
const plan = planTests({ requireGpu, chromium: chromium !== undefined, whole })

// One run more than there are cores, since each waits at times for its device, a browser or a disk; and not
// more than three, which memory has to hold.
const atOnce = Math.min(3, availableParallelism() + 1)
const waiting = [...plan.runs]
const outcomes: Outcome[] = []
async function work(): Promise<void> {
  for (let run = waiting.shift(); run !== undefined; run = waiting.shift()) {
    outcomes.push(await execute(run))
  }
}
await Promise.all(Array.from({ length: atOnce }, work))
process.exitCode = report(outcomes) ? 0 : 1

async function execute(run: TestRun): Promise<Outcome> {
  const { name, project, node, environment, parameters } = run
  const file = join(repository, `node_modules/.cache/attn/tests/${name}.json`)
  rmSync(file, { force: true })
  const started = Date.now()
  const vitest = join(repository, 'node_modules/vitest/vitest.mjs')
  const child = spawn(node, [vitest, 'run', '--project', project, ...parameters], {
    cwd: repository,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...environment, ATTN_TEST_SUMMARY: file },
  })
  console.log(`${name} tests are running`)
  // Several runs at once: what each says is shown when it is done, so that they do not mix.
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
  return { ...summary, failed, run, seconds: (Date.now() - started) / 1000 }
}

/** Prints the summary; true where nothing failed. */
function report(all: readonly Outcome[]): boolean {
  console.log('\n─── all tests ───')
  for (const { run, passed, failed, skipped, seconds } of all) {
    const counts = `${passed} passed, ${failed.length} failed, ${skipped.length} skipped`
    console.log(`${run.name.padEnd(15)} ${counts} (${seconds.toFixed(1)} s)`)
  }
  const failures = all.flatMap(({ run, failed }) => failed.map((each) => `${run.name}: ${each}`))
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
  // lavapipe has matrices: a library that does not find them is at fault, and its tests would be missed by nobody.
  const ownLimits = ({ run: { name, environment } }: Outcome): boolean =>
    name.startsWith('gpu-lavapipe') && environment['ATTN_DEVICES'] === 'offers'
  for (const { run, skipped } of all.filter(ownLimits)) {
    const denied = skipped.filter(({ note }) => /this adapter has no .*(matrices|f16)/.test(note))
    failures.push(...denied.map(({ name }) => `${run.name}: ${name}: was skipped`))
  }
  const gpuRuns = all.filter(({ run }) => run.project === 'gpu')
  if (!gpuRuns.some(({ passed }) => passed > 0)) {
    console.log('*** NO GPU HERE, not even in software: the GPU tests did not run. ***')
  }
  for (const [adapter, reason] of plan.missing) {
    console.log(`*** NO ${adapter.toUpperCase()} HERE (${reason}): its tests did not run. ***`)
  }
  for (const adapter of requireAdapters.filter((name) => !plan.adapters.some((a) => a === name))) {
    failures.push(`gpu: no tests ran on ${adapter}, which ATTN_REQUIRE_ADAPTERS asks for`)
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
