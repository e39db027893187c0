// Where jax-js computes, and attention with it: a GPU through WebGPU, else the CPU through Wasm. jax-js
// looks for WebGPU in `navigator`, where browsers have it; in Node it is put there first.
import { UnsupportedError } from '@attn/core'
import { createFlashAttention } from '@attn/webgpu-flash'
import { defaultDevice, getWebGPUDevice, init } from '@jax-js/jax'
import { browserEquivalent, createArguments } from '../device/dawn-flags.ts'
import { findDevice } from '../device/find-device.ts'
import type { DeviceKind, DeviceReport } from '../device/find-device.ts'
import { createCpuAttention } from './attention.ts'
import type { SegmentAttention } from './attention.ts'
import { createGpuAttention } from './attention-gpu.ts'
import type { TrainingConfiguration } from './configuration.ts'

/** A device with jax-js on it. */
export interface TrainingDevice {
  readonly report: DeviceReport
  createAttention(configuration: TrainingConfiguration): Promise<SegmentAttention>
  release(): void
}

/**
 * Opens a device and makes it jax-js's default one. A GPU imitated in software is taken only when
 * asked for: Wasm on the same processor is faster. Once a process, as jax-js keeps the device it has.
 *
 * @throws UnsupportedError when there is none of the kind asked for.
 */
export async function openTrainingDevice(kind: DeviceKind | 'auto'): Promise<TrainingDevice> {
  let found = await findDevice({ kind, flags: browserEquivalent })
  // It was only looked for: jax-js opens its own, with what it needs.
  found.release()
  if (kind === 'auto' && found.kind === 'software') {
    found = await findDevice({ kind: 'cpu', flags: browserEquivalent })
  }
  const { report } = found
  if (found.kind === 'cpu') {
    await init('wasm')
    defaultDevice('wasm')
    return {
      report: { ...report, name: 'CPU', backend: 'jax-js on Wasm, attention in JavaScript' },
      createAttention: async (configuration) => createCpuAttention(configuration),
      release: () => {},
    }
  }
  await provideWebGpu(found.kind === 'software')
  const backends = await init('webgpu')
  if (!backends.includes('webgpu')) {
    throw new UnsupportedError(
      `attn train: jax-js opens no device on ${report.name}; use --device cpu`,
    )
  }
  defaultDevice('webgpu')
  const device = getWebGPUDevice()
  return {
    report: { ...report, backend: `jax-js on ${report.backend}` },
    createAttention: async (configuration) => {
      if (configuration.precision === 'float16' && !device.features.has('shader-f16')) {
        throw new UnsupportedError(
          `attn train: float16 needs shader-f16, which ${report.name} does not have; use --precision float32`,
        )
      }
      return createGpuAttention(
        configuration,
        await createFlashAttention({ device, training: true }),
      )
    },
    release: () => device.destroy(),
  }
}

/** Puts WebGPU where jax-js looks for it. */
async function provideWebGpu(software: boolean): Promise<void> {
  const { navigator } = globalThis as { navigator?: Navigator }
  if (navigator?.gpu) return
  const { create, globals } = await import('webgpu')
  Object.assign(globalThis, globals)
  const instance = create(createArguments(browserEquivalent))
  const gpu = {
    requestAdapter: (options: GPURequestAdapterOptions) =>
      instance.requestAdapter(software ? { forceFallbackAdapter: true } : options),
  }
  if (navigator) Object.defineProperty(navigator, 'gpu', { value: gpu, configurable: true })
  else Object.assign(globalThis, { navigator: { gpu, userAgent: 'Node' } })
}
