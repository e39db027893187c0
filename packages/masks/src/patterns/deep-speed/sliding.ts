// DeepSpeed's three layouts around a sliding window of blocks: alone, with global blocks (after
// Longformer, arXiv 2004.05150), and with random ones besides (after BigBird, arXiv 2007.14062).
import { checkOptions, rangeError } from '@attn/core'
import type { OptionNames } from '@attn/core'
import { checkInteger } from '../../check.ts'
import type { Pattern } from '../../pattern.ts'
import {
  blockPattern,
  globalBlocksOf,
  globalParts,
  layoutOf,
  randomParts,
  slidingBlocks,
} from './layout.ts'
import type { DeepSpeedAttention, DeepSpeedGlobalBlocks, DeepSpeedOptions } from './layout.ts'

/** DeepSpeed's `LocalSlidingWindowSparsityConfig`. */
export interface DeepSpeedLocalSlidingWindowOptions extends DeepSpeedOptions {
  /** Blocks in the window: `floor(n / 2)` on each side of the query's own. Default: 3. */
  readonly num_sliding_window_blocks?: number | undefined
  /** Default: unidirectional. */
  readonly attention?: DeepSpeedAttention | undefined
}

const deepSpeedLocalSlidingWindowOptions: OptionNames<DeepSpeedLocalSlidingWindowOptions> = {
  seq_len: true,
  num_heads: true,
  block: true,
  different_layout_per_head: true,
  num_sliding_window_blocks: true,
  attention: true,
}

/**
 * In blocks: S_i = {j : |i - j| <= floor(window / 2)}; unidirectional hides every later token.
 *
 * A unidirectional window is therefore `floor(window / 2) + 1` blocks long, not `window`.
 *
 * @throws RangeError for sizes that do not fit one another, TypeError for another attention.
 *
 * @example
 * ```ts
 * import { evaluate } from '@attn/core'
 * import { deepSpeedLocalSlidingWindow } from '@attn/masks'
 * const { expression } = deepSpeedLocalSlidingWindow({ seq_len: 8, num_heads: 1, block: 2 })
 * const keys = [0, 1, 2, 3, 4, 5, 6, 7]
 * keys.filter((key) => evaluate(expression, { query: 4, key })) // => [2, 3, 4]
 * ```
 */
export function deepSpeedLocalSlidingWindow(options: DeepSpeedLocalSlidingWindowOptions): Pattern {
  checkOptions('deepSpeedLocalSlidingWindow', options, deepSpeedLocalSlidingWindowOptions)
  const { num_sliding_window_blocks = 3, attention = 'unidirectional' } = options
  const layout = layoutOf('deepSpeedLocalSlidingWindow', options, attention)
  return blockPattern(layout, { window: slidingBlocks(layout, num_sliding_window_blocks) })
}

/** DeepSpeed's `BSLongformerSparsityConfig`. */
export interface DeepSpeedBSLongformerOptions extends DeepSpeedOptions, DeepSpeedGlobalBlocks {
  /** Blocks in the window: `floor(n / 2)` on each side of the query's own. Default: 3. */
  readonly num_sliding_window_blocks?: number | undefined
  /** Default: bidirectional. */
  readonly attention?: DeepSpeedAttention | undefined
}

const deepSpeedBSLongformerOptions: OptionNames<DeepSpeedBSLongformerOptions> = {
  seq_len: true,
  num_heads: true,
  block: true,
  different_layout_per_head: true,
  global_block_indices: true,
  global_block_end_indices: true,
  num_sliding_window_blocks: true,
  attention: true,
}

