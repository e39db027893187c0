// What a device is worth to this library, in one account: what its adapter offers, which kernel the usual
// calls get and why not a faster one, what could be done about it, and whether a small problem comes
// out right. Loaded when it is asked for.
import { cast, standardAttentionBackward } from '@attn/core'
import type { DType, Tensor } from '@attn/core'
import { isSoftware } from '../device/software.ts'
import type { AttentionPlan } from '../run/attention-plan-interface.ts'
import type { FlashAttention } from '../run/flash-attention-interface.ts'
import type { DiagnosedKernel, DiagnosedResult, Diagnosis } from './diagnosis.ts'
import { remedies } from './remedies.ts'
import {
  allowances,
  causal,
  exactAttention,
  largestDifference,
  smallInputs,
  smallTensor,
} from './small-problem.ts'

type Library = Pick<FlashAttention, 'attention' | 'attentionBackward' | 'capabilities' | 'plan'>

/** Diagnoses the device of a library. */
export async function diagnose(flash: Library): Promise<Diagnosis> {
  const { capabilities } = flash
  const results: DiagnosedResult[] = []
  for (const dtype of ['float32', 'float16'] as const) {
    for (const queries of [1, 40]) results.push(await checkForward(flash, dtype, queries))
  }
  results.push(await checkBackward(flash))
  return {
    software: isSoftware(capabilities),
    capabilities,
    kernels: usualKernels(flash),
    remedies: remedies(capabilities),
    results,
  }
}

/** The kernels of calls as models make them. */
function usualKernels(flash: Library): DiagnosedKernel[] {
  const sizes = { heads: 16, queryLength: 4096 }
  const decoding = { heads: 32, kvHeads: 8, queryLength: 1, keyLength: 4096 }
  return (['float32', 'float16'] as const).flatMap((dtype) =>
    [64, 128].flatMap((headDim): DiagnosedKernel[] => {
      const account = <T>(read: (plan: AttentionPlan) => T, options: object): T => {
        const plan = flash.plan({ ...sizes, headDim, dtype, ...options })
        try {
          return read(plan)
        } finally {
          plan.destroy()
        }
      }
      const name = (pass: string): string => `${dtype} ${pass}, headDim ${headDim}`
      const forward = account((plan) => plan.explain(), {})
      const { backward } = account((plan) => plan.explain(), { training: true })
      const decode = account((plan) => plan.explain(), decoding)
      return [
        { call: name('forward'), variant: forward.variant, reason: forward.reason },
        { call: name('backward'), variant: backward!.variant, reason: backward!.reason },
        { call: name('decoding'), variant: decode.variant, reason: decode.reason },
      ]
    }),
  )
}

const [keys, dim] = [40, 16]

async function checkForward(
  flash: Library,
  dtype: DType,
  queries: number,
): Promise<DiagnosedResult> {
  const inputs = smallInputs(dtype, queries, keys, dim)
  const { output } = await flash.attention(...inputs, { mask: causal })
  const expected = exactAttention(inputs)
  return judge(
    `${dtype} forward, ${queries} causal ${queries === 1 ? 'query' : 'queries'} over ${keys} keys`,
    [[output, expected.output]],
    allowances[dtype],
  )
}

async function checkBackward(flash: Library): Promise<DiagnosedResult> {
  const inputs = smallInputs('float32', keys, keys, dim)
  const dOutput = smallTensor(4, keys, dim)
  const forward = await flash.attention(...inputs, { mask: causal })
  const actual = await flash.attentionBackward(...inputs, forward, dOutput, { mask: causal })
  const exact = inputs.map((part) => cast(part, 'float64')) as [Tensor, Tensor, Tensor]
  const options = { mask: causal }
  const expected = standardAttentionBackward(
    ...exact,
    exactAttention(inputs),
    cast(dOutput, 'float64'),
    options,
  )
  return judge(
    `float32 backward, ${keys} causal queries and keys`,
    (['dQuery', 'dKey', 'dValue'] as const).map((name) => [actual[name], expected[name]]),
    10 * allowances.float32,
  )
}

function judge(
  problem: string,
  pairs: readonly (readonly [Tensor, Tensor])[],
  allowed: number,
): DiagnosedResult {
  const error = Math.max(...pairs.map(([actual, expected]) => largestDifference(actual, expected)))
  return { problem, error, allowed, passed: error <= allowed }
}
