// Factorized attention: p sparse heads A(1) .. A(p) that together reach what one dense head does.
// "Generating Long Sequences with Sparse Transformers" (arXiv 1904.10509), section 4.
import type { Mask } from '@attn/core'
import { checkInteger, checkMasks } from '../check.ts'
import { or } from '../combine/logic.ts'
import { perHead } from '../combine/per-head.ts'
import type { Pattern } from '../pattern.ts'
import { causal } from '../patterns/causal.ts'
import { isValid, reach } from './reach.ts'
import type { Reach, ReachOptions } from './reach.ts'

/** p sparse heads, and the ways to use them in a network. */
export interface Factorization {
  readonly name: string
  /** A(1) .. A(p), in the order in which information passes through them. */
  readonly heads: readonly Pattern[]
  /** What a dense head would see: every output should reach these inputs. */
  readonly target: Mask
  /**
   * One head a layer: attend(X, A(r mod p)) for layer r (section 4.1, first way).
   *
   * @param layer - r, counted from 0, so that layer 0 uses A(1).
   * @throws RangeError when the layer is not a whole number of at least 0.
   */
  readonly interleaved: (layer: number) => Pattern
  /** One merged head: attend(X, union of A(1) .. A(p)) (second way). */
  readonly merged: () => Pattern
  /** Heads in parallel: query head h uses A(h mod p) (third way, with separate heads). */
  readonly multiHead: () => Pattern
  /**
   * Whether every output reaches every input of the target through A(1), .., A(p) one after the
   * other, a path of p + 1 positions.
   *
   * @param length - n, in tokens.
   * @param options - `keepOwn: true` lets a position also keep what it has, as a residual connection
   *   does. Default: the paper's definition taken literally.
   * @throws RangeError when the length is not a whole number of at least 1.
   */
  readonly isValid: (
    length: number,
    options?: ReachOptions & { readonly keepOwn?: boolean | undefined },
  ) => boolean
  /**
   * What `isValid` counts: the missing pairs, with and without keeping the own position, and the
   * queries at which a head sees nothing.
   */
  readonly reach: (length: number, options?: ReachOptions) => Reach
}

/**
 * A factorization from its heads.
 *
 * @param name - Shown in messages and pictures: letters and digits.
 * @param heads - A(1) .. A(p).
 * @param target - What they should reach together. Default: `causal()`.
 * @throws RangeError without heads, TypeError for anything that is not a mask.
 *
 * @example
 * ```ts
 * import { factorization, strided } from '@attn/masks'
 * const { heads } = strided(8)
 * factorization('reversed', heads.toReversed()).isValid(64) // => true
 * ```
 */
export function factorization(
  name: string,
  heads: readonly Pattern[],
  target: Mask = causal(),
): Factorization {
  checkMasks('factorization', heads)
  checkMasks('factorization', [target])
  const merged = { ...or(...heads), name }
  return Object.freeze<Factorization>({
    name,
    heads: Object.freeze([...heads]),
    target,
    interleaved: (layer) => {
      checkInteger('interleaved', 'layer', layer, 0)
      return heads[layer % heads.length]!
    },
    merged: () => Object.freeze(merged),
    multiHead: () => Object.freeze({ ...perHead(heads), name }),
    isValid: (length, options) => isValid(heads, target, length, options),
    reach: (length, options) => reach(heads, target, length, options),
  })
}
