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
import { parseArgs } from 'node:util'
import { createFlashAttention, UnsupportedError } from '../packages/webgpu-flash/src/index.ts'
import type { FlashAttention, ForwardTile } from '../packages/webgpu-flash/src/index.ts'
import { forwardTiles } from '../packages/webgpu-flash/src/plan/forward/choose-forward-tile.ts'
import type { AttentionOptions, Tensor } from '../packages/core/src/index.ts'
import {
  backwardCases,
  dropoutCases,
  sinkCases,
} from '../packages/core/test/conformance/backward-cases.ts'
import {
  backwardProblems,
  goldenBackwardProblems,
} from '../packages/core/test/conformance/backward-problems.ts'
import type { ConformanceCase } from '../packages/core/test/conformance/cases.ts'
import { conformanceCases } from '../packages/core/test/conformance/forward-cases.ts'
import {
  forwardProblems,
  goldenForwardProblems,
} from '../packages/core/test/conformance/forward-problems.ts'
import { goldenCases } from '../packages/core/test/conformance/golden.ts'
import { weightsCases } from '../packages/core/test/conformance/weights-cases.ts'
import { weightsProblems } from '../packages/core/test/conformance/weights-problems.ts'
import { mergeCases, mergeProblems } from '../packages/core/test/conformance/merge-cases.ts'
import { mergeOnDevice } from '../packages/webgpu-flash/test-gpu/merge-on-device.ts'
import { gpuBiasCases, gpuBiasProblems } from '../packages/webgpu-flash/test-gpu/gpu-bias-cases.ts'
import { weightsOnDevice } from '../packages/webgpu-flash/test-gpu/weights-on-device.ts'
import {
  browserEquivalent,
  createArguments,
  unchecked,
} from '../packages/bench/src/device/dawn-flags.ts'
import { readEnvironment } from '../packages/bench/src/cli/environment.ts'
import type { ConformanceReport, SuiteResult } from './conformance/report.ts'
import { splitTrials } from './conformance/split-backward.ts'
import { observeKernels } from './kernels/observe.ts'
import { runCacheLives } from './random/cache-sequences.ts'
import { runRandom } from './random/random-suite.ts'
import { reproduction } from './random/script.ts'

/** One case of a suite; running it gives sentences on what is wrong. */
interface Trial {
  readonly name: string
  run(flash: FlashAttention): Promise<string[]>
}

const { values } = parseArgs({
  options: {
    json: { type: 'string' },
    suites: { type: 'string', default: 'planned,tiles,halves,backward,split,weights,merge,biases' },
    unchecked: { type: 'boolean', default: false },
    // Software adapters take seconds to compile what zeroes workgroup memory.
    'without-zeroing': { type: 'boolean', default: false },
    // Of the adapter, of WebGPU's defaults, or one after the other.
    limits: { type: 'string', default: 'both' },
    // Random problems: how many on each device, of which seed, from which number on, how many of them
    // share their kernels, and seconds after which no further one begins.
    count: { type: 'string', default: '300' },
    seed: { type: 'string', default: '1' },
    first: { type: 'string', default: '0' },
    theme: { type: 'string', default: '20' },
    seconds: { type: 'string' },
  },
})

function shapeOf(each: ConformanceCase): Parameters<FlashAttention['plan']>[0] {
  const { parameters: _, ...options } = each.options
  return { ...each.shape, dtype: each.dtype, ...options }
}

const forwardCases = [...conformanceCases(), ...dropoutCases(), ...sinkCases()]

const planned: readonly Trial[] = [
  ...goldenCases().map((golden) => ({
    name: `golden ${golden.name}`,
    run: async (flash: FlashAttention) =>
      goldenForwardProblems(golden, (...call) => flash.attention(...call)),
  })),
  ...forwardCases.map((each) => ({
    name: each.name,
    run: async (flash: FlashAttention) =>
      forwardProblems(each, (...call) => flash.attention(...call)),
  })),
]

/** Every tile that the planner could choose for a case but did not. */
function otherTiles(flash: FlashAttention): Trial[] {
  return forwardCases.flatMap((each) =>
    forwardTiles(each.shape, flash.capabilities)
      .slice(each.dtype === 'float16' ? 0 : 1)
      .map((tile) => {
        const { queries, keys, threadRows, threadColumns, dimChunk, valueChunk } = tile
        const title = `${queries}x${keys} by ${threadRows}x${threadColumns} in ${dimChunk} and ${valueChunk}`
        return {
          name: `${each.name}, tile ${title}`,
          run: async () =>
            forwardProblems(each, (query, key, value, options) =>
              withTile(flash, each, tile, [query, key, value], options),
            ),
        }
      }),
  )
}

