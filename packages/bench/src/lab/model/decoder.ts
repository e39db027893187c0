// A decoder with normalization before each part (RMSNorm) and without biases, the one of `attn train`,
// forward and backward in the kernels of wasm/. The chain rule is written out: each layer has what it did
// on a tape of its own, and goes back over it.
import { rangeError, shapeError } from '@attn/core'
import type { Arena } from '../kernels/kernels.ts'
import { createArena } from '../kernels/kernels.ts'
import { weightSpecifications } from '../../train/weights.ts'
import type { Attention } from './attention.ts'
import { placeAttention } from './attention.ts'
import { createLayer } from './layer.ts'
import type { LayerWeights } from './layer.ts'

/** The sizes of a decoder. */
export interface DecoderShape {
  /** Layers of the transformer. */
  readonly layers: number
  /** H. */
  readonly heads: number
  /** C: of the residual stream; heads of C / H numbers. */
  readonly width: number
  /** V: kinds of tokens. */
  readonly vocabulary: number
}

/** Where order comes from and who sees whom; see `createAttention`. */
export interface DecoderOptions extends DecoderShape {
  /** B: sequences at once. */
  readonly batch: number
  /** L: tokens of each. */
  readonly length: number
  /** Attention of each layer; the last one given serves the rest. */
  readonly attention: readonly Attention[]
  /** `[L, C]`, added to the embeddings of the tokens. Default: nothing. */
  readonly embeddings?: Float32Array | undefined
  /** Whether `gradients` will be asked for, which needs memory. */
  readonly training: boolean
  /** Whether the gradients of biases and embeddings are wanted. */
  readonly trainsPositions?: boolean | undefined
}

/** Gradients of what positions are made of. */
export interface PositionGradients {
  /** `[H, L, row]`, summed over sequences and layers. */
  readonly bias: Float32Array
  /** `[L, C]`. */
  readonly embeddings: Float32Array
}

/** A decoder in memory. */
export interface Decoder {
  readonly arena: Arena
  /** Byte offsets of the weights, in the order of `weightSpecifications`. */
  readonly weights: readonly number[]
  /** Numbers of each. */
  readonly counts: readonly number[]
  /** Byte offsets of their gradients; empty unless it is trained. */
  readonly gradients: readonly number[]
  writeWeights(weights: readonly Float32Array[]): void
  /** Takes other biases or embeddings of the same sizes. */
  updatePositions(biases: readonly (Float32Array | undefined)[], embeddings?: Float32Array): void
  /** -log probability of each target in nats, `[B, L]`. */
  losses(inputs: Int32Array, targets: Int32Array): Float32Array
  /** The mean loss; the gradients of it are left in `gradients`. */
  differentiate(inputs: Int32Array, targets: Int32Array): number
  positionGradients(): PositionGradients
  /** Probabilities of a layer after `losses` of a decoder that is trained, `[B, H, L, row]`. */
  probabilities(layer: number): Float32Array
}

/**
 * Makes a decoder, its weights all 0.
 *
 * @throws RangeError for a width that is not a multiple of 8 numbers a head.
 */
