// What attention returns, on every backend.
import { typeError } from '../errors.ts'
import type { CpuDType, Tensor } from '../tensor/tensor.ts'

/** The result of attention on the CPU. */
export interface AttentionResult {
  /** `[B, H, L, Dv]`. A row that sees no key is 0. */
  readonly output: Tensor
  /** `[B, H, L]`: log of the sum of exp(score), natural logarithm. -Infinity for a row that sees no key. */
  readonly logSumExp: Tensor
  /**
   * Where `rowMaximum` asks for it: `[B, H, L]`, in the dtype of logSumExp. The largest score of each
   * row after score modifiers and mask, sinks left out (FlexAttention's `max_scores`, which QK-clip
   * watches); -Infinity for a row that sees no key.
   */
  readonly rowMaximum?: Tensor | undefined
}

/** What a call may ask for besides. */
export interface ResultRequest {
  /** Whether to return the largest score of each row too. Default: false. */
  readonly rowMaximum?: boolean | undefined
}

/**
 * Whether a call asks for the largest scores.
 *
 * @throws TypeError for other things than true and false.
 *
 * @example
 * ```ts
 * import { wantsRowMaximum } from '@attn/core'
 * wantsRowMaximum('attention', {}) // => false
 * ```
 */
export function wantsRowMaximum(caller: string, { rowMaximum = false }: ResultRequest): boolean {
  if (typeof rowMaximum === 'boolean') return rowMaximum
  throw typeError(`${caller}: rowMaximum must be true or false, got ${String(rowMaximum)}`)
}

/** The dtype of logSumExp: float64 where all inputs are, else float32 (float16 would be too coarse). */
export function logSumExpType(...inputs: readonly Tensor[]): CpuDType {
  return inputs.every((input) => input.dtype === 'float64') ? 'float64' : 'float32'
}

/**
 * Checks that the fourth argument of a backward pass is what the forward pass returned: all of them take
 * `(query, key, value, forward, dOutput, options)`.
 *
 * @throws TypeError for anything else.
 *
 * @example
 * ```ts
 * import { checkForwardResult, zeros } from '@attn/core'
 * const dOutput = zeros([1, 1, 2, 4])
 * const forward = { output: dOutput } as never
 * checkForwardResult('backward', forward) // => throws TypeError: backward: forward must be what the forward pass returned, { output, logSumExp }; the arguments are (query, key, value, forward, dOutput, options)
 * ```
 */
export function checkForwardResult(caller: string, forward: AttentionResult): void {
  if (!forward?.output || !forward.logSumExp) {
    throw typeError(
      `${caller}: forward must be what the forward pass returned, { output, logSumExp }; the arguments are (query, key, value, forward, dOutput, options)`,
    )
  }
}
