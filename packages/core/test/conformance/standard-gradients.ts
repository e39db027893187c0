// The specification's gradients from inputs alone: its forward pass, then its backward pass.
import { standardAttention, standardAttentionBackward } from '../../src/index.ts'
import type { AttentionGradients, Tensor } from '../../src/index.ts'
import type { StandardAttentionOptions } from '../../src/index.ts'

/** Both passes; `trace` is told of the backward pass alone. */
export function standardGradients(
  query: Tensor,
  key: Tensor,
  value: Tensor,
  dOutput: Tensor,
  options: StandardAttentionOptions = {},
): AttentionGradients {
  const { trace, ...forwardOptions } = options
  const forward = standardAttention(query, key, value, forwardOptions)
  return standardAttentionBackward(query, key, value, forward, dOutput, {
    ...forwardOptions,
    ...(trace && { trace }),
  })
}
