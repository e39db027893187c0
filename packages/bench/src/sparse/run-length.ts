// One length of `attn sparse`: every pattern and causal flash attention on the same inputs, verified on
// sampled rows in float64 and timed in turn.
import type { DType, Mask } from '@attn/core'
import { gpuTensor } from '@attn/webgpu-flash'
import type { AttentionPlan, FlashAttention } from '@attn/webgpu-flash'
import { withErrorScopes } from '../device/error-scope.ts'
import { readRanges } from '../inputs/read-back.ts'
import { createGpuStopwatch } from '../measure/gpu-stopwatch.ts'
import type { EncodeWork, GpuStopwatch } from '../measure/gpu-stopwatch.ts'
import { summarize } from '../measure/statistics.ts'
import { createStandardAttention } from '../peers/standard-webgpu/standard-attention.ts'
import type { StandardBuffers } from '../peers/standard-webgpu/standard-attention.ts'
import { scoreBytes } from '../peers/standard-webgpu/plan.ts'
import { extrapolate, headsWithin } from './baseline.ts'
import type { CausalAt } from './baseline.ts'
import { contest } from './contest.ts'
import type { ContestOptions } from './contest.ts'
import { createInputs } from './inputs.ts'
import type { SparseProblem } from './inputs.ts'
import { baselineAt, patternNames, patternsAt } from './patterns.ts'
import type { PatternName, PatternOptions, SparsePattern } from './patterns.ts'
import type { SparseLength, SparseTime } from './report.ts'
import { sampleRows, verifySampledRows } from './sampled-rows.ts'

/** The options that matter to one length. */
export interface LengthOptions extends PatternOptions {
  /** H: query heads. */
  readonly heads: number
  /** A multiple of four. */
  readonly headDim: number
  /** Default: `float32`. */
  readonly dtype?: DType | undefined
  /** Whether backward passes are run too. Default: false. */
  readonly backward?: boolean | undefined
  /** Which patterns. Default: all. */
  readonly patterns?: readonly PatternName[] | undefined
  /**
   * Seconds that one run of causal attention may take. Beyond, it runs on fewer heads; where one head
   * takes longer, its time is extrapolated from a shorter length. Default: 1.
   */
  readonly seconds?: number | undefined
  /** Bytes of scores that standard attention may write down. Default: 2 GiB. */
  readonly memoryBytes?: number | undefined
  readonly contest?: ContestOptions | undefined
}

/**
 * Runs one length.
 *
 * @param shorter - What causal attention took at a shorter length, where that is known.
 */
