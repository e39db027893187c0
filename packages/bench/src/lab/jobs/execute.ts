// Does one job: takes up what the store has of it, trains step by step, and gives way now and then, so
// that a page stays alive and an interruption is heard.
import { slidingWindow } from '@attn/masks'
import { median } from '../../measure/statistics.ts'
import { lossByPlace, perplexity, readWindows, slidingPerplexity } from '../evaluation.ts'
import type { ReadingOptions, TrainedModel } from '../evaluation.ts'
import { decodeArrays, encodeArrays } from '../files/arrays.ts'
import { decodeModel, encodeModel } from '../files/model-file.ts'
import { createTrainer } from '../trainer.ts'
import type { LabState, Trainer } from '../trainer.ts'
import { JobInterrupted } from './job.ts'
import type {
  FineTuningJob,
  FineTuningResult,
  JobContext,
  LabJob,
  LabJobResult,
  ScalingJob,
  ScalingResult,
  TrainingJob,
  TrainingResult,
} from './job.ts'

/** What reading so many tokens costs, in training steps of as many. */
const readingShare = 0.25
/** Steps between two states that are kept. */
const keepEvery = 250
/** Milliseconds of work between two pauses. */
const pauseEvery = 100

/** A job's whole work in units of training steps, of 1,024 tokens or so: for progress bars. */
export function workOf(job: LabJob): number {
  const reading = (tokens: number, batchTokens: number): number =>
    (readingShare * tokens) / batchTokens
  switch (job.kind) {
    case 'training': {
      const { configuration, evaluation } = job
      const batch = configuration.batch * configuration.length
      const rounds = evaluation.lengths.length * (evaluation.window > 0 ? 2 : 1)
      const sliding = evaluation.slidingLengths.reduce(
        (sum, length) => sum + length * evaluation.slidingTokens,
        0,
      )
      return configuration.steps + reading(evaluation.tokens * rounds + sliding, batch)
    }
    case 'scaling':
      return reading(job.tokens * job.lengths.length, 1024)
    case 'fine-tuning': {
      const { configuration, checkpoints, lengths, tokens } = job
      const batch = configuration.batch * configuration.length
      return configuration.steps + reading(tokens * lengths.length * checkpoints.length, batch)
    }
  }
}

/**
 * Does a job, or reads its result where the store has it already.
 *
 * @throws JobInterrupted when the signal says so; a later call goes on.
 */
export async function executeJob(job: LabJob, context: JobContext): Promise<LabJobResult> {
  const { store } = context
  const name = `${job.name}.json`
  const known = await store.read(name)
  if (known) return JSON.parse(new TextDecoder().decode(known)) as LabJobResult
  const result = await perform(job, context)
  await store.write(name, new TextEncoder().encode(`${JSON.stringify(result)}\n`))
  await store.remove(`${job.name}.state`)
  return result
}

function perform(job: LabJob, context: JobContext): Promise<LabJobResult> {
  switch (job.kind) {
    case 'training':
      return performTraining(job, context)
    case 'scaling':
      return performScaling(job, context)
    case 'fine-tuning':
      return performFineTuning(job, context)
  }
}

async function performTraining(job: TrainingJob, context: JobContext): Promise<TrainingResult> {
  const { configuration, evaluation } = job
  const { text } = context
  const vocabulary = text.characters.length
  const kept = await readState(job.name, context)
  const trainer = await createTrainer({
    configuration,
    tokens: text.training,
    vocabulary,
    ...(text.piece === undefined ? {} : { stride: text.piece }),
    ...(kept ? { start: kept.state } : {}),
  })
  const losses = [...(kept?.losses ?? [])]
  const times = [...(kept?.times ?? [])]
  const steps = await advance(trainer, configuration.steps, job.name, context, losses, times)
  const model = { configuration, vocabulary, weights: trainer.weights() }
  const { name, digest, characters } = text
  await context.store.write(
    `${job.name}.model`,
    encodeModel({ ...model, text: { name, digest }, characters }, 'float32'),
  )
  const read = createReading(model, context, job.name, steps)
  const { lengths, window } = evaluation
  const heldOut = text.heldOut.subarray(0, evaluation.tokens + 1)
  const perplexities: number[] = []
  let byPlace: number[] = []
  for (const length of lengths) {
    const stride = text.piece === undefined ? {} : { stride: text.piece }
    const windows = await read(heldOut, { length, ...stride })
    perplexities.push(perplexity(windows.losses))
    byPlace = lossByPlace(windows, evaluation.bucket)
  }
  const windowed: number[] = []
  for (const length of window > 0 ? lengths : []) {
    const masks = [slidingWindow(window - 1)]
    windowed.push(perplexity((await read(heldOut, { length, masks })).losses))
  }
  const sliding: number[] = []
  const first = Math.max(0, ...evaluation.slidingLengths)
  for (const length of evaluation.slidingLengths) {
    const targets = { first, count: evaluation.slidingTokens }
    await read.pause(length * targets.count)
    sliding.push(await slidingPerplexity(model, text.heldOut, { length }, targets))
  }
  return {
    losses: twentieths(losses),
    stepMilliseconds: median(times),
    perplexities,
    windowed,
    sliding,
    byPlace,
  }
}

