// The library on a device: makes plans, runs them, and keeps the account of memory and errors.
import { contiguousStrides, elementCount } from '@attn/core'
import type {
  AttentionGradients,
  AttentionResult,
  DType,
  RotaryEmbedding,
  Tensor,
} from '@attn/core'
import { createBufferPool } from '../device/buffers.ts'
import type { MemoryUse } from '../device/buffers.ts'
import { readCapabilities } from '../device/capabilities.ts'
import type { Capabilities } from '../device/capabilities.ts'
import { watchErrors } from '../device/errors.ts'
import { requestDevice } from '../device/request-device.ts'
import { elementBytes } from '../gpu-tensor.ts'
import type { GpuTensor } from '../gpu-tensor.ts'
import { planBackward } from '../plan/backward-plan.ts'
import { planForward } from '../plan/plan.ts'
import type { PlanOptions } from '../plan/plan.ts'
import type { Tuning } from '../plan/tuning.ts'
import type { CallOptions } from '../plan/rope-options.ts'
import { createImportedTuning } from '../tune/imported-tuning.ts'
import type { TuningRecord } from '../tune/record.ts'
import type { TuneOptions } from '../tune/tune.ts'
import { attentionBackward } from './attention-backward.ts'
import { attentionOnce } from './attention-once.ts'
import { bindPlan } from './attention-plan.ts'
import type { AttentionPlan } from './attention-plan.ts'
import { createKeyValueCache } from './kv-cache.ts'
import type { KeyValueCache, KeyValueCacheOptions } from './kv-cache-options.ts'
import { rotateTensor } from './rotate-tensor.ts'
import type { RotateOptions } from './rotate-tensor.ts'
import { downloadTensor, uploadTensor } from './transfer.ts'

/** Where the library is to run. */
export interface FlashAttentionOptions {
  /** A device of the caller's. It stays the caller's: `destroy` frees buffers, not the device. */
  readonly device?: GPUDevice
  /**
   * With `device`: the `info` of its adapter, which may say more than the device's own
   * `adapterInfo` (in Dawn, the subgroup matrices there are).
   */
  readonly adapterInfo?: GPUAdapterInfo
  /** Where to look for an adapter. Default: `navigator.gpu`, in Node the package `webgpu`. */
  readonly gpu?: GPU
  /** Which adapter to prefer. Default: high-performance. */
  readonly powerPreference?: GPUPowerPreference
  /** What `tune` found out about devices, of which this may be one; see `useTuning`. */
  readonly tuning?: TuningRecord | readonly TuningRecord[]
}

/**
 * Flash attention on one device. Every method throws `DeviceLostError` once the device is lost, or
 * `destroy` was called.
 */
