// What `extrapolate` finds, as plain data.
import type { Environment } from '../../report/run-report.ts'
import type { FineTuningResult, TrainingResult } from '../jobs/job.ts'
import type { PositionMethodName } from '../positions/methods.ts'
import type { ExtrapolationPlan } from './options.ts'
import type { ScalingName } from './scalings.ts'

/** Everything that was found out. */
export interface ExtrapolationReport {
  readonly schema: 'attn-extrapolate/1'
  /** Time of the run, ISO 8601. */
  readonly created: string
  readonly environment: Environment
  /** What computed: for people. */
  readonly device: string
  readonly plan: ExtrapolationPlan
  readonly text: {
    readonly name: string
    readonly digest: string
    /** Tokens trained on. */
    readonly training: number
    /** Held-out tokens that every length predicts. */
    readonly heldOut: number
    readonly vocabulary: number
  }
  /** Tokens of a window, for each multiple of the plan. */
  readonly lengths: readonly number[]
  /** Wall-clock time of all, of the last session where it was resumed. */
  readonly seconds: number
  readonly models: readonly ExtrapolationModel[]
  /** Trained RoPE models, extended without training. */
  readonly scaling: readonly {
    readonly name: ScalingName
    readonly seed: number
    readonly perplexities: readonly number[]
  }[]
  readonly fineTuning: readonly FineTuningCurve[]
}

/** One model, trained and evaluated. */
export interface ExtrapolationModel extends TrainingResult {
  readonly method: PositionMethodName
  readonly seed: number
}

/** Fine-tuning at a greater length. */
export interface FineTuningCurve extends FineTuningResult {
  readonly name: 'direct' | 'interpolation'
  readonly seed: number
  /** L' and L, in the order of the perplexities. */
  readonly lengths: readonly number[]
}

/** Least, mean and greatest of numbers, one for each seed. */
export interface Spread {
  readonly low: number
  readonly mean: number
  readonly high: number
}

/** The spread of numbers. */
export function spreadOf(values: readonly number[]): Spread {
  return {
    low: Math.min(...values),
    mean: values.reduce((sum, value) => sum + value, 0) / values.length,
    high: Math.max(...values),
  }
}

/** The spread over seeds, place by place, of lists of one length. */
export function spreads(lists: readonly (readonly number[])[]): Spread[] {
  return (lists[0] ?? []).map((_, place) => spreadOf(lists.map((list) => list[place]!)))
}
