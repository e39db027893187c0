// A mask from the blocks a caller chooses: a layout of DeepSpeed, the output of a router or an
// importance estimate.
import { checkOptions, typeError } from '@attn/core'
import type { OptionNames } from '@attn/core'
import { checkInteger } from '../check.ts'
import { pattern } from '../pattern.ts'
import type { Pattern } from '../pattern.ts'
import { membership } from '../sets.ts'

/** Which blocks of pairs are visible. */
export interface MaskFromBlocksOptions {
  /** Tokens in a block. */
  readonly blockSize: number
  /** Blocks of queries. */
  readonly queryBlocks: number
  /** Blocks of keys. Default: as many. */
  readonly keyBlocks?: number | undefined
  /** How many heads have blocks of their own; head h uses those of `h mod heads`. Default: 1. */
  readonly heads?: number | undefined
  /** Hide later keys. Default: false. */
  readonly causal?: boolean | undefined
  /** Shown in messages and pictures: letters and digits. Default: `blocks`. */
  readonly name?: string | undefined
}

/** Says whether a block of queries sees a block of keys. */
export type BlockPredicate = (queryBlock: number, keyBlock: number, head: number) => boolean

const maskFromBlocksOptions: OptionNames<MaskFromBlocksOptions> = {
  blockSize: true,
  queryBlocks: true,
  keyBlocks: true,
  heads: true,
  causal: true,
  name: true,
}

/**
 * S_i = {j : visible(floor(i / b), floor(j / b), head)}. The predicate is asked once for each pair of
 * blocks, here, and never again. Queries past the last block see what that block sees; keys past the
 * last block are hidden.
 *
 * @throws RangeError when a size is not a whole number of at least 1, TypeError without a predicate.
 *
 * @example
 * ```ts
 * import { evaluate } from '@attn/core'
 * import { maskFromBlocks } from '@attn/masks'
 * const layout = [[1, 0, 0], [0, 1, 0], [1, 0, 1]]
 * const { expression } = maskFromBlocks(
 *   { blockSize: 2, queryBlocks: 3 },
 *   (queryBlock, keyBlock) => layout[queryBlock]![keyBlock] === 1,
 * )
 * const keys = [0, 1, 2, 3, 4, 5]
 * keys.filter((key) => evaluate(expression, { query: 4, key })) // => [0, 1, 4, 5]
 * ```
 */
export function maskFromBlocks(options: MaskFromBlocksOptions, visible: BlockPredicate): Pattern {
  checkOptions('maskFromBlocks', options, maskFromBlocksOptions)
  const {
    blockSize,
    queryBlocks,
    keyBlocks = queryBlocks,
    heads = 1,
    causal = false,
    name = 'blocks',
  } = options
  for (const [size, value] of Object.entries({ blockSize, queryBlocks, keyBlocks, heads })) {
    checkInteger('maskFromBlocks', size, value, 1)
  }
  if (typeof visible !== 'function') {
    throw typeError(`maskFromBlocks: visible must be a function, got ${typeof visible}`)
  }
  const offsets = new Int32Array(heads * queryBlocks + 1)
  const members: number[] = []
  for (let row = 0; row < heads * queryBlocks; row++) {
    const head = Math.floor(row / queryBlocks)
    for (let keyBlock = 0; keyBlock < keyBlocks; keyBlock++) {
      if (visible(row % queryBlocks, keyBlock, head)) members.push(keyBlock)
    }
    offsets[row + 1] = members.length
  }
  const contains = membership(name, { offsets, members: Int32Array.from(members) })
  return pattern(name, ({ head, query, key }) => {
    const row = query.floorDiv(blockSize).min(queryBlocks - 1)
    const shown = contains(
      heads === 1 ? row : head.mod(heads).mul(queryBlocks).add(row),
      key.floorDiv(blockSize),
    )
    return causal ? key.le(query).and(shown) : shown
  })
}
