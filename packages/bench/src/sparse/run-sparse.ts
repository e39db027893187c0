// `attn sparse`: at each length, every pattern and causal flash attention on the same inputs, verified
// on sampled rows in float64 and timed in turn.
import { UnsupportedError } from '@attn/core'
import type { Mask } from '@attn/core'
import { createFlashAttention, GpuOutOfMemoryError, gpuTensor } from '@attn/webgpu-flash'
import type { AttentionPlan, FlashAttention } from '@attn/webgpu-flash'
import { browserEquivalent, unchecked } from '../device/dawn-flags.ts'
import { GpuWorkError, withErrorScopes } from '../device/error-scope.ts'
import { findDevice } from '../device/find-device.ts'
import type { DeviceKind } from '../device/find-device.ts'
import { fillNormal } from '../inputs/fill-normal.ts'
import { readRanges } from '../inputs/read-back.ts'
import { createGpuStopwatch } from '../measure/gpu-stopwatch.ts'
import type { EncodeWork, GpuStopwatch } from '../measure/gpu-stopwatch.ts'
import { summarize } from '../measure/statistics.ts'
import { createStandardAttention } from '../peers/standard-webgpu/standard-attention.ts'
import { scoreBytes } from '../peers/standard-webgpu/plan.ts'
import type { Environment } from '../report/run-report.ts'
import { contest } from './contest.ts'
import type { ContestOptions } from './contest.ts'
import { baselineAt, patternsAt } from './patterns.ts'
import type { PatternOptions, SparsePattern } from './patterns.ts'
import type { SparseLength, SparseReport, SparseTime } from './report.ts'
import { sampleRows, streams, verifySampledRows } from './sampled-rows.ts'

/** What to run and on what. */
export interface SparseOptions extends PatternOptions {
  /** Default: the best WebGPU device there is. */
  readonly device?: Exclude<DeviceKind, 'cpu'> | 'auto'
  /** Whether Dawn's safety checks are off, as no browser can have them. Default: false. */
  readonly toggles?: boolean
  /** Multiples of 64. */
  readonly lengths: readonly number[]
  readonly heads: number
  /** A multiple of four. */
  readonly headDim: number
  /** Seconds that one run of causal attention may take; beyond, it runs on fewer heads. Default: 1. */
  readonly seconds?: number
  /** Bytes of scores that standard attention may write down. Default: 2 GiB. */
  readonly memoryBytes?: number
  readonly contest?: ContestOptions
  readonly environment: Environment
  /** Told before each length. */
  readonly onLength?: (length: number, index: number) => void
}

interface Inputs {
  readonly query: GPUBuffer
  readonly key: GPUBuffer
  readonly value: GPUBuffer
  readonly output: GPUBuffer
}

interface Problem {
  readonly heads: number
  readonly length: number
  readonly headDim: number
}

/**
 * Runs the comparison.
 *
 * @throws RangeError for lengths that are no multiples of 64; UnsupportedError without WebGPU.
 */
export async function runSparse(options: SparseOptions): Promise<SparseReport> {
  const { lengths, heads, headDim, device: kind = 'auto' } = options
  for (const length of lengths) {
    if (!Number.isInteger(length) || length < 64 || length % 64 !== 0) {
      throw new RangeError(`attn sparse: lengths must be multiples of 64, got ${length}`)
    }
  }
  if (headDim % 4 !== 0 || headDim > 256) {
    throw new RangeError(
      `attn sparse: headDim must be a multiple of four and at most 256, got ${headDim}`,
    )
  }
  const created = new Date().toISOString()
  const found = await findDevice({ kind, flags: options.toggles ? unchecked : browserEquivalent })
  try {
    if (found.kind === 'cpu') {
      throw new UnsupportedError('attn sparse: needs a WebGPU device, found none; install a driver')
    }
    const flash = await createFlashAttention({ device: found.device })
    const results: SparseLength[] = []
    const skipped: SparseReport['skipped'][number][] = []
    try {
      let last: SparseLength | undefined
      for (const [index, length] of lengths.toSorted((a, b) => a - b).entries()) {
        options.onLength?.(length, index)
        try {
          last = await runLength(flash, options, length, last)
          results.push(last)
        } catch (error) {
          if (!isTooLarge(error)) throw error
          skipped.push({ length, reason: (error as Error).message })
        }
      }
    } finally {
      flash.destroy()
    }
    return {
      schema: 'attn-sparse/1',
      created,
      environment: options.environment,
      device: found.report,
      problem: { dtype: 'float32', batch: 1, heads, headDim, lengths },
      results,
      skipped,
    }
  } finally {
    found.release()
  }
}

