// The wavelength of a rotary pair is the number of positions it takes to turn once. Pairs that never
// complete a turn inside the training length have shown the model only a part of their circle: past
// it they reach angles it has never seen (arXiv 2309.00071, section 3.2).
import type { RotaryEmbedding } from '@attn/core'
import { checkPositive } from '../check-size.ts'

/** One rotary pair and what it does inside a length. */
export interface Wavelength {
  readonly pair: number
  /** Positions to a full turn; Infinity for a pair that does not turn. */
  readonly wavelength: number
  /** Turns inside the length. */
  readonly turns: number
  /** Whether it turns at least once. */
  readonly completesTurn: boolean
}

/**
 * The wavelengths of a rotary embedding against a length L.
 *
 * @throws RangeError when `length` is not a positive number.
 *
 * @example
 * ```ts
 * import { ropeFrequencies, wavelengths } from '@attn/positions'
 * const table = wavelengths(ropeFrequencies({ headDim: 128 }), 4096)
 * table.filter(({ completesTurn }) => !completesTurn).length // => 18
 * table[0].wavelength.toFixed(4) // => '6.2832'
 * ```
 */
export function wavelengths(
  rotary: Pick<RotaryEmbedding, 'inverseFrequencies'>,
  length: number,
): Wavelength[] {
  checkPositive('wavelengths', 'length', length)
  return Array.from(rotary.inverseFrequencies, (frequency, pair) => {
    const wavelength = frequency === 0 ? Infinity : (2 * Math.PI) / Math.abs(frequency)
    const turns = length / wavelength
    return { pair, wavelength, turns, completesTurn: turns >= 1 }
  })
}
