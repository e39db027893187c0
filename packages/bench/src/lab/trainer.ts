// Training, step by step: draw a batch, differentiate, update (AdamW, arXiv 1711.05101, with the gradient's
// norm clipped). A step depends on the configuration, its number and the state alone, so that a run that
// was interrupted goes on to the bit as if it had not been.
import type { Mask } from '@attn/core'
import { layerMasks } from '../train/masks.ts'
import { initialWeights, weightSpecifications } from '../train/weights.ts'
import { checkLabConfiguration } from './configuration.ts'
import type { LabConfiguration } from './configuration.ts'
import { drawBatch } from './data/batches.ts'
import { biasOf, createAttention, rowOf, visiblePairs } from './model/attention.ts'
import { createDecoder } from './model/decoder.ts'
import { biasesAt, trainedBiases } from './positions/biases.ts'
import { createPositionModel } from './positions/methods.ts'
import type { PositionModel, RopeScaling } from './positions/methods.ts'

/** Weights of a model: those of the decoder in the order of `weightSpecifications`, then the positions'. */
export type LabWeights = readonly Float32Array<ArrayBuffer>[]

/** From where training goes on. */
export interface LabState {
  readonly step: number
  readonly weights: LabWeights
  /** AdamW's running means of gradients and of their squares. */
  readonly first: LabWeights
  readonly second: LabWeights
}

/** What to train. */
export interface TrainerOptions {
  readonly configuration: LabConfiguration
  /** Tokens to learn, below `vocabulary`. */
  readonly tokens: Uint16Array
  /** Different characters of the text. */
  readonly vocabulary: number
  /** Where sequences may begin: multiples of it. Default: 1, anywhere. */
  readonly stride?: number | undefined
  /** Masks of the layers, the last for all that follow; later keys are hidden. Default: its pattern's. */
  readonly masks?: readonly (Mask | undefined)[] | undefined
  /** How a rotary embedding is extended. Default: not at all. */
  readonly rope?: RopeScaling | undefined
  /** Where to go on. Default: initial weights. */
  readonly start?: LabState | undefined
}

/** A model in training. */
export interface Trainer {
  /** Steps made. */
  readonly step: number
  /** One step; returns the loss in nats a token before its update. */
  next(): number
  weights(): LabWeights
  state(): LabState
}

const firstDecay = 0.9
const secondDecay = 0.99
const weightDecay = 0.01
const largestNorm = 1
const warmUp = 50
/** What is left of the rate at the end. */
const lastRate = 0.05

/** The rate of a step, counted from 0: a ramp, then half a cosine. */
export function rateAt({ learningRate, steps }: LabConfiguration, step: number): number {
  const ramp = Math.min(1, (step + 1) / Math.min(warmUp, steps))
  const done = Math.min(1, step / steps)
  return learningRate * ramp * (lastRate + (1 - lastRate) * 0.5 * (1 + Math.cos(Math.PI * done)))
}

/**
 * A model ready to train.
 *
 * @throws RangeError for a configuration that makes no sense or tokens that do not suffice.
 *
 * @example
 * ```ts
 * import { createTrainer, defaultLabConfiguration, perplexity, readWindows } from '@attn/bench'
 * const tokens = Uint16Array.from({ length: 400 }, (_, place) => (place * place) % 7)
 * const configuration = { ...defaultLabConfiguration, layers: 1, width: 32, length: 16, batch: 4 }
 * const trainer = await createTrainer({ configuration, tokens, vocabulary: 7 })
 * const losses = Array.from({ length: 30 }, () => trainer.next())
 * losses.at(-1)! < losses[0]! / 2 // => true
 * const model = { configuration, vocabulary: 7, weights: trainer.weights() }
 * const { losses: read } = await readWindows(model, tokens, { length: 64 })
 * perplexity(read) < 3 // => true
 * ```
 */
