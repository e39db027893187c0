// Biases in GPU buffers against the same numbers from the CPU: for the tests, and for programs that check a
// device where there is no test runner.
import { cast, floatTable, mask, scoreModifier, softcap, toFloat64Array } from '@attn/core'
import type { DType, IntegerExpression, Tensor } from '@attn/core'
import { largestError, magnitude } from '../../core/test/conformance/compare.ts'
import { fill } from '../../core/test/conformance/fill.ts'
import { standardGradients } from '../../core/test/conformance/standard-gradients.ts'
import { biasFromGpuTensor } from '../src/index.ts'
import type { FlashAttention, GpuTensor } from '../src/index.ts'

/** A bias for a call of 2 sequences, 3 heads, 33 queries and keys. */
export interface GpuBiasCase {
  readonly name: string
  readonly shape: readonly [number, number, number, number]
  readonly dtype: DType
}

const shape = [2, 3, 33, 8]
const causal = mask('causal', ({ query, key }) => key.le(query))

/** Every way in which one repeats, and every type. */
export const gpuBiasCases: readonly GpuBiasCase[] = (
  [
    [[2, 3, 33, 33], 'float32'],
    [[1, 3, 33, 33], 'float16'],
    [[1, 1, 33, 33], 'bfloat16'],
    [[2, 1, 1, 33], 'float32'],
    [[1, 3, 1, 1], 'float32'],
  ] as const
).map(([of, dtype]) => ({ name: `[${of.join(', ')}] of ${dtype}`, shape: of, dtype }))

/** What is wrong with a call's output and with the gradient of its bias. */
export async function gpuBiasProblems(
  flash: FlashAttention,
  { shape: biasShape, dtype }: GpuBiasCase,
): Promise<string[]> {
  const [query, key, value, dOutput] = [1, 2, 3, 4].map((seed) => fill(seed, shape, 2)) as [
    Tensor,
    Tensor,
    Tensor,
    Tensor,
  ]
  const bias = fill(5, biasShape, 2, dtype)
  const numbers = floatTable('bias', toFloat64Array(bias), biasShape, { trainable: true })
  const repeats = (index: IntegerExpression, axis: number): IntegerExpression =>
    index.min(biasShape[axis]! - 1)
  const onCpu = scoreModifier('bias', (score, { batch, head, queryIndex, key: at }) =>
    score.add(numbers.at(...[batch, head, queryIndex, at].map(repeats))),
  )
  const exact = standardGradients(
    ...([query, key, value, dOutput].map((each) => cast(each, 'float64')) as [
      Tensor,
      Tensor,
      Tensor,
      Tensor,
    ]),
    { mask: causal, scoreModifiers: [onCpu, softcap(4)] },
  )
  const uploaded = [query, key, value, dOutput, bias].map((each) => flash.upload(each))
  const [q, k, v, upstream, source] = uploaded as [
    GpuTensor,
    GpuTensor,
    GpuTensor,
    GpuTensor,
    GpuTensor,
  ]
  const modifier = biasFromGpuTensor(source, { trainable: true })
  const plan = flash.plan({
    batch: 2,
    heads: 3,
    queryLength: 33,
    headDim: 8,
    mask: causal,
    scoreModifiers: [modifier, softcap(4)],
    training: true,
  })
  const forward = plan.forward({ query: q, key: k, value: v })
  const result = plan.backward({ query: q, key: k, value: v, ...forward, dOutput: upstream })
  const { dQuery, dKey, dValue, dTables } = result
  const dBias = dTables.get(modifier.table)!
  try {
    const compare = async (
      what: string,
      got: GpuTensor,
      wanted: ArrayLike<number>,
    ): Promise<string[]> => {
      const error = largestError((await flash.download(got)).storage, wanted)
      const allowed = 2e-5 * magnitude(wanted)
      return error <= allowed ? [] : [`${what}: error ${error}, allowed ${allowed}`]
    }
    return [
      ...(await compare('dQuery', dQuery, toFloat64Array(exact.dQuery))),
      ...(await compare('dKey', dKey, toFloat64Array(exact.dKey))),
      ...(await compare('dBias', dBias, exact.dTables.get(numbers.table)!)),
    ]
  } finally {
    flash.release(...uploaded, forward.output, forward.logSumExp, dQuery, dKey, dValue, dBias)
    plan.destroy()
  }
}
