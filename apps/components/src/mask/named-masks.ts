// Masks that pages name, at the size they are drawn.
import type { Mask } from '@attn/core'
import {
  and,
  attentionSinks,
  bigBird,
  causal,
  sameDocument,
  fixed,
  longformer,
  prefixLm,
  slidingWindow,
  strided,
} from '@attn/masks'

/** Tokens of their pictures. */
export const namedMaskLength = 64

/** By name, for pictures of which each token stands for `unit` tokens. */
const masks: Readonly<Record<string, (unit: number) => Mask>> = {
  Causal: () => causal(),
  'Prefix LM': (unit) => prefixLm(20 * unit),
  'Packed documents': (unit) =>
    and(causal(), sameDocument({ lengths: [12, 22, 9, 21].map((length) => length * unit) })),
  'Sliding window': (unit) => slidingWindow(12 * unit - 1),
  'Attention sinks': (unit) => attentionSinks({ sinks: 4 * unit, recent: 12 * unit }),
  Longformer: (unit) =>
    longformer({
      window: 10 * unit,
      globalTokens: Array.from({ length: 3 * unit }, (_, token) => token),
    }),
  BigBird: (unit) =>
    bigBird({ length: namedMaskLength * unit, blockSize: 4 * unit, randomBlocks: 2, seed: 5 }),
  Strided: (unit) => strided(8 * unit).merged(),
  Fixed: (unit) => fixed(8 * unit, { summary: 2 * unit }).merged(),
}

export const namedMasks: readonly string[] = Object.keys(masks)

/**
 * @param unit - Tokens that each token of the picture stands for. Default: 1.
 * @throws Error for a name that is not among {@link namedMasks}.
 */
export function namedMask(name: string, unit = 1): Mask {
  const found = masks[name]
  if (!found) throw new Error(`namedMask: no mask is called ${name}`)
  return found(unit)
}
