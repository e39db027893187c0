// How long work on the GPU takes: by its own timestamps where the device has them, else by the clock on
// the wall around submission and completion.
import { GpuInternalError } from '../device/errors.ts'
import type { TuningClock } from './record.ts'

/** Records one run of the work as one compute pass. */
export type EncodeRun = (
  encoder: GPUCommandEncoder,
  timestampWrites?: GPUComputePassTimestampWrites,
) => void

/** Times anything that can be encoded. */
export interface DeviceStopwatch {
  readonly clock: TuningClock
  /** Milliseconds of so many runs, one after the other in one submission. */
  time(encode: EncodeRun, runs: number): Promise<number>
  destroy(): void
}

// Numbers of GPUBufferUsage and GPUMapMode, which are not globals everywhere.
const mapRead = 0x01
const copySource = 0x04
const copyDestination = 0x08
const queryResolve = 0x0200

/** Some GPUs restart their counter when they wake up: WebGPU says to expect it. */
const mostAttempts = 3

/** A stopwatch on a device. */
export function createDeviceStopwatch(device: GPUDevice): DeviceStopwatch {
  return device.features.has('timestamp-query') ? byTimestamps(device) : byWallClock(device)
}

function byTimestamps(device: GPUDevice): DeviceStopwatch {
  const querySet = device.createQuerySet({ type: 'timestamp', count: 2 })
  const buffer = (usage: number): GPUBuffer =>
    device.createBuffer({ label: 'attn tune', size: 16, usage })
  const resolved = buffer(queryResolve | copySource)
  const staging = buffer(mapRead | copyDestination)
  const attempt = async (encode: EncodeRun, runs: number): Promise<number> => {
    const encoder = device.createCommandEncoder({ label: 'attn tune' })
    for (let run = 0; run < runs; run++) {
      const ends = {
        ...(run === 0 ? { beginningOfPassWriteIndex: 0 } : {}),
        ...(run === runs - 1 ? { endOfPassWriteIndex: 1 } : {}),
      }
      if (Object.keys(ends).length === 0) encode(encoder)
      else encode(encoder, { querySet, ...ends })
    }
    encoder.resolveQuerySet(querySet, 0, 2, resolved, 0)
    encoder.copyBufferToBuffer(resolved, 0, staging, 0, 16)
    device.queue.submit([encoder.finish()])
    await staging.mapAsync(mapRead)
    const [begin, end] = new BigUint64Array(staging.getMappedRange().slice(0))
    staging.unmap()
    return Number(end! - begin!) / 1e6
  }
  return {
    clock: 'gpu-timestamps',
    time: async (encode, runs) => {
      for (let tries = 1; ; tries++) {
        const elapsed = await attempt(encode, runs)
        if (elapsed >= 0) return elapsed
        if (tries === mostAttempts)
          throw new GpuInternalError('flash.tune: timestamps run backwards')
      }
    },
    destroy: () => {
      querySet.destroy()
      resolved.destroy()
      staging.destroy()
    },
  }
}

function byWallClock(device: GPUDevice): DeviceStopwatch {
  const { queue } = device
  return {
    clock: 'wall-clock',
    time: async (encode, runs) => {
      await queue.onSubmittedWorkDone()
      const started = performance.now()
      const encoder = device.createCommandEncoder({ label: 'attn tune' })
      for (let run = 0; run < runs; run++) encode(encoder)
      queue.submit([encoder.finish()])
      await queue.onSubmittedWorkDone()
      return performance.now() - started
    },
    destroy: () => {},
  }
}
