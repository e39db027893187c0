// Watches which kernels a process dispatches, at the border to WebGPU: whatever planned them, these
// are the ones that ran.
import { kernelOf } from './kernel-of.ts'

type Prototype<T> = { readonly prototype: T }

/** The classes of a WebGPU implementation whose methods are watched. */
interface WatchedClasses {
  readonly GPUDevice: Prototype<GPUDevice>
  readonly GPUComputePassEncoder: Prototype<GPUComputePassEncoder>
}

/** What was dispatched since the last look. */
export interface KernelObserver {
  /** Dispatches of each kernel, and forgets them. */
  take(): ReadonlyMap<string, number>
}

/** Watches all devices of an implementation, from now on. */
export function observeKernels({
  GPUDevice,
  GPUComputePassEncoder,
}: WatchedClasses): KernelObserver {
  const texts = new WeakMap<GPUShaderModule, string>()
  const pipelines = new WeakMap<GPUComputePipeline, string | undefined>()
  const current = new WeakMap<GPUComputePassEncoder, string | undefined>()
  let seen = new Map<string, number>()

  const device = GPUDevice.prototype
  watch(device, 'createShaderModule', (_, [descriptor], module) => {
    texts.set(module, descriptor.code)
  })
  watch(device, 'createComputePipeline', (_, [{ compute }], pipeline) => {
    pipelines.set(pipeline, texts.get(compute.module))
  })
  watch(device, 'createComputePipelineAsync', (_, [{ compute }], promise) => {
    void promise.then(
      (pipeline) => pipelines.set(pipeline, texts.get(compute.module)),
      () => undefined,
    )
  })
  const pass = GPUComputePassEncoder.prototype
  watch(pass, 'setPipeline', (self, [pipeline]) => {
    current.set(self, pipelines.get(pipeline))
  })
  const count = (self: GPUComputePassEncoder): void => {
    const kernel = kernelOf(current.get(self) ?? '')
    if (kernel !== undefined) seen.set(kernel, (seen.get(kernel) ?? 0) + 1)
  }
  watch(pass, 'dispatchWorkgroups', count)
  watch(pass, 'dispatchWorkgroupsIndirect', count)

  return {
    take: () => {
      const taken = seen
      seen = new Map()
      return taken
    },
  }
}

type MethodName<T> = {
  [Name in keyof T]: T[Name] extends (...parameters: never[]) => unknown ? Name : never
}[keyof T]
type Called<T, Name extends keyof T> = T[Name] extends (...parameters: infer All) => infer Result
  ? readonly [parameters: All, result: Result]
  : never

/** Lets `look` see each call of a method: on what, with what, and what it gave. */
function watch<T extends object, Name extends MethodName<T>>(
  prototype: T,
  name: Name,
  look: (self: T, ...called: Called<T, Name>) => void,
): void {
  const original = prototype[name] as (...parameters: unknown[]) => unknown
  const watched = function (this: T, ...parameters: unknown[]): unknown {
    const result: unknown = Reflect.apply(original, this, parameters)
    look(this, ...([parameters, result] as unknown as Called<T, Name>))
    return result
  }
  Object.assign(prototype, { [name]: watched })
}
