// What the backward pass returns, on every backend.
import type { Table } from '../expression/node.ts'
import type { Tensor } from '../tensor/tensor.ts'

/** Gradients of a loss by everything attention has learned or was given. */
export interface AttentionGradients {
  /** `[B, H, L, D]`, in the dtype of the query. */
  readonly dQuery: Tensor
  /** `[B, Hkv, S, D]`: summed over the query heads that share a key head. */
  readonly dKey: Tensor
  /** `[B, Hkv, S, Dv]`. */
  readonly dValue: Tensor
  /** For each trainable table of the score modifiers, row-major in its shape. */
  readonly dTables: ReadonlyMap<Table, Float64Array>
  /** `[H]`; undefined where there are no sinks. */
  readonly dSinks: Float64Array | undefined
}
