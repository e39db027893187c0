// `attn train`: a small decoder learns a text with this library's attention, forward and backward, in
// the loop; all else is jax-js's. To compare, the same model is trained with jax-js's dense attention,
// and once more from weights one rounding away: how far these two drift apart is the noise.
import { rangeError, UnsupportedError, withDefaults } from '@attn/core'
import type { Optional } from '@attn/core'
import type { DeviceKind, DeviceReport } from '../device/find-device.ts'
import type { Environment } from '../report/run-report.ts'
import type { TrainReport, TrainingRun } from '../report/train-report.ts'
import { checkConfiguration, defaultConfiguration, defaultSteps } from '../train/configuration.ts'
import type { TrainingConfiguration } from '../train/configuration.ts'
import type { Checkpoint } from '../train/checkpoint.ts'
import { createDenseModel } from '../train/dense.ts'
import { openTrainingDevice } from '../train/device.ts'
import { trainingSpecifications } from '../train/positions.ts'
import { createSegmentedModel } from '../train/segments.ts'
import type { TrainableModel } from '../train/segments.ts'
import { initialState, nudged, readState } from '../train/state.ts'
import { trainModel } from '../train/train-model.ts'
import type { TrainModelOptions } from '../train/train-model.ts'
import type { Corpus } from '../train/text.ts'
import type { Progress } from './outcome.ts'

/** What to train and on what. */
export interface TrainOptions {
  /** Default: a GPU, else the CPU. */
  readonly device?: DeviceKind | 'auto'
  readonly corpus: Corpus
  /** What differs from the default of the device, or from the checkpoint. */
  readonly configuration?: Optional<TrainingConfiguration>
  /** Steps in all, those of the checkpoint counted. Default: 200 on a GPU, else 100. */
  readonly steps?: number
  /** Where to go on. */
  readonly checkpoint?: Checkpoint
  /** Whether to train with dense attention too. Default: false. */
  readonly compare?: boolean
  /** Steps between two checkpoints; there is one at the end as well. Default: 100. */
  readonly checkpointEvery?: number
  readonly onCheckpoint?: (checkpoint: Checkpoint) => void
  readonly onDevice?: (device: DeviceReport, configuration: TrainingConfiguration) => void
  readonly onProgress?: (progress: Progress) => void
  /** Goes into the report. */
  readonly environment: Environment
}

/**
 * Trains and, where asked for, compares.
 *
 * @throws RangeError for a configuration that makes no sense, or another one than the checkpoint's;
 *   UnsupportedError for a device that is not there.
 */
export async function train(options: TrainOptions): Promise<TrainReport> {
  const { corpus, checkpoint, compare = false, checkpointEvery = 100 } = options
  const created = new Date().toISOString()
  const device = await openTrainingDevice(options.device ?? 'auto')
  try {
    const { kind } = device.report
    const configuration = resolveConfiguration(kind, options)
    if (kind === 'cpu' && configuration.precision === 'float16') {
      throw new UnsupportedError('attn train: float16 is for GPUs; use --precision float32')
    }
    const steps = options.steps ?? Math.max(defaultSteps(kind), checkpoint?.state.step ?? 0)
    const vocabulary = corpus.vocabulary.length
    const start = checkpoint?.state ?? initialState(configuration, vocabulary)
    if (!Number.isSafeInteger(steps) || steps <= start.step) {
      throw rangeError(`attn train: steps must exceed the ${start.step} made, got ${steps}`)
    }
    options.onDevice?.(device.report, configuration)

    const specifications = trainingSpecifications(configuration, vocabulary)
    const rounds = compare ? 3 : 1
    const trainOne = async (
      name: string,
      round: number,
      model: TrainableModel,
      from: typeof start,
      onState?: TrainModelOptions['onState'],
    ): Promise<TrainingRun> => {
      try {
        const run = await trainModel({
          model,
          configuration,
          corpus,
          specifications,
          start: from,
          steps,
          onStep: (step, loss) => {
            const done = round * (steps - start.step) + step - start.step
            const total = rounds * (steps - start.step)
            options.onProgress?.({
              done,
              total,
              label: `${name}, loss ${loss.toFixed(3)}`,
            })
          },
          ...(onState ? { onState } : {}),
        })
        return { description: model.description, ...run }
      } finally {
        model.destroy()
      }
    }

    const attention = await device.createAttention(configuration)
    const earlier = checkpoint?.losses ?? []
    const own = await trainOne(
      'flash',
      0,
      createSegmentedModel(configuration, attention),
      start,
      async (state, losses) => {
        if (!options.onCheckpoint) return
        if (state.step % checkpointEvery !== 0 && state.step !== steps) return
        options.onCheckpoint({
          configuration,
          textDigest: corpus.digest,
          vocabulary,
          losses: [...earlier, ...losses],
          state: await readState(state),
        })
      },
    )
    const dense = (round: number, from: typeof start): Promise<TrainingRun> =>
      trainOne(round === 1 ? 'dense' : 'noise', round, createDenseModel(configuration), from)
    const comparison = compare
      ? {
          dense: await dense(1, start),
          nudged: await dense(2, nudged(start, configuration.precision)),
        }
      : undefined
    const { name, digest, tokens } = corpus
    return {
      schema: 'attn-train/1',
      created,
      environment: options.environment,
      device: device.report,
      configuration,
      text: { name, digest, characters: tokens.length, vocabulary },
      steps,
      firstStep: start.step,
      earlierLosses: earlier,
      run: own,
      ...(comparison ? { comparison } : {}),
    }
  } finally {
    device.release()
  }
}

function resolveConfiguration(
  kind: DeviceKind,
  { configuration = {}, checkpoint, corpus }: TrainOptions,
): TrainingConfiguration {
  const base = checkpoint?.configuration ?? defaultConfiguration(kind)
  const merged = withDefaults(base, configuration)
  checkConfiguration(merged)
  if (!checkpoint) return merged
  if (checkpoint.textDigest !== corpus.digest) {
    throw rangeError(
      `attn train: the checkpoint was made with another text than ${corpus.name}; name it with --text`,
    )
  }
  for (const [name, value] of Object.entries(configuration)) {
    const before = checkpoint.configuration[name as keyof TrainingConfiguration]
    if (value !== undefined && value !== before) {
      throw rangeError(
        `attn train: a resumed run keeps its ${name} of ${before}, got ${String(value)}`,
      )
    }
  }
  return merged
}
