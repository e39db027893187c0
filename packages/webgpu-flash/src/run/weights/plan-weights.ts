// Attention weights of a plan on its device, and the largest score of each row: what the forward pass
// does not keep is computed again, and only what is asked for.
import type { Optional } from '@attn/core'
import { contiguousStrides, elementCount, typeError } from '@attn/core'
import type { GuardedCall } from '../../device/errors.ts'
import type { GpuTensor } from '../../gpu-tensor.ts'
import type { Call } from '../../plan/call.ts'
import type { PlanHost } from '../plan-host.ts'
import { createCallCache } from '../call-cache.ts'
import type { ForwardInputs } from '../forward/forward-tensors.ts'
import { forgetPipeline, kernelLayout } from '../pipelines.ts'
import type { PlanRope } from '../rotate/plan-rope.ts'
import type { PlanTables } from '../tables/table-filler.ts'
import { prepareWeights, weightsBindings, weightsCallKey } from './prepare-weights.ts'
import type { PreparedWeights } from './prepare-weights.ts'
import { weightsCall } from './weights-tensors.ts'
import type { WeightsCall, WeightsInputs, WeightsOutput } from './weights-tensors.ts'

/** What a plan can tell of the weights that it attends with. */
export interface PlanWeights {
  /**
   * The softmax of the scores, which `forward` does not keep: computed from its `logSumExp`, for the rows
   * and heads asked for and reduced on the way, so that no more memory is taken than what is returned.
   * For word timestamps, saliency, pictures, and scores by which tokens leave a cache (H2O, SnapKV).
   * Dropout does not touch it; where there are sinks, rows add up to less than 1. Costs the products of
   * the chosen rows with all keys. The same bit for bit from run to run.
   *
   * @returns float32, for `h` heads and `l` queries: `[B, h, l, S]`, over queries `[B, h, S]`, over
   *   heads `[B, l, S]`; `flash.release` frees it. The same as `attentionWeights` of @attn/core.
   * @throws RangeError or TypeError for tensors, rows and heads that do not fit the plan,
   *   UnsupportedError for tensors that this device cannot bind.
   *
   * @example
   * ```ts
   * import { createFlashAttention } from '@attn/webgpu-flash'
   *
   * const flash = await createFlashAttention()
   * const plan = flash.plan({ heads: 8, queryLength: 30, keyLength: 200, headDim: 64 })
   * const query = flash.empty([1, 8, 30, 64])
   * const key = flash.empty([1, 8, 200, 64])
   * const { logSumExp } = plan.forward({ query, key, value: key })
   * // Where each token looks, on average over the heads that follow speech:
   * const looks = plan.weights({ query, key, logSumExp, heads: [2, 5], reduce: 'mean over heads' })
   * looks.shape // => [1, 30, 200]
   * // What the last 16 queries give to each key:
   * const kept = plan.weights({ query, key, logSumExp, queries: [14, 30], reduce: 'sum over queries' })
   * kept.shape // => [1, 8, 200]
   * await flash.finished()
   * flash.destroy()
   * ```
   */
  weights(inputs: WeightsInputs & Optional<WeightsOutput>): GpuTensor
  /**
   * Records the same into the caller's encoder. Submit it before the plan is destroyed.
   *
   * @throws As `weights` does.
   */
  encodeWeights(encoder: GPUCommandEncoder, tensors: WeightsInputs & WeightsOutput): void
}

/** The same, with what the plan's other calls need of it. */
export interface BoundWeights extends PlanWeights {
  /** Records the largest score of each row of a forward call into `result`, `[B, H, L]`. */
  encodeRowMaximum(
    caller: string,
    call: GuardedCall,
    encoder: GPUCommandEncoder,
    inputs: ForwardInputs & { readonly logSumExp: GpuTensor },
    result: GpuTensor,
  ): void
  destroy(): void
}

