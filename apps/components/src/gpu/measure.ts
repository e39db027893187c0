// How long a plan takes: many calls in one command buffer, timed by the GPU's own clock where the
// browser gives it out, else by waiting for the queue.
import type { AttentionPlan, FlashAttention } from '@attn/webgpu-flash'
import { gpu } from './gpu.ts'

export interface Timing {
  /** Median over the samples, of one call. */
  readonly milliseconds: number
  readonly fastest: number
  readonly slowest: number
  readonly samples: number
  /** Calls in a row that each sample is the mean of. */
  readonly callsPerSample: number
  /** Timestamp queries time the kernel alone; wall time includes submission. */
  readonly clock: 'timestamp' | 'wall'
}

type Bound = Parameters<AttentionPlan['encodeForward']>[1]

/** Long enough that the coarse clocks of browsers (0.1 ms) do not matter. */
const sampleMilliseconds = 20
const budgetMilliseconds = 1200
/** What a CPU imitates is timed once or twice: it keeps busy what draws the page. */
const budgetInSoftware = 100
const maximumSamples = 15

export async function measurePlan(
  flash: FlashAttention,
  plan: AttentionPlan,
  bound: Bound,
): Promise<Timing> {
  await plan.compile()
  const sample = flash.capabilities.timestampQuery ? timestampSample : wallSample
  const first = await wallSample(flash, plan, bound, 1) // Warms up, and says how long a call takes.
  const second = first > 500 ? first : await wallSample(flash, plan, bound, 1)
  const callsPerSample = Math.min(200, Math.max(1, Math.round(sampleMilliseconds / second)))
  const samples: number[] = []
  const end = performance.now() + (gpu.software ? budgetInSoftware : budgetMilliseconds)
  do samples.push(await sample(flash, plan, bound, callsPerSample))
  while (performance.now() < end && samples.length < maximumSamples)
  samples.sort((left, right) => left - right)
  return {
    milliseconds: samples[samples.length >> 1]!,
    fastest: samples[0]!,
    slowest: samples.at(-1)!,
    samples: samples.length,
    callsPerSample,
    clock: flash.capabilities.timestampQuery ? 'timestamp' : 'wall',
  }
}

async function wallSample(
  { device }: FlashAttention,
  plan: AttentionPlan,
  bound: Bound,
  calls: number,
): Promise<number> {
  const encoder = device.createCommandEncoder()
  for (let call = 0; call < calls; call++) plan.encodeForward(encoder, bound)
  const commands = encoder.finish()
  const start = performance.now()
  device.queue.submit([commands])
  await device.queue.onSubmittedWorkDone()
  return (performance.now() - start) / calls
}

async function timestampSample(
  { device }: FlashAttention,
  plan: AttentionPlan,
  bound: Bound,
  calls: number,
): Promise<number> {
  const querySet = device.createQuerySet({ type: 'timestamp', count: 2 })
  const { QUERY_RESOLVE, COPY_SRC, COPY_DST, MAP_READ } = GPUBufferUsage
  const resolved = device.createBuffer({ size: 16, usage: QUERY_RESOLVE | COPY_SRC })
  const readable = device.createBuffer({ size: 16, usage: COPY_DST | MAP_READ })
  try {
    const encoder = device.createCommandEncoder()
    for (let call = 0; call < calls; call++) {
      const begins = call === 0 ? { beginningOfPassWriteIndex: 0 } : {}
      const ends = call === calls - 1 ? { endOfPassWriteIndex: 1 } : {}
      const marked = call === 0 || call === calls - 1
      plan.encodeForward(encoder, bound, marked ? { querySet, ...begins, ...ends } : undefined)
    }
    encoder.resolveQuerySet(querySet, 0, 2, resolved, 0)
    encoder.copyBufferToBuffer(resolved, 0, readable, 0, 16)
    device.queue.submit([encoder.finish()])
    await readable.mapAsync(GPUMapMode.READ)
    const [start, end] = new BigUint64Array(readable.getMappedRange()) as unknown as [
      bigint,
      bigint,
    ]
    return Number(end - start) / 1e6 / calls
  } finally {
    querySet.destroy()
    resolved.destroy()
    readable.destroy()
  }
}
