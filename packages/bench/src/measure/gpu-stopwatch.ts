// Times compute passes by the GPU's own clock: one timestamp at the beginning of the first pass, one
// at the end of the last. Neither submission nor read-back is in between, and as many iterations lie
// between the two as it takes to dwarf the 0.1 ms to which browsers round timestamps.
import type { Clock, Stopwatch } from './measure.ts'

/**
 * Records one run of the work as compute passes, the first of which takes the timestamp writes'
 * beginning and the last their end.
 */
export type EncodeWork = (
  encoder: GPUCommandEncoder,
  timestampWrites?: GPUComputePassTimestampWrites,
) => void

/** Two pieces of work as one, whose first pass takes the beginning of the time and whose last the end. */
export function oneAfterTheOther(first: EncodeWork, last: EncodeWork): EncodeWork {
  return (encoder, timestampWrites) => {
    if (!timestampWrites) {
      first(encoder)
      last(encoder)
      return
    }
    const { querySet, beginningOfPassWriteIndex, endOfPassWriteIndex } = timestampWrites
    const begins = beginningOfPassWriteIndex !== undefined
    const ends = endOfPassWriteIndex !== undefined
    first(encoder, begins ? { querySet, beginningOfPassWriteIndex } : undefined)
    last(encoder, ends ? { querySet, endOfPassWriteIndex } : undefined)
  }
}

/** A stopwatch that owns a query set and two small buffers. */
export interface GpuStopwatch extends Stopwatch {
  destroy(): void
}

const timestampBytes = 8
const mostAttempts = 3

/**
 * A stopwatch for work on a GPU. Reads timestamp queries where the device has the feature
 * `timestamp-query`, else the wall clock around submission and completion (`clock` says which).
 *
 * @param device - Owns everything that `encode` uses.
 * @param encode - Records one run; called once per iteration, all into one submission.
 */
export function createGpuStopwatch(device: GPUDevice, encode: EncodeWork): GpuStopwatch {
  return device.features.has('timestamp-query')
    ? timestampStopwatch(device, encode)
    : wallClockStopwatch(device, encode)
}

function timestampStopwatch(device: GPUDevice, encode: EncodeWork): GpuStopwatch {
  const clock: Clock = 'gpu-timestamps'
  const querySet = device.createQuerySet({ type: 'timestamp', count: 2 })
  const resolved = device.createBuffer({
    label: 'stopwatch resolved',
    size: 2 * timestampBytes,
    usage: GPUBufferUsage.QUERY_RESOLVE | GPUBufferUsage.COPY_SRC,
  })
  const staging = device.createBuffer({
    label: 'stopwatch staging',
    size: 2 * timestampBytes,
    usage: GPUBufferUsage.COPY_DST | GPUBufferUsage.MAP_READ,
  })

  const attempt = async (iterations: number): Promise<number> => {
    const encoder = device.createCommandEncoder()
    for (let iteration = 0; iteration < iterations; iteration++) {
      const first = iteration === 0
      const last = iteration === iterations - 1
      if (!first && !last) {
        encode(encoder)
        continue
      }
      encode(encoder, {
        querySet,
        ...(first ? { beginningOfPassWriteIndex: 0 } : {}),
        ...(last ? { endOfPassWriteIndex: 1 } : {}),
      })
    }
    encoder.resolveQuerySet(querySet, 0, 2, resolved, 0)
    encoder.copyBufferToBuffer(resolved, 0, staging, 0, 2 * timestampBytes)
    device.queue.submit([encoder.finish()])
    await staging.mapAsync(GPUMapMode.READ)
    const [begin, end] = new BigInt64Array(staging.getMappedRange().slice(0))
    staging.unmap()
    return Number(end! - begin!) / 1e6
  }

  return {
    clock,
    async time(iterations) {
      // Some GPUs restart their counter when they wake up; WebGPU says to expect it.
      for (let tries = 1; ; tries++) {
        const elapsed = await attempt(iterations)
        if (elapsed >= 0) return elapsed
        if (tries === mostAttempts) throw new Error('stopwatch: GPU timestamps run backwards')
      }
    },
    destroy() {
      querySet.destroy()
      resolved.destroy()
      staging.destroy()
    },
  }
}

function wallClockStopwatch(device: GPUDevice, encode: EncodeWork): GpuStopwatch {
  return {
    clock: 'wall-clock',
    async time(iterations) {
      await device.queue.onSubmittedWorkDone()
      const started = performance.now()
      const encoder = device.createCommandEncoder()
      for (let iteration = 0; iteration < iterations; iteration++) encode(encoder)
      device.queue.submit([encoder.finish()])
      await device.queue.onSubmittedWorkDone()
      return performance.now() - started
    },
    destroy() {},
  }
}
