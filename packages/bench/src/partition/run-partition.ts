// `attn partition`: FlashAttention-2's "twice as fast by a better partition of work" as an experiment (arXiv
// 2307.08691, section 3.2). The same tiles three ways over numbers of heads and lengths, so that it shows
// what does it: how many workgroups there are for the processors of the device.
import { rangeError, UnsupportedError } from '@attn/core'
import type { FlashAttention } from '@attn/webgpu-flash'
import { browserEquivalent } from '../device/dawn-flags.ts'
import { withErrorScopes } from '../device/error-scope.ts'
import { findDevice } from '../device/find-device.ts'
import { flashOn } from '../device/flash-on.ts'
import type { DeviceKind, DeviceReport } from '../device/find-device.ts'
import { createGpuStopwatch } from '../measure/gpu-stopwatch.ts'
import { measure } from '../measure/measure.ts'
import type { MeasureOptions } from '../measure/measure.ts'
import { formatLength } from '../report/format.ts'
import type { Environment } from '../report/run-report.ts'
import { createGpuInputs } from '../suites/gpu-inputs.ts'
import type { GpuInputs } from '../suites/gpu-inputs.ts'
import type { Progress, Skipped } from '../suites/outcome.ts'
import { checkSizes } from '../suites/problem.ts'
import { expectRows, verifyRows } from '../verify/expectation.ts'
import type { Expectation } from '../verify/expectation.ts'
import { preparePartition } from './prepare.ts'
import { partitionNames, partitions } from './report.ts'
import type { MeasuredPartition, Partition, PartitionReport, PartitionResult } from './report.ts'

/** What to run and on what. */
export interface PartitionOptions {
  /** Default: the best there is; needs WebGPU. */
  readonly device?: DeviceKind | 'auto'
  /** Numbers of heads over all sequences. Default: 1, 8, 32 and 128; without a GPU 1 and 4. */
  readonly heads?: readonly number[]
  /** Default: 512, 2,048, 8,192 and 16,384; without a GPU 128 and 256. */
  readonly lengths?: readonly number[]
  /** A multiple of four, at most 64. Default: 64; without a GPU 32. */
  readonly headDim?: number
  /** Seconds that one run may take, as far as it can be foreseen. Default: 1. */
  readonly seconds?: number
  readonly measure?: MeasureOptions
  readonly environment: Environment
  readonly onDevice?: (device: DeviceReport) => void
  readonly onProgress?: (progress: Progress) => void
}

/**
 * Runs the experiment.
 *
 * @throws RangeError for sizes that make no sense, UnsupportedError where there is no WebGPU.
 */
export async function runPartition(options: PartitionOptions): Promise<PartitionReport> {
  const created = new Date().toISOString()
  const found = await findDevice({ kind: options.device ?? 'auto', flags: browserEquivalent })
  try {
    if (found.kind === 'cpu') {
      throw new UnsupportedError(
        `attn partition: needs WebGPU, found none (${found.report.description})`,
      )
    }
    const real = found.kind === 'gpu'
    const { headDim = real ? 64 : 32, seconds = 1 } = options
    const { heads = real ? [1, 8, 32, 128] : [1, 4] } = options
    const { lengths = real ? [512, 2048, 8192, 16384] : [128, 256] } = options
    checkSizes('attn partition', { batch: 1, heads: 1, headDim, dtype: 'float32', lengths })
    if (headDim > 64) {
      throw rangeError(`attn partition: headDim must be at most 64, got ${headDim}`)
    }
    if (heads.length === 0) throw rangeError('attn partition: needs a number of heads')
    options.onDevice?.(found.report)
    const flash = await flashOn(found)
    const quick = real
      ? { samples: 5, sampleMilliseconds: 5, budgetMilliseconds: 300, warmUps: 4 }
      : { samples: 3, sampleMilliseconds: 2, budgetMilliseconds: 500, warmUps: 2 }
    const limits = { seconds, measure: { ...quick, ...options.measure } }
    const results: PartitionResult[] = []
    let done = 0
    try {
      for (const length of lengths.toSorted((a, b) => a - b)) {
        for (const count of heads.toSorted((a, b) => a - b)) {
          options.onProgress?.({
            done: done++,
            total: lengths.length * heads.length,
            label: `${count} heads, length ${formatLength(length)}`,
          })
          results.push(await runCell(flash, count, length, headDim, limits, results))
        }
      }
    } finally {
      flash.destroy()
    }
    const { environment } = options
    const schema = 'attn-partition/1'
    return { schema, created, environment, device: found.report, headDim, results }
  } finally {
    found.release()
  }
}

interface Limits {
  readonly seconds: number
  readonly measure: MeasureOptions
}

async function runCell(
  flash: FlashAttention,
  heads: number,
  length: number,
  headDim: number,
  limits: Limits,
  before: readonly PartitionResult[],
): Promise<PartitionResult> {
  const shape = { batch: 1, heads, headDim, dtype: 'float32' } as const
  const inputs = await createGpuInputs(flash.device, shape, length)
  const expectation = expectRows(inputs.blocks, length, undefined, 'float32')
  const outcomes: Partial<Record<Partition, MeasuredPartition | Skipped>> = {}
  try {
    for (const partition of partitions) {
      const seconds = foreseenSeconds(partition, heads, length, before)
      outcomes[partition] =
        seconds > limits.seconds
          ? { status: 'skipped', reason: `would take about ${seconds.toPrecision(2)} s` }
          : await measurePartition(flash, partition, shape, length, inputs, expectation, limits)
    }
  } finally {
    inputs.destroy()
  }
  return { heads, length, outcomes: outcomes as PartitionResult['outcomes'] }
}

async function measurePartition(
  flash: FlashAttention,
  partition: Partition,
  { heads, headDim }: { readonly heads: number; readonly headDim: number },
  length: number,
  inputs: GpuInputs,
  expectation: Expectation,
  limits: Limits,
): Promise<MeasuredPartition> {
  const { device } = flash
  const label = `${partitionNames[partition]}, length ${length}`
  const prepared = await preparePartition(flash, partition, heads, length, headDim, inputs.buffers)
  const stopwatch = createGpuStopwatch(device, prepared.encode)
  try {
    const rows = await withErrorScopes(device, label, async () => {
      inputs.clearOutput()
      const encoder = device.createCommandEncoder()
      prepared.encode(encoder)
      device.queue.submit([encoder.finish()])
      await flash.finished()
      return inputs.readOutput()
    })
    const verification = verifyRows(expectation, rows)
    const time = await measure(stopwatch, limits.measure)
    const { workgroups, trafficBytes } = prepared
    const teraflops = (4 * heads * length * length * headDim) / time.median / 1e9
    return { status: 'measured', time, teraflops, workgroups, trafficBytes, verification }
  } finally {
    stopwatch.destroy()
    prepared.destroy()
  }
}

/** Seconds of one run, from the shorter length with as many heads; 0 where there is none. */
function foreseenSeconds(
  partition: Partition,
  heads: number,
  length: number,
  before: readonly PartitionResult[],
): number {
  const last = before.findLast(
    (result) => result.heads === heads && result.outcomes[partition].status === 'measured',
  )
  const outcome = last?.outcomes[partition]
  if (!last || outcome?.status !== 'measured') return 0
  return (outcome.time.median / 1000) * (length / last.length) ** 2
}
