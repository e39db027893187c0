// What `attn positions` computes: causal self-attention of one shape over several lengths, with every
// way of telling positions apart.
import { checkSizes } from '../suites/problem.ts'
import { causal } from '@attn/masks'
import type { DType, Mask } from '@attn/core'
import type { DeviceKind } from '../device/find-device.ts'

/** The ways that are timed side by side. */
export type PositionMethod = 'none' | 'sinusoidal' | 'rope' | 't5' | 'alibi' | 'kerple'

/** All ways, in the order of the table. */
export const positionMethods: readonly PositionMethod[] = [
  'none',
  'sinusoidal',
  'rope',
  't5',
  'alibi',
  'kerple',
]

/** Their names, for people. */
export const positionNames: Readonly<Record<PositionMethod, string>> = {
  none: 'none',
  sinusoidal: 'sinusoidal',
  rope: 'RoPE',
  t5: 'T5 bias',
  alibi: 'ALiBi',
  kerple: 'KERPLE',
}

/** Sizes; lengths are those of queries and keys alike. */
export interface PositionProblem {
  readonly batch: number
  readonly heads: number
  readonly headDim: number
  readonly dtype: DType
  readonly lengths: readonly number[]
}

/** All of it is causal. */
export const positionMask: Mask = causal()

/** What suits a device of this kind, so that a run takes half a minute at most. */
export function defaultPositionProblem(kind: DeviceKind): PositionProblem {
  const shared = { batch: 1, headDim: 64, dtype: 'float32' } as const
  return kind === 'gpu'
    ? { ...shared, heads: 16, lengths: [1024, 2048, 4096, 8192, 16384] }
    : { ...shared, heads: 2, lengths: [128, 256] }
}

/**
 * Checks a problem.
 *
 * @throws RangeError for sizes that are not positive integers, or a head dim that four does not
 *   divide or that exceeds 256; TypeError for another dtype.
 */
export function checkPositionProblem(problem: PositionProblem): void {
  checkSizes('attn positions', problem)
}
