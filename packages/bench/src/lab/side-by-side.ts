// Models that learn side by side, a step each in turn, so that a page can draw how their curves part: what a
// visitor sees of `extrapolate` in a minute. It gives way often, so that it may also run in a page's own thread.
import { rangeError, withDefaults } from '@attn/core'
import type { Optional } from '@attn/core'
import { checkLabConfiguration, defaultLabConfiguration } from './configuration.ts'
import type { LabConfiguration } from './configuration.ts'
import type { LabText } from './data/text.ts'
import { perplexity, readWindows } from './evaluation.ts'
import type { TrainedModel } from './evaluation.ts'
import type { StoredModel } from './files/model-file.ts'
import { JobInterrupted } from './jobs/job.ts'
import { createTrainer } from './trainer.ts'
import type { Trainer } from './trainer.ts'

/** What to train side by side. */
export interface SideBySideSettings {
  readonly text: LabText
  /** What is different, for each model: `[{ positions: 'sinusoidal' }, { positions: 'alibi' }]`. */
  readonly models: readonly Optional<LabConfiguration>[]
  /** What is the same. Default: `defaultLabConfiguration`, 1,200 steps at L = 64. */
  readonly configuration?: Optional<LabConfiguration> | undefined
  /** Tokens of the windows in which held-out text is read. Default: 1, 2, 4 and 10 times L. */
  readonly lengths?: readonly number[] | undefined
  /** Held-out tokens to read, in whole windows. Default: 2,560, or two of the longest windows. */
  readonly tokens?: number | undefined
  /** Steps between two readings; the end is always read. Default: a tenth of all. */
  readonly readEvery?: number | undefined
}

/** The same, for this thread. */
export interface SideBySideOptions extends SideBySideSettings {
  /** Told ten times a second or so, and after each reading. */
  readonly onProgress?: ((progress: SideBySideProgress) => void) | undefined
  /** Stops soon. */
  readonly signal?: AbortSignal | undefined
}

/** How far one model is. */
export interface SideBySideProgress {
  /** Its place in `models`. */
  readonly model: number
  /** Steps made. */
  readonly step: number
  /** Steps in all. */
  readonly steps: number
  /** Losses in nats a token of the steps since the last time. */
  readonly losses: readonly number[]
  /** Perplexity by length, where held-out text was read just now. */
  readonly perplexities?: readonly number[] | undefined
}

/** One model at its end. */
export interface SideBySideResult {
  /** For `readWindows`, `attentionProfile` and `encodeModel`. */
  readonly model: StoredModel
  /** Of all steps. */
  readonly losses: readonly number[]
  readonly lengths: readonly number[]
  /** Perplexity by length. */
  readonly perplexities: readonly number[]
}

/** Milliseconds of work between two pauses, and between two reports. */
const [pauseEvery, tellEvery] = [25, 100] as const

interface Racer {
  readonly configuration: LabConfiguration
  readonly trainer: Trainer
  readonly losses: number[]
  told: number
  perplexities: readonly number[]
}

/**
 * Trains models side by side on the same batches, reading held-out text in between.
 *
 * @returns The models, in the order of `models`.
 * @throws RangeError for configurations that make no sense or a text that is too short; JobInterrupted when
 *   the signal says so.
 *
 * @example
 * ```ts
 * import { labText, trainSideBySide } from '@attn/bench'
 * const text = await labText('fables', 'The fox saw the crow, and the crow saw the cheese. '.repeat(99))
 * const [sinusoidal, alibi] = await trainSideBySide({
 *   text,
 *   models: [{ positions: 'sinusoidal' }, { positions: 'alibi' }],
 *   configuration: { layers: 1, heads: 2, width: 32, length: 16, batch: 4, steps: 60, learningRate: 0.01 },
 *   lengths: [16, 64],
 *   tokens: 256,
 * })
 * const growth = ({ perplexities: [near, far] }: typeof alibi) => far! / near!
 * growth(sinusoidal!) > growth(alibi!) // => true
 * ```
 */
