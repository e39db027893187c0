// What a trained dense model looks at: the attention weights of its heads on a few sequences, sorted by
// `sparsityProfile` of @attn/masks into local, row, column and global. After figure 2 of Sparse Transformer
// (arXiv 1904.10509).
import { rangeError, tensor } from '@attn/core'
import type { Tensor } from '@attn/core'
import { profileSvg, sparsityProfile } from '@attn/masks'
import type { SparsityProfile } from '@attn/masks'
import { createReader } from '../evaluation.ts'
import type { TrainedModel } from '../evaluation.ts'
import { rowOf } from '../model/attention.ts'

/** What to look at. */
export interface AttentionProfileOptions {
  /** Tokens to read; sequences begin at multiples of `stride`. */
  readonly tokens: Uint16Array
  /** Default: the model's length. */
  readonly stride?: number | undefined
  /** Sequences to read. Default: 2. */
  readonly sequences?: number | undefined
  /** Pixels in a row, where the sequence is an image. */
  readonly width?: number | undefined
  /** Side of the pictures' matrices in pixels. Default: 512. */
  readonly size?: number | undefined
}

/** The profile of one layer. */
export interface LayerProfile {
  readonly layer: number
  readonly profile: SparsityProfile
  /** A picture of each head. */
  readonly pictures: readonly string[]
}

/** Profiles of all layers. */
export async function attentionProfile(
  model: TrainedModel,
  options: AttentionProfileOptions,
): Promise<LayerProfile[]> {
  const { length, heads, layers } = model.configuration
  const { tokens, stride = length, sequences = 2, width, size = 512 } = options
  const count = Math.min(sequences, Math.floor((tokens.length - length - 1) / stride) + 1)
  if (count < 1) {
    throw rangeError(`attentionProfile: needs more than ${length} tokens, got ${tokens.length}`)
  }
  const inputs = new Int32Array(count * length)
  const targets = new Int32Array(count * length)
  for (let row = 0; row < count; row++) {
    inputs.set(tokens.subarray(row * stride, row * stride + length), row * length)
    targets.set(tokens.subarray(row * stride + 1, row * stride + length + 1), row * length)
  }
  const reader = await createReader(model, { length }, count, true)
  reader.losses(inputs, targets)
  return Array.from({ length: layers }, (_, layer) => {
    const weights = withoutPadding(reader.probabilities(layer), [count, heads, length])
    const settings = width === undefined ? {} : { width }
    return {
      layer,
      profile: sparsityProfile(weights, settings),
      pictures: Array.from({ length: heads }, (__, head) =>
        profileSvg(weights, { ...settings, size, head, title: `Layer ${layer}, head ${head}` }),
      ),
    }
  })
}

/** `[B, H, L, L]` of rows that are longer; later keys, which no query sees, become 0. */
function withoutPadding(
  probabilities: Float32Array,
  [batch, heads, length]: readonly [number, number, number],
): Tensor {
  const row = rowOf(length)
  const result = new Float32Array(batch * heads * length * length)
  for (let line = 0; line < batch * heads * length; line++) {
    const seen = (line % length) + 1
    result.set(probabilities.subarray(line * row, line * row + seen), line * length)
  }
  return tensor(result, [batch, heads, length, length])
}
