// `attn positions`: finds a device, then verifies and times causal attention with each position method
// on it, all methods of a length in turns.
import type { Optional } from '@attn/core'
import { UnsupportedError, withDefaults } from '@attn/core'
import type { FlashAttention } from '@attn/webgpu-flash'
import { browserEquivalent } from '../device/dawn-flags.ts'
import { findDevice } from '../device/find-device.ts'
import { flashOn } from '../device/flash-on.ts'
import type { DeviceKind, DeviceReport } from '../device/find-device.ts'
import { createGpuStopwatch } from '../measure/gpu-stopwatch.ts'
import { measureInTurns } from '../measure/measure-in-turns.ts'
import { onGpu, withoutGpu } from '../measure/measure.ts'
import type { MeasureOptions, Measurement } from '../measure/measure.ts'
import { median } from '../measure/statistics.ts'
import { preparePositions } from '../positions/prepare.ts'
import type { PreparedPositions } from '../positions/prepare.ts'
import { timeTraining } from '../positions/train.ts'
import {
  checkPositionProblem,
  defaultPositionProblem,
  positionMethods,
  positionNames,
} from '../positions/problem.ts'
import type { PositionMethod, PositionProblem } from '../positions/problem.ts'
import { formatLength } from '../report/format.ts'
import type {
  PositionLengthResult,
  PositionOutcome,
  PositionsReport,
} from '../report/positions-report.ts'
import type { Environment } from '../report/run-report.ts'
import { createGpuInputs } from './gpu-inputs.ts'
import type { Progress } from './outcome.ts'

/** What to compare and on what. */
export interface PositionsOptions {
  /** Default: the best there is. The CPU reference is not timed here. */
  readonly device?: DeviceKind | 'auto' | undefined
  /** Which methods besides none. Default: all. */
  readonly methods?: readonly PositionMethod[] | undefined
  /** What differs from {@link defaultPositionProblem} of the device. */
  readonly problem?: Optional<PositionProblem> | undefined
  /** Whether to time training steps, forward and backward, as well. Default: false. */
  readonly backward?: boolean | undefined
  /** How long and how often to measure. Default: less where there is no GPU. */
  readonly measure?: MeasureOptions | undefined
  /** Goes into the report. */
  readonly environment: Environment
  /** Told before anything is measured. */
  readonly onDevice?: ((device: DeviceReport, problem: PositionProblem) => void) | undefined
  /** Called with how far it is. */
  readonly onProgress?: ((progress: Progress) => void) | undefined
}

/**
 * Runs the comparison.
 *
 * @throws RangeError or TypeError for a problem that makes no sense; UnsupportedError where there is
 *   no WebGPU; the errors of `@attn/webgpu-flash` where memory does not suffice.
 */
export async function comparePositions(options: PositionsOptions): Promise<PositionsReport> {
  const created = new Date().toISOString()
  const found = await findDevice({ kind: options.device ?? 'auto', flags: browserEquivalent })
  try {
    if (found.kind === 'cpu') {
      throw new UnsupportedError(
        `attn positions: needs WebGPU, found none (${found.report.description}); install a GPU driver or a software adapter`,
      )
    }
    const merged = withDefaults(defaultPositionProblem(found.kind), options.problem)
    checkPositionProblem(merged)
    const problem = { ...merged, lengths: merged.lengths.toSorted((a, b) => a - b) }
    options.onDevice?.(found.report, problem)
    const measure = withDefaults<MeasureOptions>(
      found.kind === 'gpu' ? onGpu : withoutGpu,
      options.measure,
    )
    let done = 0
    const wanted = new Set(options.methods ?? positionMethods).add('none')
    const methods = positionMethods.filter((method) => wanted.has(method))
    const backward = options.backward ?? false
    const total = problem.lengths.length * (methods.length + (backward ? 2 : 1))
    const step = (what: string, length: number): void => {
      options.onProgress?.({ done, total, label: `${what}, length ${formatLength(length)}` })
      done++
    }
    const flash = await flashOn(found)
    const results: PositionLengthResult[] = []
    try {
      for (const length of problem.lengths) {
        results.push(await compareAt(flash, problem, methods, length, measure, step, backward))
      }
    } finally {
      flash.destroy()
    }
    const { environment } = options
    return {
      schema: 'attn-positions/1',
      created,
      environment,
      problem,
      device: found.report,
      results,
    }
  } finally {
    found.release()
  }
}

async function compareAt(
  flash: FlashAttention,
  problem: PositionProblem,
  methods: readonly PositionMethod[],
  length: number,
  options: MeasureOptions,
  step: (what: string, length: number) => void,
  backward: boolean,
): Promise<PositionLengthResult> {
  const inputs = await createGpuInputs(flash.device, problem, length)
  const prepared: PreparedPositions[] = []
  try {
    for (const method of methods) {
      step(`checking ${positionNames[method]}`, length)
      prepared.push(await preparePositions(flash, problem, method, length, inputs))
    }
    step('timing', length)
    const stopwatches = prepared.map(({ encode }) => createGpuStopwatch(flash.device, encode))
    const times = await measureInTurns(stopwatches, options)
    await flash.finished()
    stopwatches.forEach((stopwatch) => stopwatch.destroy())
    const [none] = times
    if (backward) step('training steps', length)
    const steps = backward
      ? await timeTraining(flash, problem, methods, length, inputs, options)
      : undefined
    const outcomes: Partial<Record<PositionMethod, PositionOutcome>> = {}
    prepared.forEach(({ method, memoryBytes, verification, explanation }, index) => {
      const time = times[index]!
      outcomes[method] = {
        time,
        tokensPerSecond: (1000 * problem.batch * length) / time.median,
        overhead: overheadOf(time, none!),
        memoryBytes,
        verification,
        ...(steps
          ? {
              training: {
                ...steps[index]!,
                overhead: overheadOf(steps[index]!.both, steps[0]!.both),
              },
            }
          : {}),
        explanation,
      }
    })
    return { length, outcomes }
  } finally {
    prepared.forEach((method) => method.destroy())
    inputs.destroy()
  }
}

/** How much longer one takes than the other, as a part of it: the median over rounds. */
function overheadOf(time: Measurement, none: Measurement): number {
  return median(time.samples.map((sample, round) => sample / none.samples[round]! - 1))
}
