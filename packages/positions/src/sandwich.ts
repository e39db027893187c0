// Sandwich: what is left of sinusoidal embeddings when only the product of position with position is
// kept, a bias that falls off with distance (Chi et al., arXiv 2212.10356).
import { checkOptions, floatTable, scoreModifier } from '@attn/core'
import type { OptionNames, ScoreModifier } from '@attn/core'
import { checkEven, checkPositive, checkPositiveInteger } from './check-size.ts'

/** Options of {@link sandwich}. */
export interface SandwichOptions {
  /** H: number of query heads. */
  readonly heads: number
  /** Longest distance that occurs; farther keys are treated as being there. */
  readonly maxDistance: number
  /** Width of the sinusoidal embedding (d bar); even. Default: 128, as in the paper. */
  readonly dim?: number | undefined
  /** Base of its wavelengths. Default: 10000. */
  readonly base?: number | undefined
}

const sandwichOptions: OptionNames<SandwichOptions> = {
  heads: true,
  maxDistance: true,
  dim: true,
  base: true,
}

/**
 * Sandwich: sum over i of cos((m - n) base^(-2i / dim)), divided by 8 (h + 1) / H for head h. It is
 * symmetric. The sum is looked up by distance in a table made in float64, since shaders compute
 * cosines of large angles badly.
 *
 * @throws RangeError when an option is out of range.
 *
 * @example
 * ```ts
 * import { compile } from '@attn/core'
 * import { sandwich } from '@attn/positions'
 * const bias = compile(sandwich({ heads: 8, maxDistance: 1024 }).expression)
 * bias({ score: 0, head: 0, query: 5, key: 5 }) // => 64
 * bias({ score: 0, head: 1, query: 5, key: 5 }) // => 32
 * ```
 */
export function sandwich(options: SandwichOptions): ScoreModifier {
  checkOptions('sandwich', options, sandwichOptions)
  const { heads, maxDistance, dim = 128, base = 10000 } = options
  checkPositiveInteger('sandwich', 'heads', heads)
  checkPositiveInteger('sandwich', 'maxDistance', maxDistance)
  checkEven('sandwich', 'dim', dim)
  checkPositive('sandwich', 'base', base)

  const byDistance = Float64Array.from({ length: maxDistance + 1 }, (_, distance) => {
    let sum = 0
    for (let i = 0; i < dim; i += 2) sum += Math.cos(distance * base ** (-i / dim))
    return sum
  })
  const products = floatTable('sandwich', byDistance)
  const weights = floatTable(
    'sandwichWeights',
    Float64Array.from({ length: heads }, (_, head) => heads / (8 * (head + 1))),
  )
  return scoreModifier('sandwich', (score, { head, query, key }) =>
    score.add(products.at(query.sub(key).abs()).mul(weights.at(head))),
  )
}
