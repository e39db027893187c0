// The smallest proof that the machinery works: an adapter, a shader, a read-back.
import { describe, expect, test } from 'vitest'
import { acquireGpu } from '../../../tools/testing/acquire-gpu.ts'

const gpu = await acquireGpu()

const addition = /* wgsl */ `
@group(0) @binding(0) var<storage, read> left: array<f32>;
@group(0) @binding(1) var<storage, read> right: array<f32>;
@group(0) @binding(2) var<storage, read_write> sum: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  if (id.x < arrayLength(&sum)) {
    sum[id.x] = left[id.x] + right[id.x];
  }
}
`

describe.skipIf(!gpu)('a WebGPU device', () => {
  test('adds two vectors', async () => {
    const adapter = await gpu!.requestAdapter()
    const device = await adapter!.requestDevice()
    const length = 1000
    const left = Float32Array.from({ length }, (_, index) => index)
    const right = Float32Array.from({ length }, (_, index) => index * index)

    const { STORAGE, COPY_DST, COPY_SRC, MAP_READ } = GPUBufferUsage
    const buffer = (usage: number): GPUBuffer =>
      device.createBuffer({ size: left.byteLength, usage })
    const inputs = [left, right].map((values) => {
      const input = buffer(STORAGE | COPY_DST)
      device.queue.writeBuffer(input, 0, values)
      return input
    })
    const output = buffer(STORAGE | COPY_SRC)
    const staging = buffer(COPY_DST | MAP_READ)

    const module = device.createShaderModule({ code: addition })
    const pipeline = await device.createComputePipelineAsync({
      layout: 'auto',
      compute: { module },
    })
    const bindGroup = device.createBindGroup({
      layout: pipeline.getBindGroupLayout(0),
      entries: [...inputs, output].map((bound, binding) => ({
        binding,
        resource: { buffer: bound },
      })),
    })
    const encoder = device.createCommandEncoder()
    const pass = encoder.beginComputePass()
    pass.setPipeline(pipeline)
    pass.setBindGroup(0, bindGroup)
    pass.dispatchWorkgroups(Math.ceil(length / 64))
    pass.end()
    encoder.copyBufferToBuffer(output, 0, staging, 0, left.byteLength)
    device.queue.submit([encoder.finish()])

    await staging.mapAsync(GPUMapMode.READ)
    const sum = new Float32Array(staging.getMappedRange().slice(0))
    expect(Array.from(sum)).toEqual(Array.from(left, (value, index) => value + right[index]!))
    device.destroy()
  })
})
