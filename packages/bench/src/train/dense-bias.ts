// The bias of a position method as one array for jax-js, which knows no expressions, and the gradients of its tables
// from that of the array: another way than the library's own backward pass, which is compared with it.
import { biasMatrix } from '@attn/positions'
import { numpy as np } from '@jax-js/jax'
import { trainedBiases } from '../lab/positions/biases.ts'
import type { PositionModel } from '../lab/positions/methods.ts'
import type { TrainingConfiguration } from './configuration.ts'
import { loadPositions, readTables } from './positions.ts'

/** A bias to add to scores. */
export interface DenseBias {
  /** Whether its tables are trained. */
  readonly trained: boolean
  /** `[1, H, L, L]`, or what broadcasts to it, with the tables as they are now. */
  at(tables: readonly np.Array[]): Promise<np.Array>
  /** Gradients of the tables, flat; takes over that of the array. After `at`. */
  pullback(gradient: np.Array): Promise<np.Array[]>
  dispose(): void
}

/** The bias of a configuration's method; zeros where it has none. */
export function createDenseBias(
  { heads, context }: TrainingConfiguration,
  positions: PositionModel,
): DenseBias {
  const { modifier, modifierTables } = positions
  const compute = (): np.Array => {
    if (!modifier) return np.zeros([1, heads, 1, 1])
    const { storage } = biasMatrix(modifier, { heads, queryLength: context })
    return np.array(Float32Array.from(storage), { shape: [1, heads, context, context] })
  }
  if (!modifierTables) {
    const constant = compute()
    return {
      trained: false,
      at: async () => constant.ref,
      pullback: async (gradient) => {
        gradient.dispose()
        return []
      },
      dispose: () => constant.dispose(),
    }
  }
  const biases = trainedBiases(positions, { heads, length: context, row: context })!
  return {
    trained: true,
    async at(tables) {
      loadPositions(positions, await readTables(tables))
      return compute()
    },
    async pullback(gradient) {
      // Gradients want the values at the pairs that are seen.
      biases.values()
      const numbers = (await gradient.data()) as Float32Array
      return biases.gradients(numbers).map((own) => np.array(Float32Array.from(own)))
    },
    dispose: () => {},
  }
}
