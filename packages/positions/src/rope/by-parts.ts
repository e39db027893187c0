// NTK-by-parts (YaRN, arXiv 2309.00071, definition 2): what happens to a pair depends on how many
// turns r it made inside the training length. Fast pairs saw every angle and may extrapolate; slow
// ones did not, and are interpolated; in between a ramp, linear in r. Llama 3.1 (arXiv 2407.21783)
// uses the same rule with alpha = 1 and beta = 4.
import { rangeError } from '@attn/core'
import { baseFrequencies } from './base-frequencies.ts'

/** Frequencies blended between interpolated (r <= alpha) and original (r >= beta). */
export function byPartsFrequencies(
  base: number,
  rotaryDim: number,
  factor: number,
  trainedLength: number,
  alpha: number,
  beta: number,
): Float64Array<ArrayBuffer> {
  if (!(alpha <= beta)) {
    throw rangeError(
      `ropeFrequencies: the slow bound must not lie above the fast bound, got ${alpha} and ${beta}`,
    )
  }
  return baseFrequencies(base, rotaryDim).map((frequency) => {
    const turns = (trainedLength * frequency) / (2 * Math.PI)
    // Equal bounds leave no ramp (Llama 4 Scout): what turns more often than they say is kept.
    const kept =
      alpha === beta
        ? Number(turns > beta)
        : Math.min(Math.max((turns - alpha) / (beta - alpha), 0), 1)
    return (1 - kept) * (frequency / factor) + kept * frequency
  })
}
