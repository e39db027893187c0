// The device that a caller hands over: other libraries give it as a promise (onnxruntime-web), or inside
// of something that has one (TensorFlow.js, TypeGPU).
import { typeError } from '@attn/core'

/**
 * Waits for a device and checks that it is one.
 *
 * @throws (as a rejection) TypeError for what is no device, with what to write instead.
 */
export async function callersDevice(
  caller: string,
  given: GPUDevice | PromiseLike<GPUDevice>,
): Promise<GPUDevice> {
  const found: unknown = await given
  if (isDevice(found)) return found
  const promised = given !== found ? 'a promise of ' : ''
  throw typeError(
    `${caller}: device must be a GPUDevice or a promise of one, got ${promised}${describe(found)}`,
  )
}

/** Whether something can be used as a device, of this page or of another, native or wrapped. */
function isDevice(value: unknown): value is GPUDevice {
  const { createBuffer, limits, features } = (value ?? {}) as Partial<GPUDevice>
  return typeof createBuffer === 'function' && !!limits && !!features
}

function describe(value: unknown): string {
  if (value === undefined) {
    return 'undefined; onnxruntime-web has one after its first session, and where none is given attn finds one'
  }
  if (value === null) return 'null'
  if (typeof value !== 'object') return `a ${typeof value}`
  const { requestDevice, requestAdapter, device } = value as Record<string, unknown>
  if (typeof requestDevice === 'function') {
    return 'a GPUAdapter; write device: adapter.requestDevice()'
  }
  if (typeof requestAdapter === 'function') return 'a GPU; write gpu: navigator.gpu'
  if (isDevice(device)) return 'an object that has one; write device: it.device'
  return value.constructor?.name ?? 'an object'
}
