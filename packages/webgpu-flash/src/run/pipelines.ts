// Compiled kernels, kept for as long as their device: the text is the key.

interface DevicePipelines {
  readonly layouts: Map<string, GPUBindGroupLayout>
  readonly compiled: Map<string, GPUComputePipeline>
  readonly compiling: Map<string, Promise<void>>
}

const perDevice = new WeakMap<GPUDevice, DevicePipelines>()

/** Storage bindings of a kernel, after the uniform block at 0; true where written. */
export type StorageBindings = readonly boolean[]

const forwardBindings: StorageBindings = [false, false, false, true, true, false, false]

function pipelinesOf(device: GPUDevice): DevicePipelines {
  const known = perDevice.get(device)
  if (known) return known
  const created: DevicePipelines = {
    layouts: new Map(),
    compiled: new Map(),
    compiling: new Map(),
  }
  perDevice.set(device, created)
  return created
}

/** The bind group layout that all kernels with these bindings share. */
export function kernelLayout(device: GPUDevice, bindings: StorageBindings): GPUBindGroupLayout {
  const { layouts } = pipelinesOf(device)
  const key = bindings.join()
  const known = layouts.get(key)
  if (known) return known
  const compute = 0x4 // GPUShaderStage.COMPUTE
  const layout = device.createBindGroupLayout({
    label: 'attn',
    entries: [
      { binding: 0, visibility: compute, buffer: { type: 'uniform' } },
      ...bindings.map((written, index): GPUBindGroupLayoutEntry => ({
        binding: index + 1,
        visibility: compute,
        buffer: { type: written ? 'storage' : 'read-only-storage' },
      })),
    ],
  })
  layouts.set(key, layout)
  return layout
}

/** The bind group layout all forward kernels share. */
export function forwardLayout(device: GPUDevice): GPUBindGroupLayout {
  return kernelLayout(device, forwardBindings)
}

/** A kernel before it is compiled. */
export interface Kernel {
  /** Shown by debuggers and in errors. */
  readonly label: string
  readonly bindings: StorageBindings
  /** WGSL with an entry point `main`. */
  readonly code: string
}

function descriptor(
  device: GPUDevice,
  { label, bindings, code }: Kernel,
): GPUComputePipelineDescriptor {
  return {
    label,
    layout: device.createPipelineLayout({ bindGroupLayouts: [kernelLayout(device, bindings)] }),
    compute: { module: device.createShaderModule({ label, code }), entryPoint: 'main' },
  }
}

/** A kernel with the bindings of the forward pass. */
export const forwardKernel = (code: string): Kernel => ({
  label: 'attn forward',
  bindings: forwardBindings,
  code,
})

/** The pipeline of a kernel, compiled at its first use. */
export function kernelPipeline(device: GPUDevice, kernel: Kernel): GPUComputePipeline {
  const { compiled } = pipelinesOf(device)
  const known = compiled.get(kernel.code)
  const pipeline = known ?? device.createComputePipeline(descriptor(device, kernel))
  keep(compiled, kernel.code, pipeline)
  return pipeline
}

/** The pipeline of a forward kernel, compiled at its first use. */
export function forwardPipeline(device: GPUDevice, code: string): GPUComputePipeline {
  return kernelPipeline(device, forwardKernel(code))
}

/** Most pipelines kept: masks with changing constants would make ever more. */
const mostKept = 256

/** Keeps a pipeline as the one used last. */
function keep(
  compiled: Map<string, GPUComputePipeline>,
  code: string,
  pipeline: GPUComputePipeline,
): void {
  // A Map lists its keys in order of insertion.
  compiled.delete(code)
  compiled.set(code, pipeline)
  for (const oldest of compiled.keys()) {
    if (compiled.size <= mostKept) break
    compiled.delete(oldest)
  }
}

/** Drops a pipeline that proved to be invalid, so that the next use reports why again. */
export function forgetPipeline(device: GPUDevice, pipeline: GPUComputePipeline): void {
  const { compiled } = pipelinesOf(device)
  for (const [code, known] of compiled) if (known === pipeline) compiled.delete(code)
}

/**
 * Compiles kernels without holding up the page: all at once, since browsers compile on several threads (Dawn in Node on
 * two), and the longest texts first, so that none of them is left alone at the end.
 */
export async function compileKernels(device: GPUDevice, kernels: readonly Kernel[]): Promise<void> {
  const longestFirst = kernels.toSorted((a, b) => b.code.length - a.code.length)
  await Promise.all(longestFirst.map(async (kernel) => compileKernel(device, kernel)))
}

async function compileKernel(device: GPUDevice, kernel: Kernel): Promise<void> {
  const { code } = kernel
  const { compiled, compiling } = pipelinesOf(device)
  if (compiled.has(code)) return
  const known = compiling.get(code)
  if (known) return known
  const compilation = compile(device, kernel).then((pipeline) => keep(compiled, code, pipeline))
  compiling.set(code, compilation)
  try {
    await compilation
  } finally {
    compiling.delete(code)
  }
}

async function compile(device: GPUDevice, kernel: Kernel): Promise<GPUComputePipeline> {
  device.pushErrorScope('validation')
  const pipeline = device.createComputePipelineAsync(descriptor(device, kernel))
  const shaderError = device.popErrorScope()
  try {
    return await pipeline
  } catch (error) {
    // What is wrong with the text is said of the module, not of the pipeline.
    const cause = await shaderError
    throw cause ? new Error(cause.message, { cause: error }) : error
  }
}
