// Whether gradients on a GPU are right: sampled rows of dQ, dK and dV of the first and the last head
// against the CPU. Rows of keys need the whole forward pass, of which output and log-sum-exp come from
// flash attention on the same device; their rows have been compared themselves by then.
import { compile } from '@attn/core'
import type { Mask } from '@attn/core'
import { readRanges } from '../inputs/read-back.ts'
import type { StandardBuffers } from '../peers/standard-webgpu/standard-attention.ts'
import { largestDifference, resolution } from '../verify/expectation.ts'
import type { Verification } from '../verify/expectation.ts'
import type { GradientInputs, GradientShape } from './inputs.ts'
import type { PreparedTraining } from './prepare.ts'
import { exactly, gradientRows, plainly } from './reference-rows.ts'
import type { GradientHead, Precision } from './reference-rows.ts'
import { rowStatistics, visibleKeys } from './row-statistics.ts'

/** What the sampled rows ought to be. */
export interface GradientExpectation {
  readonly samples: readonly { readonly head: number; readonly position: number }[]
  /** dQ, dK and dV of each sample, one after the other. */
  readonly exact: readonly Float64Array[]
  readonly plainError: number
  readonly allowedError: number
}

/** Whose forward pass is computed for a row of a key, most. */
const mostQueries = 2048

/** The first row, the last, and two between. */
function positionsOf(length: number): number[] {
  const places = [0, Math.floor(length / 3), Math.floor((2 * length) / 3), length - 1]
  return [...new Set(places)]
}

/**
 * Computes them from what is on the device after `forward` has run.
 *
 * @param logSumExp - `[B, H, L]`, float32.
 * @param wholeStep - Whether the forward pass is judged with it: what rows need of it is computed from the inputs in
 *   place of what is on the device. Rows of keys that more than 2,048 queries see are left out then. Default: false.
 */
export async function expectGradients(
  device: GPUDevice,
  { batch, heads, headDim, dtype }: GradientShape,
  length: number,
  mask: Mask | undefined,
  buffers: StandardBuffers,
  { buffers: { dOutput } }: GradientInputs,
  logSumExp: GPUBuffer,
  wholeStep = false,
): Promise<GradientExpectation> {
  const last = batch * heads - 1
  const sampled = last === 0 ? [0] : [0, last]
  const allows = mask && compile(mask.expression)
  const visible = (query: number, key: number): boolean => {
    const sizes = { batch: 0, head: 0, heads: 1, queryLength: length, keyLength: length }
    return !allows || allows({ ...sizes, query, queryIndex: query, key }) !== 0
  }
  const read = async (buffer: GPUBuffer, head: number): Promise<Float32Array> => {
    const range = { first: head * length * headDim, count: length * headDim }
    return (await readRanges(device, buffer, dtype, [range]))[0]!
  }
  const samples: { head: number; position: number }[] = []
  const exact: Float64Array[] = []
  let [plainError, largest] = [0, 0]
  const keysOf = visibleKeys({ visible, logSumExp: { length } })
  const queriesOf = (position: number): number[] => [
    position,
    ...Array.from({ length }, (_, query) => query).filter((query) => visible(query, position)),
  ]
  for (const head of sampled) {
    const range = { first: head * length, count: length }
    const whole = {
      query: await read(buffers.query, head),
      key: await read(buffers.key, head),
      value: await read(buffers.value, head),
      output: await read(buffers.output, head),
      dOutput: await read(dOutput, head),
      logSumExp: (await readRanges(device, logSumExp, 'float32', [range]))[0]!,
      headDim,
      visible,
    }
    for (const position of positionsOf(length)) {
      const queries = wholeStep ? queriesOf(position) : []
      if (queries.length > mostQueries) continue
      const known = (precision: Precision): GradientHead =>
        wholeStep ? { ...whole, ...rowStatistics(whole, queries, keysOf, precision) } : whole
      const right = gradientRows(known(exactly), position, 'exact')
      const plain = gradientRows(known(plainly(dtype)), position, dtype)
      samples.push({ head, position })
      exact.push(right)
      plainError = Math.max(plainError, largestDifference(plain, right))
      largest = right.reduce((most, value) => Math.max(most, Math.abs(value)), largest)
    }
  }
  // The second term is for plain rows that happen to be exact, and for a log-sum-exp of float32.
  const allowedError = 2 * plainError + 2 * resolution[dtype] * largest
  return { samples, exact, plainError, allowedError }
}

/** Compares the gradients that are on the device now. */
export async function verifyGradients(
  device: GPUDevice,
  { headDim, dtype }: GradientShape,
  length: number,
  { samples, exact, plainError, allowedError }: GradientExpectation,
  { dQuery, dKey, dValue }: PreparedTraining,
): Promise<Verification> {
  const ranges = samples.map(({ head, position }) => ({
    first: (head * length + position) * headDim,
    count: headDim,
  }))
  const gradients = [dQuery, dKey, dValue]
  const read = await Promise.all(
    gradients.map((buffer) => readRanges(device, buffer, dtype, ranges)),
  )
  const errors = exact.map((right, index) => {
    const actual = read.flatMap((rows) => [...rows[index]!])
    return largestDifference(actual, right)
  })
  const error = Math.max(...errors)
  const rows = gradients.length * samples.length
  return { rows, error, plainError, allowedError, passed: error <= allowedError }
}
