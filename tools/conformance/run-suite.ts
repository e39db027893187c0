// One suite on one device: what passed, what failed, and which kernels computed it.
import type { FlashAttention } from '../../packages/webgpu-flash/src/index.ts'
import type { KernelObserver } from '../kernels/observe.ts'
import { runCacheLives } from '../random/cache-lives.ts'
import { runRandom } from '../random/random-suite.ts'
import { reproduction } from '../random/script.ts'
import type { ConformanceOptions } from './options.ts'
import type { SuiteResult } from './report.ts'
import type { Trial } from './suites.ts'

/** A result without what was run where. */
export type Outcome = Omit<SuiteResult, 'flags' | 'limits' | 'suite'>

/** Runs cases one after another. */
export async function runTrials(
  flash: FlashAttention,
  trials: readonly Trial[],
  observer: KernelObserver,
): Promise<Outcome> {
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

/** Runs random problems; each failure is printed as a program that repeats it. */
export async function runRandomProblems(
  makeFlash: () => Promise<FlashAttention>,
  { seed, count, first, theme, draw, seconds }: ConformanceOptions,
  observer: KernelObserver,
): Promise<Outcome> {
  const { kernels, passed, failures, ...rest } = await runRandom(makeFlash, {
    seed,
    count,
    first,
    themeLength: theme,
    draw,
    ...(seconds !== undefined && { seconds }),
    observe: () => [...observer.take().keys()],
    onFailure: ({ index, problem, findingsOfSmallest }) => {
      console.log(`\nproblem ${index} fails:\n${reproduction(problem, findingsOfSmallest)}`)
    },
  })
  const random = { ...rest, ...(draw !== 'calls' && { draw }) }
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

/** Runs random lives of caches. */
export async function runCaches(
  flash: FlashAttention,
  { seed, count, first }: ConformanceOptions,
  observer: KernelObserver,
): Promise<Outcome> {
  observer.take()
  const outcome = await runCacheLives(flash, { seed, count, first })
  const kernels = Object.fromEntries(observer.take())
  return { kernels, cases: {}, random: { seed, count, devicesLost: 0 }, ...outcome }
}
