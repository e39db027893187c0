// One partition made ready for one number of heads and one length.
import { memoryTraffic } from '@attn/core'
import { gpuTensor } from '@attn/webgpu-flash'
import type { FlashAttention, GpuTensor } from '@attn/webgpu-flash'
import { cachedPipeline } from '../device/pipeline-cache.ts'
import type { EncodeWork } from '../measure/gpu-stopwatch.ts'
import { encodeSteps, kernelSteps } from '../peers/standard-webgpu/kernel-steps.ts'
import type { StandardBuffers } from '../peers/standard-webgpu/standard-attention.ts'
import type { Partition } from './report.ts'
import { keyRows, queryRows, tileKernelWgsl } from './tile-kernel.wgsl.ts'

/** A partition that only has to be run. */
export interface PreparedPartition {
  readonly encode: EncodeWork
  readonly workgroups: number
  readonly trafficBytes: number
  destroy(): void
}

/** Prepares it on float32 buffers `[heads, length, headDim]`. */
export async function preparePartition(
  flash: FlashAttention,
  partition: Partition,
  heads: number,
  length: number,
  headDim: number,
  buffers: StandardBuffers,
): Promise<PreparedPartition> {
  if (partition === 'library') return prepareLibrary(flash, heads, length, headDim, buffers)
  const { device } = flash
  const loopOrder = partition === 'keysOutside' ? 'keys-outside' : 'queries-outside'
  const pipeline = await cachedPipeline(device, partition, tileKernelWgsl({ loopOrder, headDim }))
  const { own, step, destroy } = kernelSteps(device)
  const [queryTiles, keyTiles] = [Math.ceil(length / queryRows), Math.ceil(length / keyRows)]
  const tilesEach = partition === 'queryTiles' ? 1 : queryTiles
  const shape = own('partition', 32, GPUBufferUsage.UNIFORM | GPUBufferUsage.COPY_DST)
  const words = new Uint32Array([length, queryTiles, keyTiles, tilesEach, 0, 0, 0, 0])
  new Float32Array(words.buffer)[4] = 1 / Math.sqrt(headDim)
  device.queue.writeBuffer(shape, 0, words)
  const { query, key, value, output } = buffers
  const statistics =
    loopOrder === 'keys-outside'
      ? [own('statistics', heads * length * 8, GPUBufferUsage.STORAGE)]
      : []
  const groups = [heads, Math.ceil(queryTiles / tilesEach), 1] as const
  const work = step(pipeline, [shape, query, key, value, output, ...statistics], groups)
  const { bytes } = memoryTraffic({
    algorithm: 'flash',
    loopOrder,
    heads,
    queryLength: length,
    headDim,
    queryBlockSize: queryRows,
    keyBlockSize: keyRows,
  })
  return {
    encode: encodeSteps([work]),
    workgroups: groups[0] * groups[1],
    trafficBytes: bytes,
    destroy,
  }
}

async function prepareLibrary(
  flash: FlashAttention,
  heads: number,
  length: number,
  headDim: number,
  buffers: StandardBuffers,
): Promise<PreparedPartition> {
  const plan = flash.plan({ batch: 1, heads, queryLength: length, headDim })
  await plan.compile()
  const view = (buffer: GPUBuffer): GpuTensor => gpuTensor(buffer, [1, heads, length, headDim])
  const logSumExp = flash.empty([1, heads, length])
  const { query, key, value, output } = buffers
  const tensors = {
    query: view(query),
    key: view(key),
    value: view(value),
    output: view(output),
    logSumExp,
  }
  const { tile } = plan.explain()
  const { bytes } = memoryTraffic({
    algorithm: 'flash',
    heads,
    queryLength: length,
    headDim,
    queryBlockSize: tile.queries,
    keyBlockSize: tile.keys,
  })
  return {
    encode: (encoder, writes) => plan.encodeForward(encoder, tensors, writes),
    workgroups: heads * Math.ceil(length / tile.queries),
    trafficBytes: bytes,
    destroy() {
      plan.destroy()
      flash.release(logSumExp)
    },
  }
}
