// The attention of a training run in the library's words (mask, score modifiers, dropout), and the same
// as dense arrays for a framework that has no others.
import { compile, philox4x32 } from '@attn/core'
import type { AttentionOptions, Mask, ScoreModifier } from '@attn/core'
import {
  and,
  attentionSinks,
  bigBird,
  causal,
  dilatedWindow,
  slidingWindow,
  strided,
} from '@attn/masks'
import { alibi } from '@attn/positions'
import { hash } from '../inputs/normal.ts'
import type { TrainingConfiguration } from './configuration.ts'

/** Masks by name; all of them hide later tokens, and no row is empty. */
export const maskNames = ['causal', 'window', 'strided', 'dilated', 'sinks', 'bigbird'] as const
/** The name of one. */
export type MaskName = (typeof maskNames)[number]

/** The mask of a configuration. `extent` is what the name suggests, by default a part of the context. */
export function maskOf({ mask, context, extent }: TrainingConfiguration): Mask {
  const quarter = Math.max(1, Math.floor(context / 4))
  const root = Math.max(2, Math.round(Math.sqrt(context)))
  switch (mask) {
    case 'causal':
      return causal()
    case 'window':
      return slidingWindow((extent ?? quarter) - 1)
    case 'strided':
      return strided(extent ?? root).multiHead()
    case 'dilated':
      return dilatedWindow({ left: Math.max(1, Math.floor(quarter / 2)), dilation: extent ?? 2 })
    case 'sinks':
      return attentionSinks({ recent: extent ?? quarter })
    case 'bigbird':
      return and(
        causal(),
        bigBird({
          length: context,
          blockSize: extent ?? Math.max(1, context >> 4),
          randomBlocks: 1,
        }),
      )
  }
}

/** The score modifiers of a configuration. */
export function scoreModifiersOf({ positions, heads }: TrainingConfiguration): ScoreModifier[] {
  return positions === 'alibi' ? [alibi({ heads })] : []
}

/** Which random mask a layer uses at a step: another one each time, the same for every backend. */
export function dropoutSeed(seed: number, step: number, layer: number): number {
  return hash((hash(hash(seed) + step) + layer) >>> 0)
}

/** Attention of one layer at one step, as the library takes it. */
export function attentionOptions(
  configuration: TrainingConfiguration,
  call: { readonly step: number; readonly layer: number },
): AttentionOptions {
  const { dropout: rate, seed } = configuration
  return {
    mask: maskOf(configuration),
    scoreModifiers: scoreModifiersOf(configuration),
    ...(rate > 0 ? { dropout: { rate, seed: dropoutSeed(seed, call.step, call.layer) } } : {}),
  }
}

/** The mask as numbers 0 and 1, `[1, H, L, L]`. */
export function denseMask(configuration: TrainingConfiguration): Int32Array<ArrayBuffer> {
  const { heads, context } = configuration
  const allows = compile(maskOf(configuration).expression)
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
