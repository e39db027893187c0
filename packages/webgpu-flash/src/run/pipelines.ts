// Compiled kernels, kept for as long as their device: the text is the key.

interface DevicePipelines {
  readonly layout: GPUBindGroupLayout
  readonly compiled: Map<string, GPUComputePipeline>
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
  const created = { layout, compiled: new Map<string, GPUComputePipeline>() }
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
  if (known) return known
  const pipeline = device.createComputePipeline(descriptor(device, code))
  compiled.set(code, pipeline)
  return pipeline
}

/** Drops a pipeline that proved to be invalid, so that the next use reports why again. */
export function forgetPipeline(device: GPUDevice, pipeline: GPUComputePipeline): void {
  const { compiled } = pipelinesOf(device)
  for (const [code, known] of compiled) if (known === pipeline) compiled.delete(code)
}

/** Compiles a kernel without holding up the page. */
export async function compileForward(device: GPUDevice, code: string): Promise<void> {
  const { compiled } = pipelinesOf(device)
  if (compiled.has(code)) return
  compiled.set(code, await device.createComputePipelineAsync(descriptor(device, code)))
}
