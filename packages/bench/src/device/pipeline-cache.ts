// Compute pipelines by their shader text, so that the same kernel over many lengths is compiled once.

const caches = new WeakMap<GPUDevice, Map<string, Promise<GPUComputePipeline>>>()

/** The pipeline of a shader's `main`, compiled at the first call and remembered with the device. */
export function cachedPipeline(
  device: GPUDevice,
  label: string,
  code: string,
): Promise<GPUComputePipeline> {
  const cache = caches.get(device) ?? new Map<string, Promise<GPUComputePipeline>>()
  caches.set(device, cache)
  const known = cache.get(code)
  if (known) return known
  const module = device.createShaderModule({ label, code })
  const pipeline = device.createComputePipelineAsync({
    label,
    layout: 'auto',
    compute: { module },
  })
  cache.set(code, pipeline)
  return pipeline
}
