// One layer of the decoder, forward and backward: attention, then the feed-forward part, each of them added
// to the residual stream.
import type { Arena } from '../kernels/kernels.ts'
import type { PlacedAttention } from './attention.ts'

/** Byte offsets of a layer's weights, or of their gradients. */
export interface LayerWeights {
  readonly gain: number
  readonly query: number
  readonly key: number
  readonly value: number
  readonly projection: number
  readonly secondGain: number
  readonly expand: number
  readonly contract: number
}

/** Byte offsets of what a layer did. */
export interface LayerTape {
  readonly normal: number
  readonly inverses: number
  readonly query: number
  readonly key: number
  readonly value: number
  readonly probabilities: number
  readonly found: number
  readonly joined: number
  readonly secondNormal: number
  readonly secondInverses: number
  readonly expanded: number
  readonly hidden: number
}

/** A layer, for any weights. */
export interface Layer {
  createTape(): LayerTape
  forward(
    weights: LayerWeights,
    attention: PlacedAttention,
    tape: LayerTape,
    input: number,
    output: number,
  ): void
  /** `dStream`, of the output, becomes that of the input. Gradients are overwritten. */
  backward(
    weights: LayerWeights,
    gradients: LayerWeights,
    attention: PlacedAttention,
    tape: LayerTape,
    input: number,
    dStream: number,
  ): void
}

/** Reserves what layers share. */
export function createLayer(
  arena: Arena,
  sizes: {
    readonly heads: number
    readonly width: number
    readonly batch: number
    readonly length: number
    readonly tokens: number
    readonly training: boolean
    /** `[H, L, row]`, or 0 where it is not wanted. */
    readonly dBias: number
  },
): Layer {
  const { kernels } = arena
  const { heads, width, batch, length, tokens, training, dBias } = sizes
  const dim = width / heads
  const row = Math.ceil(length / 8) * 8
  const wide = 4 * width
  const scratch = arena.reserve((dim + 32) * row)
  const reserve = (count: number): number => (training ? arena.reserve(count) : 0)
  const transposed = reserve(wide * width)
  const [dNarrow, dQuery, dKey, dValue] = Array.from({ length: 4 }, () =>
    reserve(tokens * width),
  ) as [number, number, number, number]
  const dWide = reserve(tokens * wide)

  /** out[T, n] (+)= x[T, m] w[m, n]. */
  const multiply = (
    x: number,
    m: number,
    weights: number,
    n: number,
    out: number,
    add: 0 | 1,
  ): void => kernels.product(tokens, n, m, x, m, 1, weights, n, out, n, add)
  /** dX[T, m] (+)= d[T, n] w[m, n]^T. */
  const pullBack = (
    d: number,
    n: number,
    weights: number,
    m: number,
    dX: number,
    add: 0 | 1,
  ): void => {
    kernels.transpose(m, n, weights, n, transposed, m)
    kernels.product(tokens, m, n, d, n, 1, transposed, m, dX, m, add)
  }
  /** dW[m, n] = x[T, m]^T d[T, n]. */
  const weightGradient = (x: number, m: number, d: number, n: number, out: number): void =>
    kernels.product(m, n, tokens, x, 1, m, d, n, out, n, 0)
  const turn = ({ rotary }: PlacedAttention, x: number, back: 0 | 1): void => {
    if (rotary) kernels.turn(tokens, length, heads, dim, rotary.cosines, rotary.sines, x, back)
  }

  return {
    createTape() {
      const narrow = (): number => arena.reserve(tokens * width)
      const blockOnly = !training
      return {
        normal: narrow(),
        inverses: arena.reserve(tokens),
        query: narrow(),
        key: narrow(),
        value: narrow(),
        probabilities: arena.reserve(blockOnly ? 32 * row : batch * heads * length * row),
        found: narrow(),
        joined: narrow(),
        secondNormal: narrow(),
        secondInverses: arena.reserve(tokens),
        expanded: arena.reserve(tokens * wide),
        hidden: arena.reserve(tokens * wide),
      }
    },
    forward(weights, attention, tape, input, output) {
      const { normal, query, key, value, found, joined } = tape
      kernels.normalize(tokens, width, input, weights.gain, normal, tape.inverses)
      multiply(normal, width, weights.query, width, query, 0)
      multiply(normal, width, weights.key, width, key, 0)
      multiply(normal, width, weights.value, width, value, 0)
      turn(attention, query, 0)
      turn(attention, key, 0)
      kernels.attend(
        batch,
        length,
        heads,
        dim,
        row,
        query,
        key,
        value,
        found,
        attention.bias,
        attention.biasHeads,
        attention.runs,
        attention.runHeads,
        tape.probabilities,
        training ? 1 : 0,
        scratch,
      )
      arena.floats(joined, tokens * width).set(arena.floats(input, tokens * width))
      multiply(found, width, weights.projection, width, joined, 1)
      kernels.normalize(
        tokens,
        width,
        joined,
        weights.secondGain,
        tape.secondNormal,
        tape.secondInverses,
      )
      multiply(tape.secondNormal, width, weights.expand, wide, tape.expanded, 0)
      kernels.gelu(tokens * wide, tape.expanded, tape.hidden)
      arena.floats(output, tokens * width).set(arena.floats(joined, tokens * width))
      multiply(tape.hidden, wide, weights.contract, width, output, 1)
    },
    backward(weights, gradients, attention, tape, input, dStream) {
      weightGradient(tape.hidden, wide, dStream, width, gradients.contract)
      pullBack(dStream, width, weights.contract, wide, dWide, 0)
      kernels.geluBackward(tokens * wide, tape.expanded, dWide)
      weightGradient(tape.secondNormal, width, dWide, wide, gradients.expand)
      pullBack(dWide, wide, weights.expand, width, dNarrow, 0)
      kernels.normalizeBackward(
        tokens,
        width,
        tape.joined,
        weights.secondGain,
        tape.secondInverses,
        dNarrow,
        dStream,
        gradients.secondGain,
      )
      weightGradient(tape.found, width, dStream, width, gradients.projection)
      pullBack(dStream, width, weights.projection, width, dNarrow, 0)
      kernels.attendBackward(
        batch,
        length,
        heads,
        dim,
        row,
        tape.query,
        tape.key,
        tape.value,
        dNarrow,
        attention.runs,
        attention.runHeads,
        tape.probabilities,
        dQuery,
        dKey,
        dValue,
        dBias,
        scratch,
      )
      turn(attention, dQuery, 1)
      turn(attention, dKey, 1)
      weightGradient(tape.normal, width, dQuery, width, gradients.query)
      weightGradient(tape.normal, width, dKey, width, gradients.key)
      weightGradient(tape.normal, width, dValue, width, gradients.value)
      pullBack(dQuery, width, weights.query, width, dNarrow, 0)
      pullBack(dKey, width, weights.key, width, dNarrow, 1)
      pullBack(dValue, width, weights.value, width, dNarrow, 1)
      kernels.normalizeBackward(
        tokens,
        width,
        input,
        weights.gain,
        tape.inverses,
        dNarrow,
        dStream,
        gradients.gain,
      )
    },
  }
}