export async function runLength(
  flash: FlashAttention,
  options: LengthOptions,
  length: number,
  shorter: CausalAt | undefined,
): Promise<SparseLength> {
  const { heads, headDim, dtype = 'float32', seconds = 1, patterns = patternNames } = options
  const { memoryBytes = 2 ** 31 } = options
  const { device } = flash
  const problem = { heads, length, headDim, dtype }
  const inputs = await createInputs(device, problem)
  const cleanUp: (() => void)[] = [
    () => Object.values(inputs).forEach((buffer: GPUBuffer) => buffer.destroy()),
  ]
  const watch = (encode: EncodeWork): GpuStopwatch => {
    const stopwatch = createGpuStopwatch(device, encode)
    cleanUp.push(() => stopwatch.destroy())
    return stopwatch
  }
  try {
    const { mask, pairs } = baselineAt(length)
    const foreseen = shorter && extrapolate(shorter, length)
    const headsMeasured = headsWithin(seconds, heads, foreseen?.median ?? 0)
    const extrapolated = headsMeasured === 0 ? foreseen : undefined
    const plannedHeads = Math.max(headsMeasured, 1)
    const causal = await prepare(flash, { ...problem, heads: plannedHeads }, mask, inputs)
    cleanUp.push(causal.destroy)
    const causalTiles = (causal.explanation.blocks.visited * heads) / plannedHeads

    const prepared = []
    for (const pattern of patternsAt(length, { ...options, names: patterns })) {
      const one = await prepare(flash, problem, pattern.mask, inputs)
      cleanUp.push(one.destroy)
      const verification = await verify(flash, problem, pattern, inputs, one.encode)
      prepared.push({ pattern, verification, ...one })
    }
    const shape = {
      batch: 1,
      heads,
      queryLength: length,
      keyLength: length,
      headDim,
      causal: true,
    }
    // Standard attention is written for float32.
    const fits = !extrapolated && dtype === 'float32' && scoreBytes(shape) <= memoryBytes
    const standard = fits
      ? await withErrorScopes(device, 'standard attention', () =>
          createStandardAttention(device, shape, inputs),
        )
      : undefined
    if (standard) cleanUp.push(standard.destroy)

    const ours = extrapolated ? prepared : [...prepared, causal]
    const encoders = [...ours, ...(standard ? [standard] : [])]
    const samples = await contest(
      encoders.map(({ encode }) => ({ stopwatch: watch(encode) })),
      options.contest,
    )
    await flash.finished()
    const timeOf = (index: number, measured = heads): SparseTime => {
      const scaled = samples[index]!.map((sample) => (sample * heads) / measured)
      return { ...summarize(scaled), samples: scaled, headsMeasured: measured }
    }
    const causalTime = extrapolated ?? timeOf(prepared.length, headsMeasured)
    return {
      length,
      causal: causalTime,
      ...(standard ? { standard: timeOf(encoders.length - 1) } : {}),
      results: prepared.map(({ pattern, verification, explanation, planMilliseconds }, index) => {
        const time = timeOf(index)
        const workRatio = explanation.blocks.visited / causalTiles
        const pairRatio = pattern.pairs / pairs
        const timeRatio = time.median / causalTime.median
        return {
          name: pattern.name,
          label: pattern.label,
          time,
          verification,
          planMilliseconds,
          workRatio,
          pairRatio,
          timeRatio,
          timePerWork: timeRatio / workRatio,
          timePerPair: timeRatio / pairRatio,
          explanation,
        }
      }),
    }
  } finally {
    for (const each of cleanUp.toReversed()) each()
  }
}

interface Prepared {
  readonly encode: EncodeWork
  readonly explanation: ReturnType<AttentionPlan['explain']>
  readonly planMilliseconds: number
  readonly destroy: () => void
}

async function prepare(
  flash: FlashAttention,
  { heads, length, headDim, dtype }: SparseProblem,
  mask: Mask,
  inputs: StandardBuffers,
): Promise<Prepared> {
  const started = performance.now()
  const plan = flash.plan({ heads, queryLength: length, headDim, dtype, mask })
  const planMilliseconds = performance.now() - started
  await plan.compile()
  const logSumExp = flash.empty([1, heads, length])
  const shape = [1, heads, length, headDim]
  const tensors = {
    query: gpuTensor(inputs.query, shape, { dtype }),
    key: gpuTensor(inputs.key, shape, { dtype }),
    value: gpuTensor(inputs.value, shape, { dtype }),
    output: gpuTensor(inputs.output, shape, { dtype }),
    logSumExp,
  }
  return {
    encode: (encoder, timestampWrites) => plan.encodeForward(encoder, tensors, timestampWrites),
    explanation: plan.explain(),
    planMilliseconds,
    destroy: () => {
      plan.destroy()
      flash.release(logSumExp)
    },
  }
}

async function verify(
  flash: FlashAttention,
  problem: SparseProblem,
  { mask, label }: SparsePattern,
  { output }: StandardBuffers,
  encode: EncodeWork,
) {
  const { device } = flash
  const { heads, length, headDim, dtype } = problem
  const rows = sampleRows(heads, length)
  const actual = await withErrorScopes(device, `${label}, length ${length}`, async () => {
    const encoder = device.createCommandEncoder()
    encoder.clearBuffer(output)
    encode(encoder)
    device.queue.submit([encoder.finish()])
    await flash.finished()
    const ranges = rows.map(({ head, row }) => ({
      first: (head * length + row) * headDim,
      count: headDim,
    }))
    return readRanges(device, output, dtype, ranges)
  })
  return verifySampledRows(rows, actual, { mask, ...problem })
}
