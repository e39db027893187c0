// Every pattern of @attn/masks, and masks handed over as tensors, by name. The numbers of a pattern are
// drawn once; tables are as large as the call they are built for.
import { mask, maskFromTensor } from '../../packages/core/src/index.ts'
import type { AttentionShape, Mask } from '../../packages/core/src/index.ts'
import {
  attentionSinks,
  axial,
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
  prefixLm,
  randomKeys,
  sharedPrefix,
  slidingWindow,
  strided,
  tree,
} from '../../packages/masks/src/index.ts'
import type { Chooser } from './chooser.ts'

/** How a pattern is drawn and built. */
export interface PatternKind {
  /** Draws the numbers. */
  readonly draw: (choose: Chooser) => readonly number[]
  /** Builds the mask for a call; `choose` repeats what tables hold. */
  readonly build: (numbers: readonly number[], shape: AttentionShape, choose: Chooser) => Mask
  /**
   * Whether it needs each query at a position among the keys, as with the offset of the default and no
   * more queries than keys, in sequences that are not packed. Default: false.
   */
  readonly bounded?: true
}

const some = (choose: Chooser, count: number, make: () => number): number[] =>
  Array.from({ length: count }, make)

/** Increasing document numbers, or document numbers in any order with padding. */
function documents(choose: Chooser, length: number): number[] {
  const inOrder = choose.chance(0.6)
  let current = 0
  return some(choose, length, () => {
    if (inOrder) return (current += choose.chance(0.08) ? 1 : 0)
    return choose.integer(-1, 4)
  })
}

/** The length of a layout of DeepSpeed's: a multiple of its blocks, at least that of the call. */
const inBlocks = ({ keyLength }: AttentionShape, block: number): number =>
  Math.ceil(keyLength / block) * block

const direction = (number: number) => (number === 0 ? 'unidirectional' : 'bidirectional')

