// What `attn train` trains and how: everything that decides the loss curve, as plain data. It goes
// into the checkpoint and into the report as it is.
import { rangeError, shapeError } from '@attn/core'
import type { DeviceKind } from '../device/find-device.ts'
import { positionMethodNames } from '../lab/positions/methods.ts'
import type { PositionMethodName } from '../lab/positions/methods.ts'
import { checkPattern } from './masks.ts'
import type { Integration, MaskName } from './masks.ts'

/** Everything that decides the loss curve, beside the text. */
export interface TrainingConfiguration {
  readonly layers: number
  /** H: heads of each layer. */
  readonly heads: number
  /** Size of the residual stream; heads of `width / heads` dims. */
  readonly width: number
  /** L: tokens a sequence has. */
  readonly context: number
  /** B: sequences in a step. */
  readonly batch: number
  readonly mask: MaskName
  /** Keys of the window, stride of `strided`, and so on; chosen by the context where undefined. */
  readonly extent?: number
  /** How the heads of `strided` and `fixed` are taken. Default: `multihead`. */
  readonly integration?: Integration
  /**
   * ALiBi, T5, KERPLE and FIRE change the scores, inside attention; sinusoidal and learned embeddings are added
   * before it; RoPE turns queries and keys. Tables of T5, KERPLE, FIRE and learned are trained with the weights.
   */
  readonly positions: PositionMethodName
  /** Share of the attention probabilities that are dropped. */
  readonly dropout: number
  readonly learningRate: number
  /**
   * What attention computes in, on a GPU: `float16` with loss scaling, where weights, moments and all else
   * stay float32. Default: `float32`.
   */
  readonly precision?: Precision
  /** Of initial weights, batches and dropout. */
  readonly seed: number
}

/** The precisions of attention. */
export const precisions = ['float32', 'float16'] as const
/** One of them. */
export type Precision = (typeof precisions)[number]

/** What is trained where nothing else is asked for: less where there is no GPU. */
export function defaultConfiguration(kind: DeviceKind): TrainingConfiguration {
  const common = {
    mask: 'causal',
    positions: 'alibi',
    dropout: 0,
    seed: 1,
    learningRate: 0.003,
  } as const
  return kind === 'gpu'
    ? { ...common, layers: 4, heads: 4, width: 256, context: 256, batch: 16 }
    : { ...common, layers: 2, heads: 2, width: 32, context: 64, batch: 4 }
}

/** Steps where nothing else is asked for. */
export function defaultSteps(kind: DeviceKind): number {
  return kind === 'gpu' ? 200 : 100
}

/**
 * Checks a configuration.
 *
 * @throws RangeError for sizes and values that make no sense.
 */
export function checkConfiguration(configuration: TrainingConfiguration): void {
  const { layers, heads, width, context, batch, seed } = configuration
  for (const [name, size] of Object.entries({ layers, heads, width, context, batch })) {
    if (!Number.isSafeInteger(size) || size < 1) {
      throw rangeError(`attn train: ${name} must be a positive integer, got ${size}`)
    }
  }
  if (width % heads !== 0 || width % 2 !== 0) {
    throw shapeError(
      `attn train: width must be even and a multiple of heads, got width=${width} heads=${heads}`,
    )
  }
  checkPattern('attn train', configuration)
  const { positions, dropout, learningRate, precision = 'float32' } = configuration
  if (!precisions.includes(precision)) {
    throw rangeError(
      `attn train: precision must be one of ${precisions.join(', ')}, got ${precision}`,
    )
  }
  if (!positionMethodNames.includes(positions)) {
    throw rangeError(
      `attn train: positions must be one of ${positionMethodNames.join(', ')}, got ${positions}`,
    )
  }
  if (!(dropout >= 0 && dropout < 1)) {
    throw rangeError(`attn train: dropout must lie in 0 <= rate < 1, got ${dropout}`)
  }
  if (!(learningRate > 0 && learningRate < Infinity)) {
    throw rangeError(`attn train: learningRate must be positive, got ${learningRate}`)
  }
  if (!Number.isInteger(seed) || seed < 0 || seed >= 2 ** 32) {
    throw rangeError(`attn train: seed must be a whole number of 32 bits, got ${seed}`)
  }
}
