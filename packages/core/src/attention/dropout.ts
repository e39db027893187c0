// Dropout of attention probabilities (as in arXiv 1706.03762, section 5.4). Whether a pair is kept
// depends on the seed and on the pair alone, never on the order of work: any tiling, and the backward
// pass, and every backend, see the same mask without storing it.
import { checkOptions } from '../check-options.ts'
import type { OptionNames } from '../check-options.ts'
import { rangeError } from '../errors.ts'
import type { SequenceCoordinates } from './pack-expressions.ts'
import { philox4x32 } from './philox.ts'

/** Random dropping of probabilities, in training. */
export interface DropoutOptions {
  /** Share of the probabilities to drop, `0 <= rate < 1`. The others are scaled by 1 / (1 - rate). */
  readonly rate: number
  /** A whole number of 64 bits: which random mask. Take another one for each layer and step. */
  readonly seed: number | bigint
}

const dropoutOptions: OptionNames<DropoutOptions> = { rate: true, seed: true }

/** Dropout as every backend computes it. */
export interface ResolvedDropout {
  /**
   * A pair is kept if word 0 of Philox4x32-10, with counter (query, key, batch * heads + head, 0) and
   * `key`, is at least this. Query and key are absolute positions, negative ones as two's complement.
   */
  readonly threshold: number
  /** 1 / (1 - rate), the factor on a kept probability. */
  readonly scale: number
  /** The seed's low and high word. */
  readonly key: readonly [low: number, high: number]
  /** What is counted where sequences are packed. Default: batch, query and key themselves. */
  readonly within?: SequenceCoordinates | undefined
}

/**
 * Checks dropout options; undefined where nothing would be dropped.
 *
 * @throws RangeError for a rate outside [0, 1) or a seed outside 0 .. 2^64 - 1 (2^53 - 1 as a number).
 */
export function resolveDropout(
  caller: string,
  dropout: DropoutOptions | undefined,
): ResolvedDropout | undefined {
  if (dropout === undefined) return undefined
  checkOptions(`${caller}: dropout`, dropout, dropoutOptions, { p: 'rate' })
  const { rate, seed } = dropout
  if (!(rate >= 0 && rate < 1)) {
    throw rangeError(`${caller}: dropout.rate must lie in 0 <= rate < 1, got ${rate}`)
  }
  const whole = typeof seed === 'bigint' || Number.isSafeInteger(seed)
  if (!whole || seed < 0 || seed >= 2n ** 64n) {
    throw rangeError(
      `${caller}: dropout.seed must be a whole number from 0 to 2^64 - 1 (a bigint beyond 2^53 - 1), got ${seed}`,
    )
  }
  if (rate === 0) return undefined
  const bits = BigInt(seed)
  return {
    threshold: Math.min(Math.round(rate * 2 ** 32), 2 ** 32 - 1),
    scale: 1 / (1 - rate),
    key: [Number(bits & 0xffffffffn), Number(bits >> 32n)],
  }
}

/**
 * What the probability of one pair is multiplied by: 0 if it is dropped.
 *
 * @param plane - batch * heads + head.
 */
export function dropoutWeight(
  dropout: ResolvedDropout,
  plane: number,
  query: number,
  key: number,
): number {
  const [word] = philox4x32([query, key, plane, 0], dropout.key)
  return word >= dropout.threshold ? dropout.scale : 0
}
