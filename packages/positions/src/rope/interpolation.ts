// Position Interpolation (Chen et al., arXiv 2306.15595): squeeze positions 0 .. L' into the range
// 0 .. L that training saw, m -> m L / L'. Dividing every frequency by L' / L is the same thing.
import { baseFrequencies } from './base-frequencies.ts'

/** Every frequency divided by `factor`. */
export function linearFrequencies(
  base: number,
  rotaryDim: number,
  factor: number,
): Float64Array<ArrayBuffer> {
  return baseFrequencies(base, rotaryDim).map((frequency) => frequency / factor)
}
