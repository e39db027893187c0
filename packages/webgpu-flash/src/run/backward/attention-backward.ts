// Gradients of CPU tensors in one call.
import { checkAttentionOptions, checkForwardResult, toFloat64Array } from '@attn/core'
import type { AttentionGradients, AttentionResult, Table, Tensor } from '@attn/core'
import type { GpuTensor } from '../../gpu-tensor.ts'
import type { CallOptions } from '../../plan/rotate/rope-options.ts'
import { callOptions } from '../../plan/rotate/rope-options.ts'
import { cpuCall } from '../cpu-call.ts'
import type { CpuCallHost } from '../cpu-call.ts'

/** See `FlashAttention.attentionBackward`. */
export async function attentionBackward(
  host: CpuCallHost,
  query: Tensor,
  key: Tensor,
  value: Tensor,
  forward: AttentionResult,
  dOutput: Tensor,
  given: CallOptions = {},
): Promise<AttentionGradients> {
  checkAttentionOptions('flash.attentionBackward', given, callOptions)
  checkForwardResult('flash.attentionBackward', forward)
  const tensors = { query, key, value, output: forward.output, dOutput }
  const options = { ...given, training: true }
  const caller = 'flash.attentionBackward'
  return cpuCall(caller, host, tensors, options, async ({ plan, given, upload, keep }) => {
    const { dQuery, dKey, dValue, dTables, dSinks } = plan.backward({
      query: upload(query),
      key: upload(key),
      value: upload(value),
      output: upload(forward.output),
      logSumExp: upload(forward.logSumExp),
      dOutput: upload(dOutput),
      ...given,
    })
    keep(dQuery, dKey, dValue, ...dTables.values(), ...(dSinks ? [dSinks] : []))
    const numbers = async (source: GpuTensor): Promise<Float64Array> =>
      toFloat64Array(await host.download(source))
    const ofTables = [...dTables].map(async ([table, gradient]): Promise<[Table, Float64Array]> => [
      table,
      await numbers(gradient),
    ])
    return {
      dQuery: await host.download(dQuery),
      dKey: await host.download(dKey),
      dValue: await host.download(dValue),
      dTables: new Map(await Promise.all(ofTables)),
      dSinks: dSinks && (await numbers(dSinks)),
    }
  })
}
