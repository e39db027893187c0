// From a configuration to numbers: how far each pair turns per position, and the factor on cosine
// and sine. Everything here is float64; round when you upload, not before.
import { checkOptions, rangeError } from '@attn/core'
import type { OptionNames, RotaryEmbedding } from '@attn/core'
import { baseFrequencies } from './base-frequencies.ts'
import { byPartsFrequencies } from './by-parts.ts'
import { resolveRopeShape } from './config.ts'
import type { RopeConfig } from './config.ts'
import { linearFrequencies } from './interpolation.ts'
import { longRopeAttentionFactor, longRopeFrequencies } from './longrope.ts'
import { dynamicNtkFactor, ntkFrequencies } from './ntk.ts'
import { yarnAttentionFactor, yarnFrequencies } from './yarn.ts'

/** A rotary embedding whose frequencies are float64. Plain data: hand it to `rotate` or to a GPU plan. */
export interface RopeFrequencies extends RotaryEmbedding {
  readonly inverseFrequencies: Float64Array<ArrayBuffer>
}

/** What frequencies may depend on besides the configuration. */
export interface RopeFrequencyOptions {
  /**
   * Length of the whole sequence, cached keys included. Only `dynamic` and `longrope` depend on it;
   * see {@link dependsOnLength}. Default: up to the training length.
   */
  readonly sequenceLength?: number | undefined
}

const ropeFrequencyOptions: OptionNames<RopeFrequencyOptions> = { sequenceLength: true }

/**
 * The rotary embedding that a configuration stands for.
 *
 * @returns `inverseFrequencies` (rotaryDim / 2 numbers in radians per position), `attentionFactor`
 *   (on cosine and sine), `layout` and `rotaryDim`.
 * @throws RangeError when a value is out of range or `type` is unknown.
 *
 * @example
 * ```ts
 * import { ropeFrequencies } from '@attn/positions'
 * const plain = ropeFrequencies({ headDim: 4 })
 * Array.from(plain.inverseFrequencies) // => [1, 0.01]
 * const extended = ropeFrequencies({ type: 'linear', headDim: 4, factor: 4 })
 * Array.from(extended.inverseFrequencies) // => [0.25, 0.0025]
 * ```
 */
export function ropeFrequencies(
  config: RopeConfig,
  options: RopeFrequencyOptions = {},
): RopeFrequencies {
  checkOptions('ropeFrequencies', options, ropeFrequencyOptions)
  const { base, rotaryDim, layout } = resolveRopeShape('ropeFrequencies', config)
  const { sequenceLength = 0 } = options
  const embedding = (
    inverseFrequencies: Float64Array<ArrayBuffer>,
    attentionFactor = 1,
  ): RopeFrequencies => ({ inverseFrequencies, attentionFactor, layout, rotaryDim })

  switch (config.type) {
    case undefined:
    case 'default':
      return embedding(baseFrequencies(base, rotaryDim))
    case 'linear':
      return embedding(linearFrequencies(base, rotaryDim, config.factor))
    case 'ntk':
      return embedding(ntkFrequencies(base, rotaryDim, config.factor))
    case 'dynamic': {
      const factor = dynamicNtkFactor(config.factor, config.trainedLength, sequenceLength)
      return embedding(ntkFrequencies(base, rotaryDim, factor))
    }
    case 'by-parts': {
      const { factor, trainedLength, alpha = 1, beta = 32 } = config
      return embedding(byPartsFrequencies(base, rotaryDim, factor, trainedLength, alpha, beta))
    }
    case 'yarn':
      return embedding(yarnFrequencies(config), yarnAttentionFactor(config))
    case 'llama3': {
      const { factor, trainedLength, lowFrequencyFactor = 1, highFrequencyFactor = 4 } = config
      return embedding(
        byPartsFrequencies(
          base,
          rotaryDim,
          factor,
          trainedLength,
          lowFrequencyFactor,
          highFrequencyFactor,
        ),
      )
    }
    case 'longrope':
      return embedding(
        longRopeFrequencies(config, sequenceLength),
        longRopeAttentionFactor(config, sequenceLength),
      )
    case 'proportional':
      return embedding(proportionalFrequencies(base, rotaryDim, config.fraction, config.factor))
    default:
      throw rangeError(
        `ropeFrequencies: unknown type ${JSON.stringify((config as { type: unknown }).type)}`,
      )
  }
}

function proportionalFrequencies(
  base: number,
  rotaryDim: number,
  fraction: number,
  factor = 1,
): Float64Array<ArrayBuffer> {
  if (!(fraction >= 0 && fraction <= 1)) {
    throw rangeError(`ropeFrequencies: fraction must lie in 0..1, got ${fraction}`)
  }
  const turning = Math.floor((fraction * rotaryDim) / 2)
  return linearFrequencies(base, rotaryDim, factor).map((frequency, pair) =>
    pair < turning ? frequency : 0,
  )
}

/**
 * Whether the frequencies change as a sequence grows, so that keys must be cached unrotated (or
 * turned again with {@link rotationBetween}).
 *
 * @example
 * ```ts
 * import { dependsOnLength } from '@attn/positions'
 * dependsOnLength({ type: 'dynamic', headDim: 64, factor: 2, trainedLength: 2048 }) // => true
 * dependsOnLength({ type: 'linear', headDim: 64, factor: 2 }) // => false
 * ```
 */
export function dependsOnLength(config: RopeConfig): boolean {
  return config.type === 'dynamic' || config.type === 'longrope'
}