export async function trainSideBySide(options: SideBySideOptions): Promise<SideBySideResult[]> {
  const { text, signal, onProgress } = options
  const { configurations, lengths, tokens, readEvery } = checkSettings(options)
  const vocabulary = text.characters.length
  const racers: Racer[] = []
  for (const configuration of configurations) {
    const trainer = await createTrainer({
      configuration,
      tokens: text.training,
      vocabulary,
      ...(text.piece === undefined ? {} : { stride: text.piece }),
    })
    racers.push({ configuration, trainer, losses: [], told: 0, perplexities: [] })
  }
  const modelOf = ({ configuration, trainer }: Racer): TrainedModel => {
    return { configuration, vocabulary, weights: trainer.weights() }
  }
  const tell = (place: number, perplexities?: readonly number[]): void => {
    const racer = racers[place]!
    const { configuration, trainer, losses } = racer
    onProgress?.({
      model: place,
      step: trainer.step,
      steps: configuration.steps,
      losses: losses.slice(racer.told),
      ...(perplexities ? { perplexities } : {}),
    })
    racer.told = losses.length
  }
  const giveWay = async (): Promise<number> => {
    await new Promise((resolve) => setTimeout(resolve))
    if (signal?.aborted) throw new JobInterrupted()
    return performance.now()
  }
  let [paused, told] = [await giveWay(), performance.now()]
  while (racers.some(({ trainer, configuration }) => trainer.step < configuration.steps)) {
    for (const [place, racer] of racers.entries()) {
      const { trainer, configuration, losses } = racer
      if (trainer.step >= configuration.steps) continue
      losses.push(trainer.next())
      if (trainer.step % readEvery(configuration) === 0 || trainer.step === configuration.steps) {
        racer.perplexities = await readAll(modelOf(racer), text, lengths, tokens, giveWay)
        tell(place, racer.perplexities)
      }
      if (performance.now() - paused > pauseEvery) paused = await giveWay()
    }
    if (performance.now() - told > tellEvery) {
      for (const [place, { losses, told: before }] of racers.entries()) {
        if (losses.length > before) tell(place)
      }
      told = performance.now()
    }
  }
  const { name, digest, characters } = text
  return racers.map((racer) => {
    const model = { ...modelOf(racer), text: { name, digest }, characters }
    return { model, losses: racer.losses, lengths, perplexities: racer.perplexities }
  })
}

/** Perplexity of the same held-out tokens at each length. */
async function readAll(
  model: TrainedModel,
  text: LabText,
  lengths: readonly number[],
  tokens: number,
  giveWay: () => Promise<number>,
): Promise<number[]> {
  const perplexities: number[] = []
  for (const length of lengths) {
    const heldOut = text.heldOut.subarray(0, tokens + 1)
    const stride = text.piece === undefined ? {} : { stride: text.piece }
    perplexities.push(perplexity((await readWindows(model, heldOut, { length, ...stride })).losses))
    await giveWay()
  }
  return perplexities
}

/** Settings with their defaults, all of them checked. */
function checkSettings({ text, models, configuration, ...settings }: SideBySideSettings) {
  if (models.length === 0) throw rangeError('trainSideBySide: models must not be empty')
  const configurations = models.map((own) => {
    const whole: LabConfiguration = withDefaults(defaultLabConfiguration, configuration, own)
    checkLabConfiguration('trainSideBySide', whole)
    return whole
  })
  const shared = configurations[0]!.length
  const lengths = settings.lengths ?? [1, 2, 4, 10].map((multiple) => multiple * shared)
  const whole = (value: number): boolean => Number.isSafeInteger(value) && value >= 1
  if (lengths.length === 0 || !lengths.every(whole)) {
    throw rangeError(
      `trainSideBySide: lengths must be positive integers, got [${lengths.join(', ')}]`,
    )
  }
  const longest = Math.max(...lengths)
  const tokens = settings.tokens ?? Math.max(2560, 2 * longest)
  if (!whole(tokens) || tokens < longest || text.heldOut.length <= tokens) {
    throw rangeError(
      `trainSideBySide: tokens must be at least the longest window of ${longest} and below the ` +
        `${text.heldOut.length} held-out ones, got ${tokens}`,
    )
  }
  const { readEvery } = settings
  if (readEvery !== undefined && !whole(readEvery)) {
    throw rangeError(`trainSideBySide: readEvery must be a positive integer, got ${readEvery}`)
  }
  return {
    configurations,
    lengths,
    tokens,
    readEvery: ({ steps }: LabConfiguration): number => readEvery ?? Math.ceil(steps / 10),
  }
}
