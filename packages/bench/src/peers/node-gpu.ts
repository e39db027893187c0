// WebGPU for libraries that expect a browser: Dawn with our switches, put where a page has it.
import type { DawnFlags } from '../device/dawn-flags.ts'
import { createArguments } from '../device/dawn-flags.ts'

// Dawn's devices die with the object that `create` returns.
const kept: GPU[] = []

/**
 * Makes `navigator.gpu` Dawn's; a process does this once.
 *
 * @param software - Whether to hand out the software adapter whatever is asked for.
 */
export async function provideGpu(flags: DawnFlags, software: boolean): Promise<GPU> {
  const name = 'webgpu'
  const { create, globals } = (await import(name)) as typeof import('webgpu')
  Object.assign(globalThis, globals)
  const gpu = create(createArguments(flags))
  kept.push(gpu)
  const provided = {
    requestAdapter: (options?: GPURequestAdapterOptions) =>
      gpu.requestAdapter(software ? { forceFallbackAdapter: true } : options),
    getPreferredCanvasFormat: () => 'bgra8unorm' as const,
    wgslLanguageFeatures: gpu.wgslLanguageFeatures,
  } as GPU
  Object.defineProperty(globalThis.navigator, 'gpu', { value: provided, configurable: true })
  return provided
}