export async function createTrainer(options: TrainerOptions): Promise<Trainer> {
  const { configuration, tokens, vocabulary, stride = 1, rope } = options
  checkLabConfiguration('createTrainer', configuration)
  const masks = options.masks ?? layerMasks(configuration.pattern, configuration)
  const { heads, width, length, seed } = configuration
  const model = createPositionModel(configuration.positions, {
    heads,
    width,
    trainedLength: length,
    seed,
    rope,
  })
  const start = options.start ?? initialState(configuration, vocabulary, model)
  const specifications = weightSpecifications(configuration, vocabulary)
  loadTables(model, start.weights.slice(specifications.length))

  const row = rowOf(length)
  const trained = trainedBiases(model, { heads, length, row })
  const visible = masks.map((mask) => mask && visiblePairs(mask, heads, length))
  const settings = masks.map((mask) => ({
    heads,
    length,
    mask,
    biases: biasesAt(model, { heads, length }),
    rotary: model.rotary?.(length),
  }))
  const attention = settings.map(createAttention)
  const embeddings = model.embeddings?.(length)
  const decoder = await createDecoder({
    ...configuration,
    vocabulary,
    attention,
    ...(embeddings ? { embeddings } : {}),
    training: true,
    trainsPositions: model.tables.length > 0,
  })
  const { arena, counts } = decoder
  const { kernels } = arena
  decoder.writeWeights(start.weights)

  const tables = model.tables.map(({ values }) => values.length)
  const allCounts = [...counts, ...tables]
  const places = [...decoder.weights, ...tables.map((count) => arena.reserve(count))]
  const gradients = [...decoder.gradients, ...tables.map((count) => arena.reserve(count))]
  const firsts = allCounts.map((count) => arena.reserve(count))
  const seconds = allCounts.map((count) => arena.reserve(count))
  const read = (pointers: readonly number[]): Float32Array<ArrayBuffer>[] =>
    pointers.map((pointer, index) => arena.floats(pointer, allCounts[index]!).slice())
  const write = (pointers: readonly number[], values: LabWeights): void =>
    values.forEach((numbers, index) => {
      arena.floats(pointers[index]!, allCounts[index]!).set(numbers)
    })
  write(places, start.weights)
  write(firsts, start.first)
  write(seconds, start.second)
  let step = start.step

  /** Brings biases and embeddings in line with their tables. */
  const refreshPositions = (): void => {
    if (model.tables.length === 0) return
    const biases = trained?.values()
    decoder.updatePositions(
      attention.map(({ bias }, index) =>
        bias && biases ? biasOf({ ...settings[index]!, biases }, visible[index], bias) : undefined,
      ),
      model.embeddings?.(length),
    )
  }
  const collectTableGradients = (): void => {
    if (model.tables.length === 0) return
    const { bias, embeddings: dEmbeddings } = decoder.positionGradients()
    const found = trained ? trained.gradients(bias) : [dEmbeddings]
    found.forEach((numbers, index) => {
      arena.floats(gradients[counts.length + index]!, numbers.length).set(numbers)
    })
  }
  const update = (): void => {
    const padded = (count: number): number => Math.ceil(count / 4) * 4
    const norm = Math.sqrt(
      gradients.reduce(
        (sum, place, index) => sum + kernels.sumOfSquares(padded(allCounts[index]!), place),
        0,
      ),
    )
    const factor = Math.min(largestNorm / (norm + 1e-6), 1)
    const rate = rateAt(configuration, step)
    allCounts.forEach((count, index) => {
      // Gains and what positions are made of are left alone, matrices shrink.
      const shrinks = (specifications[index]?.shape.length ?? 1) > 1
      kernels.adamW(
        padded(count),
        places[index]!,
        gradients[index]!,
        firsts[index]!,
        seconds[index]!,
        factor,
        rate,
        firstDecay,
        secondDecay,
        1 / (1 - firstDecay ** (step + 1)),
        1 / (1 - secondDecay ** (step + 1)),
        shrinks ? weightDecay : 0,
      )
    })
    model.tables.forEach(({ values }, index) => {
      const place = places[counts.length + index]!
      values.set(arena.floats(place, values.length))
    })
    model.clamp?.()
    model.tables.forEach(({ values }, index) => {
      arena.floats(places[counts.length + index]!, values.length).set(values)
    })
  }

  return {
    get step() {
      return step
    },
    next() {
      refreshPositions()
      const { inputs, targets } = drawBatch(tokens, {
        batch: configuration.batch,
        context: length,
        seed,
        step,
        stride,
      })
      const loss = decoder.differentiate(inputs, targets)
      if (!Number.isFinite(loss)) {
        throw new Error(`createTrainer: the loss of step ${step} is ${loss}`)
      }
      collectTableGradients()
      update()
      step++
      return loss
    },
    weights: () => read(places),
    state: () => ({ step, weights: read(places), first: read(firsts), second: read(seconds) }),
  }
}

function initialState(
  configuration: LabConfiguration,
  vocabulary: number,
  model: PositionModel,
): LabState {
  const weights = [
    ...weightSpecifications(configuration, vocabulary).map((specification, index) =>
      initialWeights(specification, index, configuration.seed),
    ),
    ...model.tables.map(({ values }) => values.slice()),
  ]
  const zeros = (): LabWeights => weights.map(({ length }) => new Float32Array(length))
  return { step: 0, weights, first: zeros(), second: zeros() }
}

/** Gives a position method its trained parameters. */
export function loadTables(model: PositionModel, values: LabWeights): void {
  model.tables.forEach((table, index) => table.values.set(values[index]!))
}
