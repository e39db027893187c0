// Typed errors for what a GPU can do to a call, and the collector that ties WebGPU's asynchronous
// errors to the call that caused them.

/** The device went away (driver reset, tab in the background, `destroy`). Make a new one. */
export class DeviceLostError extends Error {
  override readonly name: string = 'DeviceLostError'
}

/** The GPU had no memory left for a call. Release tensors, or split the work. */
export class GpuOutOfMemoryError extends Error {
  override readonly name: string = 'GpuOutOfMemoryError'
}

/** WebGPU refused a command. With tensors made by this library it is a bug worth reporting. */
export class GpuValidationError extends Error {
  override readonly name: string = 'GpuValidationError'
}

/** Watches a device's errors. */
export interface ErrorWatch {
  /** Runs GPU commands; what goes wrong with them is kept for `settle`, under the caller's name. */
  guard<T>(caller: string, commands: () => T): T
  /** Throws when the device is known to be lost. */
  checkAlive(caller: string): void
  /** Waits for the error reports of all guarded calls so far; rejects with the first. */
  settle(): Promise<void>
  /** Marks the device as given up by its owner. */
  close(): void
}

/** Starts to watch a device. */
export function watchErrors(device: GPUDevice): ErrorWatch {
  let lost: string | undefined
  let reports: Promise<Error | undefined>[] = []
  void device.lost.then((info) => {
    lost ??= `the GPU device was lost (${info.reason}): ${info.message}`
  })
  const checkAlive = (caller: string): void => {
    if (lost !== undefined) throw new DeviceLostError(`${caller}: ${lost}`)
  }
  return {
    checkAlive,
    guard: (caller, commands) => {
      checkAlive(caller)
      device.pushErrorScope('out-of-memory')
      device.pushErrorScope('validation')
      const pop = (): void => {
        const validation = device.popErrorScope()
        const memory = device.popErrorScope()
        const report = Promise.all([validation, memory]).then(
          ([invalid, exhausted]) => {
            if (exhausted) return new GpuOutOfMemoryError(`${caller}: ${exhausted.message}`)
            return invalid ? new GpuValidationError(`${caller}: ${invalid.message}`) : undefined
          },
          // A lost device rejects its scopes; `settle` reports the loss itself.
          () => undefined,
        )
        reports.push(report)
      }
      try {
        return commands()
      } finally {
        pop()
      }
    },
    settle: async () => {
      const pending = reports
      reports = []
      const errors = await Promise.all(pending)
      if (lost !== undefined) throw new DeviceLostError(lost)
      const first = errors.find((error) => error !== undefined)
      if (first) throw first
    },
    close: () => {
      lost ??= 'it was destroyed'
    },
  }
}
