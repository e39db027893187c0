// What a backward pass takes besides the inputs of the forward pass: the gradient of the output, and room
// for the gradients that standard attention writes.
import type { DType } from '@attn/core'
import { bufferBytes, fillNormal } from '../inputs/fill-normal.ts'
import type { StandardGradientBuffers } from '../peers/standard-webgpu/standard-backward.ts'
import type { StandardBuffers } from '../peers/standard-webgpu/standard-attention.ts'
import { withErrorScopes } from '../device/error-scope.ts'

/** Sizes of self-attention whose heads are all alike. */
export interface GradientShape {
  readonly batch: number
  readonly heads: number
  readonly headDim: number
  readonly dtype: DType
}

/** Buffers of one length beside those of the forward pass. */
export interface GradientInputs {
  /** Every buffer that a standard backward pass is bound to. */
  readonly buffers: StandardGradientBuffers
  destroy(): void
}

/**
 * Makes and fills them.
 *
 * @throws GpuWorkError when the device has too little memory.
 */
export async function createGradientInputs(
  device: GPUDevice,
  { batch, heads, headDim, dtype }: GradientShape,
  length: number,
  forward: StandardBuffers,
): Promise<GradientInputs> {
  const { STORAGE, COPY_SRC, COPY_DST } = GPUBufferUsage
  const size = bufferBytes(dtype, batch * heads * length * headDim)
  const names = ['dOutput', 'dQuery', 'dKey', 'dValue'] as const
  const own = await withErrorScopes(device, 'gradients', async () => {
    const made = Object.fromEntries(
      names.map((label) => [
        label,
        device.createBuffer({ label, size, usage: STORAGE | COPY_SRC | COPY_DST }),
      ]),
    ) as Record<(typeof names)[number], GPUBuffer>
    await fillNormal(device, made.dOutput, dtype, 4)
    return made
  })
  const { query, key, value } = forward
  return {
    buffers: { query, key, value, ...own },
    destroy() {
      for (const name of names) own[name].destroy()
    },
  }
}
