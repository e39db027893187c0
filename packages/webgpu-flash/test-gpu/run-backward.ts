// One forward and backward pass of a plan, from filled tensors to plain numbers, and the same on the CPU.
import { toFloat64Array } from '@attn/core'
import type { AttentionOptions, Table, Tensor } from '@attn/core'
import { expect } from 'vitest'
import { fill } from '../../core/test/conformance/index.ts'
import type { FlashAttention, PlanOptions } from '../src/index.ts'
import { standardGradients } from '../../core/test/conformance/index.ts'

/** A plan's options with every size given. */
export type BackwardProblem = PlanOptions &
  Readonly<Record<'batch' | 'kvHeads' | 'keyLength' | 'headDim', number>> &
  AttentionOptions

/** Gradients as plain numbers. */
export interface PlainGradients {
  readonly dQuery: Float64Array
  readonly dKey: Float64Array
  readonly dValue: Float64Array
  readonly dTables: readonly (readonly [Table, Float64Array])[]
  readonly dSinks: Float64Array | undefined
}

/** The tensors of a problem: always the same. */
export function backwardInputs(
  problem: BackwardProblem,
): Readonly<Record<'query' | 'key' | 'value' | 'dOutput', Tensor>> {
  const { batch, heads, kvHeads, queryLength, keyLength, headDim, dtype = 'float32' } = problem
  const { valueDim = headDim } = problem
  return {
    query: fill(1, [batch, heads, queryLength, headDim], 1, dtype),
    key: fill(2, [batch, kvHeads, keyLength, headDim], 1, dtype),
    value: fill(3, [batch, kvHeads, keyLength, valueDim], 1, dtype),
    dOutput: fill(4, [batch, heads, queryLength, valueDim], 1, dtype),
  }
}

/** Runs a plan forward and backward; nothing may be left in GPU memory. */
export async function runBackward(
  flash: FlashAttention,
  problem: BackwardProblem,
): Promise<PlainGradients> {
  const inputs = backwardInputs(problem)
  const query = flash.upload(inputs.query)
  const key = flash.upload(inputs.key)
  const value = flash.upload(inputs.value)
  const dOutput = flash.upload(inputs.dOutput)
  const { parameters } = problem
  const plan = flash.plan({ ...problem, training: true })
  const given = { query, key, value, ...(parameters ? { parameters } : {}) }
  const forward = plan.forward(given)
  const gradients = plan.backward({ ...given, ...forward, dOutput })
  const numbers = async (view: Parameters<FlashAttention['download']>[0]) =>
    toFloat64Array(await flash.download(view))
  const { dQuery, dKey, dValue, dTables, dSinks } = gradients
  const result = {
    dQuery: await numbers(dQuery),
    dKey: await numbers(dKey),
    dValue: await numbers(dValue),
    dTables: await Promise.all(
      [...dTables].map(async ([table, view]) => [table, await numbers(view)] as const),
    ),
    dSinks: dSinks && (await numbers(dSinks)),
  }
  flash.release(query, key, value, dOutput, forward.output, forward.logSumExp)
  flash.release(dQuery, dKey, dValue, ...dTables.values(), ...(dSinks ? [dSinks] : []))
  plan.destroy()
  expect(flash.memory.allocatedBytes).toBe(0)
  return result
}

/** The same on the CPU in float64. */
export function expectedGradients(
  problem: BackwardProblem,
  inputs: ReturnType<typeof backwardInputs> = backwardInputs(problem),
): PlainGradients {
  const { query, key, value, dOutput } = inputs
  const { mask, scoreModifiers, dropout, sinks, keyLengths, queryOffset } = problem
  const { sequences, parameters } = problem
  const given = {
    mask,
    scoreModifiers,
    dropout,
    sinks,
    keyLengths,
    queryOffset,
    sequences,
    parameters,
  }
  const options = Object.fromEntries(
    Object.entries(given).filter(([, option]) => option !== undefined),
  ) as AttentionOptions
  const expected = standardGradients(query, key, value, dOutput, options)
  return {
    dQuery: toFloat64Array(expected.dQuery),
    dKey: toFloat64Array(expected.dKey),
    dValue: toFloat64Array(expected.dValue),
    dTables: [...expected.dTables],
    dSinks: expected.dSinks,
  }
}

/** Expects each gradient to lie within `tolerance` of its largest entry. */
export function expectClose(
  actual: PlainGradients,
  expected: PlainGradients,
  tolerance = 2e-5,
): void {
  const close = (name: string, one: ArrayLike<number>, other: ArrayLike<number>): void => {
    expect({ name, length: one.length }).toEqual({ name, length: other.length })
    let largest = 0
    let error = 0
    for (let i = 0; i < other.length; i++) {
      largest = Math.max(largest, Math.abs(other[i]!))
      error = Math.max(error, Math.abs(one[i]! - other[i]!))
    }
    expect({ name, close: error <= tolerance * largest, error, largest }).toMatchObject({
      name,
      close: true,
    })
  }
  for (const name of ['dQuery', 'dKey', 'dValue'] as const) {
    close(name, actual[name], expected[name])
  }
  expect(actual.dTables.map(([table]) => table)).toEqual(expected.dTables.map(([table]) => table))
  actual.dTables.forEach(([{ name }, gradient], index) =>
    close(name, gradient, expected.dTables[index]![1]),
  )
  close('dSinks', actual.dSinks ?? [], expected.dSinks ?? [])
}