export interface FlashAttention {
  /** The device it runs on: for your own buffers, encoders and passes. */
  readonly device: GPUDevice
  /** What the device can do, as plain data. */
  readonly capabilities: Capabilities
  /** GPU memory the library holds: tensors made by it, and plans. */
  readonly memory: MemoryUse
  /** Makes `memory.peakBytes` count from now on. */
  resetPeakMemory(): void
  /**
   * Plans attention for these sizes: chooses the kernel, finds the tiles to visit, uploads tables.
   * Compiles nothing yet.
   *
   * @throws RangeError or TypeError for options that do not fit, each with the rule and what came;
   *   UnsupportedError for what this device cannot do, with the limit.
   */
  plan(options: PlanOptions): AttentionPlan
  /**
   * Measures the tiles that kernels can use for some shapes on this device, which should do nothing
   * else meanwhile: about three seconds each. Plans stay as they are until `useTuning` is given the
   * result, which is plain data: ship it as JSON, one record for each kind of device.
   *
   * @throws (as a rejection) RangeError or TypeError for shapes and numbers out of range,
   *   UnsupportedError for shapes that this device cannot compute, the reason of an aborted `signal`.
   */
  tune(options: TuneOptions): Promise<TuningRecord>
  /**
   * Makes plans from now on take the tiles that were the fastest. Records of other devices, or of other
   * versions of the kernels, are left aside: `explain().reason` says so. Results differ by rounding at
   * most, as between any two tiles.
   *
   * @throws TypeError for what is not a record, with the field that is wrong.
   */
  useTuning(records: TuningRecord | readonly TuningRecord[]): void
  /**
   * Exact attention of CPU tensors: uploads, plans, runs, downloads.
   * query `[B, H, L, D]`, key `[B, Hkv, S, D]`, value `[B, Hkv, S, Dv]`, any strides; float64 is
   * computed in float32. Outputs have the dtype of the inputs, logSumExp is float32.
   *
   * @throws (as a rejection) RangeError or TypeError for tensors and options that do not fit, and
   *   what the GPU does to the call: GpuOutOfMemoryError, DeviceLostError and so on.
   */
  attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    options?: CallOptions,
  ): Promise<AttentionResult>
  /**
   * The gradients of `attention`, from what it returned: CPU tensors in and out, in the dtype of the
   * inputs (float64 is computed in float32). The same bit for bit from run to run.
   *
   * @param forward - What `attention` (of any backend) returned for these tensors and options.
   * @param dOutput - `[B, H, L, Dv]`: gradient of the loss by the output.
   * @throws RangeError or TypeError for tensors and options that do not fit, UnsupportedError for
   *   tables whose gradients cannot be summed on this device.
   */
  attentionBackward(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    forward: AttentionResult,
    dOutput: Tensor,
    options?: CallOptions,
  ): Promise<AttentionGradients>
  /**
   * Turns query or key heads by their positions (RoPE, arXiv 2104.09864): keys on their way into a
   * cache, once, after which plans take them with `rope: { query: embedding }`. Angles are exact at
   * any position.
   *
   * @param tensor - `[B, H, L, D]`, any strides.
   * @throws RangeError or TypeError when embedding, positions or output do not fit the tensor.
   */
  rotate(tensor: GpuTensor, rotary: RotaryEmbedding, options?: RotateOptions): GpuTensor
  /**
   * Gradient of `rotate`: from that of the rotated tensor to that of its input. The rotation by the
   * negative angle, times the same attention factor.
   *
   * @throws RangeError or TypeError as `rotate` does.
   */
  rotateBack(gradient: GpuTensor, rotary: RotaryEmbedding, options?: RotateOptions): GpuTensor
  /**
   * A cache of keys and values, empty: for decoding token by token, with a plan made once, with
   * `lengths: 'call'`.
   *
   * @throws RangeError or TypeError for options that do not fit, UnsupportedError for more than the
   *   device allows.
   *
   * @example
   * ```ts
   * import { createFlashAttention } from '@attn/webgpu-flash'
   *
   * const flash = await createFlashAttention()
   * const cache = flash.cache({ kvHeads: 2, headDim: 64, capacity: 100, dtype: 'float16' })
   * const tokens = flash.empty([1, 2, 7, 64], 'float16') // of a prompt
   * cache.append({ key: tokens, value: tokens })
   * cache.length() // => 7
   * const plan = flash.plan({
   *   heads: 8, kvHeads: 2, queryLength: 1, keyLength: 100, headDim: 64, dtype: 'float16', lengths: 'call',
   * })
   * const query = flash.empty([1, 8, 1, 64], 'float16')
   * plan.forward({ query, ...cache.inputs() }).output.shape // => [1, 8, 1, 64]
   * await flash.finished()
   * flash.destroy()
   * ```
   */
  cache(options: KeyValueCacheOptions): KeyValueCache
  /**
   * Copies a CPU tensor to the GPU, row-major; float64 becomes float32.
   *
   * @throws TypeError for other things than tensors, UnsupportedError for more than a buffer holds.
   */
  upload(source: Tensor): GpuTensor
  /**
   * A new tensor of zeros. Default dtype: float32.
   *
   * @throws RangeError for a shape that is none, UnsupportedError for more than a buffer holds.
   */
  empty(shape: readonly number[], dtype?: DType): GpuTensor
  /**
   * Copies a GPU tensor back, row-major; its buffer needs usage COPY_SRC. Waits for what fills it,
   * and rejects with the error of that call, or of what that call depended on.
   */
  download(source: GpuTensor): Promise<Tensor>
  /** Frees tensors that the library made, at once; leaves others alone. */
  release(...tensors: readonly GpuTensor[]): void
  /** Waits for all work; rejects with the first error that no `download` has told of. */
  finished(): Promise<void>
  /**
   * Frees all buffers, and the device where the library requested it. What is under way rejects with
   * `DeviceLostError`. In Node, the process may end.
   */
  destroy(): void
}