/** Binds a plan's weights to its device. */
export function bindWeights(
  host: PlanHost,
  planned: Call,
  rope: PlanRope | undefined,
  tables: PlanTables,
  checkUsable: (caller: string) => void,
): BoundWeights {
  const { device, buffers, errors } = host
  const calls = createCallCache<PreparedWeights>(buffers)

  const encode = (
    caller: string,
    call: GuardedCall,
    encoder: GPUCommandEncoder,
    given: WeightsCall,
    result: GpuTensor,
    turns = true,
  ): void => {
    const turned = { ...given, ...rope?.inputs(call, given) }
    const key = weightsCallKey(turned, result)
    const prepared = calls.get(key, () => prepareWeights(caller, host, planned, turned, result))
    const { pipeline, chosen, dispatches } = prepared
    call.reads(given.query.storage, given.key.storage, given.logSumExp.storage, tables.buffer)
    call.writes(result.storage)
    call.onFailure(() => {
      forgetPipeline(device, pipeline)
      calls.delete(key)
    })
    const pass = encoder.beginComputePass({ label: 'attn weights' })
    if (turns) tables.fill(caller, call, pass, given.tables)
    const ownLengths = given.ownLengths ? given.lengths : undefined
    if (turns) rope?.encode(caller, call, pass, given, ownLengths)
    pass.setPipeline(pipeline)
    for (const { ranges, block, workgroups } of dispatches) {
      const bound = (['query', 'key', 'logSumExp', 'weights'] as const).map((name) => {
        const { storage } = name === 'weights' ? result : turned[name]
        const { offset, size } = ranges[name]
        return { buffer: storage, offset, size: Math.min(size, storage.size - offset) }
      })
      const resources = [block, ...bound, chosen, { buffer: tables.buffer }]
      const entries = resources.map((resource, binding) => ({ binding, resource }))
      const layout = kernelLayout(device, weightsBindings)
      pass.setBindGroup(0, device.createBindGroup({ layout, entries }))
      pass.dispatchWorkgroups(...workgroups)
    }
    pass.end()
  }

  return {
    weights: (given) => {
      checkUsable('plan.weights')
      const asked = weightsCall('plan.weights', planned, given)
      tables.check('plan.weights', given.tables)
      return errors.guard('plan.weights', (call) => {
        const { shape } = asked.choice
        const result: GpuTensor = given.weights ?? {
          dtype: 'float32',
          shape,
          strides: contiguousStrides(shape),
          offset: 0,
          storage: buffers.allocate('attention weights', 4 * elementCount(shape)),
        }
        try {
          const encoder = device.createCommandEncoder({ label: 'attn weights' })
          encode('plan.weights', call, encoder, asked, result)
          device.queue.submit([encoder.finish()])
        } catch (error) {
          if (!given.weights) buffers.release(result.storage)
          throw error
        }
        return result
      })
    },
    encodeWeights: (encoder, given) => {
      checkUsable('plan.encodeWeights')
      if (given?.weights === undefined) {
        throw typeError('plan.encodeWeights: weights must be a tensor to write, got none')
      }
      const asked = weightsCall('plan.encodeWeights', planned, given)
      tables.check('plan.encodeWeights', given.tables)
      errors.guard('plan.encodeWeights', (call) =>
        encode('plan.encodeWeights', call, encoder, asked, given.weights),
      )
    },
    encodeRowMaximum: (caller, call, encoder, inputs, result) => {
      const { value: _, ...rest } = inputs
      const { query, key, logSumExp, parameters, keyLengths, queryOffset, appended } = rest
      const { places, quantized } = rest
      const asked = weightsCall(caller, planned, {
        query,
        key,
        logSumExp,
        ...(parameters ? { parameters } : {}),
        ...(keyLengths === undefined ? {} : { keyLengths }),
        ...(queryOffset === undefined ? {} : { queryOffset }),
        ...(appended ? { appended } : {}),
        ...(places ? { places } : {}),
        ...(quantized ? { quantized } : {}),
      })
      // The forward pass has turned what is to be turned.
      encode(caller, call, encoder, { ...asked, kind: 'largest score' }, result, false)
    },
    destroy: () => calls.destroy(),
  }
}
