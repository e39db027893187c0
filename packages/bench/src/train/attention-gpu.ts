// Attention between the segments on the GPU: `@attn/webgpu-flash` on the device that jax-js computes on.
// jax-js lends the buffers of its arrays (`gpuBuffer`); what is written here goes into new arrays of its
// own. Both submit to the same queue, in order, so nothing is copied and nobody waits.
import { numpy as np } from '@jax-js/jax'
import type { Table } from '@attn/core'
import { gpuTensor } from '@attn/webgpu-flash'
import type { AttentionPlan, FlashAttention, GpuTensor } from '@attn/webgpu-flash'
import { headStrides, swapHeads } from './attention.ts'
import type { AttentionCall, SegmentAttention } from './attention.ts'
import type { TrainingConfiguration } from './configuration.ts'
import { layersThatDiffer } from './masks.ts'
import { createPassClock } from './pass-clock.ts'
import { attentionOptions } from './pattern.ts'
import { loadPositions, positionsOf } from './positions.ts'

/**
 * Attention on the GPU.
 *
 * @param flash - On jax-js's device; destroyed with the result.
 */
export function createGpuAttention(
  configuration: TrainingConfiguration,
  flash: FlashAttention,
): SegmentAttention {
  const { batch, heads, width, context, dropout, layers, precision = 'float32' } = configuration
  const dtype = precision === 'float16' ? np.float16 : np.float32
  const positions = positionsOf(configuration)
  const { modifierTables: tables = [] } = positions
  const rope = positions.rotary?.(context)
  const shape = [batch, context, heads, width / heads]
  const planFor = (call: AttentionCall): AttentionPlan =>
    flash.plan({
      batch,
      heads,
      queryLength: context,
      headDim: width / heads,
      dtype: precision,
      training: true,
      ...(rope ? { rope } : {}),
      ...attentionOptions(configuration, positions, call),
    })
  /** To what attention computes in, and back. */
  const [narrow, widen] =
    precision === 'float16'
      ? [
          (array: np.Array) => array.astype(np.float16),
          (array: np.Array) => array.astype(np.float32),
        ]
      : [(array: np.Array) => array, (array: np.Array) => array]
  // Forward and backward of every layer.
  const clock = createPassClock(flash.device, 2 * layers)
  const submit = (encode: (encoder: GPUCommandEncoder) => void): void => {
    const encoder = flash.device.createCommandEncoder({ label: 'attention of a layer' })
    encode(encoder)
    flash.device.queue.submit([encoder.finish()])
  }
  // A plan holds the seed of dropout and the numbers of tables; without dropout one serves all calls of layers
  // with its mask, until tables change.
  const different = dropout > 0 ? 0 : layersThatDiffer(configuration, layers)
  const common = new Map<number, AttentionPlan>()
  const commonPlan = (layer: number): AttentionPlan => {
    const known = common.get(layer)
    if (known) return known
    const plan = planFor({ step: 0, layer })
    common.set(layer, plan)
    return plan
  }
  const forgetPlans = (): void => {
    for (const plan of common.values()) plan.destroy()
    common.clear()
  }
  return {
    description: `flash attention of @attn/webgpu-flash${precision === 'float16' ? ' in float16' : ''} in the buffers of jax-js`,
    useTables(values) {
      if (tables.length === 0) return
      loadPositions(positions, values)
      forgetPlans()
    },
    async attend(call, queryArray, keyArray, valueArray) {
      const plan = different === 0 ? planFor(call) : commonPlan(call.layer % different)
      const arrays = [queryArray, keyArray, valueArray].map(narrow)
      const [query, key, value] = await Promise.all(arrays.map(borrow))
      const inputs = { query: query!, key: key!, value: value! }
      const outputArray = np.zeros(shape, { dtype })
      const output = await borrow(outputArray)
      const logSumExp = flash.empty([batch, heads, context])
      submit((encoder) =>
        plan.encodeForward(encoder, { ...inputs, output, logSumExp }, clock.writes('forward')),
      )
      const kept = outputArray.ref
      return {
        output: widen(outputArray),
        async pullback(dWideArray) {
          const dOutputArray = narrow(dWideArray)
          const dOutput = await borrow(dOutputArray)
          const zeros = (): np.Array => np.zeros(shape, { dtype })
          const gradients = [zeros(), zeros(), zeros()] as const
          const [dQuery, dKey, dValue] = await Promise.all(gradients.map(borrow))
          const ofTables = tables.map(({ values }) => np.zeros([values.length]))
          const dTables = new Map(
            await Promise.all(
              tables.map(async (table, index): Promise<[Table, GpuTensor]> => {
                const buffer = await ofTables[index]!.ref.gpuBuffer()
                return [table, gpuTensor(buffer, table.shape)]
              }),
            ),
          )
          const tensors = {
            ...inputs,
            output,
            logSumExp,
            dOutput,
            dQuery: dQuery!,
            dKey: dKey!,
            dValue: dValue!,
            dTables,
          }
          submit((encoder) => plan.encodeBackward(encoder, tensors, clock.writes('backward')))
          for (const array of [...arrays, kept, dOutputArray]) array.dispose()
          flash.release(logSumExp)
          if (different === 0) plan.destroy()
          const [ofQuery, ofKey, ofValue] = gradients
          return { inputs: [widen(ofQuery), widen(ofKey), widen(ofValue)], tables: ofTables }
        },
      }
    },
    readTimes: async () => clock.read(),
    destroy: () => {
      clock.destroy()
      forgetPlans()
      flash.destroy()
    },
  }
}

/** A view `[B, H, L, D]` of an array `[B, L, H, D]`, valid as long as the array is. */
async function borrow(array: np.Array): Promise<GpuTensor> {
  const { shape } = array
  const dtype = array.dtype === np.float16 ? 'float16' : 'float32'
  const strides = headStrides(shape)
  return gpuTensor(await array.ref.gpuBuffer(), swapHeads(shape), { dtype, strides })
}