/**
 * Prepares flash attention on a device, the caller's or one it finds.
 *
 * @throws (as a rejection) UnsupportedError when there is no WebGPU or no adapter; the message says
 *   what to install or update. TypeError for tuning that is none.
 *
 * @example
 * ```ts
 * import { tensor } from '@attn/core'
 * import { createFlashAttention } from '@attn/webgpu-flash'
 *
 * const flash = await createFlashAttention()
 * const random = () => tensor(Float32Array.from({ length: 2 * 100 * 64 }, Math.random), [1, 2, 100, 64])
 * const { output, logSumExp } = await flash.attention(random(), random(), random())
 * output.shape // => [1, 2, 100, 64]
 * logSumExp.shape // => [1, 2, 100]
 * flash.destroy()
 * ```
 */
export async function createFlashAttention(
  options: FlashAttentionOptions = {},
): Promise<FlashAttention> {
  const found = options.device
    ? undefined
    : await requestDevice(options.gpu, options.powerPreference ?? 'high-performance')
  const device = options.device ?? found!.device
  const capabilities = readCapabilities(device, options.adapterInfo ?? found?.info)
  const buffers = createBufferPool(device)
  const errors = watchErrors(device)
  const host = { device, buffers, errors, capabilities }

  const tuning = createImportedTuning(capabilities)
  if (options.tuning) {
    try {
      tuning.add('createFlashAttention', options.tuning)
    } catch (error) {
      found?.destroy()
      throw error
    }
  }

  const planWith = (planOptions: PlanOptions, known?: Tuning): AttentionPlan => {
    errors.checkAlive('flash.plan')
    const forward = planForward(planOptions, capabilities, known)
    const { training = false, backwardTiles = {} } = planOptions
    const backward = training
      ? planBackward('flash.plan', forward, backwardTiles, capabilities)
      : undefined
    return buffers.undoOnThrow(() => bindPlan(host, forward, backward))
  }
  const plan = (planOptions: PlanOptions): AttentionPlan => planWith(planOptions, tuning)
  const written = (caller: string, make: () => GpuTensor): GpuTensor =>
    errors.guard(caller, (call) => {
      const made = make()
      call.writes(made.storage)
      return made
    })
  const upload = (source: Tensor): GpuTensor =>
    written('flash.upload', () => uploadTensor(buffers, 'tensor', source))
  const download = async (source: GpuTensor): Promise<Tensor> => downloadTensor(host, source)
  const release = (...tensors: readonly GpuTensor[]): void => {
    for (const { storage } of tensors) buffers.release(storage)
  }

  const empty: FlashAttention['empty'] = (shape, dtype = 'float32') => {
    if (shape.some((size) => !Number.isInteger(size) || size < 0)) {
      throw new RangeError(`flash.empty: shape must be whole numbers, got [${shape.join(', ')}]`)
    }
    const count = elementCount(shape)
    return written('flash.empty', () => ({
      dtype,
      shape: [...shape],
      strides: contiguousStrides(shape),
      offset: 0,
      storage: buffers.allocate('tensor', count * elementBytes(dtype)),
    }))
  }
  const finished = async (): Promise<void> => {
    errors.checkAlive('flash.finished')
    await errors.outcome('flash.finished', device.queue.onSubmittedWorkDone())
    await errors.settle('flash.finished')
  }

  return {
    device,
    capabilities,
    get memory() {
      return buffers.use
    },
    resetPeakMemory: () => buffers.resetPeak(),
    plan,
    tune: async (tuneOptions) => {
      errors.checkAlive('flash.tune')
      // Few sites tune where they run: bundlers may leave it out of what is loaded first.
      const { tune } = await import('../tune/tune.ts')
      const model = { device, capabilities, plan: planWith, upload, empty, download, release }
      return tune({ ...model, finished }, tuneOptions)
    },
    useTuning: (records) => tuning.add('flash.useTuning', records),
    attention: async (...call) => attentionOnce({ plan, upload, download, release }, ...call),
    attentionBackward: async (...call) =>
      attentionBackward({ plan, upload, download, release }, ...call),
    rotate: (source, rotary, rotateOptions = {}) =>
      rotateTensor(host, 'flash.rotate', source, rotary, rotateOptions, 1),
    rotateBack: (gradient, rotary, rotateOptions = {}) =>
      rotateTensor(host, 'flash.rotateBack', gradient, rotary, rotateOptions, -1),
    cache: (cacheOptions) => {
      errors.checkAlive('flash.cache')
      return buffers.undoOnThrow(() => createKeyValueCache(host, cacheOptions))
    },
    upload,
    empty,
    download,
    release,
    finished,
    destroy: () => {
      errors.close()
      buffers.releaseAll()
      found?.destroy()
    },
  }
}
