// Every pattern of this package over a million tokens or so, with the parameters that its paper or
// its users would take at that length. Thunks, because drawing a million random keys is work as well.
import {
  and,
  attentionSinks,
  axial,
  balancedStride,
  bigBird,
  bigBirdTokens,
  blockDiagonal,
  causal,
  deepSpeedBigBird,
  deepSpeedBSLongformer,
  deepSpeedFixed,
  deepSpeedLocalSlidingWindow,
  deepSpeedVariable,
  dilatedWindow,
  sameDocument,
  fixed,
  globalTokens,
  longformer,
  maskFromBlocks,
  maskFromMatrix,
  neighbourhood,
  not,
  or,
  perHead,
  prefixLm,
  randomKeys,
  sharedPrefix,
  slidingWindow,
  strided,
  tree,
} from '../src/index.ts'
import type { Pattern } from '../src/index.ts'
import { draftOf, lengthsOf } from '../test/support/every-pattern.ts'

/** A pattern to plan and the heads that it is planned for. */
export interface PlannedPattern {
  readonly make: () => Pattern
  /** Default: 1. */
  readonly heads?: number
}

/** By name, for `length` tokens, a multiple of 4096. */
export function patternsOf(length: number): Readonly<Record<string, PlannedPattern>> {
  const stride = balancedStride(length)
  const cube = balancedStride(length, 3)
  const scattered = (count: number): Int32Array =>
    Int32Array.from({ length: count }, (_, place) => Math.floor(((place + 0.37) * length) / count))
  const deepSpeed = { seq_len: length, num_heads: 12 }
  const packed = lengthsOf(length, 2048)
  return {
    'causal()': { make: () => causal() },
    'slidingWindow(4096)': { make: () => slidingWindow(4096) },
    'slidingWindow(512, 512)': { make: () => slidingWindow(512, 512) },
    'dilatedWindow, d = 4': {
      make: () => dilatedWindow({ left: 512, right: 512, dilation: 4 }),
    },
    'blockDiagonal(1000)': { make: () => blockDiagonal(1000) },
    'prefixLm(4096)': { make: () => prefixLm(4096) },
    'document, 512 of about 2048': { make: () => sameDocument({ lengths: packed }) },
    'causal and document': { make: () => and(causal(), sameDocument({ lengths: packed })) },
    sharedPrefix: {
      make: () => sharedPrefix({ prefixLength: 4096, lengths: lengthsOf(length - 4096, 1024) }),
    },
    attentionSinks: { make: () => attentionSinks({ recent: 4096 }) },
    'globalTokens(64)': { make: () => globalTokens(64) },
    'globalTokens, 100 scattered': { make: () => globalTokens(scattered(100)) },
    'globalTokens, 1000 scattered': { make: () => globalTokens(scattered(1000)) },
    longformer: { make: () => longformer({ window: 512, globalTokens: scattered(16) }) },
    'longformer, dilated heads': {
      make: () => longformer({ window: 512, dilation: [1, 1, 1, 2] }),
      heads: 4,
    },
    'randomKeys, 3 single keys': { make: () => randomKeys({ length, count: 3 }) },
    'randomKeys, 3 single keys, causal': {
      make: () => randomKeys({ length, count: 3, causal: true }),
    },
    'randomKeys, 3 blocks of 64': { make: () => randomKeys({ length, count: 3, blockSize: 64 }) },
    'randomKeys, 3 blocks of 100': { make: () => randomKeys({ length, count: 3, blockSize: 100 }) },
    'randomKeys, 3 blocks of 64, causal': {
      make: () => randomKeys({ length, count: 3, blockSize: 64, causal: true }),
    },
    bigBird: { make: () => bigBird({ length }) },
    'bigBird, 12 heads of their own': { make: () => bigBird({ length, heads: 12 }), heads: 12 },
    'bigBird, etc': { make: () => bigBird({ length, construction: 'etc', globalTokens: 256 }) },
    bigBirdTokens: {
      make: () => bigBirdTokens({ length, globalTokens: 64, window: 192, randomKeys: 3 }),
    },
    'deepSpeedFixed, as DeepSpeed has it': { make: () => deepSpeedFixed(deepSpeed) },
    'deepSpeedFixed, unidirectional': {
      make: () => deepSpeedFixed({ ...deepSpeed, attention: 'unidirectional' }),
    },
    'deepSpeedFixed, 4 blocks of 64': { make: () => deepSpeedFixed({ ...deepSpeed, block: 64 }) },
    'deepSpeedFixed, 4 blocks of 64, unidirectional': {
      make: () => deepSpeedFixed({ ...deepSpeed, block: 64, attention: 'unidirectional' }),
    },
    'deepSpeedFixed, 128 blocks of 64': {
      make: () => deepSpeedFixed({ ...deepSpeed, block: 64, num_local_blocks: 128 }),
    },
    'deepSpeedFixed, 4 patterns': {
      make: () =>
        deepSpeedFixed({
          ...deepSpeed,
          block: 64,
          num_local_blocks: 128,
          different_layout_per_head: true,
          num_different_global_patterns: 4,
        }),
      heads: 4,
    },
    deepSpeedVariable: {
      make: () =>
        deepSpeedVariable({
          ...deepSpeed,
          num_random_blocks: 2,
          local_window_blocks: [1, 2, 3],
          global_block_indices: [0, 1000, 2000],
        }),
    },
    deepSpeedBSLongformer: { make: () => deepSpeedBSLongformer(deepSpeed) },
    deepSpeedBigBird: { make: () => deepSpeedBigBird(deepSpeed) },
    'deepSpeedBigBird, 12 heads of their own': {
      make: () => deepSpeedBigBird({ ...deepSpeed, block: 64, different_layout_per_head: true }),
      heads: 12,
    },
    deepSpeedLocalSlidingWindow: { make: () => deepSpeedLocalSlidingWindow(deepSpeed) },
    'strided, merged': { make: () => strided(stride).merged() },
    'strided, a head each': { make: () => strided(stride).multiHead(), heads: 2 },
    'strided, p = 3, merged': { make: () => strided(cube, { heads: 3 }).merged() },
    'strided, p = 3, a head each': {
      make: () => strided(cube, { heads: 3 }).multiHead(),
      heads: 3,
    },
    'fixed, merged': { make: () => fixed(stride, { summary: 32 }).merged() },
    'fixed, a head each, 4 sub-blocks': {
      make: () => fixed(stride, { summary: 8, subBlocks: 4 }).multiHead(),
      heads: 8,
    },
    'fixed, p = 3, merged': { make: () => fixed(cube, { heads: 3 }).merged() },
    axial: { make: () => axial(stride).merged() },
    'neighbourhood, 1024 x 1024': {
      make: () => neighbourhood({ height: stride, width: length / stride, kernel: 13 }),
    },
    'neighbourhood, 1000 wide, cropped': {
      make: () =>
        neighbourhood({
          height: Math.floor(length / 1000),
          width: 1000,
          kernel: 13,
          edges: 'crop',
        }),
    },
    'tree, 1024 drafts': {
      make: () => tree(draftOf(1024), { prefixLength: length - 1024 }),
    },
    'maskFromBlocks, 1 % of blocks': {
      make: () =>
        maskFromBlocks(
          { blockSize: 256, queryBlocks: length / 256 },
          (query, key) => (query * key) % 97 === 1,
        ),
    },
    'maskFromMatrix, 2048 x 2048': {
      make: () =>
        maskFromMatrix(
          Array.from({ length: 2048 }, (_, query) =>
            Uint8Array.from({ length: 2048 }, (_, key) => (query * key) % 5),
          ),
        ),
    },
    perHead: {
      make: () => perHead([causal(), slidingWindow(4096), globalTokens(64)]),
      heads: 3,
    },
    'not(slidingWindow)': { make: () => not(slidingWindow(512, 512)) },
    or: { make: () => or(slidingWindow(512), prefixLm(64)) },
    and: {
      make: () => and(causal(), or(blockDiagonal(1024), globalTokens(scattered(100)))),
    },
  }
}
