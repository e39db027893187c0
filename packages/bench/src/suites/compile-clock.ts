// Where the time of a first call goes: a device whose compilations are timed, without the program that uses it
// knowing. Dawn reads and checks WGSL when a module is made; the rest, translation and the driver's compiler,
// is done when a pipeline is.

/** What compiling took, in milliseconds by the wall clock. */
export interface CompileTimes {
  /** When the first module was made and the last pipeline was ready, as `performance.now` has it; 0 where none was. */
  readonly began: number
  readonly ended: number
  /** Making modules, all together. */
  readonly frontEndMilliseconds: number
  /** Pipelines that were made. */
  readonly pipelines: number
}

/** Times the compilations of a device. */
export interface CompileClock {
  readonly times: CompileTimes
  /** Leaves the device as it was. */
  stop(): void
}

/** Begins to time what a device compiles. */
export function watchCompilation(device: GPUDevice): CompileClock {
  let [began, ended, frontEnd, pipelines] = [0, 0, 0, 0]
  const watched = {
    createShaderModule: (descriptor: GPUShaderModuleDescriptor): GPUShaderModule => {
      const start = performance.now()
      began ||= start
      const made = original.createShaderModule(descriptor)
      frontEnd += performance.now() - start
      return made
    },
    createComputePipeline: (descriptor: GPUComputePipelineDescriptor): GPUComputePipeline => {
      const made = original.createComputePipeline(descriptor)
      pipelines++
      ended = performance.now()
      return made
    },
    createComputePipelineAsync: async (
      descriptor: GPUComputePipelineDescriptor,
    ): Promise<GPUComputePipeline> => {
      const made = await original.createComputePipelineAsync(descriptor)
      pipelines++
      ended = performance.now()
      return made
    },
  }
  const names = Object.keys(watched) as (keyof typeof watched)[]
  const original = {
    createShaderModule: device.createShaderModule.bind(device),
    createComputePipeline: device.createComputePipeline.bind(device),
    createComputePipelineAsync: device.createComputePipelineAsync.bind(device),
  }
  for (const name of names) {
    Object.defineProperty(device, name, { value: watched[name], configurable: true })
  }
  return {
    get times() {
      return { began, ended, frontEndMilliseconds: frontEnd, pipelines }
    },
    // The device's own methods are those of its prototype.
    stop: () => names.forEach((name) => Reflect.deleteProperty(device, name)),
  }
}
