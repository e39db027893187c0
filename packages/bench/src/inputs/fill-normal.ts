// Fills a buffer with normal numbers where it lies: gigabytes of inputs need neither the CPU's memory
// nor the way across.
import type { DType } from '@attn/core'
import { cachedPipeline } from '../device/pipeline-cache.ts'
import { bytesOf } from '../peers/standard-webgpu/storage.wgsl.ts'
import { normalWgsl } from './normal.ts'

const threads = 256
const workgroups = 4096

/** WGSL that writes one 32-bit word of the buffer per step: a float32, or two float16. */
function fillWgsl(dtype: DType): string {
  const word =
    dtype === 'float32'
      ? 'bitcast<u32>(normal(fill.stream, index))'
      : 'pack2x16float(vec2f(normal(fill.stream, 2u * index), normal(fill.stream, 2u * index + 1u)))'
  return /* wgsl */ `struct Fill { stream: u32, firstWord: u32, words: u32 }
@group(0) @binding(0) var<uniform> fill: Fill;
@group(0) @binding(1) var<storage, read_write> output: array<u32>;

${normalWgsl}

@compute @workgroup_size(${threads})
fn main(@builtin(global_invocation_id) id: vec3u) {
  for (var word = id.x; word < fill.words; word += ${threads * workgroups}u) {
    let index = fill.firstWord + word;
    output[word] = ${word};
  }
}
`
}

/**
 * Fills a storage buffer with normally distributed numbers on the GPU.
 *
 * @param buffer - Wholly filled; its size is a multiple of four bytes.
 * @param dtype - Type of its elements.
 * @param stream - Which sequence of numbers; buffers of equal streams are equal.
 */
export async function fillNormal(
  device: GPUDevice,
  buffer: GPUBuffer,
  dtype: DType,
  stream: number,
): Promise<void> {
  const pipeline = await cachedPipeline(device, 'fill normal', fillWgsl(dtype))
  // A binding may span less than the buffer; 256 is the alignment that every device takes.
  const most = Math.floor(device.limits.maxStorageBufferBindingSize / 256) * 256
  for (let offset = 0; offset < buffer.size; offset += most) {
    const size = Math.min(most, buffer.size - offset)
    const uniform = device.createBuffer({
      label: 'fill normal',
      size: 16,
      usage: GPUBufferUsage.UNIFORM | GPUBufferUsage.COPY_DST,
    })
    device.queue.writeBuffer(uniform, 0, new Uint32Array([stream, offset / 4, size / 4, 0]))
    const bindGroup = device.createBindGroup({
      layout: pipeline.getBindGroupLayout(0),
      entries: [
        { binding: 0, resource: { buffer: uniform } },
        { binding: 1, resource: { buffer, offset, size } },
      ],
    })
    const encoder = device.createCommandEncoder()
    const pass = encoder.beginComputePass()
    pass.setPipeline(pipeline)
    pass.setBindGroup(0, bindGroup)
    pass.dispatchWorkgroups(Math.min(workgroups, Math.ceil(size / 4 / threads)))
    pass.end()
    device.queue.submit([encoder.finish()])
    uniform.destroy()
  }
}

/** Bytes of a buffer for so many elements, rounded up to whole words. */
export function bufferBytes(dtype: DType, elements: number): number {
  return Math.ceil((elements * bytesOf(dtype)) / 4) * 4
}
