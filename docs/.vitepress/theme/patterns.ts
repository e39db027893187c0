// The masks that pages draw, at the size they are drawn.
import type { Mask } from '@attn/core'
import {
  and,
  attentionSinks,
  bigBird,
  causal,
  document,
  fixed,
  longformer,
  prefixLm,
  slidingWindow,
  strided,
} from '@attn/masks'

export const pictureLength = 64

const masks: Readonly<Record<string, Mask>> = {
  Causal: causal(),
  'Prefix LM': prefixLm(20),
  'Packed documents': and(causal(), document({ lengths: [12, 22, 9, 21] })),
  'Sliding window': slidingWindow(11),
  'Attention sinks': attentionSinks({ sinks: 4, recent: 12 }),
  Longformer: longformer({ window: 10, globalTokens: [0, 1, 2] }),
  BigBird: bigBird({ length: pictureLength, blockSize: 4, randomBlocks: 2, seed: 5 }),
  Strided: strided(8).merged(),
  Fixed: fixed(8, { summary: 2 }).merged(),
}

export const patternNames: readonly string[] = Object.keys(masks)

export function patternNamed(name: string): Mask {
  const found = masks[name]
  if (!found) throw new Error(`MaskTiles: no pattern is called ${name}`)
  return found
}
