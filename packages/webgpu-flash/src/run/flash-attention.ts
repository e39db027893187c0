// Makes the library on a device: plans, runs them, and keeps the account of memory and errors.
import { checkOptions, contiguousStrides, elementCount, shapeError, typeError } from '@attn/core'
import type { OptionNames, Tensor } from '@attn/core'
import { createBufferPool } from '../device/buffers.ts'
import { callersDevice } from '../device/caller-device.ts'
import { readCapabilities } from '../device/capabilities.ts'
import type { Capabilities } from '../device/capabilities.ts'
import { watchErrors } from '../device/errors.ts'
import { hasPackedIntegerProducts } from '../device/language-features.ts'
import { requestDevice } from '../device/request-device.ts'
import { elementBytes } from '../gpu-tensor.ts'
import type { GpuTensor } from '../gpu-tensor.ts'
import { planForward } from '../plan/plan.ts'
import type { PlanOptions } from '../plan/plan-options.ts'
import type { Tuning } from '../plan/tuning.ts'
import { unprovenMatrices } from '../plan/usable-matrices.ts'
import { createImportedTuning } from '../tune/imported-tuning.ts'
import { loadedTraining, loadTraining } from './backward/training-on-demand.ts'
import type { Training } from './backward/training-interface.ts'
import { attentionOf } from './attention-once.ts'
import { bindPlan } from './attention-plan.ts'
import type { AttentionPlan } from './attention-plan-interface.ts'
import type { FlashAttention, CreateFlashAttentionOptions } from './flash-attention-interface.ts'
import { createKeyValueCache } from './cache/kv-cache.ts'
import { createMerger } from './merge/merge.ts'
import { rotateTensor } from './rotate/rotate-tensor.ts'
import { downloadTensor, uploadTensor } from './transfer.ts'

const libraryOptions: OptionNames<CreateFlashAttentionOptions> = {
  device: true,
  adapterInfo: true,
  gpu: true,
  powerPreference: true,
  tuning: true,
  training: true,
}

/**
 * Prepares flash attention on a device, the caller's or one it finds.
 *
 * @throws (as a rejection) UnsupportedError when there is no WebGPU or no adapter; the message says
 *   what to install or update. TypeError for a device or tuning that is none.
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
  options: CreateFlashAttentionOptions = {},
): Promise<FlashAttention> {
  checkOptions('createFlashAttention', options, libraryOptions)
  const own =
    options.device === undefined
      ? undefined
      : await callersDevice('createFlashAttention', options.device)
  const found = own
    ? undefined
    : await requestDevice(options.gpu, options.powerPreference ?? 'high-performance')
  const device = own ?? found!.device
  try {
    const gpu = found?.gpu ?? options.gpu ?? globalThis.navigator?.gpu
    const packedProducts = await hasPackedIntegerProducts(device, gpu)
    const claimed = readCapabilities(device, options.adapterInfo ?? found?.info, packedProducts)
    const capabilities = await withProofs(device, claimed)
    return createLibrary(device, capabilities, {
      tuning: options.tuning,
      training: options.training ? await loadTraining() : undefined,
      letGo: () => found?.destroy(),
    })
  } catch (error) {
    found?.destroy()
    throw error
  }
}

/** Tries subgroup matrices that are used with a proof alone. */
async function withProofs(device: GPUDevice, claimed: Capabilities): Promise<Capabilities> {
  if (unprovenMatrices(claimed).length === 0) return claimed
  // Few devices have such matrices: bundlers may leave this out of what is loaded first.
  const { proveMatrices } = await import('./prove-matrices.ts')
  return proveMatrices(claimed, (candidate) => createLibrary(device, candidate))
}

/** What a library may be made with. */
interface LibraryParts {
  readonly tuning?: CreateFlashAttentionOptions['tuning']
  /** What gradients need, loaded; plans for training can be made with it alone. */
  readonly training?: Training | undefined
  /** Runs when the library is destroyed. */
  readonly letGo?: () => void
}

/** The library on a device that can do this. */
export function createLibrary(
  device: GPUDevice,
  capabilities: Capabilities,
  { tuning: records, training: preloaded, letGo }: LibraryParts = {},
): FlashAttention {
  const buffers = createBufferPool(device)
  const errors = watchErrors(device)
  const host = { device, buffers, errors, capabilities }
  const tuning = createImportedTuning(capabilities)
  if (records) tuning.add('createFlashAttention', records)

  const planWith = (
    planOptions: PlanOptions,
    loaded: Training | undefined,
    known?: Tuning,
  ): AttentionPlan => {
    errors.checkAlive('flash.plan')
    const forward = planForward(planOptions, capabilities, known)
    const { training = false, backwardTiles = {} } = planOptions
    const needed = training ? loadedTraining('flash.plan', loaded) : undefined
    const backward = needed?.plan('flash.plan', forward, backwardTiles, capabilities)
    return buffers.undoOnThrow(() => bindPlan(host, backward?.forward ?? forward, backward))
  }
  const plan = (planOptions: PlanOptions): AttentionPlan => planWith(planOptions, preloaded, tuning)
  /** Calls that load what gradients need by themselves; plans do not depend on whether one was made. */
  const withTraining = async () => {
    const loaded = preloaded ?? (await loadTraining())
    const planAny = (planOptions: PlanOptions): AttentionPlan =>
      planWith(planOptions, loaded, tuning)
    const call = { plan: planAny, upload, download, release }
    return { loaded, plan: planAny, attentionBackward: loaded.attentionBackward(call) }
  }
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
    for (const view of tensors) {
      if (!view?.storage)
        throw typeError(`flash.release: need tensors, got ${view === null ? 'null' : typeof view}`)
      buffers.release(view.storage)
    }
  }

  const empty: FlashAttention['empty'] = (shape, dtype = 'float32') => {
    if (!Array.isArray(shape)) {
      throw typeError(`flash.empty: shape must be a list of sizes, got ${String(shape)}`)
    }
    if (shape.some((size) => !Number.isInteger(size) || size < 0)) {
      throw shapeError(`flash.empty: shape must be whole numbers, got [${shape.join(', ')}]`)
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

  const merger = createMerger(host)
  const library: FlashAttention = {
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
      const { loaded } = await withTraining()
      const byModel = (options: PlanOptions): AttentionPlan => planWith(options, loaded)
      const model = { device, capabilities, plan: byModel, upload, empty, download, release }
      return tune({ ...model, finished }, tuneOptions)
    },
    diagnose: async () => {
      errors.checkAlive('flash.diagnose')
      const { diagnose } = await import('../diagnose/diagnose.ts')
      return diagnose({ ...library, ...(await withTraining()) })
    },
    useTuning: (records) => tuning.add('flash.useTuning', records),
    attention: attentionOf({ plan, upload, download, release }),
    attentionBackward: (async (...call: Parameters<FlashAttention['attentionBackward']>) => {
      const { attentionBackward } = await withTraining()
      return attentionBackward(...call)
    }) as FlashAttention['attentionBackward'],
    rotate: (source, rotary, rotateOptions = {}) =>
      rotateTensor(host, 'flash.rotate', source, rotary, rotateOptions, 1),
    rotateBack: (gradient, rotary, rotateOptions = {}) =>
      rotateTensor(host, 'flash.rotateBack', gradient, rotary, rotateOptions, -1),
    merge: (...call) => merger.merge(...call),
    encodeMerge: (...call) => merger.encodeMerge(...call),
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
      letGo?.()
    },
  }
  return library
}
