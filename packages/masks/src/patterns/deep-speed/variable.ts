// DeepSpeed's layout of windows of different lengths, chosen global blocks and random blocks.
import { checkOptions, integerTable, rangeError } from '@attn/core'
import type { OptionNames } from '@attn/core'
import { checkIntegers } from '../../check.ts'
import type { Pattern } from '../../pattern.ts'
import { blockPattern, globalBlocksOf, globalParts, layoutOf, randomParts } from './layout.ts'
import type {
  BlockPart,
  DeepSpeedAttention,
  DeepSpeedGlobalBlocks,
  DeepSpeedOptions,
} from './layout.ts'

/** DeepSpeed's `VariableSparsityConfig`. */
export interface DeepSpeedVariableOptions extends DeepSpeedOptions, DeepSpeedGlobalBlocks {
  /** Random blocks of each row of blocks. Default: 0. */
  readonly num_random_blocks?: number | undefined
  /** Blocks in each window; the last number holds for all further windows. Default: [4]. */
  readonly local_window_blocks?: readonly number[] | undefined
  /** Default: bidirectional. */
  readonly attention?: DeepSpeedAttention | undefined
  /** Whether global blocks also see all; bidirectional only. Default: false. */
  readonly horizontal_global_attention?: boolean | undefined
  /** Seed of the random blocks, which DeepSpeed draws unseeded. Default: 0. */
  readonly seed?: number | undefined
}

const deepSpeedVariableOptions: OptionNames<DeepSpeedVariableOptions> = {
  seq_len: true,
  num_heads: true,
  block: true,
  different_layout_per_head: true,
  global_block_indices: true,
  global_block_end_indices: true,
  num_random_blocks: true,
  local_window_blocks: true,
  attention: true,
  horizontal_global_attention: true,
  seed: true,
}

/**
 * In blocks: S_i = {j : window(j) = window(i)} and the global blocks and the random blocks of i; the
 * windows stand side by side with the given lengths.
 *
 * Unidirectional hides every later token, also of random blocks, which DeepSpeed draws without
 * regard to direction.
 *
 * @throws RangeError for sizes that do not fit one another, TypeError for another attention.
 *
 * @example
 * ```ts
 * import { evaluate } from '@attn/core'
 * import { deepSpeedVariable } from '@attn/masks'
 * const options = { seq_len: 12, num_heads: 1, block: 1, local_window_blocks: [2, 3] }
 * const { expression } = deepSpeedVariable(options)
 * const keys = Array.from({ length: 12 }, (_, key) => key)
 * keys.filter((key) => evaluate(expression, { head: 0, query: 6, key })) // => [0, 5, 6, 7]
 * ```
 */
export function deepSpeedVariable(options: DeepSpeedVariableOptions): Pattern {
  checkOptions('deepSpeedVariable', options, deepSpeedVariableOptions)
  const caller = 'deepSpeedVariable'
  const { local_window_blocks = [4], attention = 'bidirectional' } = options
  const { num_random_blocks = 0, seed = 0, horizontal_global_attention = false } = options
  const layout = layoutOf(caller, options, attention)
  checkIntegers(caller, 'local_window_blocks', local_window_blocks, 1)
  if (local_window_blocks.length === 0) {
    throw rangeError(`${caller}: local_window_blocks needs at least one number, got none`)
  }
  if (horizontal_global_attention && layout.unidirectional) {
    throw rangeError(
      `${caller}: horizontal_global_attention needs bidirectional attention, got unidirectional`,
    )
  }
  const windows = integerTable('localWindows', windowsOf(layout.blocks, local_window_blocks))
  const local: BlockPart = ({ query, key }) => windows.at(key).eq(windows.at(query))
  const globals = globalBlocksOf(layout, options)
  return blockPattern(layout, {
    local,
    ...globalParts('globalBlocks', globals, horizontal_global_attention),
    ...randomParts(layout, num_random_blocks, seed),
  })
}

/** The window of each block. */
function windowsOf(blocks: number, sizes: readonly number[]): Int32Array {
  const windows = new Int32Array(blocks)
  let start = 0
  for (let window = 0; start < blocks; window++) {
    const size = sizes[Math.min(window, sizes.length - 1)]!
    windows.fill(window, start, start + size)
    start += size
  }
  return windows
}
