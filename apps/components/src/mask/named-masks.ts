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

const masks: Readonly<Record<string, Mask>> = {
  Causal: causal(),
  'Prefix LM': prefixLm(20),
  'Packed documents': and(causal(), sameDocument({ lengths: [12, 22, 9, 21] })),
  'Sliding window': slidingWindow(11),
  'Attention sinks': attentionSinks({ sinks: 4, recent: 12 }),
  Longformer: longformer({ window: 10, globalTokens: [0, 1, 2] }),
  BigBird: bigBird({ length: namedMaskLength, blockSize: 4, randomBlocks: 2, seed: 5 }),
  Strided: strided(8).merged(),
  Fixed: fixed(8, { summary: 2 }).merged(),
}

export const namedMasks: readonly string[] = Object.keys(masks)

/** @throws Error for a name that is not among {@link namedMasks}. */
export function namedMask(name: string): Mask {
  const found = masks[name]
  if (!found) throw new Error(`namedMask: no mask is called ${name}`)
  return found
}
