// A device without a GPU, for what no real one does on demand: each error scope answers as told, and
// the device is lost when told.

/** Errors by the filter of the scope that catches them. */
export type ScopeErrors = Partial<Record<GPUErrorFilter, string>>

/** A device and the strings to pull. */
export interface FakeDevice {
  readonly device: GPUDevice
  /** What the scopes opened from now on report. */
  readonly fail: (errors: ScopeErrors) => void
  readonly lose: (message: string) => void
  /** Pipelines made so far. */
  readonly pipelines: () => number
  /** Buffers made and not destroyed. */
  readonly buffers: ReadonlySet<GPUBuffer>
}

/** Starts a device that does nothing. */
export function fakeDevice(limits: Readonly<Record<string, number>> = {}): FakeDevice {
  const scopes: (string | undefined)[] = []
  const buffers = new Set<GPUBuffer>()
  let errors: ScopeErrors = {}
  let pipelines = 0
  let lose: (info: GPUDeviceLostInfo) => void = () => {}
  const lost = new Promise<GPUDeviceLostInfo>((resolve) => {
    lose = resolve
  })
  const device = {
    lost,
    features: new Set<string>(),
    limits: { maxBufferSize: 2 ** 28, minUniformBufferOffsetAlignment: 256, ...limits },
    pushErrorScope: (filter: GPUErrorFilter) => void scopes.push(errors[filter]),
    popErrorScope: async () => {
      const message = scopes.pop()
      return Promise.resolve(message === undefined ? null : { message })
    },
    createBuffer: ({ size, mappedAtCreation }: GPUBufferDescriptor) => {
      if (mappedAtCreation && size > 2 ** 27) throw new RangeError('too large to map')
      const buffer = {
        size,
        usage: 0xff,
        destroy: () => void buffers.delete(buffer),
        getMappedRange: () => new ArrayBuffer(size),
        unmap: () => {},
      } as unknown as GPUBuffer
      buffers.add(buffer)
      return buffer
    },
    createBindGroupLayout: () => ({}),
    createPipelineLayout: () => ({}),
    createShaderModule: () => ({}),
    createComputePipeline: () => ({ number: ++pipelines }),
    createComputePipelineAsync: async () => {
      if (errors.validation !== undefined) throw new Error('the pipeline is invalid')
      return Promise.resolve({ number: ++pipelines })
    },
  } as unknown as GPUDevice
  return {
    device,
    fail: (next) => {
      errors = next
    },
    lose: (message) => lose({ reason: 'unknown', message, __brand: 'GPUDeviceLostInfo' }),
    pipelines: () => pipelines,
    buffers,
  }
}
