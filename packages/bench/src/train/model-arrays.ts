// The arrays that a model gets beside its weights: the batch of a step, and position embeddings.
import { numpy as np } from '@jax-js/jax'
import type { TrainingConfiguration } from './configuration.ts'
import type { Batch } from '../lab/data/batches.ts'
import { positionsOf } from './positions.ts'

/** Arrays of one configuration on jax-js's default device. */
export interface ModelArrays {
  /** `[L, C]`: sinusoidal embeddings, or zeros where they are weights or attention sees positions itself. */
  readonly positions: np.Array
  /** Tokens of a batch, each `[B, L]`. */
  batch(batch: Batch): { tokens: np.Array; targets: np.Array }
  dispose(): void
}

/** Makes what does not change from step to step. */
export function modelArrays(configuration: TrainingConfiguration): ModelArrays {
  const { batch, context, width } = configuration
  const method = positionsOf(configuration)
  const shape = [context, width]
  const positions =
    method.embeddings && method.tables.length === 0
      ? np.array(method.embeddings(context) as Float32Array<ArrayBuffer>, { shape })
      : np.zeros(shape)
  const tokenArray = (tokens: Int32Array<ArrayBuffer>): np.Array =>
    np.array(tokens, { shape: [batch, context] })
  return {
    positions,
    batch: ({ inputs, targets }) => ({ tokens: tokenArray(inputs), targets: tokenArray(targets) }),
    dispose: () => positions.dispose(),
  }
}
