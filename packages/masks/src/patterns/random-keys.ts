// Random attention: each query sees a few keys drawn once and for all. A random graph brings any two
// tokens within a few steps of each other; BigBird (arXiv 2007.14062, section 2).
import { checkOptions, mask } from '@attn/core'
import type { OptionNames } from '@attn/core'
import { checkInteger } from '../check.ts'
import { patternOf } from '../pattern.ts'
import type { Pattern } from '../pattern.ts'
import { drawSubsets } from '../random/draw.ts'
import { membership } from '../sets.ts'

/** How many keys to draw, and from where. */
export interface RandomKeysOptions {
  /** Tokens in the sequence: queries, and keys unless `keyLength` says otherwise. */
  readonly length: number
  /** Keys, if not as many as queries. */
  readonly keyLength?: number | undefined
  /** r: keys each query sees, or blocks of keys each block of queries sees. */
  readonly count: number
  /** Tokens in a block. Default: 1, so that every query draws keys of its own. */
  readonly blockSize?: number | undefined
  /** Default: 0. */
  readonly seed?: number | undefined
  /** How many heads draw for themselves; head h uses draw `h mod heads`. Default: 1. */
  readonly heads?: number | undefined
  /** Draw only from the query's own block and those before it, and hide later keys. Default: false. */
  readonly causal?: boolean | undefined
}

const randomKeysOptions: OptionNames<RandomKeysOptions> = {
  length: true,
  keyLength: true,
  count: true,
  blockSize: true,
  seed: true,
  heads: true,
  causal: true,
}

/**
 * S_i = the r blocks (of one key or more) drawn for the block of i; when `causal`, those of them with
 * j <= i.
 *
 * Where there are fewer than r blocks to draw from, as for the first queries of a causal pattern,
 * all of them are seen. The draw is a function of the seed alone, the same on every machine: Philox4x32-10
 * and Floyd's sampling. Positions past `length` see what the last one sees.
 *
 * @throws RangeError when a size is not a whole number of at least 1, or the seed not one of 32 bits.
 *
 * @example
 * ```ts
 * import { compile } from '@attn/core'
 * import { randomKeys } from '@attn/masks'
 * const allows = compile(randomKeys({ length: 100, count: 3, seed: 7 }).expression)
 * const keys = Array.from({ length: 100 }, (_, key) => key)
 * keys.filter((key) => allows({ head: 0, query: 50, key })).length // => 3
 * ```
 */
export function randomKeys(options: RandomKeysOptions): Pattern {
  checkOptions('randomKeys', options, randomKeysOptions)
  const {
    length,
    keyLength = length,
    count,
    blockSize = 1,
    seed = 0,
    heads = 1,
    causal = false,
  } = options
  for (const [name, value] of Object.entries({ length, keyLength, count, blockSize, heads })) {
    checkInteger('randomKeys', name, value, 1)
  }
  checkInteger('randomKeys', 'seed', seed, 0)
  const rows = Math.ceil(length / blockSize)
  const keyBlocks = Math.ceil(keyLength / blockSize)
  const drawn = membership(
    'randomKeys',
    drawSubsets({
      rows,
      heads,
      seed,
      count,
      candidates: (row) => ({
        limit: causal ? Math.min(row + 1, keyBlocks) : keyBlocks,
        without: [],
      }),
    }),
  )
  const part = mask('random', ({ head, query, key }) => {
    const row = query.floorDiv(blockSize)
    const visible = drawn(
      heads === 1
        ? row
        : head
            .mod(heads)
            .mul(rows)
            .add(row.min(rows - 1)),
      key.floorDiv(blockSize),
    )
    return causal ? visible.and(key.le(query)) : visible
  })
  return patternOf('randomKeys', [part])
}
