// The attention of a training run in the library's words (mask, score modifier, dropout), and the same
// as dense arrays for a framework that has no others.
import { compile, philox4x32 } from '@attn/core'
import type { AttentionOptions, Mask } from '@attn/core'
import { hash } from '../inputs/normal.ts'
import type { PositionModel } from '../lab/positions/methods.ts'
import type { TrainingConfiguration } from './configuration.ts'
import { maskOfLayer } from './masks.ts'

/** The mask of a layer. */
export function maskOf(configuration: TrainingConfiguration, layer: number): Mask {
  return maskOfLayer(configuration, { length: configuration.context, layer })
}

/** Which random mask a layer uses at a step: another one each time, the same for every backend. */
export function dropoutSeed(seed: number, step: number, layer: number): number {
  return hash((hash(hash(seed) + step) + layer) >>> 0)
}

/** Attention of one layer at one step, as the library takes it. */
export function attentionOptions(
  configuration: TrainingConfiguration,
  { modifier }: PositionModel,
  call: { readonly step: number; readonly layer: number },
): AttentionOptions {
  const { dropout: rate, seed } = configuration
  return {
    mask: maskOf(configuration, call.layer),
    scoreModifiers: modifier ? [modifier] : [],
    ...(rate > 0 ? { dropout: { rate, seed: dropoutSeed(seed, call.step, call.layer) } } : {}),
  }
}

/** The mask of a layer as numbers 0 and 1, `[1, H, L, L]`. */
export function denseMask(
  configuration: TrainingConfiguration,
  layer: number,
): Int32Array<ArrayBuffer> {
  const { heads, context } = configuration
  const allows = compile(maskOf(configuration, layer).expression)
  const result = new Int32Array(heads * context * context)
  let index = 0
  for (let head = 0; head < heads; head++) {
    for (let query = 0; query < context; query++) {
      for (let key = 0; key < context; key++) {
        const visible = allows({
          head,
          query,
          key,
          queryLength: context,
          keyLength: context,
          heads,
        })
        result[index++] = visible
      }
    }
  }
  return result
}

/** What dropout multiplies each probability by, `[B, H, L, L]`: the library's Philox, pair by pair. */
export function denseDropout(
  { batch, heads, context, dropout, seed }: TrainingConfiguration,
  call: { readonly step: number; readonly layer: number },
): Float32Array<ArrayBuffer> {
  const threshold = Math.min(Math.round(dropout * 2 ** 32), 2 ** 32 - 1)
  const key = [dropoutSeed(seed, call.step, call.layer), 0] as const
  const result = new Float32Array(batch * heads * context * context)
  let index = 0
  for (let plane = 0; plane < batch * heads; plane++) {
    for (let query = 0; query < context; query++) {
      for (let other = 0; other < context; other++) {
        const [word] = philox4x32([query, other, plane, 0], key)
        result[index++] = word >= threshold ? 1 / (1 - dropout) : 0
      }
    }
  }
  return result
}
