// Which sparse pattern suits which data: the same small decoder, on the same batches, with dense, strided and
// fixed attention, in bits a token. After Sparse Transformer (arXiv 1904.10509, sections 5 and 6).
import { rangeError } from '@attn/core'
import type { Environment } from '../../report/run-report.ts'
import { checkPattern } from '../../train/masks.ts'
import type { Integration, PatternSettings } from '../../train/masks.ts'
import type { LayerProfile } from './attention-profile.ts'
import { checkLabConfiguration, defaultLabConfiguration } from '../configuration.ts'
import type { LabConfiguration } from '../configuration.ts'
import type { LabText } from '../data/text.ts'
import { inThisThread } from '../jobs/in-this-thread.ts'
import type { TrainingJob, TrainingResult } from '../jobs/job.ts'
import { allOrFirstError, jobStarter } from '../jobs/run-jobs.ts'
import type { JobRunner, LabProgress } from '../jobs/run-jobs.ts'
import { timeSteps, wallClock } from './time-steps.ts'
import type { StepClock, StepTime } from './time-steps.ts'

/** What is compared on one text, as plain data. */
export interface PatternPlan {
  /** Of all models, but for pattern and seed. */
  readonly configuration: Omit<LabConfiguration, 'pattern' | 'seed'>
  readonly patterns: readonly PatternSettings[]
  readonly seeds: readonly number[]
  /** Held-out tokens to read, at least one sequence. */
  readonly tokens: number
}

/** What was found on one text. */
export interface PatternReport {
  readonly schema: 'attn-patterns/1'
  /** Time of the run, ISO 8601. */
  readonly created: string
  readonly environment: Environment
  /** What computed: for people. */
  readonly device: string
  readonly plan: PatternPlan
  readonly text: {
    readonly name: string
    readonly digest: string
    readonly training: number
    readonly vocabulary: number
  }
  readonly models: readonly PatternModel[]
  /** Of each pattern, measured in turns in one thread after training. */
  readonly stepTimes: readonly StepTime[]
  /** What the heads of the first dense model look at, layer by layer, where that was asked for. */
  readonly profiles?: readonly Pick<LayerProfile, 'layer' | 'profile'>[] | undefined
}

/** One model, trained and evaluated. */
export interface PatternModel {
  readonly pattern: PatternSettings
  readonly seed: number
  /** On held-out tokens. */
  readonly bitsPerToken: number
  /** Wall-clock time of a training step, the median, beside the models of other threads. */
  readonly stepMilliseconds: number
  /** Mean losses of the training steps in nats, a number for each twentieth of them. */
  readonly losses: readonly number[]
}

/** The name of a pattern, for people and for files. */
export function patternTitle({ mask, extent, integration }: PatternSettings): string {
  const name = mask === 'causal' ? 'dense' : mask
  return [name, ...(integration ? [integration] : []), ...(extent ? [extent] : [])].join('-')
}

/** The models of a pattern, one for each seed. */
export function modelsOf({ models }: PatternReport, pattern: PatternSettings): PatternModel[] {
  const title = patternTitle(pattern)
  return models.filter((model) => patternTitle(model.pattern) === title)
}

/** What is compared where nothing else is asked for: contexts of about the squares of their strides. */
export function defaultPatternPlan(
  data: 'text' | 'images',
  integration: Integration = 'multihead',
): PatternPlan {
  const [stride, length, batch] = data === 'text' ? [16, 256, 4] : [28, 784, 2]
  const { seed: _, ...configuration } = defaultLabConfiguration
  return {
    configuration: { ...configuration, positions: 'learned', length, batch, steps: 600 },
    patterns: [
      { mask: 'causal' },
      { mask: 'strided', extent: stride, integration },
      { mask: 'fixed', extent: stride, integration },
    ],
    seeds: [1, 2, 3],
    tokens: data === 'text' ? 15_360 : 20 * 785,
  }
}

/** What to compare and with what. */
export interface ComparePatternsOptions {
  readonly text: LabText
  readonly plan: PatternPlan
  /** Who does the work. Default: this thread, one job after the other. */
  readonly runner?: JobRunner | undefined
  readonly onProgress?: LabProgress | undefined
  /** Stops soon; what is done is in the runner's store. */
  readonly signal?: AbortSignal | undefined
  /** What a training step's time is read from. Default: the wall clock. */
  readonly stepClock?: StepClock | undefined
  /** Goes into the report. Default: nothing is known. */
  readonly environment?: Environment | undefined
}

/**
 * Trains a model with each pattern and seed, and reads held-out tokens.
 *
 * @returns Plain data, for `formatPatterns` and JSON.
 * @throws RangeError for a plan that makes no sense or a text that is too short; JobInterrupted when the
 *   signal says so.
 */
export async function comparePatterns(options: ComparePatternsOptions): Promise<PatternReport> {
  const { text, plan } = options
  const { configuration, patterns, seeds } = plan
  if (patterns.length === 0 || seeds.length === 0) {
    throw rangeError('comparePatterns: patterns and seeds must not be empty')
  }
  for (const pattern of patterns) checkPattern('comparePatterns', pattern)
  for (const seed of seeds) checkLabConfiguration('comparePatterns', { ...configuration, seed })
  const { length } = configuration
  const piece = text.piece ?? length
  const tokens = Math.max(1, Math.ceil(plan.tokens / piece)) * piece - (piece - length)
  if (text.heldOut.length <= tokens) {
    throw rangeError(
      `comparePatterns: the held-out part must exceed ${tokens} tokens, got ${text.heldOut.length}`,
    )
  }
  const created = new Date().toISOString()
  const runner = options.runner ?? inThisThread(text)
  const jobs = seeds.flatMap((seed) =>
    patterns.map((pattern): TrainingJob => {
      return {
        kind: 'training',
        name: `${patternTitle(pattern)}-${seed}`,
        configuration: { ...configuration, pattern, seed },
        evaluation: {
          lengths: [length],
          tokens,
          window: 0,
          slidingLengths: [],
          slidingTokens: 0,
          bucket: length,
        },
      }
    }),
  )
  const start = jobStarter(jobs, runner, options)
  const results = await allOrFirstError(jobs.map((job) => start(job)))
  const stepTimes = await timeSteps(text, plan, options.stepClock ?? wallClock, options.signal)
  return {
    schema: 'attn-patterns/1',
    created,
    environment: options.environment ?? { attn: '', runtime: '', platform: '' },
    device: runner.device,
    plan,
    text: {
      name: text.name,
      digest: text.digest,
      training: text.training.length,
      vocabulary: text.characters.length,
    },
    models: jobs.map(({ configuration: { pattern, seed } }, index) => {
      const { perplexities, stepMilliseconds, losses } = results[index] as TrainingResult
      return {
        pattern: pattern!,
        seed,
        bitsPerToken: Math.log2(perplexities[0]!),
        stepMilliseconds,
        losses,
      }
    }),
    stepTimes,
  }
}
