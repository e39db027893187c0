// A rotary embedding and the positions of rows in the numbers a kernel multiplies: turns and positions
// with 32 and 64 bits after the point, in which angles are exact however long the sequence is.
import { numbersOf, rangeError, typeError } from '@attn/core'
import type { IntegerList, RotaryEmbedding } from '@attn/core'

/**
 * Where the rows of a tensor stand:
 *
 * - a number: row i at that position + i (the length of the cache so far);
 * - L numbers: one a row, for all sequences;
 * - B * L numbers, row-major `[batch, length]`.
 *
 * Positions may be fractional; their magnitude is below 2^31.
 */
export type RotaryPositions = number | IntegerList

/** Positions as a kernel reads them: entry `batch * batchStep + row * rowStep`, plus `row * growth`. */
export interface PositionWords {
  /** A whole number and 32 bits after the point for each entry. */
  readonly words: Uint32Array<ArrayBuffer>
  readonly batchStep: number
  readonly rowStep: 0 | 1
  readonly growth: 0 | 1
}

const most = 2 ** 31

/**
 * Checks an embedding against the heads it is for.
 *
 * @throws RangeError or TypeError when its parts do not fit.
 */
export function checkRotary(caller: string, rotary: RotaryEmbedding, headDim: number): void {
  const { inverseFrequencies, attentionFactor, layout, rotaryDim } = rotary ?? {}
  if (!Number.isInteger(rotaryDim) || rotaryDim < 0 || rotaryDim % 2 !== 0 || rotaryDim > headDim) {
    throw rangeError(
      `${caller}: rotaryDim must be even and at most headDim=${headDim}, got ${rotaryDim}`,
    )
  }
  if (inverseFrequencies?.length !== rotaryDim / 2) {
    throw rangeError(
      `${caller}: need rotaryDim / 2 = ${rotaryDim / 2} inverseFrequencies, got ${inverseFrequencies?.length}`,
    )
  }
  if (layout !== 'half' && layout !== 'interleaved') {
    throw typeError(`${caller}: layout must be half or interleaved, got ${String(layout)}`)
  }
  for (const value of [attentionFactor, ...Array.from(inverseFrequencies)]) {
    if (!Number.isFinite(value) || Math.abs(value) >= most) {
      throw rangeError(
        `${caller}: attentionFactor and inverseFrequencies must be finite numbers below 2^31, got ${value}`,
      )
    }
  }
}

/**
 * Turns per position of every pair: vectors of four with the first 32 bits after the point, then with
 * the next 32, then with the whole turns (which only fractional positions ask for).
 */
export function frequencyWords({ inverseFrequencies }: RotaryEmbedding): Uint32Array<ArrayBuffer> {
  const padded = Math.max(1, Math.ceil(inverseFrequencies.length / 4)) * 4
  const words = new Uint32Array(3 * padded)
  for (let pair = 0; pair < inverseFrequencies.length; pair++) {
    const turns = inverseFrequencies[pair]! / (2 * Math.PI)
    const whole = Math.floor(turns)
    const shifted = (turns - whole) * 2 ** 32
    const high = wordBelow(shifted)
    words[pair] = high
    words[padded + pair] = wordBelow((shifted - high) * 2 ** 32)
    words[2 * padded + pair] = whole
  }
  return words
}

/**
 * The positions of all rows.
 *
 * @throws RangeError when their number does not fit, or one is not finite or too large.
 */
export function positionWords(
  caller: string,
  given: RotaryPositions,
  batch: number,
  length: number,
): PositionWords {
  const positions = typeof given === 'number' ? given : numbersOf(given)
  if (typeof positions === 'number') return offsetWords(caller, [positions], length)
  const { length: count } = positions
  if (count !== length && count !== batch * length) {
    throw rangeError(
      `${caller}: positions must be an offset, or length = ${length} or batch * length = ${batch * length} numbers, got ${count}`,
    )
  }
  const words = fixedPoint(caller, positions, 1)
  return { words, batchStep: count === length ? 0 : length, rowStep: 1, growth: 0 }
}

/** Rows that stand at consecutive positions, from an offset of each sequence or of all on. */
export function offsetWords(
  caller: string,
  offsets: ArrayLike<number>,
  length: number,
): PositionWords {
  const words = fixedPoint(caller, offsets, length)
  return { words, batchStep: offsets.length === 1 ? 0 : 1, rowStep: 0, growth: 1 }
}

/** The word below; a number just below 0 is a whole turn past -1, which is one more than fits. */
const wordBelow = (value: number): number => Math.min(Math.floor(value), 2 ** 32 - 1)

/** @param reach - How many positions follow each. */
function fixedPoint(
  caller: string,
  positions: ArrayLike<number>,
  reach: number,
): Uint32Array<ArrayBuffer> {
  const words = new Uint32Array(2 * positions.length)
  for (let index = 0; index < positions.length; index++) {
    const position = positions[index]!
    if (!(position > -most && position + reach <= most)) {
      throw rangeError(`${caller}: positions must be numbers within 2^31, got ${position}`)
    }
    const whole = Math.floor(position)
    words[2 * index] = whole
    words[2 * index + 1] = wordBelow((position - whole) * 2 ** 32)
  }
  return words
}
