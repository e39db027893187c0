// ALiBi: a penalty on each score that grows linearly with distance, steeper in some heads than in
// others; nothing is added to the embeddings (Press et al., arXiv 2108.12409).
import {
  checkOptions,
  floatTable,
  rangeError,
  scoreModifier,
  shapeError,
  typeError,
} from '@attn/core'
import type { FloatTable, OptionNames, ScoreModifier } from '@attn/core'
import { checkPositiveInteger } from './check-size.ts'

/** Slopes for keys before and after the query, one number a head. */
export interface AlibiSideSlopes {
  readonly past: ArrayLike<number>
  readonly future: ArrayLike<number>
}

/** How ALiBi is applied. */
export interface AlibiOptions {
  /** H: number of query heads; any positive integer. */
  readonly heads: number
  /**
   * - `causal` (default): -m (i - j), for use with a causal mask. Keys after the query would be
   *   rewarded, so do not use it without one.
   * - `symmetric`: -m |i - j|, for encoders.
   * - `two-sided`: past and future differ. By default the first half of the heads sees only the
   *   query's own and earlier keys, the rest only its own and later ones; with
   *   `slopes: { past, future }` every head sees both sides, each with its own slope.
   */
  readonly direction?: 'causal' | 'symmetric' | 'two-sided' | undefined
  /** Slopes m to use instead of the paper's, one a head. */
  readonly slopes?: ArrayLike<number> | AlibiSideSlopes | undefined
}

/**
 * The paper's slopes: for a power of two the geometric sequence 2^(-8/H), 2^(-16/H), ..., 2^-8. For
 * other head counts, the slopes of the power of two c below H, followed by every second slope of 2c.
 * They are then *not* sorted, and not 2^(-8 (h + 1) / H), as several libraries have it.
 *
 * @param heads - Number of heads.
 * @throws RangeError when `heads` is not a positive integer.
 *
 * @example
 * ```ts
 * import { alibiSlopes } from '@attn/positions'
 * alibiSlopes(4) // => [0.25, 0.0625, 0.015625, 0.00390625]
 * alibiSlopes(3) // => [0.0625, 0.00390625, 0.25]
 * ```
 */
export function alibiSlopes(heads: number): number[] {
  checkPositiveInteger('alibiSlopes', 'heads', heads)
  const lower = 2 ** Math.floor(Math.log2(heads))
  const between = geometricSlopes(2 * lower).filter((_, index) => index % 2 === 0)
  return [...geometricSlopes(lower), ...between.slice(0, heads - lower)]
}

function geometricSlopes(heads: number): number[] {
  return Array.from({ length: heads }, (_, head) => 2 ** ((-8 * (head + 1)) / heads))
}

const alibiOptions: OptionNames<AlibiOptions> = { heads: true, direction: true, slopes: true }

/**
 * ALiBi as a score modifier. The bias is added to the scaled scores: it is not divided by
 * sqrt(headDim). The log-sum-exp is that of the paper's formula; the authors' code adds m j instead
 * of -m (i - j), which is the same after a causal softmax but shifts the log-sum-exp by m i.
 *
 * @throws RangeError when `heads` is not a positive integer or slopes do not fit, TypeError when
 *   slopes of two sides are given for another direction.
 *
 * @example
 * ```ts
 * import { compile } from '@attn/core'
 * import { alibi } from '@attn/positions'
 * const bias = compile(alibi({ heads: 8 }).expression)
 * bias({ score: 1, head: 0, query: 5, key: 3 }) // => 0
 * ```
 */
export function alibi(options: AlibiOptions): ScoreModifier {
  checkOptions('alibi', options, alibiOptions)
  const { heads, direction = 'causal', slopes = defaultSlopes(heads, direction) } = options
  if (isSideSlopes(slopes)) {
    if (direction !== 'two-sided') {
      throw typeError(
        `alibi: slopes { past, future } need direction 'two-sided', got '${direction}'`,
      )
    }
    const past = slopeTable('alibiPast', heads, slopes.past)
    const future = slopeTable('alibiFuture', heads, slopes.future)
    return scoreModifier('alibi', (score, { head, query, key }) =>
      score.sub(
        key.le(query).select(past.at(head), future.at(head)).mul(query.sub(key).abs().toFloat()),
      ),
    )
  }
  const slope = slopeTable('alibiSlopes', heads, slopes)
  if (direction === 'causal') {
    return scoreModifier('alibi', (score, { head, query, key }) =>
      score.sub(slope.at(head).mul(query.sub(key))),
    )
  }
  const hide = direction === 'two-sided'
  if (!hide && direction !== 'symmetric') {
    throw rangeError(
      `alibi: direction must be 'causal', 'symmetric' or 'two-sided', got '${String(direction)}'`,
    )
  }
  return scoreModifier('alibi', (score, { head, query, key }) => {
    const penalized = score.sub(slope.at(head).mul(query.sub(key).abs()))
    if (!hide) return penalized
    const isPastHead = head.lt(Math.ceil(heads / 2))
    const visible = isPastHead.and(key.le(query)).or(isPastHead.not().and(key.ge(query)))
    return visible.select(penalized, -Infinity)
  })
}

function defaultSlopes(heads: number, direction: string): number[] {
  if (direction !== 'two-sided' || heads < 2) return alibiSlopes(heads)
  const past = Math.ceil(heads / 2)
  return [...alibiSlopes(past), ...alibiSlopes(heads - past)]
}

function isSideSlopes(slopes: ArrayLike<number> | AlibiSideSlopes): slopes is AlibiSideSlopes {
  return 'past' in slopes
}

function slopeTable(name: string, heads: number, slopes: ArrayLike<number>): FloatTable {
  if (slopes.length !== heads || !Array.from(slopes).every(Number.isFinite)) {
    throw shapeError(
      `alibi: need one finite slope for each of ${heads} heads, got ${slopes.length} slopes`,
    )
  }
  // A copy in float64: the CPU reference is exact, and GPUs round it to float32 as PyTorch does.
  return floatTable(name, Float64Array.from(slopes))
}
