// What the laboratory trains and how, as plain data: everything that decides a model to the bit, beside the
// text. It goes into results and files as it is.
import { rangeError, shapeError } from '@attn/core'
import type { PositionMethodName } from './positions/methods.ts'
import { positionMethodNames } from './positions/methods.ts'
import { checkPattern } from '../train/masks.ts'
import type { PatternSettings } from '../train/masks.ts'

/** Everything that decides a trained model, beside its text. */
export interface LabConfiguration {
  readonly layers: number
  /** H: heads of each layer. */
  readonly heads: number
  /** C: size of the residual stream, a multiple of 8 for each head. */
  readonly width: number
  /** L: tokens of a sequence in training. */
  readonly length: number
  /** B: sequences in a step. */
  readonly batch: number
  readonly positions: PositionMethodName
  /** Which keys queries see. Default: all before them. */
  readonly pattern?: PatternSettings | undefined
  /** Steps in all; the rate falls along a cosine that ends there. */
  readonly steps: number
  /** The largest rate of AdamW. */
  readonly learningRate: number
  /** Of initial weights and of batches: the same for all methods. */
  readonly seed: number
}

/** A configuration that trains in less than a minute on one core. */
export const defaultLabConfiguration: LabConfiguration = {
  layers: 2,
  heads: 4,
  width: 64,
  length: 64,
  batch: 8,
  positions: 'alibi',
  steps: 1200,
  learningRate: 0.005,
  seed: 1,
}

/**
 * Checks a configuration.
 *
 * @throws RangeError for sizes and values that make no sense.
 */
export function checkLabConfiguration(caller: string, configuration: LabConfiguration): void {
  const { layers, heads, width, length, batch, steps } = configuration
  for (const [name, size] of Object.entries({ layers, heads, width, length, batch, steps })) {
    if (!Number.isSafeInteger(size) || size < 1) {
      throw rangeError(`${caller}: ${name} must be a positive integer, got ${size}`)
    }
  }
  if (width % (8 * heads) !== 0) {
    throw shapeError(
      `${caller}: width must be a multiple of 8 for each head, got width=${width} heads=${heads}`,
    )
  }
  const { positions, learningRate, seed, pattern } = configuration
  if (pattern) checkPattern(caller, pattern)
  if (!positionMethodNames.includes(positions)) {
    throw rangeError(
      `${caller}: positions must be one of ${positionMethodNames.join(', ')}, got ${positions}`,
    )
  }
  if (!(learningRate > 0 && learningRate < Infinity)) {
    throw rangeError(`${caller}: learningRate must be positive, got ${learningRate}`)
  }
  if (!Number.isInteger(seed) || seed < 0 || seed >= 2 ** 32) {
    throw rangeError(`${caller}: seed must be a whole number of 32 bits, got ${seed}`)
  }
}
