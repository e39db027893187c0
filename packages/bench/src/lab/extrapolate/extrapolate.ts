// Which position methods reach past the length they were trained at: trains each of them with each seed,
// on the same batches, and reads held-out text at longer and longer lengths. After ALiBi (arXiv
// 2108.12409, figure 1); what repairs RoPE after Position Interpolation (2306.15595) and YaRN (2309.00071).
import { rangeError, withDefaults } from '@attn/core'
import type { Optional } from '@attn/core'
import type { Environment } from '../../report/run-report.ts'
import type { LabText } from '../data/text.ts'
import { inThisThread } from '../jobs/in-this-thread.ts'
import type {
  FineTuningJob,
  FineTuningResult,
  ScalingJob,
  ScalingResult,
  TrainingJob,
  TrainingResult,
} from '../jobs/job.ts'
import { allOrFirstError, jobStarter } from '../jobs/run-jobs.ts'
import type { JobRunner, LabProgress } from '../jobs/run-jobs.ts'
import {
  checkPlan,
  extrapolationPresets,
  fineTuningMultiple,
  heldOutTokens,
  lengthsOf,
} from './options.ts'
import type { ExtrapolationPlan } from './options.ts'
import type { ExtrapolationReport } from './report.ts'
import { scalingNames, scalingOf } from './scalings.ts'
import type { ScalingName } from './scalings.ts'

/** What to do and with what. */
export interface ExtrapolateOptions {
  readonly text: LabText
  /** What differs from the quick preset. */
  readonly plan?: Optional<ExtrapolationPlan> | undefined
  /** Who does the work. Default: this thread, one job after the other. */
  readonly runner?: JobRunner | undefined
  readonly onProgress?: LabProgress | undefined
  /** Stops soon; what is done is in the runner's store. */
  readonly signal?: AbortSignal | undefined
  /** Goes into the report. Default: nothing is known. */
  readonly environment?: Environment | undefined
}

/**
 * Trains and evaluates.
 *
 * @returns Plain data, for `formatExtrapolation`, `drawExtrapolation` and JSON.
 * @throws RangeError for a plan that makes no sense or a text that is too short; JobInterrupted when the
 *   signal says so.
 *
 * @example
 * ```ts
 * import { extrapolate, labText } from '@attn/bench'
 * const text = await labText('fables', 'The fox saw the crow, and the crow saw the cheese. '.repeat(99))
 * const { models, lengths } = await extrapolate({
 *   text,
 *   plan: {
 *     configuration: { layers: 1, heads: 2, width: 16, length: 16, batch: 4, steps: 4, learningRate: 0.01 },
 *     methods: ['alibi', 'sinusoidal'], seeds: [1], multiples: [1, 2], tokens: 64,
 *   },
 * })
 * lengths // => [16, 32]
 * models.map(({ method }) => method) // => ['alibi', 'sinusoidal']
 * ```
 */
export async function extrapolate(options: ExtrapolateOptions): Promise<ExtrapolationReport> {
  const { text } = options
  const plan: ExtrapolationPlan = withDefaults(extrapolationPresets.quick, options.plan)
  checkPlan(plan)
  const tokens = heldOutTokens(plan)
  if (text.heldOut.length <= tokens) {
    throw rangeError(
      `extrapolate: the held-out tenth of the text must exceed ${tokens} characters, got ${text.heldOut.length}`,
    )
  }
  const created = new Date().toISOString()
  const began = performance.now()
  const runner = options.runner ?? inThisThread(text)
  const lengths = lengthsOf(plan)
  const jobs = jobsOf(plan)
  const start = jobStarter([...jobs.training, ...jobs.scaling, ...jobs.fineTuning], runner, options)
  const trained = jobs.training.map((job) => start(job))
  const results = await allOrFirstError([
    ...trained,
    ...[...jobs.fineTuning, ...jobs.scaling].map((job) =>
      start(job, trained[jobs.training.findIndex(({ name }) => name === job.model)]),
    ),
  ])
  const tuned = jobs.training.length
  const scaled = tuned + jobs.fineTuning.length
  return {
    schema: 'attn-extrapolate/1',
    created,
    environment: options.environment ?? { attn: '', runtime: '', platform: '' },
    device: runner.device,
    plan,
    text: {
      name: text.name,
      digest: text.digest,
      training: text.training.length,
      heldOut: tokens,
      vocabulary: text.characters.length,
    },
    lengths,
    seconds: (performance.now() - began) / 1000,
    models: jobs.training.map(({ configuration: { positions, seed } }, index) => ({
      method: positions,
      seed,
      ...(results[index] as TrainingResult),
    })),
    scaling: jobs.scaling.map(({ scalingName, seed }, index) => ({
      name: scalingName,
      seed,
      ...(results[scaled + index] as ScalingResult),
    })),
    fineTuning: jobs.fineTuning.map(({ kindName, seed, lengths: at }, index) => ({
      name: kindName,
      seed,
      lengths: at,
      ...(results[tuned + index] as FineTuningResult),
    })),
  }
}

interface Jobs {
  readonly training: readonly TrainingJob[]
  readonly scaling: readonly (ScalingJob & { scalingName: ScalingName; seed: number })[]
  readonly fineTuning: readonly (FineTuningJob & {
    kindName: 'direct' | 'interpolation'
    seed: number
  })[]
}

/** The jobs of a plan. */
function jobsOf(plan: ExtrapolationPlan): Jobs {
  const { configuration, methods, seeds, fineTuning } = plan
  const { length, batch } = configuration
  const lengths = lengthsOf(plan)
  const tokens = heldOutTokens(plan)
  const evaluation = {
    lengths,
    tokens,
    window: plan.window ? length : 0,
    slidingLengths: plan.slidingMultiples.map((multiple) => Math.round(multiple * length)),
    slidingTokens: 128,
    bucket: length / 4,
  }
  // Seeds outside, so that an interrupted run has all methods first.
  const training = seeds.flatMap((seed) =>
    methods.map((positions): TrainingJob => {
      return {
        kind: 'training',
        name: `${positions}-${seed}`,
        configuration: { ...configuration, positions, seed },
        evaluation,
      }
    }),
  )
  const scaling = (plan.scaling ? seeds : []).flatMap((seed) =>
    scalingNames.map((scalingName) => ({
      kind: 'scaling' as const,
      scalingName,
      seed,
      name: `scaling-${scalingName}-${seed}`,
      model: `rope-${seed}`,
      lengths,
      tokens,
      scalings: plan.multiples.map((factor) => scalingOf(scalingName, factor, length)),
    })),
  )
  const longer = fineTuningMultiple * length
  const tuning = (fineTuning.length > 0 ? seeds : []).flatMap((seed) =>
    (['direct', 'interpolation'] as const).map((kindName) => ({
      kind: 'fine-tuning' as const,
      kindName,
      seed,
      name: `fine-tuning-${kindName}-${seed}`,
      model: `rope-${seed}`,
      configuration: {
        ...configuration,
        positions: 'rope' as const,
        seed: seed + 1000,
        length: longer,
        batch: Math.max(1, Math.floor((batch * length) / longer)),
        steps: fineTuning.at(-1)! || 1,
        learningRate: configuration.learningRate / 4,
      },
      scaling: scalingOf(kindName, fineTuningMultiple, length),
      checkpoints: fineTuning,
      lengths: [longer, length],
      tokens,
    })),
  )
  return { training, scaling, fineTuning: tuning }
}