export async function createDecoder(options: DecoderOptions): Promise<Decoder> {
  const { layers, heads, width, vocabulary, batch, length, training } = options
  if (width % (8 * heads) !== 0) {
    throw shapeError(
      `createDecoder: width must be a multiple of 8 numbers for each head, got width=${width} heads=${heads}`,
    )
  }
  const arena = await createArena()
  const { kernels } = arena
  const tokens = batch * length
  // Products want multiples of 8 columns.
  const columns = Math.ceil(vocabulary / 8) * 8
  const counts = weightSpecifications(options, vocabulary).map(({ shape }) =>
    shape.reduce((product, size) => product * size, 1),
  )
  const weights = counts.map((count) => arena.reserve(count))
  const gradients = training ? counts.map((count) => arena.reserve(count)) : []
  const firstOfLayer = (layer: number): number => 1 + 8 * layer
  const layerWeights = (places: readonly number[], layer: number): LayerWeights => {
    const [gain, query, key, value, projection, secondGain, expand, contract] = places.slice(
      firstOfLayer(layer),
      firstOfLayer(layer + 1),
    ) as [number, number, number, number, number, number, number, number]
    return { gain, query, key, value, projection, secondGain, expand, contract }
  }
  const placed = placeAttention(arena, options.attention, options)
  const trainsPositions = training && (options.trainsPositions ?? false)
  const row = Math.ceil(length / 8) * 8
  const dBias = trainsPositions ? arena.reserve(heads * length * row) : 0
  const embeddings = options.embeddings ? arena.reserve(length * width) : 0
  const dEmbeddings = trainsPositions && embeddings ? arena.reserve(length * width) : 0
  const inputs = arena.reserve(tokens)
  const targets = arena.reserve(tokens)
  const losses = arena.reserve(tokens)
  const streams = Array.from({ length: training ? layers + 1 : 2 }, () =>
    arena.reserve(tokens * width),
  )
  const layer = createLayer(arena, { ...options, tokens, dBias })
  const tapes = Array.from({ length: training ? layers : 1 }, () => layer.createTape())
  const normal = arena.reserve(tokens * width)
  const inverses = arena.reserve(tokens)
  const logits = arena.reserve(tokens * columns)
  const matrix = arena.reserve(width * columns)
  const transposed = training ? arena.reserve(columns * width) : 0
  const dMatrix = training ? arena.reserve(width * columns) : 0
  const dStream = training ? arena.reserve(tokens * width) : 0
  const dNormal = training ? arena.reserve(tokens * width) : 0
  const tapeOf = (index: number) => tapes[training ? index : 0]!
  const streamOf = (index: number): number => streams[training ? index : index % 2]!
  const attentionOf = (index: number) => placed[Math.min(index, placed.length - 1)]!
  const [readoutGain, readoutMatrix] = [counts.length - 2, counts.length - 1] as const

  const forward = (input: Int32Array, target: Int32Array): void => {
    if (input.length !== tokens || target.length !== tokens) {
      throw rangeError(
        `Decoder: needs ${tokens} tokens and targets, got ${input.length} and ${target.length}`,
      )
    }
    arena.integers(inputs, tokens).set(input)
    arena.integers(targets, tokens).set(target)
    kernels.embed(tokens, length, width, inputs, weights[0]!, embeddings, streamOf(0))
    for (let index = 0; index < layers; index++) {
      const own = layerWeights(weights, index)
      layer.forward(own, attentionOf(index), tapeOf(index), streamOf(index), streamOf(index + 1))
    }
    kernels.normalize(tokens, width, streamOf(layers), weights[readoutGain]!, normal, inverses)
    copyRows(arena, weights[readoutMatrix]!, width, vocabulary, matrix, columns)
    kernels.product(tokens, columns, width, normal, width, 1, matrix, columns, logits, columns, 0)
  }

  const backward = (): void => {
    for (const [index, place] of gradients.entries()) arena.floats(place, counts[index]!).fill(0)
    if (dBias) arena.floats(dBias, heads * length * row).fill(0)
    if (dEmbeddings) arena.floats(dEmbeddings, length * width).fill(0)
    kernels.product(width, columns, tokens, normal, 1, width, logits, columns, dMatrix, columns, 0)
    copyRows(arena, dMatrix, width, columns, gradients[readoutMatrix]!, vocabulary)
    kernels.transpose(width, columns, matrix, columns, transposed, width)
    kernels.product(
      tokens,
      width,
      columns,
      logits,
      columns,
      1,
      transposed,
      width,
      dNormal,
      width,
      0,
    )
    arena.floats(dStream, tokens * width).fill(0)
    kernels.normalizeBackward(
      tokens,
      width,
      streamOf(layers),
      weights[readoutGain]!,
      inverses,
      dNormal,
      dStream,
      gradients[readoutGain]!,
    )
    for (let index = layers - 1; index >= 0; index--) {
      const own = layerWeights(weights, index)
      const wanted = layerWeights(gradients, index)
      layer.backward(own, wanted, attentionOf(index), tapeOf(index), streamOf(index), dStream)
    }
    kernels.embedBackward(tokens, length, width, inputs, dStream, gradients[0]!, dEmbeddings)
  }

  const decoder: Decoder = {
    arena,
    weights,
    counts,
    gradients,
    writeWeights(values) {
      values.slice(0, weights.length).forEach((numbers, index) => {
        arena.floats(weights[index]!, counts[index]!).set(numbers)
      })
    },
    updatePositions(biases, table) {
      placed.forEach(({ bias, biasCount }, index) => {
        const values = biases[Math.min(index, biases.length - 1)]
        if (bias && values) arena.floats(bias, biasCount).set(values)
      })
      if (table) arena.floats(embeddings, length * width).set(table)
    },
    losses(input, target) {
      forward(input, target)
      kernels.crossEntropy(tokens, vocabulary, columns, logits, targets, losses, 0)
      return arena.floats(losses, tokens).slice()
    },
    differentiate(input, target) {
      forward(input, target)
      kernels.crossEntropy(tokens, vocabulary, columns, logits, targets, losses, 1)
      backward()
      return arena.floats(losses, tokens).reduce((sum, loss) => sum + loss, 0) / tokens
    },
    positionGradients: () => ({
      bias: arena.floats(dBias, heads * length * row),
      embeddings: arena.floats(dEmbeddings, dEmbeddings ? length * width : 0),
    }),
    probabilities: (index) =>
      arena.floats(tapeOf(index).probabilities, batch * heads * length * row),
  }
  decoder.updatePositions(
    options.attention.map(({ bias }) => bias),
    options.embeddings,
  )
  return decoder
}

/** Copies a matrix to rows of another length; what there is more of is left alone. */
function copyRows(
  arena: Arena,
  from: number,
  rows: number,
  fromRow: number,
  to: number,
  toRow: number,
): void {
  const source = arena.floats(from, rows * fromRow)
  const target = arena.floats(to, rows * toRow)
  const count = Math.min(fromRow, toRow)
  for (let index = 0; index < rows; index++) {
    target.set(source.subarray(index * fromRow, index * fromRow + count), index * toRow)
  }
}