/** Float32 cases by products of float16 halves, those that they can compute. */
function byHalves(flash: FlashAttention): Trial[] {
  const tile = 'subgroup-matrix'
  const canCompute = (each: ConformanceCase): boolean => {
    if (each.dtype !== 'float32') return false
    try {
      flash.plan({ ...shapeOf(each), tile }).destroy()
      return true
    } catch (error) {
      if (error instanceof UnsupportedError) return false
      throw error
    }
  }
  return forwardCases.filter(canCompute).map((each) => ({
    name: `${each.name}, by halves`,
    run: async () =>
      forwardProblems(each, (query, key, value, options) =>
        withTile(flash, each, tile, [query, key, value], options),
      ),
  }))
}

async function withTile(
  flash: FlashAttention,
  each: ConformanceCase,
  tile: ForwardTile | 'subgroup-matrix',
  inputs: readonly [Tensor, Tensor, Tensor],
  { parameters }: AttentionOptions,
) {
  const plan = flash.plan({ ...shapeOf(each), tile })
  const [query, key, value] = inputs.map((input) => flash.upload(input)) as [
    ReturnType<FlashAttention['upload']>,
    ReturnType<FlashAttention['upload']>,
    ReturnType<FlashAttention['upload']>,
  ]
  const outputs = plan.forward({ query, key, value, ...(parameters ? { parameters } : {}) })
  const output = await flash.download(outputs.output)
  const logSumExp = await flash.download(outputs.logSumExp)
  flash.release(query, key, value, outputs.output, outputs.logSumExp)
  plan.destroy()
  return { output, logSumExp }
}

const backward: readonly Trial[] = [
  ...goldenCases().map((golden) => ({
    name: `golden ${golden.name}`,
    run: async (flash: FlashAttention) => goldenBackwardProblems(golden, gradientsOf(flash)),
  })),
  ...[...backwardCases(), ...dropoutCases(), ...sinkCases()].map((each) => ({
    name: each.name,
    run: async (flash: FlashAttention) => backwardProblems(each, gradientsOf(flash)),
  })),
]

function gradientsOf(flash: FlashAttention): Parameters<typeof backwardProblems>[1] {
  return async (query, key, value, dOutput, options) => {
    const forward = await flash.attention(query, key, value, options)
    return flash.attentionBackward(query, key, value, forward, dOutput, options)
  }
}

const weights: readonly Trial[] = weightsCases().map((each) => ({
  name: each.name,
  run: async (flash: FlashAttention) =>
    weightsProblems(each, (...call) => weightsOnDevice(flash, ...call)),
}))

const merge: readonly Trial[] = mergeCases().map((each) => ({
  name: each.name,
  run: async (flash: FlashAttention) => mergeProblems(each, (parts) => mergeOnDevice(flash, parts)),
}))

const biases: readonly Trial[] = gpuBiasCases.map((each) => ({
  name: each.name,
  run: async (flash: FlashAttention) => gpuBiasProblems(flash, each),
}))

async function runSuite(
  flash: FlashAttention,
  trials: readonly Trial[],
): Promise<Pick<SuiteResult, 'kernels' | 'cases' | 'passed' | 'failures'>> {
  const kernels: Record<string, number> = {}
  const ran = new Map<string, readonly string[]>()
  const failures: string[] = []
  observer.take()
  for (const trial of trials) {
    try {
      const problems = await trial.run(flash)
      if (problems.length > 0) failures.push(`${trial.name}: ${problems.join('; ')}`)
    } catch (error) {
      failures.push(`${trial.name}: ${String(error)}`)
    }
    const dispatched = [...observer.take().keys()]
    for (const kernel of dispatched) kernels[kernel] = (kernels[kernel] ?? 0) + 1
    ran.set(trial.name, dispatched)
  }
  const names = Object.keys(kernels)
  const cases = Object.fromEntries(
    [...ran].map(([name, dispatched]) => [name, dispatched.map((each) => names.indexOf(each))]),
  )
  return { kernels, cases, passed: trials.length - failures.length, failures }
}

/** A whole number among the options. */
function whole(name: 'count' | 'seed' | 'first' | 'theme' | 'seconds'): number {
  const number = Number(values[name])
  if (Number.isInteger(number) && number >= 0) return number
  throw new RangeError(`conformance: --${name} must be a whole number, got ${values[name]}`)
}

