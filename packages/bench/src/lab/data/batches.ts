// Batches are drawn by counter, so that a run can be taken up anywhere.
import { rangeError } from '@attn/core'
import { hash } from '../../inputs/normal.ts'

/** Tokens and, for each of them, the one that follows; `[batch, context]`, row-major. */
export interface Batch {
  readonly inputs: Int32Array<ArrayBuffer>
  readonly targets: Int32Array<ArrayBuffer>
}

/**
 * The batch of one step: pieces from places that depend on the seed, the step and nothing else.
 *
 * @throws RangeError when the text is shorter than a piece and the token after it.
 */
export function drawBatch(
  tokens: Uint16Array,
  options: {
    readonly batch: number
    readonly context: number
    readonly seed: number
    readonly step: number
    /** Pieces begin at multiples of it. Default: 1. */
    readonly stride?: number | undefined
  },
): Batch {
  const { batch, context, seed, step, stride = 1 } = options
  const places = Math.ceil((tokens.length - context) / stride)
  if (places < 1) {
    throw rangeError(
      `attn train: the text must be longer than the context of ${context}, got ${tokens.length}`,
    )
  }
  const inputs = new Int32Array(batch * context)
  const targets = new Int32Array(batch * context)
  for (let row = 0; row < batch; row++) {
    const word = hash((hash(seed ^ 0x5bd1e995) + step * batch + row) >>> 0)
    const first = Math.floor((word / 2 ** 32) * places) * stride
    inputs.set(tokens.subarray(first, first + context), row * context)
    targets.set(tokens.subarray(first + 1, first + 1 + context), row * context)
  }
  return { inputs, targets }
}
