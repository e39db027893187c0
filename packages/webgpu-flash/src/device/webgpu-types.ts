// What the declarations of this package need to know of WebGPU's types. TypeScript 7 has them in its DOM
// library and `@webgpu/types` brings them to older ones, as interfaces, with which these merge: nothing is
// said twice. Where neither is there, these few stand alone, and a GPUBuffer is a type and not any.
// A module, whose declarations are global only where it says so.
// oxlint-disable-next-line unicorn/require-module-specifiers
export {}

declare global {
  interface GPU {}
  interface GPUDevice {
    readonly queue: GPUQueue
  }
  interface GPUQueue {
    label: string
  }
  interface GPUAdapterInfo {
    readonly vendor: string
  }
  interface GPUBuffer {
    readonly size: number
    readonly usage: number
  }
  interface GPUBufferBinding {
    buffer: GPUBuffer
  }
  interface GPUCommandEncoder {
    label: string
  }
  interface GPUComputePassEncoder {
    label: string
  }
  interface GPUComputePassTimestampWrites {
    querySet: GPUQuerySet
  }
  interface GPUQuerySet {
    readonly count: number
  }
  interface GPUComputePipeline {
    label: string
  }
  interface GPUBindGroupLayout {
    label: string
  }
}