async function runRandomSuite(
  makeFlash: () => Promise<FlashAttention>,
): Promise<Pick<SuiteResult, 'kernels' | 'cases' | 'passed' | 'failures' | 'random'>> {
  const { kernels, passed, failures, ...random } = await runRandom(makeFlash, {
    seed: whole('seed'),
    count: whole('count'),
    first: whole('first'),
    themeLength: whole('theme'),
    ...(values.seconds !== undefined && { seconds: whole('seconds') }),
    observe: () => [...observer.take().keys()],
    onFailure: ({ index, problem, findingsOfSmallest }) => {
      console.log(`\nproblem ${index} fails:\n${reproduction(problem, findingsOfSmallest)}`)
    },
  })
  return {
    kernels,
    // Thousands of them, which a seed and a number repeat.
    cases: {},
    passed,
    random,
    failures: failures.map(
      ({ index, findings, problem }) =>
        `problem ${index}: ${findings.join('; ')}; smallest: ${JSON.stringify(problem)}`,
    ),
  }
}

async function runCacheSuite(
  flash: FlashAttention,
): Promise<Pick<SuiteResult, 'kernels' | 'cases' | 'passed' | 'failures' | 'random'>> {
  observer.take()
  const [seed, count] = [whole('seed'), whole('count')]
  const outcome = await runCacheLives(flash, { seed, count, first: whole('first') })
  const kernels = Object.fromEntries(observer.take())
  return { kernels, cases: {}, random: { seed, count, devicesLost: 0 }, ...outcome }
}

const { create, globals } = await import('webgpu')
Object.assign(globalThis, globals)
const observer = observeKernels(globals as typeof globalThis)
const results: SuiteResult[] = []
let adapter: FlashAttention['capabilities']['adapter'] | undefined

/** Writes down what there is so far: a run that is cut off keeps it. */
function report(): void {
  if (!values.json) return
  const content: ConformanceReport = {
    schema: 'attn-conformance/2',
    created: new Date().toISOString(),
    environment: readEnvironment(),
    ...(adapter ? { adapter } : {}),
    results,
  }
  writeFileSync(values.json, `${JSON.stringify(content, undefined, 2)}\n`)
}

function limitKinds(): readonly SuiteResult['limits'][] {
  const kinds = { adapter: 'those of the adapter', defaults: 'the defaults of WebGPU' } as const
  const { limits } = values
  if (limits === 'both') return Object.values(kinds)
  if (limits === 'adapter' || limits === 'defaults') return [kinds[limits]]
  throw new RangeError(`conformance: --limits must be adapter, defaults or both, got ${limits}`)
}

for (const flags of values.unchecked ? [browserEquivalent, unchecked] : [browserEquivalent]) {
  const without = values['without-zeroing'] ? ['disable_workgroup_init'] : []
  const gpu = create(createArguments({ ...flags, enabled: [...flags.enabled, ...without] }))
  for (const limits of limitKinds()) {
    const makeFlash = async (): Promise<FlashAttention> => {
      const found = await gpu.requestAdapter({ powerPreference: 'high-performance' })
      if (!found) throw new UnsupportedError('conformance: WebGPU found no adapter')
      const place =
        limits === 'those of the adapter' ? { gpu } : { device: await found.requestDevice() }
      return createFlashAttention({ ...place, training: true })
    }
    const flash = await makeFlash()
    adapter ??= flash.capabilities.adapter
    const suites: Readonly<Record<string, () => readonly Trial[]>> = {
      planned: () => planned,
      tiles: () => otherTiles(flash),
      halves: () => byHalves(flash),
      backward: () => backward,
      split: () => splitTrials(flash),
      weights: () => weights,
      merge: () => merge,
      biases: () => biases,
    }
    for (const suite of values.suites.split(',')) {
      const trials = suites[suite]
      if (!trials && suite !== 'random' && suite !== 'cache')
        throw new RangeError(
          `conformance: suites are planned, tiles, halves, backward, split, weights, merge, biases, random, cache, got ${suite}`,
        )
      const started = performance.now()
      const outcome = trials
        ? await runSuite(flash, trials())
        : suite === 'cache'
          ? await runCacheSuite(flash)
          : await runRandomSuite(makeFlash)
      const result = { flags: flags.name, limits, suite, ...outcome }
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
