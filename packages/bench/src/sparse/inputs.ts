// The tensors of one length, which all patterns share.
import type { DType } from '@attn/core'
import { withErrorScopes } from '../device/error-scope.ts'
import { bufferBytes, fillNormal } from '../inputs/fill-normal.ts'
import type { StandardBuffers } from '../peers/standard-webgpu/standard-attention.ts'
import { streams } from './sampled-rows.ts'

/** Sizes of self-attention of one sequence. */
export interface SparseProblem {
  readonly heads: number
  readonly length: number
  readonly headDim: number
  readonly dtype: DType
}

/**
 * Makes and fills them.
 *
 * @throws GpuWorkError when the device has too little memory.
 */
export async function createInputs(
  device: GPUDevice,
  { heads, length, headDim, dtype }: SparseProblem,
): Promise<StandardBuffers> {
  const { STORAGE, COPY_SRC, COPY_DST } = GPUBufferUsage
  const size = bufferBytes(dtype, heads * length * headDim)
  const create = (label: string): GPUBuffer =>
    device.createBuffer({ label, size, usage: STORAGE | COPY_SRC | COPY_DST })
  return withErrorScopes(device, 'inputs', async () => {
    const inputs = {
      query: create('query'),
      key: create('key'),
      value: create('value'),
      output: create('output'),
    }
    for (const name of ['query', 'key', 'value'] as const) {
      await fillNormal(device, inputs[name], dtype, streams[name])
    }
    return inputs
  })
}
