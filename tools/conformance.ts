// Runs core's conformance suites on a WebGPU device without a test runner, so that they can be run
// wherever Node and a driver are, and writes down which device passed what, and which kernels computed
// each case:
//
//   pnpm conformance --adapter lavapipe --json docs/results/conformance-lavapipe.json
//
// Beside the planner's choice every other tile it could have chosen runs the forward suite, and float32 is
// split in backward cases that are too small for it. The exit status is 1 where anything failed.
//
// `--suites random --count 300 --seed 1` runs random problems (tools/random): the same ones for a seed
// wherever they run. Each failure is made small and printed as a program that repeats it. `--suites cache` runs
// random lives of caches by the same seeds.
import { writeFileSync } from 'node:fs'
import {
  createFlashAttention,
  isSoftware,
  UnsupportedError,
} from '../packages/webgpu-flash/src/index.ts'
import type { FlashAttention } from '../packages/webgpu-flash/src/index.ts'
import {
  browserEquivalent,
  createArguments,
  unchecked,
} from '../packages/bench/src/device/dawn-flags.ts'
import { readEnvironment } from '../packages/bench/src/cli/environment.ts'
import { readOptions } from './conformance/options.ts'
import type { ConformanceReport, SuiteResult } from './conformance/report.ts'
import { runCaches, runRandomProblems, runTrials } from './conformance/run-suite.ts'
import type { Outcome } from './conformance/run-suite.ts'
import { suites } from './conformance/suites.ts'
import { observeKernels } from './kernels/observe.ts'

const options = readOptions(process.argv.slice(2))
const { part } = options
const { create, globals } = await import('webgpu')
Object.assign(globalThis, globals)
const observer = observeKernels(globals as typeof globalThis)
const results: SuiteResult[] = []
let adapter: FlashAttention['capabilities']['adapter'] | undefined

/** Writes down what there is so far: a run that is cut off keeps it. */
function report(): void {
  if (options.json === undefined) return
  const content: ConformanceReport = {
    schema: 'attn-conformance/2',
    created: new Date().toISOString(),
    environment: readEnvironment(),
    ...(adapter ? { adapter } : {}),
    results,
  }
  writeFileSync(options.json, `${JSON.stringify(content, undefined, 2)}\n`)
}

function run(
  suite: (typeof options.suites)[number],
  flash: FlashAttention,
  makeFlash: () => Promise<FlashAttention>,
): Promise<Outcome> {
  if (suite === 'random') return runRandomProblems(makeFlash, options, observer)
  if (suite === 'cache') return runCaches(flash, options, observer)
  const trials = suites[suite](flash).filter((_, index) => index % part.of === part.index)
  return runTrials(flash, trials, observer)
}

for (const flags of options.unchecked ? [browserEquivalent, unchecked] : [browserEquivalent]) {
  const without = options.withoutZeroing ? ['disable_workgroup_init'] : []
  const gpu = create(createArguments({ ...flags, enabled: [...flags.enabled, ...without] }))
  for (const limits of options.limits) {
    const makeFlash = async (): Promise<FlashAttention> => {
      const found = await gpu.requestAdapter({ powerPreference: 'high-performance' })
      if (!found) throw new UnsupportedError('conformance: WebGPU found no adapter')
      const place =
        limits === 'those of the adapter' ? { gpu } : { device: await found.requestDevice() }
      return createFlashAttention({ ...place, training: true })
    }
    const flash = await makeFlash()
    adapter ??= flash.capabilities.adapter
    // A core for the driver to compile on; a GPU would wait for the timer.
    if (isSoftware(flash.capabilities)) await import('./testing/poll-without-hurry.ts')
    for (const suite of options.suites) {
      const started = performance.now()
      const result = { flags: flags.name, limits, suite, ...(await run(suite, flash, makeFlash)) }
      results.push(result)
      report()
      const seconds = ((performance.now() - started) / 1000).toFixed(1)
      const kernels = Object.entries(result.kernels).map(([name, count]) => `${count} ${name}`)
      console.log(
        `${flags.name}, limits ${limits}, ${suite}: ${result.passed} passed, ${result.failures.length} failed in ${seconds} s (${kernels.join(', ')})`,
      )
      for (const failure of result.failures.slice(0, 10)) console.log(`  ${failure}`)
    }
    flash.destroy()
  }
}

process.exit(results.some(({ failures }) => failures.length > 0) ? 1 : 0)
