// The library on a device, as its users see it.
import type {
  AttentionGradients,
  AttentionResult,
  DType,
  RotaryEmbedding,
  Tensor,
} from '@attn/core'
import type { MemoryUse } from '../device/buffers.ts'
import type { Capabilities } from '../device/capabilities.ts'
import type { Diagnosis } from '../diagnose/diagnosis.ts'
import type { GpuTensor } from '../gpu-tensor.ts'
import type { PlanOptions } from '../plan/plan-options.ts'
import type { CallOptions } from '../plan/rotate/rope-options.ts'
import type { TuningRecord } from '../tune/record.ts'
import type { TuneOptions } from '../tune/tune.ts'
import type { AttentionPlan } from './attention-plan-interface.ts'
import type { BackwardOutputs } from './backward/backward-tensors.ts'
import type { ForwardOutputs } from './forward/forward-tensors.ts'
import type { KeyValueCache, KeyValueCacheOptions } from './cache/kv-cache-options.ts'
import type { PartialAttention } from './merge/merge-tensors.ts'
import type { GpuRotateOptions } from './rotate/rotate-tensor.ts'

/** Where the library is to run. */
export interface CreateFlashAttentionOptions {
  /**
   * A device of the caller's, or a promise of one, such as `ort.env.webgpu.device`. It stays the
   * caller's: `destroy` frees buffers, not the device.
   */
  readonly device?: GPUDevice | PromiseLike<GPUDevice> | undefined
  /**
   * With `device`: the `info` of its adapter, which may say more than the device's own
   * `adapterInfo` (in Dawn, the subgroup matrices there are).
   */
  readonly adapterInfo?: GPUAdapterInfo | undefined
  /** Where to look for an adapter. Default: `navigator.gpu`, in Node the package `webgpu`. */
  readonly gpu?: GPU | undefined
  /** Which adapter to prefer. Default: high-performance. */
  readonly powerPreference?: 'low-power' | 'high-performance' | undefined
  /** What `tune` found out about devices, of which this may be one; see `useTuning`. */
  readonly tuning?: TuningRecord | readonly TuningRecord[] | undefined
  /**
   * Loads what gradients need before the library is there, so that plans can be made with `training: true`.
   * `attentionBackward` loads it by itself; who only runs models never does. Default: false.
   */
  readonly training?: boolean | undefined
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
   *   UnsupportedError for what this device cannot do, with the limit. TypeError for `training: true` of a
   *   library that was made without.
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
   * What this device is worth: which kernel the usual calls get and why not a faster one, what can be
   * done about it, and small problems checked against the reference in float64. Plain data, for a bug
   * report or a page about the visitor's GPU; `attn doctor` prints it.
   *
   * @throws (as a rejection) what the GPU does to its calls: DeviceLostError and so on.
   *
   * @example
   * ```ts
   * import { createFlashAttention } from '@attn/webgpu-flash'
   *
   * const flash = await createFlashAttention()
   * const { kernels, results } = await flash.diagnose()
   * kernels[0].call // => 'float32 forward, headDim 64'
   * results.every(({ passed }) => passed) // => true
   * flash.destroy()
   * ```
   */
  diagnose(): Promise<Diagnosis>
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
   * The same of GPU tensors, such as another library's: nothing is uploaded or read back. It waits for
   * the kernel to compile, not for the result; `download` and `finished` tell of what goes wrong with
   * it. `release` frees the outputs. A `plan` serves calls that repeat, and does its work once.
   *
   * @throws (as a rejection) RangeError or TypeError for tensors and options that do not fit,
   *   UnsupportedError for what this device cannot do.
   *
   * @example
   * ```ts
   * import { createFlashAttention, gpuTensor } from '@attn/webgpu-flash'
   *
   * const flash = await createFlashAttention()
   * const theirs = flash.device.createBuffer({ size: 100 * 128 * 4, usage: GPUBufferUsage.STORAGE })
   * const x = gpuTensor(theirs, [1, 100, 128], { heads: 2 })
   * const { output } = await flash.attention(x, x, x)
   * output.shape // => [1, 2, 100, 64]
   * flash.destroy()
   * ```
   */
  attention(
    query: GpuTensor,
    key: GpuTensor,
    value: GpuTensor,
    options?: CallOptions,
  ): Promise<ForwardOutputs>
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
   * The same of GPU tensors, from what `attention` or a plan returned for them: nothing is uploaded or
   * read back. `release` frees the gradients.
   *
   * @throws (as a rejection) RangeError or TypeError for tensors and options that do not fit,
   *   UnsupportedError for what this device cannot do.
   */
  attentionBackward(
    query: GpuTensor,
    key: GpuTensor,
    value: GpuTensor,
    forward: ForwardOutputs,
    dOutput: GpuTensor,
    options?: CallOptions,
  ): Promise<BackwardOutputs>
  /**
   * Turns query or key heads by their positions (RoPE, arXiv 2104.09864): keys on their way into a
   * cache, once, after which plans take them with `rope: { query: embedding }`. Angles are exact at
   * any position.
   *
   * @param tensor - `[B, H, L, D]`, any strides.
   * @throws RangeError or TypeError when embedding, positions or output do not fit the tensor.
   */
  rotate(tensor: GpuTensor, rotary: RotaryEmbedding, options?: GpuRotateOptions): GpuTensor
  /**
   * Gradient of `rotate`: from that of the rotated tensor to that of its input. The rotation by the
   * negative angle, times the same attention factor.
   *
   * @throws RangeError or TypeError as `rotate` does.
   */
  rotateBack(gradient: GpuTensor, rotary: RotaryEmbedding, options?: GpuRotateOptions): GpuTensor
  /**
   * The attention over all keys from results that each saw some of them, as `mergeAttention` of @attn/core
   * does: each weighs exp(its log-sum-exp). Decoding of sequences with one prefix computes the prefix
   * once for all of them, trees share their branches, and rings pass blocks of keys on; all of them
   * merge at the end. A part (or a row of it) that saw no key changes nothing, whatever it holds.
   *
   * @param parts - Any number, of one shape; dtypes may differ. A sink belongs in one part only.
   * @param into - Tensors to write, made where they are left out, the output in the dtype of part 0. The
   *   first part itself to merge the others into it.
   * @throws RangeError or TypeError for parts that do not fit one another, UnsupportedError for tensors
   *   that this device cannot bind.
   *
   * @example
   * ```ts
   * import { permute } from '@attn/core'
   * import { createFlashAttention } from '@attn/webgpu-flash'
   *
   * const flash = await createFlashAttention()
   * const heads = { heads: 4, kvHeads: 2, headDim: 64 }
   * const query = flash.empty([3, 4, 1, 64]) // of three sequences that begin with the same 500 tokens
   * // The prefix: the queries of all sequences as rows of one, so that its keys are read once.
   * const together = flash.plan({ ...heads, queryLength: 3, keyLength: 500 })
   * const prefix = flash.empty([1, 2, 500, 64])
   * const seen = together.forward({ query: permute(query, [2, 1, 0, 3]), key: prefix, value: prefix })
   * // What each sequence has of its own.
   * const apart = flash.plan({ batch: 3, ...heads, queryLength: 1, keyLength: 20 })
   * const own = flash.empty([3, 2, 20, 64])
   * const last = apart.forward({ query, key: own, value: own })
   * const { output } = flash.merge([
   *   last,
   *   { output: permute(seen.output, [2, 1, 0, 3]), logSumExp: permute(seen.logSumExp, [2, 1, 0]) },
   * ])
   * output.shape // => [3, 4, 1, 64]
   * await flash.finished()
   * flash.destroy()
   * ```
   */
  merge(parts: readonly PartialAttention[], into?: Partial<PartialAttention>): ForwardOutputs
  /**
   * Records the same into the caller's encoder.
   *
   * @throws As `merge` does.
   */
  encodeMerge(
    encoder: GPUCommandEncoder,
    parts: readonly PartialAttention[],
    into: PartialAttention,
  ): void
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
