// Inputs of one length on the GPU, and the parts of them that the CPU needs to say what is right.
import { withErrorScopes } from '../device/error-scope.ts'
import { bufferBytes, fillNormal } from '../inputs/fill-normal.ts'
import { readRanges } from '../inputs/read-back.ts'
import type { StandardBuffers } from '../peers/standard-webgpu/standard-attention.ts'
import type { BlockInputs } from '../verify/expectation.ts'
import { sampleBlocks } from '../verify/sample.ts'
import type { RowBlock } from '../verify/sample.ts'
import type { Problem } from './problem.ts'

/** Buffers of one length, filled, and the sampled parts of the inputs. */
export interface GpuInputs {
  readonly buffers: StandardBuffers
  readonly blocks: readonly BlockInputs[]
  /** The sampled rows of the output as they are now. */
  readOutput(): Promise<Float32Array[]>
  /** Overwrites the output with zeros, so that no method inherits another's result. */
  clearOutput(): void
  destroy(): void
}

/**
 * Makes and fills the buffers `[B, H, L, D]` of query, key, value and output.
 *
 * @throws GpuWorkError when the device has too little memory.
 */
export async function createGpuInputs(
  device: GPUDevice,
  { batch, heads, headDim, dtype }: Pick<Problem, 'batch' | 'heads' | 'headDim' | 'dtype'>,
  length: number,
): Promise<GpuInputs> {
  const { STORAGE, COPY_SRC, COPY_DST } = GPUBufferUsage
  const allHeads = batch * heads
  const size = bufferBytes(dtype, allHeads * length * headDim)
  const create = (label: string): GPUBuffer =>
    device.createBuffer({ label, size, usage: STORAGE | COPY_SRC | COPY_DST })
  const buffers = await withErrorScopes(device, 'inputs', async () => {
    const created = {
      query: create('query'),
      key: create('key'),
      value: create('value'),
      output: create('output'),
    }
    await fillNormal(device, created.query, dtype, 1)
    await fillNormal(device, created.key, dtype, 2)
    await fillNormal(device, created.value, dtype, 3)
    return created
  })

  const blocks = sampleBlocks(allHeads, length)
  const rowsOf = ({ head, firstRow, rows }: RowBlock): { first: number; count: number } => ({
    first: (head * length + firstRow) * headDim,
    count: rows * headDim,
  })
  const sampledHeads = [...new Set(blocks.map(({ head }) => head))]
  const wholeHeads = sampledHeads.map((head) => rowsOf({ head, firstRow: 0, rows: length }))
  const [queries, keys, values] = await Promise.all([
    readRanges(device, buffers.query, dtype, blocks.map(rowsOf)),
    readRanges(device, buffers.key, dtype, wholeHeads),
    readRanges(device, buffers.value, dtype, wholeHeads),
  ])
  return {
    buffers,
    blocks: blocks.map((block, index) => {
      const head = sampledHeads.indexOf(block.head)
      return { ...block, query: queries[index]!, key: keys[head]!, value: values[head]! }
    }),
    readOutput: () => readRanges(device, buffers.output, dtype, blocks.map(rowsOf)),
    clearOutput() {
      const encoder = device.createCommandEncoder()
      encoder.clearBuffer(buffers.output)
      device.queue.submit([encoder.finish()])
    },
    destroy() {
      for (const buffer of Object.values<GPUBuffer>({ ...buffers })) buffer.destroy()
    },
  }
}
