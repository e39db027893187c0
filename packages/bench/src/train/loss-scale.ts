// Dynamic loss scaling (Micikevicius et al., "Mixed precision training", arXiv 1710.03740): gradients that pass
// through float16 are multiplied by a power of two, so that small ones keep their bits, and divided by it before
// the update. The largest power that nothing overflows at is found on the way.
import { numpy as np, tree } from '@jax-js/jax'
import type { ModelWeights } from './model.ts'

/** The scale of the gradients, as it changes. */
export interface LossScale {
  /** The present one. */
  readonly scale: number
  /** Steps that were made again with a smaller one. */
  readonly retried: number
  /**
   * Halves it: a gradient has overflowed.
   *
   * @throws Error when gradients are not finite without a scale either.
   */
  overflowed(): void
  /** Notes a step; doubles the scale after enough of them in a row. */
  succeeded(): void
}

/** Steps without an overflow after which the scale is doubled. */
export const growthInterval = 200

/** Starts at 2^16, where most runs settle within a few steps. */
export function createLossScale(initial: number = 2 ** 16): LossScale {
  let [scale, retried, inARow] = [initial, 0, 0]
  return {
    get scale() {
      return scale
    },
    get retried() {
      return retried
    },
    overflowed() {
      if (scale <= 1) throw new Error('attn train: gradients overflow float16 without a scale')
      scale /= 2
      retried++
      inARow = 0
    },
    succeeded() {
      inARow++
      if (inARow % growthInterval === 0) scale *= 2
    },
  }
}

/** Whether all gradients are finite; they stay the caller's. */
export async function areFinite(gradients: ModelWeights): Promise<boolean> {
  const leaves = tree.leaves<np.Array>(tree.ref(gradients))
  const finite = leaves.map((leaf) => np.isfinite(leaf).astype(np.float32).min())
  const [least] = await finite.reduce((all, one) => np.minimum(all, one)).data()
  return least === 1
}
