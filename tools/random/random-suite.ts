// A run of random problems on one device: what passed on which kernels, and every failure made small.
import type { FlashAttention } from '../../packages/webgpu-flash/src/index.ts'
import { DeviceLostError } from '../../packages/webgpu-flash/src/index.ts'
import type { Draw } from './draws.ts'
import { drawProblem } from './generate.ts'
import type { Problem } from './problem.ts'
import { runProblem } from './run-problem.ts'
import { shrink } from './shrink.ts'

/** What to run. */
export interface RandomOptions {
  readonly seed: number
  readonly count: number
  /** Number of the first problem. Default: 0. */
  readonly first?: number
  /** Problems that share kernels; see `drawProblem`. */
  readonly themeLength?: number
  /** Which problems; see draws.ts. Default: calls. */
  readonly draw?: Draw
  /** Seconds after which no further problem begins. Default: none. */
  readonly seconds?: number
  /** Failures after which the run ends. Default: 20. */
  readonly mostFailures?: number
  /** Whether failures are made small. Default: true. */
  readonly shrinks?: boolean
  /** The kernels that ran since it was last asked; see tools/kernels. Default: none are noted. */
  readonly observe?: () => readonly string[]
  /** Told of each failure as it comes. */
  readonly onFailure?: (failure: RandomFailure) => void
}

/** A problem that came out wrong. */
export interface RandomFailure {
  /** Its number in the run of this seed. */
  readonly index: number
  readonly findings: readonly string[]
  /** The smallest problem found that fails, and what is wrong with it. */
  readonly problem: Problem
  readonly findingsOfSmallest: readonly string[]
}

/** What a run came to. */
export interface RandomResult {
  readonly seed: number
  /** Problems that were run. */
  readonly count: number
  /** Problems by the kernels that computed them: a problem counts for each. */
  readonly kernels: Readonly<Record<string, number>>
  readonly passed: number
  readonly failures: readonly RandomFailure[]
  /** Times the device went away: its problem is a failure, and a new device went on. */
  readonly devicesLost: number
}

/**
 * Runs problems one after another.
 *
 * @param makeFlash - The library on a new device, which takes the place of one that was lost.
 */
export async function runRandom(
  makeFlash: () => Promise<FlashAttention>,
  options: RandomOptions,
): Promise<RandomResult> {
  const { seed, count, first = 0, seconds = Infinity, mostFailures = 20, shrinks = true } = options
  const started = performance.now()
  const kernels: Record<string, number> = {}
  const failures: RandomFailure[] = []
  let flash = await makeFlash()
  let devicesLost = 0
  let ran = 0

  /** Runs one; a lost device is a finding too. */
  const attempt = async (problem: Problem): Promise<string[]> => {
    try {
      return await runProblem(flash, problem, (error) => error instanceof DeviceLostError)
    } catch (error) {
      devicesLost++
      flash = await makeFlash()
      return [`lost the device: ${String(error)}`]
    }
  }

  while (ran < count && failures.length < mostFailures) {
    if (performance.now() - started > 1000 * seconds) break
    const index = first + ran++
    const problem = drawProblem(seed, index, options.themeLength, options.draw)
    const findings = await attempt(problem)
    for (const kernel of options.observe?.() ?? []) kernels[kernel] = (kernels[kernel] ?? 0) + 1
    if (findings.length === 0) continue
    const lost = findings[0]!.startsWith('lost')
    // Whoever loses devices is not asked to do it again.
    const smallest =
      shrinks && !lost
        ? await shrink(problem, async (simpler) => failsAlike(findings, await attempt(simpler)))
        : problem
    const findingsOfSmallest = smallest === problem ? findings : await attempt(smallest)
    options.observe?.()
    const failure = { index, findings, problem: smallest, findingsOfSmallest }
    failures.push(failure)
    options.onFailure?.(failure)
  }
  flash.destroy()
  const result = { seed, count: ran, kernels, failures, devicesLost }
  return { ...result, passed: ran - failures.length }
}

/** Whether a problem fails in the way of another: by wrong numbers, or by an error. */
function failsAlike(before: readonly string[], findings: readonly string[]): boolean {
  if (findings.length === 0) return false
  return findings[0]!.startsWith('threw') === before[0]!.startsWith('threw')
}
