// BigBird: window, global and random blocks, which keep the reach of full attention at linear cost.
// "Big Bird: Transformers for Longer Sequences" (arXiv 2007.14062, section 2 and appendix D).
import { checkOptions, mask, rangeError, typeError } from '@attn/core'
import type { BooleanExpression, IntegerExpression, Mask, OptionNames } from '@attn/core'
import { checkInteger } from '../check.ts'
import { patternOf } from '../pattern.ts'
import type { Pattern } from '../pattern.ts'
import { drawSubsets } from '../random/draw.ts'
import type { Lists, Span } from '../random/draw.ts'
import { membership, mergeSpans } from '../sets.ts'

/** BigBird's choices in blocks. */
export interface BigBirdOptions {
  /** n: all tokens. The last block may be short. */
  readonly length: number
  /** b: tokens in a block. Default: 64. */
  readonly blockSize?: number | undefined
  /** Blocks in the window, the query's own in the middle; odd. Default: 3. */
  readonly windowBlocks?: number | undefined
  /** r: random blocks for each block of queries. Default: 3 for `itc`, 0 for `etc`. */
  readonly randomBlocks?: number | undefined
  /**
   * `itc` (internal transformer construction): the first and the last block are global. `etc`
   * (extended): the first `globalTokens` positions are extra tokens, which are global, and the blocks
   * begin after them. Default: `itc`.
   */
  readonly construction?: 'itc' | 'etc' | undefined
  /** g: extra tokens; only with `etc`. */
  readonly globalTokens?: number | undefined
  /** Default: 0. Give each layer another one. */
  readonly seed?: number | undefined
  /** How many heads draw for themselves; head h uses draw `h mod heads`. Default: 1. */
  readonly heads?: number | undefined
}

const bigBirdOptions: OptionNames<BigBirdOptions> = {
  length: true,
  blockSize: true,
  windowBlocks: true,
  randomBlocks: true,
  construction: true,
  globalTokens: true,
  seed: true,
  heads: true,
}

/**
 * (i, j) is visible if the blocks of i and j are at most (window - 1) / 2 apart, or i or j is global,
 * or the block of j is one of the r drawn for the block of i. Bidirectional.
 *
 * What others do and this does not: the random blocks are drawn from *all* blocks outside the
 * window and the global ones (Google's and Hugging Face's plan draws from the first 2r + 5 only,
 * at length 1024, 3072 and 4096 from the first 1024 tokens); the same draw serves training and
 * inference (Hugging Face uses block 0 r times at inference, and counts it r + 1 times in the
 * softmax); hidden pairs get weight 0 and not a penalty of -10000; sequences of up to (5 + 2r) b
 * tokens are not switched to full attention, they just have fewer blocks to draw from; seeds are
 * local, not numpy's global one.
 *
 * @throws RangeError when a number is not whole or too small, or the window is even; TypeError for
 *   another construction.
 *
 * @example
 * ```ts
 * import { compile } from '@attn/core'
 * import { bigBird } from '@attn/masks'
 * const pattern = bigBird({ length: 1024, blockSize: 64, randomBlocks: 3, seed: 1 })
 * pattern.components.map(({ name }) => name) // => ['globalKeys', 'globalQueries', 'window', 'random']
 * const allows = compile(pattern.expression)
 * const keys = Array.from({ length: 1024 }, (_, key) => key)
 * keys.filter((key) => allows({ head: 0, query: 512, key })).length / 64 // => 8
 * ```
 */
export function bigBird(options: BigBirdOptions): Pattern {
  checkOptions('bigBird', options, bigBirdOptions)
  const { length, blockSize, windowBlocks, randomBlocks, extra, seed, heads, isEtc } =
    checked(options)
  const blocks = Math.ceil((length - extra) / blockSize)
  const reach = (windowBlocks - 1) / 2
  const block = (position: IntegerExpression): IntegerExpression =>
    (extra === 0 ? position : position.sub(extra)).floorDiv(blockSize)
  const isGlobal = (position: IntegerExpression): BooleanExpression =>
    isEtc ? position.lt(extra) : position.lt(blockSize).or(position.ge((blocks - 1) * blockSize))

  const parts: Mask[] = [
    mask('globalKeys', ({ key }) => isGlobal(key)),
    mask('globalQueries', ({ query }) => isGlobal(query)),
    mask('window', ({ query, key }) => block(key).sub(block(query)).abs().le(reach)),
  ]
  if (randomBlocks > 0) {
    const plan = randomPlan({ blocks, reach, randomBlocks, seed, heads, isEtc })
    const drawn = membership('bigBirdPlan', plan)
    parts.push(
      mask('random', ({ head, query, key }) => {
        const row = block(query)
          .max(0)
          .min(blocks - 1)
        return drawn(heads === 1 ? row : head.mod(heads).mul(blocks).add(row), block(key))
      }),
    )
  }
  return patternOf('bigBird', parts)
}

interface Plan {
  readonly blocks: number
  readonly reach: number
  readonly randomBlocks: number
  readonly seed: number
  readonly heads: number
  readonly isEtc: boolean
}

function randomPlan({ blocks, reach, randomBlocks, seed, heads, isEtc }: Plan): Lists {
  const globals: Span[] = isEtc
    ? []
    : [
        { start: 0, end: 1 },
        { start: blocks - 1, end: blocks },
      ]
  return drawSubsets({
    rows: blocks,
    heads,
    seed,
    count: randomBlocks,
    candidates: (row) => {
      const seesAll = !isEtc && (row === 0 || row === blocks - 1)
      const window = { start: row - reach, end: row + reach + 1 }
      return { limit: seesAll ? 0 : blocks, without: mergeSpans([window, ...globals], blocks) }
    },
  })
}

function checked(options: BigBirdOptions) {
  const { length, construction = 'itc', globalTokens } = options
  const { blockSize = 64, windowBlocks = 3, seed = 0, heads = 1 } = options
  if (construction !== 'itc' && construction !== 'etc') {
    throw typeError(`bigBird: construction must be 'itc' or 'etc', got ${String(construction)}`)
  }
  const isEtc = construction === 'etc'
  const { randomBlocks = isEtc ? 0 : 3 } = options
  for (const [name, value] of Object.entries({ length, blockSize, windowBlocks, heads })) {
    checkInteger('bigBird', name, value, 1)
  }
  checkInteger('bigBird', 'randomBlocks', randomBlocks, 0)
  checkInteger('bigBird', 'seed', seed, 0)
  if (windowBlocks % 2 === 0) {
    throw rangeError(`bigBird: windowBlocks must be odd, got ${windowBlocks}`)
  }
  if (isEtc) checkInteger('bigBird', 'globalTokens', globalTokens ?? Number.NaN, 1)
  else if (globalTokens !== undefined) {
    throw rangeError("bigBird: globalTokens needs construction: 'etc', got 'itc'")
  }
  const extra = globalTokens ?? 0
  if (extra >= length) {
    throw rangeError(`bigBird: globalTokens must be fewer than length ${length}, got ${extra}`)
  }
  return { length, blockSize, windowBlocks, randomBlocks, extra, seed, heads, isEtc }
}
