// What attention takes on the GPU within a training step, by the GPU's own clock: two timestamps for every pass
// of the step, which are read together once it is over, so that nothing waits in between.

/** Milliseconds of attention in one step, over all layers. */
export interface AttentionTimes {
  readonly forward: number
  readonly backward: number
}

/** A clock for the passes of steps, one step after the other. */
export interface PassClock {
  /** What the next pass writes; undefined where the device has no clock, or a step more passes than were said. */
  writes(pass: keyof AttentionTimes): GPUComputePassTimestampWrites | undefined
  /** What the passes since the last reading took; undefined without a clock, or where it ran backwards. */
  read(): Promise<AttentionTimes | undefined>
  destroy(): void
}

const bytesOfTimestamp = 8

/**
 * A clock.
 *
 * @param mostPasses - In one step.
 */
export function createPassClock(device: GPUDevice, mostPasses: number): PassClock {
  if (!device.features.has('timestamp-query')) {
    return { writes: () => undefined, read: async () => undefined, destroy: () => {} }
  }
  const querySet = device.createQuerySet({ type: 'timestamp', count: 2 * mostPasses })
  const size = 2 * mostPasses * bytesOfTimestamp
  const { QUERY_RESOLVE, COPY_SRC, COPY_DST, MAP_READ } = GPUBufferUsage
  const resolved = device.createBuffer({
    label: 'times of attention',
    size,
    usage: QUERY_RESOLVE | COPY_SRC,
  })
  const staging = device.createBuffer({
    label: 'times of attention, read back',
    size,
    usage: COPY_DST | MAP_READ,
  })
  let passes: (keyof AttentionTimes)[] = []
  return {
    writes(pass) {
      if (passes.length === mostPasses) return undefined
      passes.push(pass)
      const beginningOfPassWriteIndex = 2 * (passes.length - 1)
      const endOfPassWriteIndex = beginningOfPassWriteIndex + 1
      return { querySet, beginningOfPassWriteIndex, endOfPassWriteIndex }
    },
    async read() {
      const measured = passes
      passes = []
      if (measured.length === 0) return undefined
      const bytes = 2 * measured.length * bytesOfTimestamp
      const encoder = device.createCommandEncoder()
      encoder.resolveQuerySet(querySet, 0, 2 * measured.length, resolved, 0)
      encoder.copyBufferToBuffer(resolved, 0, staging, 0, bytes)
      device.queue.submit([encoder.finish()])
      await staging.mapAsync(GPUMapMode.READ, 0, bytes)
      const stamps = new BigInt64Array(staging.getMappedRange(0, bytes).slice(0))
      staging.unmap()
      const times = { forward: 0, backward: 0 }
      for (const [index, pass] of measured.entries()) {
        const elapsed = Number(stamps[2 * index + 1]! - stamps[2 * index]!) / 1e6
        // GPUs may restart their counter when they wake up.
        if (elapsed < 0) return undefined
        times[pass] += elapsed
      }
      return times
    },
    destroy() {
      querySet.destroy()
      resolved.destroy()
      staging.destroy()
    },
  }
}
