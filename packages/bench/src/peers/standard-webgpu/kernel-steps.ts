// A few dispatches in a row as one piece of work: bound once, recorded any number of times, with the
// buffers that belong to them.
import type { EncodeWork } from '../../measure/gpu-stopwatch.ts'

/** A kernel with its buffers, ready to be dispatched. */
export interface Step {
  readonly pipeline: GPUComputePipeline
  readonly bindGroup: GPUBindGroup
  readonly workgroups: readonly [x: number, y: number, z: number]
}

/** Makes steps and keeps account of what they hold. */
export interface KernelSteps {
  /** A buffer that lives as long as the steps do. */
  readonly own: (label: string, size: number, usage: number) => GPUBuffer
  /** The 32 bytes of a matrix product's shape: up to seven integers, then the scale. */
  readonly uniform: (label: string, numbers: readonly number[], scale?: number) => GPUBuffer
  /** A dispatch of a kernel whose bindings are these buffers in order. */
  readonly step: (
    pipeline: GPUComputePipeline,
    bound: readonly GPUBuffer[],
    workgroups: Step['workgroups'],
  ) => Step
  /** Bytes of all buffers owned so far. */
  readonly memoryBytes: () => number
  readonly destroy: () => void
}

/** Steps on one device. */
export function kernelSteps(device: GPUDevice): KernelSteps {
  const owned: GPUBuffer[] = []
  const own: KernelSteps['own'] = (label, size, usage) => {
    const buffer = device.createBuffer({ label, size, usage })
    owned.push(buffer)
    return buffer
  }
  return {
    own,
    uniform(label, numbers, scale) {
      const words = new Uint32Array(8)
      words.set(numbers)
      if (scale !== undefined) new Float32Array(words.buffer)[7] = scale
      const buffer = own(label, words.byteLength, GPUBufferUsage.UNIFORM | GPUBufferUsage.COPY_DST)
      device.queue.writeBuffer(buffer, 0, words)
      return buffer
    },
    step: (pipeline, bound, workgroups) => ({
      pipeline,
      bindGroup: device.createBindGroup({
        layout: pipeline.getBindGroupLayout(0),
        entries: bound.map((buffer, binding) => ({ binding, resource: { buffer } })),
      }),
      workgroups,
    }),
    memoryBytes: () => owned.reduce((sum, { size }) => sum + size, 0),
    destroy() {
      for (const buffer of owned) buffer.destroy()
    },
  }
}

/** Records steps as one compute pass. */
export function encodeSteps(steps: readonly Step[]): EncodeWork {
  return (encoder, timestampWrites) => {
    const pass = encoder.beginComputePass(timestampWrites ? { timestampWrites } : {})
    for (const { pipeline, bindGroup, workgroups } of steps) {
      pass.setPipeline(pipeline)
      pass.setBindGroup(0, bindGroup)
      pass.dispatchWorkgroups(...workgroups)
    }
    pass.end()
  }
}
