// Evaluation at any length: the perplexity of a trained model on windows of text, the loss by the place in
// the window, and of the last token of windows that slide by one, which all have the whole context.
import { rangeError } from '@attn/core'
import type { Mask } from '@attn/core'
import { layerMasks } from '../train/masks.ts'
import { weightSpecifications } from '../train/weights.ts'
import type { LabConfiguration } from './configuration.ts'
import { createAttention } from './model/attention.ts'
import { createDecoder } from './model/decoder.ts'
import type { Decoder } from './model/decoder.ts'
import { biasesAt } from './positions/biases.ts'
import { createPositionModel } from './positions/methods.ts'
import type { PositionModel, RopeScaling } from './positions/methods.ts'
import { loadTables } from './trainer.ts'
import type { LabWeights } from './trainer.ts'

/** What is evaluated. */
export interface TrainedModel {
  readonly configuration: LabConfiguration
  readonly vocabulary: number
  readonly weights: LabWeights
}

/** How the model reads the text. */
export interface ReadingOptions {
  /** Tokens of a window. */
  readonly length: number
  /** From where to where the next window is. Default: its length. */
  readonly stride?: number | undefined
  /** Masks of the layers, the last for all that follow. Default: those of the model's pattern. */
  readonly masks?: readonly (Mask | undefined)[] | undefined
  /** How a rotary embedding is extended. Default: not at all. */
  readonly rope?: RopeScaling | undefined
}

/** Losses of windows of one length. */
export interface WindowLosses {
  readonly length: number
  /** -log probability in nats of each token, window by window, `[windows, length]`. */
  readonly losses: Float32Array
}

/** Tokens that a pass takes, at least a window. */
const tokensAtOnce = 2048

/**
 * Reads windows that do not overlap: window w takes tokens w * stride .. and predicts each one's follower.
 *
 * @param tokens - Held-out text.
 * @throws RangeError when the text is shorter than a window and one token.
 */
export async function readWindows(
  model: TrainedModel,
  tokens: Uint16Array,
  reading: ReadingOptions,
): Promise<WindowLosses> {
  const { length, stride = length } = reading
  const windows = Math.floor((tokens.length - length - 1) / stride) + 1
  if (windows < 1) {
    throw rangeError(
      `readWindows: the text must hold more than ${length} tokens, got ${tokens.length}`,
    )
  }
  const starts = Array.from({ length: windows }, (_, window) => window * stride)
  return { length, losses: await readAt(model, tokens, starts, reading) }
}

/** The mean of losses as perplexity: e to the mean loss. */
export function perplexity(losses: Float32Array): number {
  return Math.exp(losses.reduce((sum, loss) => sum + loss, 0) / losses.length)
}

/** The mean loss at places 0 .. of the window, in buckets of so many tokens. */
export function lossByPlace({ length, losses }: WindowLosses, bucket: number): number[] {
  const buckets = Math.ceil(length / bucket)
  const sums = new Float64Array(buckets)
  const counts = new Float64Array(buckets)
  losses.forEach((loss, index) => {
    const place = Math.floor((index % length) / bucket)
    sums[place]! += loss
    counts[place]! += 1
  })
  return Array.from(sums, (sum, place) => sum / counts[place]!)
}

/**
 * Perplexity of the last token of windows that slide by one token: each has `length - 1` tokens of context,
 * so that no token lacks it (ALiBi, arXiv 2108.12409, appendix B).
 *
 * @param targets - Tokens that are predicted: `tokens[first .. first + count - 1]`, with `first` at least
 *   the length, so that all lengths may predict the same ones.
 */
export async function slidingPerplexity(
  model: TrainedModel,
  tokens: Uint16Array,
  reading: ReadingOptions,
  targets: { readonly first: number; readonly count: number },
): Promise<number> {
  const { length } = reading
  if (targets.first < length || targets.first + targets.count > tokens.length) {
    throw rangeError(
      `slidingPerplexity: targets must lie in ${length} .. ${tokens.length}, got ${targets.first} .. ${targets.first + targets.count}`,
    )
  }
  const starts = Array.from({ length: targets.count }, (_, index) => targets.first + index - length)
  const losses = await readAt(model, tokens, starts, reading)
  return perplexity(losses.filter((_, index) => index % length === length - 1))
}

/** Losses of windows that begin at given places, in their order. */
async function readAt(
  model: TrainedModel,
  tokens: Uint16Array,
  starts: readonly number[],
  reading: ReadingOptions,
): Promise<Float32Array> {
  const { length } = reading
  const batch = Math.max(1, Math.min(starts.length, Math.floor(tokensAtOnce / length)))
  const decoder = await createReader(model, reading, batch)
  const result = new Float32Array(starts.length * length)
  const inputs = new Int32Array(batch * length)
  const targets = new Int32Array(batch * length)
  for (let from = 0; from < starts.length; from += batch) {
    // The last pass may read windows again that count no more.
    for (let row = 0; row < batch; row++) {
      const start = starts[Math.min(from + row, starts.length - 1)]!
      inputs.set(tokens.subarray(start, start + length), row * length)
      targets.set(tokens.subarray(start + 1, start + length + 1), row * length)
    }
    const count = Math.min(batch, starts.length - from) * length
    result.set(decoder.losses(inputs, targets).subarray(0, count), from * length)
  }
  return result
}

/**
 * A decoder with a trained model's weights.
 *
 * @param keepProbabilities - Whether `probabilities` will be asked for. Default: false.
 */
export async function createReader(
  { configuration, vocabulary, weights }: TrainedModel,
  { length, rope, ...reading }: ReadingOptions,
  batch: number,
  keepProbabilities = false,
): Promise<Decoder> {
  const { heads, width, seed, layers } = configuration
  const masks = reading.masks ?? layerMasks(configuration.pattern, { length, layers })
  const model: PositionModel = createPositionModel(configuration.positions, {
    heads,
    width,
    trainedLength: configuration.length,
    seed,
    rope,
  })
  loadTables(model, weights.slice(weightSpecifications(configuration, vocabulary).length))
  const biases = biasesAt(model, { heads, length })
  const rotary = model.rotary?.(length)
  const embeddings = model.embeddings?.(length)
  const decoder = await createDecoder({
    ...configuration,
    batch,
    length,
    vocabulary,
    attention: masks.map((mask) => createAttention({ heads, length, mask, biases, rotary })),
    ...(embeddings ? { embeddings } : {}),
    training: keepProbabilities,
  })
  decoder.writeWeights(weights)
  return decoder
}
