// What `attn train` leaves: the JSON file and a few lines for people.
import type { DeviceReport } from '../device/find-device.ts'
import { median } from '../measure/statistics.ts'
import type { TrainingConfiguration } from '../train/configuration.ts'
import type { AttentionTimes } from '../train/pass-clock.ts'
import { threeDigits } from './format.ts'
import type { Environment } from './run-report.ts'

/** One model, trained. */
export interface TrainingRun {
  /** Who computed attention. */
  readonly description: string
  /** Loss of each step in nats a character, before its update. */
  readonly losses: readonly number[]
  /** Wall-clock time of each step. */
  readonly milliseconds: readonly number[]
  /** What attention took of each step on the GPU, forward and backward over all layers, where its clock says. */
  readonly attention?: readonly AttentionTimes[]
  /** Of attention in float16: the scale of its gradients at the end, and steps made again with a smaller one. */
  readonly lossScale?: { readonly last: number; readonly retried: number }
}

/** Everything `attn train` found out. Plain data. */
export interface TrainReport {
  readonly schema: 'attn-train/1'
  /** Time of the run, ISO 8601. */
  readonly created: string
  readonly environment: Environment
  readonly device: DeviceReport
  readonly configuration: TrainingConfiguration
  readonly text: {
    readonly name: string
    readonly digest: string
    readonly characters: number
    readonly vocabulary: number
  }
  /** Steps in all. */
  readonly steps: number
  /** Steps made before, by the run that was resumed. */
  readonly firstStep: number
  /** Their losses. */
  readonly earlierLosses: readonly number[]
  readonly run: TrainingRun
  readonly comparison?: {
    /** The same model, start and batches, with jax-js's dense attention. */
    readonly dense: TrainingRun
    /** The same once more, from weights one rounding away. */
    readonly nudged: TrainingRun
  }
}

/** How far two loss curves are apart. */
export interface CurveDifference {
  /** Largest difference of the losses of a step. */
  readonly largest: number
  /** The step, counted from 1. */
  readonly step: number
}

/** The largest distance of two curves of the same length. */
export function curveDifference(left: TrainingRun, right: TrainingRun): CurveDifference {
  const differences = left.losses.map((loss, step) => Math.abs(loss - right.losses[step]!))
  const largest = Math.max(...differences)
  return { largest, step: differences.indexOf(largest) + 1 }
}

/**
 * Differences below this are rounding whatever the noise is: twenty units in the last place of a loss
 * of four nats. A gradient of queries that is wrong by 1 % makes ten times as much in 40 steps.
 */
const smallestTolerance = 1e-5

/**
 * Whether the curve is the dense one within noise: at most ten times as far from it as the dense one
 * from itself after a nudge of one rounding. Undefined where nothing was compared.
 */
export function withinNoise({ run, comparison }: TrainReport): boolean | undefined {
  if (!comparison) return undefined
  const noise = curveDifference(comparison.dense, comparison.nudged).largest
  return curveDifference(run, comparison.dense).largest <= Math.max(10 * noise, smallestTolerance)
}

/** The lines before training. */
export function formatTrainHeader(
  device: DeviceReport,
  configuration: TrainingConfiguration,
  text: string,
): string {
  const { layers, heads, width, context, batch, mask, positions, dropout } = configuration
  return [
    `${device.name}: ${device.backend}`,
    `learns ${text}`,
    `${layers} layers of width ${width}, ${heads} heads, ${batch} x ${context} characters a step, ` +
      `mask ${mask}, positions ${positions}${dropout > 0 ? `, dropout ${dropout}` : ''}`,
  ].join('\n')
}

/** The lines after training. */
export function formatTraining(report: TrainReport): string {
  const { run, comparison, earlierLosses, steps, firstStep } = report
  const first = earlierLosses[0] ?? run.losses[0]!
  const lines = [
    `loss ${first.toFixed(3)} -> ${run.losses.at(-1)!.toFixed(3)} nats a character in ${steps} steps` +
      (firstStep > 0 ? `, of which ${firstStep} before` : ''),
    describeTime(run),
    ...describeAttention(run),
    ...(run.lossScale
      ? [
          `gradients through float16 scaled by ${run.lossScale.last} at the end, ${run.lossScale.retried} steps made again with less`,
        ]
      : []),
  ]
  if (comparison) {
    const { largest, step } = curveDifference(run, comparison.dense)
    const noise = curveDifference(comparison.dense, comparison.nudged).largest
    const verdict = withinNoise(report) ? 'within noise' : 'BEYOND NOISE'
    lines.push(
      describeTime(comparison.dense),
      `largest difference of the two curves: ${largest.toExponential(1)} nats, at step ${firstStep + step}`,
      `the dense curve from itself, begun one rounding away: ${noise.toExponential(1)}: ${verdict}`,
    )
  }
  return lines.join('\n')
}

function describeTime({ description, milliseconds }: TrainingRun): string {
  return `${threeDigits(median(milliseconds))} ms a step with ${description}`
}

/** A step taken apart. */
function describeAttention({ attention, milliseconds }: TrainingRun): string[] {
  if (!attention) return []
  const step = median(milliseconds)
  const forward = median(attention.map((times) => times.forward))
  const backward = median(attention.map((times) => times.backward))
  const rest = Math.max(0, step - forward - backward)
  return [
    `of which attention is ${threeDigits(forward)} ms forward and ${threeDigits(backward)} ms backward on the GPU, ` +
      `${threeDigits((100 * (forward + backward)) / step)} %; all else ${threeDigits(rest)} ms`,
  ]
}

/** The report as the text of a JSON file. */
export function trainingToJson(report: TrainReport): string {
  return `${JSON.stringify(report, null, 2)}\n`
}
