// `attn run`: finds a device, then verifies and times attention three ways on it, once per
// configuration of its flags.
import { UnsupportedError, withDefaults } from '@attn/core'
import type { Optional } from '@attn/core'
import { browserEquivalent, stableBrowser, unchecked } from '../device/dawn-flags.ts'
import { findDevice } from '../device/find-device.ts'
import type { DeviceKind, DeviceReport } from '../device/find-device.ts'
import { onGpu, withoutGpu } from '../measure/measure.ts'
import type { MeasureOptions } from '../measure/measure.ts'
import type { ConfigurationResult, Environment, RunReport } from '../report/run-report.ts'
import { formatLength } from '../report/format.ts'
import type { StepListener } from './for-each-method.ts'
import type { Progress } from './outcome.ts'
import { measureFirstCall } from './first-call.ts'
import { checkProblem, defaultProblem, methods } from './problem.ts'
import type { Problem } from './problem.ts'
import { runOnCpu } from './run-on-cpu.ts'
import { runOnGpu } from './run-on-gpu.ts'

/** What to run and on what. */
export interface RunOptions {
  /** Default: the best there is. */
  readonly device?: DeviceKind | 'auto' | undefined
  /** Whether to run once more without the features that browsers keep behind a flag. Default: false. */
  readonly stable?: boolean | undefined
  /** Whether to run once more with Dawn's safety checks off (in Node only). Default: false. */
  readonly toggles?: boolean | undefined
  /** What differs from {@link defaultProblem} of the device. */
  readonly problem?: Optional<Problem> | undefined
  /** Whether to verify and time backward passes as well, which needs WebGPU. Default: false. */
  readonly backward?: boolean | undefined
  /**
   * Bytes of scores that standard attention may write down. Default: 2 GiB, as WebGPU does not tell
   * how much there is and a laptop's GPU shares it with other programs.
   */
  readonly memoryBytes?: number | undefined
  /** Seconds that one run of a method may take, as far as it can be foreseen. Default: 5. */
  readonly seconds?: number | undefined
  /** How long and how often to measure. Default: less where there is no GPU. */
  readonly measure?: MeasureOptions | undefined
  /** Goes into the report. */
  readonly environment: Environment
  /** Told once per configuration, before anything is measured. */
  readonly onDevice?: ((device: DeviceReport, problem: Problem) => void) | undefined
  /** Called with how far it is. */
  readonly onProgress?: ((progress: Progress) => void) | undefined
}

/**
 * Runs the suite.
 *
 * @throws RangeError or TypeError for a problem that makes no sense; UnsupportedError for a device
 *   that is not there, or cannot do what was asked.
 */
export async function run(options: RunOptions): Promise<RunReport> {
  const { memoryBytes = 2 ** 31, seconds = 5, toggles = false, stable = false } = options
  const created = new Date().toISOString()
  const configurations: ConfigurationResult[] = []
  let problem: Problem | undefined
  const wanted = [
    browserEquivalent,
    ...(toggles ? [unchecked] : []),
    ...(stable ? [stableBrowser] : []),
  ]
  for (const flags of wanted) {
    const found = await findDevice({ kind: options.device ?? 'auto', flags })
    try {
      // Other rounds are for flags only, which the CPU and browsers do not have.
      if (configurations.length > 0 && !found.report.flags) break
      if (options.backward && found.kind === 'cpu') {
        throw new UnsupportedError(
          `attn run: backward passes are timed on WebGPU, found none (${found.report.description})`,
        )
      }
      problem ??= resolveProblem(found.kind, options.problem)
      const { lengths } = problem
      options.onDevice?.(found.report, problem)
      const measure = withDefaults<MeasureOptions>(
        found.kind === 'gpu' ? onGpu : withoutGpu,
        options.measure,
      )
      const limits = { memoryBytes, seconds, measure, backward: options.backward ?? false }
      let done = 0
      const total = lengths.length * methods.length
      const onStep: StepListener = (method, length) => {
        options.onProgress?.({ done, total, label: `${method}, length ${formatLength(length)}` })
        done++
      }
      if (found.kind === 'cpu') {
        const results = await runOnCpu(problem, limits, onStep)
        configurations.push({ device: found.report, results })
      } else {
        // Before anything else is compiled.
        const firstCall = await measureFirstCall(found, problem)
        const results = await runOnGpu(found, problem, limits, onStep)
        configurations.push({ device: found.report, ...(firstCall ? { firstCall } : {}), results })
      }
    } finally {
      found.release()
    }
  }
  return {
    schema: 'attn-run/1',
    created,
    environment: options.environment,
    problem: problem!,
    configurations,
  }
}

function resolveProblem(kind: DeviceKind, wanted: Optional<Problem> = {}): Problem {
  const merged = withDefaults(defaultProblem(kind), wanted)
  checkProblem(merged)
  if (kind === 'cpu' && merged.dtype !== 'float32') {
    throw new UnsupportedError(
      `attn run: the CPU reference is timed in float32, got ${merged.dtype}; use a WebGPU device`,
    )
  }
  // Shorter lengths first: they say how long the longer ones will take.
  return { ...merged, lengths: merged.lengths.toSorted((left, right) => left - right) }
}
