// What attention returns, on every backend.
import type { CpuDType, Tensor } from '../tensor/tensor.ts'

/** The result of attention on the CPU. */
export interface AttentionResult {
  /** `[B, H, L, Dv]`. A row that sees no key is 0. */
  readonly output: Tensor
  /** `[B, H, L]`: log of the sum of exp(score), natural logarithm. -Infinity for a row that sees no key. */
  readonly logSumExp: Tensor
}

/** The dtype of logSumExp: float64 where all inputs are, else float32 (float16 would be too coarse). */
export function logSumExpType(...inputs: readonly Tensor[]): CpuDType {
  return inputs.every((input) => input.dtype === 'float64') ? 'float64' : 'float32'
}