function isTooLarge(error: unknown): boolean {
  return (
    error instanceof UnsupportedError ||
    error instanceof GpuOutOfMemoryError ||
    (error instanceof GpuWorkError && (error.outOfMemory || error.message.startsWith('inputs')))
  )
}

async function runLength(
  flash: FlashAttention,
  options: SparseOptions,
  length: number,
  shorter: SparseLength | undefined,
): Promise<SparseLength> {
  const { heads, headDim, seconds = 1, memoryBytes = 2 ** 31 } = options
  const { device } = flash
  const problem = { heads, length, headDim }
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
    const foreseen = shorter ? shorter.causal.median * (length / shorter.length) ** 2 : 0
    const fewer = Math.floor((heads * seconds * 1000) / Math.max(foreseen, 1e-9))
    const headsMeasured = Math.min(Math.max(fewer, 1), heads)
    const baseline = baselineAt(length)
    const causal = await prepare(flash, { ...problem, heads: headsMeasured }, baseline.mask, inputs)
    cleanUp.push(causal.destroy)
    const causalTiles = (causal.explanation.blocks.visited * heads) / headsMeasured

    const prepared = []
    for (const pattern of patternsAt(length, options)) {
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
    const fits = scoreBytes(shape) <= memoryBytes
    const standard = fits
      ? await withErrorScopes(device, 'standard attention', () =>
          createStandardAttention(device, shape, inputs),
        )
      : undefined
    if (standard) cleanUp.push(standard.destroy)

    const encoders = [causal, ...prepared, ...(standard ? [standard] : [])]
    const samples = await contest(
      encoders.map(({ encode }) => ({ stopwatch: watch(encode) })),
      options.contest,
    )
    await flash.finished()
    const timeOf = (index: number, measured = heads): SparseTime => {
      const scaled = samples[index]!.map((sample) => (sample * heads) / measured)
      return { ...summarize(scaled), samples: scaled, headsMeasured: measured }
    }
    const causalTime = timeOf(0, headsMeasured)
    return {
      length,
      causal: causalTime,
      ...(standard ? { standard: timeOf(encoders.length - 1) } : {}),
      results: prepared.map(({ pattern, verification, explanation, planMilliseconds }, index) => {
        const time = timeOf(index + 1)
        const workRatio = explanation.blocks.visited / causalTiles
        const pairRatio = pattern.pairs / baseline.pairs
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

async function createInputs(
  device: GPUDevice,
  { heads, length, headDim }: Problem,
): Promise<Inputs> {
  const { STORAGE, COPY_SRC, COPY_DST } = GPUBufferUsage
  const size = heads * length * headDim * 4
  const create = (label: string): GPUBuffer =>
    device.createBuffer({ label, size, usage: STORAGE | COPY_SRC | COPY_DST })
  return withErrorScopes(device, 'inputs', async () => {
    const inputs = {
      query: create('query'),
      key: create('key'),
      value: create('value'),
      output: create('output'),
    }
    for (const name of ['query', 'key', 'value'] as const) {
      await fillNormal(device, inputs[name], 'float32', streams[name])
    }
    return inputs
  })
}

interface Prepared {
  readonly encode: EncodeWork
  readonly explanation: ReturnType<AttentionPlan['explain']>
  readonly planMilliseconds: number
  readonly destroy: () => void
}

async function prepare(
  flash: FlashAttention,
  { heads, length, headDim }: Problem,
  mask: Mask,
  inputs: Inputs,
): Promise<Prepared> {
  const started = performance.now()
  const plan = flash.plan({ heads, queryLength: length, headDim, mask })
  const planMilliseconds = performance.now() - started
  await plan.compile()
  const logSumExp = flash.empty([1, heads, length])
  const shape = [1, heads, length, headDim]
  const tensors = {
    query: gpuTensor(inputs.query, shape),
    key: gpuTensor(inputs.key, shape),
    value: gpuTensor(inputs.value, shape),
    output: gpuTensor(inputs.output, shape),
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
  problem: Problem,
  { mask, label }: SparsePattern,
  { output }: Inputs,
  encode: EncodeWork,
) {
  const { device } = flash
  const { heads, length, headDim } = problem
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
    return readRanges(device, output, 'float32', ranges)
  })
  return verifySampledRows(rows, actual, { mask, ...problem })
}
