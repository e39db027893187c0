// Sinusoidal positions as a model applies them: a table added to the token embeddings, once before the
// first layer. In place, so that it takes no memory but the table's.
import type { DType } from '@attn/core'
import { fromFloat16Array, toFloat16Array } from '@attn/core'
import { sinusoidal } from '@attn/positions'
import { cachedPipeline } from '../device/pipeline-cache.ts'
import { bufferBytes, fillNormal } from '../inputs/fill-normal.ts'
import { readRanges } from '../inputs/read-back.ts'
import type { EncodeWork } from '../measure/gpu-stopwatch.ts'
import { bytesOf, quadConversions, quadType } from '../peers/standard-webgpu/storage.wgsl.ts'

const threads = 256

function addWgsl(dtype: DType): string {
  return /* wgsl */ `@group(0) @binding(0) var<storage, read_write> embeddings: array<${quadType(dtype)}>;
@group(0) @binding(1) var<storage, read> positions: array<${quadType(dtype)}>;

${quadConversions(dtype)}

@compute @workgroup_size(${threads})
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let count = arrayLength(&embeddings);
  for (var quad = id.x; quad < count; quad += ${threads}u * groups.x) {
    let sum = unpackQuad(embeddings[quad]) + unpackQuad(positions[quad % arrayLength(&positions)]);
    embeddings[quad] = packQuad(sum);
  }
}
`
}

/** The addition, ready to be timed. */
export interface EmbeddingSum {
  readonly encode: EncodeWork
  /** Bytes of the table. */
  readonly memoryBytes: number
  /** Adds once and compares with float32; true where every number read is right. */
  verify(): Promise<boolean>
  destroy(): void
}

/** Makes embeddings `[B, L, width]` of random numbers and the table to add to them. */
export async function createEmbeddingSum(
  device: GPUDevice,
  dtype: DType,
  batch: number,
  length: number,
  width: number,
): Promise<EmbeddingSum> {
  const { STORAGE, COPY_SRC, COPY_DST } = GPUBufferUsage
  const create = (label: string, size: number): GPUBuffer =>
    device.createBuffer({ label, size, usage: STORAGE | COPY_SRC | COPY_DST })
  const embeddings = create('embeddings', bufferBytes(dtype, batch * length * width))
  await fillNormal(device, embeddings, dtype, 4)
  const exact = Float32Array.from(sinusoidal({ dim: width, positions: length }).storage)
  const stored = dtype === 'float16' ? toFloat16Array(exact) : exact
  const table = dtype === 'float16' ? fromFloat16Array(toFloat16Array(exact)) : exact
  const positions = create('sinusoidal positions', stored.byteLength)
  device.queue.writeBuffer(positions, 0, stored)
  const pipeline = await cachedPipeline(device, 'add positions', addWgsl(dtype))
  const bindGroup = device.createBindGroup({
    layout: pipeline.getBindGroupLayout(0),
    entries: [embeddings, positions].map((buffer, binding) => ({ binding, resource: { buffer } })),
  })
  const quads = embeddings.size / bytesOf(dtype) / 4
  const encode: EncodeWork = (encoder, timestampWrites) => {
    const pass = encoder.beginComputePass(timestampWrites ? { timestampWrites } : {})
    pass.setPipeline(pipeline)
    pass.setBindGroup(0, bindGroup)
    pass.dispatchWorkgroups(Math.min(Math.ceil(quads / threads), 65535))
    pass.end()
  }
  return {
    encode,
    memoryBytes: positions.size,
    async verify() {
      const last = { first: (length - 1) * width, count: width }
      const read = async (): Promise<Float32Array> =>
        (await readRanges(device, embeddings, dtype, [last]))[0]!
      const before = await read()
      const encoder = device.createCommandEncoder()
      encode(encoder)
      device.queue.submit([encoder.finish()])
      const after = await read()
      // Half a step of the stored type, or a whole one where the GPU rounds towards zero.
      const step = dtype === 'float16' ? 2 ** -10 : 2 ** -23
      return after.every((value, index) => {
        const sum = before[index]! + table[last.first + index]!
        return Math.abs(value - sum) <= step * Math.max(1, Math.abs(sum))
      })
    },
    destroy() {
      embeddings.destroy()
      positions.destroy()
    },
  }
}