async function performScaling(job: ScalingJob, context: JobContext): Promise<ScalingResult> {
  const model = await readModel(job.model, context)
  const read = createReading(model, context, job.name, 0)
  const heldOut = context.text.heldOut.subarray(0, job.tokens + 1)
  const perplexities: number[] = []
  for (const [index, length] of job.lengths.entries()) {
    const rope = job.scalings[index]!
    perplexities.push(perplexity((await read(heldOut, { length, rope })).losses))
  }
  return { perplexities }
}

async function performFineTuning(
  job: FineTuningJob,
  context: JobContext,
): Promise<FineTuningResult> {
  const { configuration, scaling: rope, checkpoints, lengths } = job
  const model = await readModel(job.model, context)
  const { vocabulary } = model
  const zeros = model.weights.map(({ length }) => new Float32Array(length))
  const kept = await readState(job.name, context)
  const trainer = await createTrainer({
    configuration,
    tokens: context.text.training,
    vocabulary,
    rope,
    start: kept?.state ?? { step: 0, weights: model.weights, first: zeros, second: zeros },
  })
  const perplexities: (readonly number[])[] = [...(kept?.perplexities ?? [])]
  const heldOut = context.text.heldOut.subarray(0, job.tokens + 1)
  for (const checkpoint of checkpoints.slice(perplexities.length)) {
    const work = await advance(trainer, checkpoint, job.name, context, [], [], perplexities)
    const now = { configuration, vocabulary, weights: trainer.weights() }
    const read = createReading(now, context, job.name, work)
    const here: number[] = []
    for (const length of lengths) {
      here.push(perplexity((await read(heldOut, { length, rope })).losses))
    }
    perplexities.push(here)
  }
  return { perplexities }
}

/** Trains up to a step; returns the steps made. */
async function advance(
  trainer: Trainer,
  steps: number,
  name: string,
  context: JobContext,
  losses: number[],
  times: number[],
  perplexities: readonly (readonly number[])[] = [],
): Promise<number> {
  const keep = (): Promise<void> =>
    writeState(name, context, { state: trainer.state(), losses, times, perplexities })
  let paused = performance.now()
  while (trainer.step < steps) {
    const began = performance.now()
    losses.push(trainer.next())
    times.push(performance.now() - began)
    if (trainer.step % keepEvery === 0) await keep()
    if (performance.now() - paused < pauseEvery) continue
    context.onProgress?.({
      done: trainer.step,
      label: `${name}, loss ${losses.at(-1)!.toFixed(2)}`,
    })
    await pause()
    if (context.signal?.aborted) {
      await keep()
      throw new JobInterrupted()
    }
    paused = performance.now()
  }
  await keep()
  return trainer.step
}

/** Reads windows, tells how far it is, and gives way before each reading. */
function createReading(model: TrainedModel, context: JobContext, name: string, before: number) {
  const { batch, length } = model.configuration
  let done = before
  const tell = async (tokens: number): Promise<void> => {
    context.onProgress?.({ done, label: `${name}, reads` })
    await pause()
    if (context.signal?.aborted) throw new JobInterrupted()
    done += (readingShare * tokens) / (batch * length)
  }
  const read = async (tokens: Uint16Array, reading: ReadingOptions) => {
    await tell(tokens.length - 1)
    return readWindows(model, tokens, reading)
  }
  return Object.assign(read, { pause: tell })
}

const pause = (): Promise<void> => new Promise((resolve) => setTimeout(resolve))

async function readModel(name: string, { store }: JobContext): Promise<TrainedModel> {
  const bytes = await store.read(`${name}.model`)
  if (!bytes) throw new Error(`executeJob: the model ${name} has not been trained`)
  return decodeModel(bytes)
}

interface KeptState {
  readonly state: LabState
  readonly losses: readonly number[]
  readonly times: readonly number[]
  readonly perplexities: readonly (readonly number[])[]
}

async function writeState(
  name: string,
  { store }: JobContext,
  { state, ...rest }: KeptState,
): Promise<void> {
  const { step, weights, first, second } = state
  const arrays = [...weights, ...first, ...second]
  await store.write(`${name}.state`, encodeArrays({ step, ...rest }, arrays, 'float32'))
}

async function readState(name: string, { store }: JobContext): Promise<KeptState | undefined> {
  const bytes = await store.read(`${name}.state`)
  if (!bytes) return undefined
  const { about, arrays } = decodeArrays(bytes)
  const { step, ...rest } = about as { step: number } & Omit<KeptState, 'state'>
  const count = arrays.length / 3
  const part = (index: number) => arrays.slice(index * count, (index + 1) * count)
  return { ...rest, state: { step, weights: part(0), first: part(1), second: part(2) } }
}

function twentieths(losses: readonly number[]): number[] {
  const parts = Math.min(20, losses.length)
  return Array.from({ length: parts }, (_, part) => {
    const piece = losses.slice(
      Math.floor((part * losses.length) / parts),
      Math.floor(((part + 1) * losses.length) / parts),
    )
    return piece.reduce((sum, loss) => sum + loss, 0) / piece.length
  })
}
