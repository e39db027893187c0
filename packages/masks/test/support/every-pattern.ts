// Every pattern there is, for a sequence of a given length: what has to hold for all of them.
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
} from '../../src/index.ts'
import type { Pattern } from '../../src/index.ts'

/** Lengths that vary around `typical` and add up to `total`. */
export function lengthsOf(total: number, typical: number): number[] {
  const lengths: number[] = []
  for (let rest = total, index = 0; rest > 0; index++) {
    const length = Math.min(
      rest,
      Math.max(1, Math.round(typical * (0.5 + ((index * 7) % 11) / 10))),
    )
    lengths.push(length)
    rest -= length
  }
  return lengths
}

/** A tree of drafts: every third node starts a branch. */
export const draftOf = (nodes: number): number[] =>
  Array.from({ length: nodes }, (_, node) =>
    node === 0 ? -1 : node - 1 - (node % 3 === 0 ? 1 : 0),
  )

/** Named patterns over `length` tokens in blocks of `block`, of which `length` is a multiple. */
export function everyPattern(
  length: number,
  block: number,
): readonly (readonly [string, Pattern])[] {
  const blocks = length / block
  const deepSpeed = { seq_len: length, num_heads: 4, block }
  const varied = { ...deepSpeed, different_layout_per_head: true }
  const stride = balancedStride(length)
  const small = balancedStride(length, 3)
  const global = [0, 1, Math.floor(length / 3), Math.floor(length / 2) + 5]
  return [
    ['causal', causal()],
    ['slidingWindow', slidingWindow(2 * block)],
    ['slidingWindow, both sides', slidingWindow(block, block)],
    ['dilatedWindow', dilatedWindow({ left: 2 * block, right: block, dilation: 2 })],
    ['blockDiagonal', blockDiagonal(Math.round(1.7 * block))],
    ['prefixLm', prefixLm(3 * block + 1)],
    ['document', sameDocument({ lengths: lengthsOf(length, 4 * block) })],
    ['causal document', and(causal(), sameDocument({ lengths: lengthsOf(length, 4 * block) }))],
    [
      'sharedPrefix',
      sharedPrefix({ prefixLength: block, lengths: lengthsOf(length - block, block) }),
    ],
    ['attentionSinks', attentionSinks({ recent: 3 * block })],
    ['globalTokens', globalTokens(global)],
    ['longformer', longformer({ window: 2 * block, globalTokens: [0, 1, 2 * block] })],
    ['longformer, dilated heads', longformer({ window: 2 * block, dilation: [1, 1, 2] })],
    ['randomKeys in blocks', randomKeys({ length, count: 3, blockSize: block })],
    [
      'randomKeys, causal',
      randomKeys({ length, count: 3, blockSize: block, causal: true, heads: 2 }),
    ],
    ['bigBird', bigBird({ length, blockSize: block })],
    ['bigBird etc', bigBird({ length, blockSize: block, construction: 'etc', globalTokens: 4 })],
    ['deepSpeedFixed', deepSpeedFixed({ ...deepSpeed, horizontal_global_attention: true })],
    [
      'deepSpeedFixed, patterns',
      deepSpeedFixed({
        ...varied,
        num_local_blocks: 3,
        num_different_global_patterns: 3,
        attention: 'unidirectional',
      }),
    ],
    [
      'deepSpeedVariable',
      deepSpeedVariable({ ...varied, num_random_blocks: 2, local_window_blocks: [1, 2, 3] }),
    ],
    ['deepSpeedBSLongformer', deepSpeedBSLongformer(deepSpeed)],
    ['deepSpeedBigBird', deepSpeedBigBird({ ...deepSpeed, attention: 'unidirectional' })],
    ['deepSpeedLocalSlidingWindow', deepSpeedLocalSlidingWindow(deepSpeed)],
    ['strided', strided(stride).merged()],
    ['strided, three heads', strided(small, { heads: 3 }).multiHead()],
    ['fixed', fixed(stride, { summary: 2 }).merged()],
    ['fixed, sub-blocks', fixed(stride, { summary: 2, subBlocks: 3 }).multiHead()],
    ['axial', axial(stride).merged()],
    ['neighbourhood', neighbourhood({ height: blocks, width: block, kernel: 3 })],
    [
      'neighbourhood, cropped',
      neighbourhood({ height: blocks, width: block, kernel: 5, edges: 'crop' }),
    ],
    ['tree', tree(draftOf(2 * block), { prefixLength: length - 2 * block })],
    [
      'maskFromBlocks',
      maskFromBlocks({ blockSize: block, queryBlocks: blocks }, (q, k) => (q * k) % 97 === 1),
    ],
    ['perHead', perHead([causal(), slidingWindow(block), globalTokens(2)])],
    ['not', not(slidingWindow(block, block))],
    ['or', or(slidingWindow(block), prefixLm(3))],
    ['and', and(causal(), or(blockDiagonal(block), globalTokens(global)))],
    ['bigBirdTokens', bigBirdTokens({ length, globalTokens: 2, window: block, randomKeys: 2 })],
    ['randomKeys', randomKeys({ length, count: 2, heads: 2 })],
    [
      'maskFromMatrix',
      maskFromMatrix(
        Array.from({ length: 2 * block }, (_, i) =>
          Array.from({ length: 2 * block }, (_, j) => (i * j) % 5 === 1),
        ),
      ),
    ],
  ]
}
