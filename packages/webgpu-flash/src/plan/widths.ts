// How wide heads may be: the sums of a row of outputs have to lie in the registers of the threads that share
// it, and those of the backward pass are three.
import { rangeError } from '@attn/core'

/** D: that of multi-head latent attention, absorbed (DeepSeek-V2, arXiv 2405.04434): 512 and 64 turned. */
export const mostHeadDim = 576
/** Dv. */
export const mostValueDim = 512
/** Both, where gradients are wanted. */
const mostTrained = 256

/**
 * Checks widths.
 *
 * @throws RangeError for what no kernel is made for.
 */
export function checkWidths(
  caller: string,
  { headDim, valueDim }: { readonly headDim: number; readonly valueDim: number },
  training = false,
): void {
  if (headDim > mostHeadDim || valueDim > mostValueDim) {
    throw rangeError(
      `${caller}: headDim must be at most ${mostHeadDim} and valueDim at most ${mostValueDim}, got ${headDim} and ${valueDim}`,
    )
  }
  if (training && Math.max(headDim, valueDim) > mostTrained) {
    throw rangeError(
      `${caller}: with training, headDim and valueDim must be at most ${mostTrained}, got ${headDim} and ${valueDim}; wider heads go forward only`,
    )
  }
}
