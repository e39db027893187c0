// Compiled kernels, kept for as long as their device: the text is the key.

interface DevicePipelines {
  readonly layout: GPUBindGroupLayout
  readonly compiled: Map<string, GPUComputePipeline>
  readonly compiling: Map<string, Promise<void>>
}

const perDevice = new WeakMap<GPUDevice, DevicePipelines>()

/** Storage bindings of a forward kernel, after the uniform block at 0; true where written. */
const storageBindings = [false, false, false, true, true, false, false] as const

function pipelinesOf(device: GPUDevice): DevicePipelines {
  const known = perDevice.get(device)
  if (known) return known
  const compute = 0x4 // GPUShaderStage.COMPUTE
  const layout = device.createBindGroupLayout({
    label: 'attn forward',
    entries: [
      { binding: 0, visibility: compute, buffer: { type: 'uniform' } },
      ...storageBindings.map((written, index): GPUBindGroupLayoutEntry => ({
        binding: index + 1,
        visibility: compute,
        buffer: { type: written ? 'storage' : 'read-only-storage' },
      })),
    ],
  })
  const created: DevicePipelines = { layout, compiled: new Map(), compiling: new Map() }
  perDevice.set(device, created)
  return created
}

/** The bind group layout all forward kernels share. */
export function forwardLayout(device: GPUDevice): GPUBindGroupLayout {
  return pipelinesOf(device).layout
}

function descriptor(device: GPUDevice, code: string): GPUComputePipelineDescriptor {
  return {
    label: 'attn forward',
    layout: device.createPipelineLayout({ bindGroupLayouts: [forwardLayout(device)] }),
    compute: {
      module: device.createShaderModule({ label: 'attn forward', code }),
      entryPoint: 'main',
    },
  }
}

/** The pipeline of a kernel, compiled at its first use. */
export function forwardPipeline(device: GPUDevice, code: string): GPUComputePipeline {
  const { compiled } = pipelinesOf(device)
  const known = compiled.get(code)
  const pipeline = known ?? device.createComputePipeline(descriptor(device, code))
  keep(compiled, code, pipeline)
  return pipeline
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

/** Compiles a kernel without holding up the page. */
export async function compileForward(device: GPUDevice, code: string): Promise<void> {
  const { compiled, compiling } = pipelinesOf(device)
  if (compiled.has(code)) return
  const known = compiling.get(code)
  if (known) return known
  const compilation = compile(device, code).then((pipeline) => keep(compiled, code, pipeline))
  compiling.set(code, compilation)
  try {
    await compilation
  } finally {
    compiling.delete(code)
  }
}

async function compile(device: GPUDevice, code: string): Promise<GPUComputePipeline> {
  device.pushErrorScope('validation')
  const pipeline = device.createComputePipelineAsync(descriptor(device, code))
  const shaderError = device.popErrorScope()
  try {
    return await pipeline
  } catch (error) {
    // What is wrong with the text is said of the module, not of the pipeline.
    const cause = await shaderError
    throw cause ? new Error(cause.message, { cause: error }) : error
  }
}
