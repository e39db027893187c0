// The shapes that `attn tune` measures: one for each kind of calls that records tell apart.
import type { DType } from '@attn/core'
import { causal } from '@attn/masks'
import type { TuneShape } from '@attn/webgpu-flash'

/** What to combine. */
export interface TuneProblem {
  readonly heads: number
  readonly headDims: readonly number[]
  readonly dtypes: readonly DType[]
  /** Queries of a call; those of at most 16 see `decodedKeys` keys, as decoding steps do. */
  readonly lengths: readonly number[]
  readonly masks: readonly TuneMask[]
  readonly training: boolean
}

/** Which masks there are. */
export type TuneMask = 'none' | 'causal'

/** Keys that a decoding step sees. */
export const decodedKeys = 4096

/** All combinations; of decoding steps those without a mask, which they have no need of. */
export function tuneShapes({
  heads,
  headDims,
  dtypes,
  lengths,
  masks,
  training,
}: TuneProblem): TuneShape[] {
  const shapes: TuneShape[] = []
  for (const dtype of dtypes) {
    for (const headDim of headDims) {
      for (const queryLength of lengths.toSorted((left, right) => left - right)) {
        const decodes = queryLength <= 16
        const shape = { heads, headDim, dtype, queryLength }
        for (const mask of masks) {
          if (decodes && mask === 'causal') continue
          shapes.push({
            ...shape,
            ...(decodes ? { keyLength: decodedKeys } : { training }),
            ...(mask === 'causal' ? { mask: causal() } : {}),
          })
        }
      }
    }
  }
  return shapes
}