/** The patterns by their names. */
export const patternKinds: Readonly<Record<string, PatternKind>> = {
  causal: { draw: () => [], build: () => causal() },
  slidingWindow: {
    draw: (choose) => [choose.small(1, 80), choose.integer(0, 9)],
    build: ([left, right]) => slidingWindow(left!, right),
  },
  dilatedWindow: {
    draw: (choose) => [choose.small(1, 12), choose.integer(0, 3), choose.integer(2, 5)],
    build: ([left, right, dilation]) =>
      dilatedWindow({ left: left!, right: right!, dilation: dilation! }),
  },
  attentionSinks: {
    draw: (choose) => [choose.integer(1, 6), choose.small(1, 60)],
    build: ([sinks, recent]) => attentionSinks({ sinks: sinks!, recent: recent! }),
  },
  prefixLm: {
    draw: (choose) => [choose.small(1, 60)],
    build: ([prefix]) => prefixLm(prefix!),
  },
  prefixBySequence: {
    draw: () => [],
    build: (_, { batch, keyLength }, choose) =>
      prefixLm(some(choose, batch, () => choose.integer(0, keyLength))),
  },
  strided: {
    draw: (choose) => [choose.of([3, 8, 16, 64]), choose.integer(0, 1)],
    build: ([stride, separate]) =>
      separate === 1 ? strided(stride!).multiHead() : strided(stride!).merged(),
  },
  fixed: {
    draw: (choose) => [choose.of([4, 16, 64]), choose.integer(1, 3), choose.integer(0, 1)],
    build: ([stride, summary, separate]) => {
      const pattern = fixed(stride!, { summary: summary! })
      return separate === 1 ? pattern.multiHead() : pattern.merged()
    },
  },
  axial: {
    draw: (choose) => [choose.of([5, 16])],
    build: ([width]) => axial(width!).merged(),
  },
  globalTokens: {
    draw: (choose) => [choose.integer(1, 4)],
    build: ([count]) => globalTokens(count!),
  },
  longformer: {
    draw: (choose) => [2 * choose.small(1, 20), choose.integer(1, 3)],
    build: ([window, dilation]) =>
      longformer({ window: window!, dilation: dilation!, globalTokens: [0, 7] }),
  },
  blockDiagonal: {
    draw: (choose) => [choose.small(2, 70)],
    build: ([size]) => blockDiagonal(size!),
  },
  neighbourhood: {
    draw: (choose) => [choose.of([5, 9]), choose.of([3, 5]), choose.integer(0, 1)],
    build: ([width, kernel, crop], { keyLength }) =>
      neighbourhood({
        height: Math.max(kernel!, Math.ceil(keyLength / width!)),
        width: width!,
        kernel: kernel!,
        edges: crop === 1 ? 'crop' : 'shift',
      }),
    bounded: true,
  },
  bigBird: {
    draw: (choose) => [choose.of([4, 16]), choose.integer(1, 2)],
    build: ([blockSize, randomBlocks], { keyLength }) =>
      bigBird({ length: keyLength, blockSize: blockSize!, randomBlocks: randomBlocks! }),
    bounded: true,
  },
  bigBirdTokens: {
    draw: (choose) => [choose.integer(1, 3), choose.integer(1, 4)],
    build: ([globals, random], { keyLength }) =>
      bigBirdTokens({ length: keyLength, globalTokens: globals!, window: 4, randomKeys: random! }),
    bounded: true,
  },
  randomKeys: {
    draw: (choose) => [choose.integer(1, 8), choose.of([1, 4]), choose.integer(0, 1)],
    build: ([count, blockSize, isCausal], { keyLength }) =>
      randomKeys({
        length: keyLength,
        count: count!,
        blockSize: blockSize!,
        causal: isCausal === 1,
      }),
    bounded: true,
  },
  document: {
    draw: () => [],
    build: (_, { keyLength }, choose) => sameDocument({ ids: documents(choose, keyLength) }),
    bounded: true,
  },
  documentBySequence: {
    draw: () => [],
    build: (_, { batch, keyLength }, choose) =>
      sameDocument({ ids: Array.from({ length: batch }, () => documents(choose, keyLength)) }),
    bounded: true,
  },
  sharedPrefix: {
    draw: (choose) => [choose.small(1, 20)],
    build: ([prefix], { keyLength }, choose) => {
      const lengths: number[] = []
      for (let left = Math.max(1, keyLength - prefix!); left > 0; left -= lengths.at(-1)!) {
        lengths.push(Math.min(left, choose.small(1, 60)))
      }
      return sharedPrefix({ prefixLength: Math.min(prefix!, keyLength - 1), lengths })
    },
    bounded: true,
  },
  tree: {
    draw: (choose) => [choose.integer(0, 1)],
    build: ([prefixed], { queryLength, keyLength }, choose) => {
      const prefixLength = prefixed === 1 ? keyLength - queryLength : 0
      const parents = Array.from({ length: keyLength - prefixLength }, (_, node) =>
        choose.integer(-1, node - 1),
      )
      return tree(parents, { prefixLength })
    },
    bounded: true,
  },
  deepSpeedFixed: {
    draw: (choose) => [choose.of([4, 16]), choose.integer(0, 1)],
    build: ([block, side], shape) =>
      deepSpeedFixed({
        seq_len: inBlocks(shape, block! * 4),
        num_heads: shape.heads,
        block: block!,
        attention: direction(side!),
      }),
    bounded: true,
  },
  deepSpeedVariable: {
    draw: (choose) => [choose.of([4, 16]), choose.integer(0, 1)],
    build: ([block, side], shape) =>
      deepSpeedVariable({
        seq_len: inBlocks(shape, block!),
        num_heads: shape.heads,
        block: block!,
        attention: direction(side!),
      }),
    bounded: true,
  },
  deepSpeedBigBird: {
    draw: (choose) => [choose.of([4, 16])],
    build: ([block], shape) =>
      deepSpeedBigBird({
        seq_len: Math.max(inBlocks(shape, block!), 5 * block!),
        num_heads: shape.heads,
        block: block!,
      }),
    bounded: true,
  },
  deepSpeedBSLongformer: {
    draw: (choose) => [choose.of([4, 16])],
    build: ([block], shape) =>
      deepSpeedBSLongformer({
        seq_len: Math.max(inBlocks(shape, block!), 5 * block!),
        num_heads: shape.heads,
        block: block!,
      }),
    bounded: true,
  },
  deepSpeedLocalSlidingWindow: {
    draw: (choose) => [choose.of([4, 16])],
    build: ([block], shape) =>
      deepSpeedLocalSlidingWindow({
        seq_len: Math.max(inBlocks(shape, block!), 5 * block!),
        num_heads: shape.heads,
        block: block!,
      }),
    bounded: true,
  },
  blocks: {
    draw: (choose) => [choose.of([3, 16]), choose.integer(0, 1)],
    build: ([blockSize, byHead], { keyLength, heads }, choose) =>
      maskFromBlocks(
        {
          blockSize: blockSize!,
          queryBlocks: Math.ceil(keyLength / blockSize!),
          heads: byHead === 1 ? heads : 1,
        },
        () => choose.chance(0.5),
      ),
    bounded: true,
  },
  matrix: {
    draw: () => [],
    build: (_, { keyLength }, choose) =>
      maskFromMatrix(
        Array.from({ length: keyLength }, () =>
          some(choose, keyLength, () => choose.integer(0, 1)),
        ),
      ),
    bounded: true,
  },
  tensor: {
    // Which axes repeat.
    draw: (choose) => some(choose, 4, () => choose.integer(0, 1)),
    build: (repeated, { batch, heads, queryLength, keyLength }, choose) => {
      const sizes = [batch, heads, queryLength, keyLength].map((size, axis) =>
        repeated[axis] === 1 ? 1 : size,
      ) as [number, number, number, number]
      const share = choose.of([0.1, 0.7])
      const count = sizes.reduce((product, size) => product * size, 1)
      return maskFromTensor(
        some(choose, count, () => Number(choose.chance(share))),
        sizes,
      )
    },
  },
  distantPast: {
    draw: () => [],
    build: () => mask('distantPast', ({ query, key }) => key.lt(query.sub(2))),
  },
  nothing: { draw: () => [], build: () => mask('nothing', ({ key }) => key.lt(-1)) },
}