/**
 * In blocks: S_i = {j : |i - j| <= floor(window / 2)} and the pairs in which i or j is global;
 * unidirectional hides every later token.
 *
 * @throws RangeError for sizes that do not fit one another, TypeError for another attention.
 *
 * @example
 * ```ts
 * import { evaluate } from '@attn/core'
 * import { deepSpeedBSLongformer } from '@attn/masks'
 * const { expression } = deepSpeedBSLongformer({ seq_len: 8, num_heads: 1, block: 1 })
 * const keys = [0, 1, 2, 3, 4, 5, 6, 7]
 * keys.filter((key) => evaluate(expression, { query: 4, key })) // => [0, 3, 4, 5]
 * ```
 */
export function deepSpeedBSLongformer(options: DeepSpeedBSLongformerOptions): Pattern {
  checkOptions('deepSpeedBSLongformer', options, deepSpeedBSLongformerOptions)
  const { num_sliding_window_blocks = 3, attention = 'bidirectional' } = options
  const layout = layoutOf('deepSpeedBSLongformer', options, attention)
  return blockPattern(layout, {
    window: slidingBlocks(layout, num_sliding_window_blocks),
    ...globalParts('globalBlocks', globalBlocksOf(layout, options), true),
  })
}

/** DeepSpeed's `BigBirdSparsityConfig`. */
export interface DeepSpeedBigBirdOptions extends DeepSpeedOptions {
  /** Random blocks of each row of blocks. Default: 1. */
  readonly num_random_blocks?: number | undefined
  /** Blocks in the window: `floor(n / 2)` on each side of the query's own. Default: 3. */
  readonly num_sliding_window_blocks?: number | undefined
  /** Global blocks: the first ones; unlike BigBird's own code, not the last. Default: 1. */
  readonly num_global_blocks?: number | undefined
  /** Default: bidirectional. */
  readonly attention?: DeepSpeedAttention | undefined
  /** Seed of the random blocks, which DeepSpeed draws unseeded. Default: 0. */
  readonly seed?: number | undefined
}

const deepSpeedBigBirdOptions: OptionNames<DeepSpeedBigBirdOptions> = {
  seq_len: true,
  num_heads: true,
  block: true,
  different_layout_per_head: true,
  num_random_blocks: true,
  num_sliding_window_blocks: true,
  num_global_blocks: true,
  attention: true,
  seed: true,
}

/**
 * In blocks: S_i = {j : |i - j| <= floor(window / 2)} and the pairs in which i or j is below
 * `num_global_blocks` and the random blocks of i, which may fall on blocks that are visible anyway;
 * unidirectional hides every later token.
 *
 * @throws RangeError for sizes that do not fit one another, TypeError for another attention.
 *
 * @example
 * ```ts
 * import { evaluate } from '@attn/core'
 * import { deepSpeedBigBird } from '@attn/masks'
 * const options = { seq_len: 64, num_heads: 1, block: 1, num_random_blocks: 2 }
 * const { components } = deepSpeedBigBird(options)
 * const random = components.at(-1)!
 * const keys = Array.from({ length: 64 }, (_, key) => key)
 * keys.filter((key) => evaluate(random.expression, { query: 9, key })).length // => 2
 * ```
 */
export function deepSpeedBigBird(options: DeepSpeedBigBirdOptions): Pattern {
  checkOptions('deepSpeedBigBird', options, deepSpeedBigBirdOptions)
  const caller = 'deepSpeedBigBird'
  const { num_sliding_window_blocks = 3, num_global_blocks = 1, seed = 0 } = options
  const { num_random_blocks = 1, attention = 'bidirectional' } = options
  const layout = layoutOf(caller, options, attention)
  checkInteger(caller, 'num_global_blocks', num_global_blocks, 0)
  if (num_global_blocks > layout.blocks) {
    throw rangeError(
      `${caller}: num_global_blocks must not exceed the ${layout.blocks} blocks, got ${num_global_blocks}`,
    )
  }
  const globals = Array.from({ length: num_global_blocks }, (_, block) => block)
  return blockPattern(layout, {
    window: slidingBlocks(layout, num_sliding_window_blocks),
    ...globalParts('globalBlocks', globals, true),
    ...randomParts(layout, num_random_blocks, seed),
  })
}
