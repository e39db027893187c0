// DeepSpeed's block form of fixed attention: windows of blocks side by side, of each of which the
// last blocks are global. After Sparse Transformers (arXiv 1904.10509).
import { checkOptions, integer, rangeError, shapeError } from '@attn/core'
import type { BooleanExpression, IntegerExpression, OptionNames } from '@attn/core'
import { checkInteger } from '../../check.ts'
import type { Pattern } from '../../pattern.ts'
import { blockPattern, layoutOf } from './layout.ts'
import type { BlockPart, DeepSpeedAttention, DeepSpeedOptions } from './layout.ts'

/** DeepSpeed's `FixedSparsityConfig`. */
export interface DeepSpeedFixedOptions extends DeepSpeedOptions {
  /** Blocks in a window. Default: 4. */
  readonly num_local_blocks?: number | undefined
  /** Global blocks of a window: its last ones. A divisor of `num_local_blocks`. Default: 1. */
  readonly num_global_blocks?: number | undefined
  /** Default: bidirectional. */
  readonly attention?: DeepSpeedAttention | undefined
  /** Whether global blocks also see all; bidirectional only. Default: false. */
  readonly horizontal_global_attention?: boolean | undefined
  /**
   * How many different global blocks the heads take in turn, counted from the window's end; needs
   * `different_layout_per_head`. Default: 1.
   */
  readonly num_different_global_patterns?: number | undefined
}

const deepSpeedFixedOptions: OptionNames<DeepSpeedFixedOptions> = {
  seq_len: true,
  num_heads: true,
  block: true,
  different_layout_per_head: true,
  num_local_blocks: true,
  num_global_blocks: true,
  attention: true,
  horizontal_global_attention: true,
  num_different_global_patterns: true,
}

/**
 * In blocks, with w = `num_local_blocks`, g = `num_global_blocks` and f = w - g (1 + h mod patterns):
 *
 * S_i = {j : floor(j / w) = floor(i / w)} and {j : f <= j mod w < f + g}; where the last window is
 * short, its global blocks start at its block f or g before the end, whichever comes first.
 *
 * Unidirectional hides every later *token*; DeepSpeed's layout only later blocks, and with g > 1 not
 * all of those.
 *
 * @throws RangeError for sizes that do not fit one another, TypeError for another attention.
 *
 * @example
 * ```ts
 * import { evaluate } from '@attn/core'
 * import { deepSpeedFixed } from '@attn/masks'
 * const { expression } = deepSpeedFixed({ seq_len: 12, num_heads: 1, block: 1, num_local_blocks: 4 })
 * const keys = Array.from({ length: 12 }, (_, key) => key)
 * keys.filter((key) => evaluate(expression, { head: 0, query: 5, key })) // => [3, 4, 5, 6, 7, 11]
 * ```
 */
export function deepSpeedFixed(options: DeepSpeedFixedOptions): Pattern {
  checkOptions('deepSpeedFixed', options, deepSpeedFixedOptions)
  const caller = 'deepSpeedFixed'
  const { num_local_blocks: local = 4, num_global_blocks: count = 1 } = options
  const { attention = 'bidirectional', horizontal_global_attention: horizontal = false } = options
  const { num_different_global_patterns: patterns = 1 } = options
  const layout = layoutOf(caller, options, attention)
  checkInteger(caller, 'num_local_blocks', local, 1)
  checkInteger(caller, 'num_global_blocks', count, 1)
  checkInteger(caller, 'num_different_global_patterns', patterns, 1)
  if (local % count !== 0) {
    throw shapeError(
      `${caller}: num_global_blocks must divide num_local_blocks ${local}, got ${count}`,
    )
  }
  if (horizontal && layout.unidirectional) {
    throw rangeError(
      `${caller}: horizontal_global_attention needs bidirectional attention, got unidirectional`,
    )
  }
  if (patterns > 1 && !options.different_layout_per_head) {
    throw rangeError(
      `${caller}: num_different_global_patterns needs different_layout_per_head, got ${patterns}`,
    )
  }
  if (patterns > local / count) {
    throw rangeError(
      `${caller}: num_different_global_patterns must not exceed ${local} / ${count}, got ${patterns}`,
    )
  }
  const whole = layout.blocks - (layout.blocks % local)
  const isGlobal = (head: IntegerExpression, at: IntegerExpression): BooleanExpression => {
    const first =
      patterns === 1 ? integer(local - count) : head.mod(patterns).add(1).mul(-count).add(local)
    const place = at.mod(local)
    const regular = place.ge(first).and(place.lt(first.add(count)))
    if (whole === layout.blocks) return regular
    const start = first.add(whole).min(layout.blocks - count)
    return regular.and(at.lt(whole)).or(at.ge(start).and(at.lt(start.add(count))))
  }
  const parts: Record<string, BlockPart> = {
    local: ({ query, key }) => key.floorDiv(local).eq(query.floorDiv(local)),
    globalKeys: ({ head, key }) => isGlobal(head, key),
  }
  if (horizontal) parts['globalQueries'] = ({ head, query }) => isGlobal(head, query)
  return blockPattern(layout, parts)
}
