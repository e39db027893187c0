// NTK-aware scaling (bloc97; arXiv 2309.00071, sections 3.1 and 3.3): raise the base so that the
// slowest pair is interpolated in full and the fastest not at all.
import { rangeError } from '@attn/core'
import { baseFrequencies } from './base-frequencies.ts'

/**
 * Frequencies of the base b s^(d / (d - 2)). The exponent makes the slowest frequency exactly that
 * of Position Interpolation; for d = 2 there is no such base.
 *
 * @throws RangeError when rotaryDim is 2.
 */
export function ntkFrequencies(
  base: number,
  rotaryDim: number,
  factor: number,
): Float64Array<ArrayBuffer> {
  if (rotaryDim < 4) {
    throw rangeError(`ropeFrequencies: NTK scaling needs rotaryDim >= 4, got ${rotaryDim}`)
  }
  return baseFrequencies(base * factor ** (rotaryDim / (rotaryDim - 2)), rotaryDim)
}

/**
 * The factor of dynamic NTK at some sequence length: 1 up to the trained length, then growing so
 * that `factor` times the trained length is reached well within range.
 */
export function dynamicNtkFactor(
  factor: number,
  trainedLength: number,
  sequenceLength: number,
): number {
  const length = Math.max(sequenceLength, trainedLength)
  return (factor * length) / trainedLength - (factor - 1)
}
