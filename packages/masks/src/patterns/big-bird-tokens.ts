// BigBird as its graph is first defined, token by token: g global tokens, a window of w, r random keys
// a query (arXiv 2007.14062, section 2). The block form, `bigBird`, is what runs fast.
import { checkOptions, mask, rangeError } from '@attn/core'
import type { Mask, OptionNames } from '@attn/core'
import { checkInteger } from '../check.ts'
import { patternOf } from '../pattern.ts'
import type { Pattern } from '../pattern.ts'
import { drawSubsets } from '../random/draw.ts'
import { membership, mergeSpans } from '../sets.ts'

/** BigBird's choices in tokens. */
export interface BigBirdTokensOptions {
  /** n: all tokens. */
  readonly length: number
  /** g: the first g tokens are global. */
  readonly globalTokens: number
  /** w: half of it on each side of the query, so w + 1 keys with the query itself; even. */
  readonly window: number
  /** r: random keys of each query. */
  readonly randomKeys: number
  /** Default: 0. */
  readonly seed?: number | undefined
}

const bigBirdTokensOptions: OptionNames<BigBirdTokensOptions> = {
  length: true,
  globalTokens: true,
  window: true,
  randomKeys: true,
  seed: true,
}

/**
 * S_i = {j : |i - j| <= w / 2} and {j : j < g} and r keys drawn from the others, and all keys for
 * i < g. Bidirectional.
 *
 * A query with fewer than r keys left to draw sees all.
 *
 * @throws RangeError when a number is not whole, the window is odd, or there is no token.
 *
 * @example
 * ```ts
 * import { compile } from '@attn/core'
 * import { bigBirdTokens } from '@attn/masks'
 * const options = { length: 64, globalTokens: 2, window: 4, randomKeys: 3 }
 * const allows = compile(bigBirdTokens(options).expression)
 * const keys = Array.from({ length: 64 }, (_, key) => key)
 * keys.filter((key) => allows({ query: 30, key })).length // => 10
 * ```
 */
export function bigBirdTokens(options: BigBirdTokensOptions): Pattern {
  checkOptions('bigBirdTokens', options, bigBirdTokensOptions)
  const { length, globalTokens, window, randomKeys, seed = 0 } = options
  checkInteger('bigBirdTokens', 'length', length, 1)
  for (const [name, value] of Object.entries({ globalTokens, window, randomKeys, seed })) {
    checkInteger('bigBirdTokens', name, value, 0)
  }
  if (window % 2 !== 0) throw rangeError(`bigBirdTokens: window must be even, got ${window}`)
  const side = window / 2
  const parts: Mask[] = []
  if (globalTokens > 0) {
    parts.push(mask('globalKeys', ({ key }) => key.lt(globalTokens)))
    parts.push(mask('globalQueries', ({ query }) => query.lt(globalTokens)))
  }
  parts.push(
    mask('window', ({ query, key }) => key.ge(query.sub(side)).and(key.le(query.add(side)))),
  )
  if (randomKeys > 0) {
    const lists = drawSubsets({
      rows: length,
      heads: 1,
      seed,
      count: randomKeys,
      candidates: (query) => ({
        limit: query < globalTokens ? 0 : length,
        without: mergeSpans(
          [
            { start: 0, end: globalTokens },
            { start: query - side, end: query + side + 1 },
          ],
          length,
        ),
      }),
    })
    const drawn = membership('bigBirdKeys', lists)
    parts.push(mask('random', ({ query, key }) => drawn(query, key)))
  }
  return patternOf('bigBirdTokens', parts)
}
