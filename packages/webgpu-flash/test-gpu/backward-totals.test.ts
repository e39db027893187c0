// Gradients of float16 to which many dispatches add, or the passes of a sparse mask, or calls that are cut by
// their strides: they add up in float32 and are rounded once.
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { mask, tensorFrom, toFloat64Array } from '@attn/core'
import type { Tensor } from '@attn/core'
import { acquireGpu } from '../../../tools/testing/acquire-gpu.ts'
import { createFlashAttention } from '../src/index.ts'
import type { FlashAttention, GpuTensor, PlanOptions } from '../src/index.ts'
import { limitDevice } from './limited-device.ts'
import type { LimitedDevice } from './limited-device.ts'
import { onlyCore } from '../../core/test/conformance/index.ts'
import { strided } from './ordered-masks.ts'
import { backwardInputs, expectClose, expectedGradients, runBackward } from './run-backward.ts'
import type { BackwardProblem, PlainGradients } from './run-backward.ts'

const gpu = await acquireGpu()

const causal = mask('causal', ({ query, key }) => key.le(query))
const sizes = { batch: 1, heads: 2, kvHeads: 1, queryLength: 1000, keyLength: 70, headDim: 16 }
const square = { ...sizes, queryLength: 1001, keyLength: 1001 }
const dropout = { rate: 0.5, seed: 5 }
/** Of two tiles: dispatches have no work for more than one pair of them. */
const workBudget = 20_000

/** With how many bytes of totals there are for one of the gradients. */
const cases: readonly (readonly [string, BackwardProblem, number])[] = [
  ['dispatches over queries', { ...sizes, mask: causal, dropout, workBudget }, 2],
  ['dispatches over keys', { ...sizes, queryLength: 70, keyLength: 1000, workBudget }, 2],
  ['dispatches, of odd heads', { ...sizes, headDim: 5, valueDim: 7, workBudget }, 2],
  ['passes of a strided mask', { ...square, mask: strided(15) }, 2],
  ['passes that are cut', { ...square, mask: strided(15), workBudget: 2e6 }, 2],
]

/** Gradients of the same numbers of float16, in float32. */
function exactGradients(problem: BackwardProblem): PlainGradients {
  const { query, key, value, dOutput } = backwardInputs(problem)
  const wide = (view: Tensor): Tensor => tensorFrom(toFloat64Array(view), view.shape)
  return expectedGradients(problem, {
    query: wide(query),
    key: wide(key),
    value: wide(value),
    dOutput: wide(dOutput),
  })
}

/** The step between numbers of float16 there. */
const step = (value: number): number =>
  2 ** Math.max(-24, Math.floor(Math.log2(Math.max(Math.abs(value), 2 ** -24))) - 10)

/** Expects a gradient of float16 to be an exact one, rounded once. */
function expectRoundedOnce(actual: Float64Array, exact: Float64Array): void {
  const largest = exact.reduce((most, value) => Math.max(most, Math.abs(value)), 0)
  const over = exact.map(
    (value, at) => (Math.abs(actual[at]! - value) - 1e-5 * largest) / step(value),
  )
  expect(Math.max(...over)).toBeLessThan(0.51)
}

describe.skipIf(!gpu)('gradients of float16 that add up', { timeout: 180_000 }, () => {
  const lowered: Record<string, number> = {}
  let limited: LimitedDevice
  let flash: FlashAttention
  beforeAll(async () => {
    const adapter = await gpu!.requestAdapter()
    const wanted = (['shader-f16', 'subgroups'] as const).filter((name) =>
      adapter!.features.has(name),
    )
    limited = limitDevice(await adapter!.requestDevice({ requiredFeatures: wanted }), lowered)
    flash = await createFlashAttention({ device: limited.device, training: true })
  })
  afterAll(() => {
    flash.destroy()
    limited.device.destroy()
  })
  const explained = (problem: PlanOptions) => {
    const plan = flash.plan({ ...problem, training: true })
    const { memoryBytes } = plan.explain().backward!
    plan.destroy()
    return memoryBytes
  }

  test.each(onlyCore() ? cases.slice(0, 1) : cases)(
    'are rounded once: %s',
    async (_, given, totalled) => {
      const problem = { ...given, dtype: 'float16' as const }
      const { copies, gradients } = explained(problem)
      expect(copies / gradients).toBeCloseTo(totalled, 1)
      const actual = await runBackward(flash, problem)
      const exact = exactGradients(problem)
      expectRoundedOnce(actual.dValue, exact.dValue)
      // Of these the rounded output is a part besides.
      expectClose(actual, exact, 2e-3)
    },
  )

  test('are rounded once where the strides of a call cut it', async () => {
    const problem = { ...sizes, heads: 8, kvHeads: 8, dtype: 'float16' as const }
    lowered['maxStorageBufferBindingSize'] = 70_000
    const narrow = await createFlashAttention({ device: limited.device, training: true })
    const plan = narrow.plan({ ...problem, training: true })
    // Contiguous tensors would not be cut.
    expect(plan.explain().backward!.memoryBytes.copies).toBe(0)
    const inputs = backwardInputs(problem)
    const { heads, queryLength, headDim } = problem
    /** The same with heads inside of tokens: a head of it spans all of them. */
    const interleaved = (view: Tensor): GpuTensor => {
      const values = toFloat64Array(view)
      const row = heads * headDim
      const moved = values.map((_value, at) => {
        const [token, within] = [Math.floor(at / row), at % row]
        const head = Math.floor(within / headDim)
        return values[(head * queryLength + token) * headDim + (within % headDim)]!
      })
      const uploaded = narrow.upload(tensorFrom(moved, view.shape, view.dtype))
      return { ...uploaded, strides: [queryLength * row, headDim, row, 1] }
    }
    const given = {
      query: interleaved(inputs.query),
      key: narrow.upload(inputs.key),
      value: narrow.upload(inputs.value),
    }
    const { dValue } = plan.backward({
      ...given,
      ...plan.forward(given),
      dOutput: interleaved(inputs.dOutput),
    })
    expectRoundedOnce(toFloat64Array(await narrow.download(dValue)), exactGradients(problem).dValue)
    plan.destroy()
    narrow.destroy()
  })
})
