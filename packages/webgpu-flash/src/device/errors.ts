// Typed errors for what a GPU can do to a call, and the collector that ties WebGPU's asynchronous
// errors to the call that caused them, and to the buffers that the call should have filled.
import { errorUrl } from '@attn/core'
import type { CodedError } from '@attn/core'

/** The device went away: driver reset, page in the background, `destroy`. Make a new library. */
export class DeviceLostError extends Error implements CodedError {
  override readonly name: string = 'DeviceLostError'
  /** What a program tells errors apart by. */
  readonly code = 'ATTN_DEVICE_LOST'
  /** The page about it in the documentation. */
  readonly url: string = errorUrl('ATTN_DEVICE_LOST')
}

/** The GPU had no memory left for a call. Release tensors, or split the work. */
export class GpuOutOfMemoryError extends Error implements CodedError {
  override readonly name: string = 'GpuOutOfMemoryError'
  /** What a program tells errors apart by. */
  readonly code = 'ATTN_OUT_OF_MEMORY'
  /** The page about it in the documentation. */
  readonly url: string = errorUrl('ATTN_OUT_OF_MEMORY')
}

/** WebGPU refused a command. With tensors made by this library it is a bug worth reporting. */
export class GpuValidationError extends Error implements CodedError {
  override readonly name: string = 'GpuValidationError'
  /** What a program tells errors apart by. */
  readonly code = 'ATTN_VALIDATION'
  /** The page about it in the documentation. */
  readonly url: string = errorUrl('ATTN_VALIDATION')
}

/** The driver failed at something that is valid, such as compiling a large shader. */
export class GpuInternalError extends Error implements CodedError {
  override readonly name: string = 'GpuInternalError'
  /** What a program tells errors apart by. */
  readonly code = 'ATTN_INTERNAL'
  /** The page about it in the documentation. */
  readonly url: string = errorUrl('ATTN_INTERNAL')
}

/** What a guarded call tells about itself. */
export interface GuardedCall {
  /** Buffers it depends on: if they were not filled, it fails for the same reason. */
  reads(...buffers: readonly GPUBuffer[]): void
  /** Buffers it fills. */
  writes(...buffers: readonly GPUBuffer[]): void
  /** Something to undo if it fails. */
  onFailure(undo: () => void): void
  /** Something that may be done once it is known not to have failed. */
  onSuccess(finish: () => void): void
}

/** Watches a device's errors. */
export interface ErrorWatch {
  /** Runs GPU commands; what goes wrong with them is kept under the caller's name. */
  guard<T>(caller: string, commands: (call: GuardedCall) => T): T
  /** Throws when the device is known to be lost. */
  checkAlive(caller: string): void
  /** Rejects when the device is lost, even if that is announced only now. */
  stillAlive(caller: string): Promise<void>
  /** Waits for the reports of the calls that filled a buffer; rejects with their first error. */
  filled(buffer: GPUBuffer): Promise<void>
  /** Waits for the reports of all calls; rejects with the first error nobody was told of yet. */
  settle(caller: string): Promise<void>
  /** The result of a GPU promise; a rejection becomes one of the errors above. */
  outcome<T>(caller: string, promise: Promise<T>): Promise<T>
  /** Marks the device as given up by its owner. */
  close(): void
}

type Report = Error | undefined

/** Errors nobody has been told of are kept up to this number: the first are the causes. */
const mostKept = 16

/** Starts to watch a device. */
export function watchErrors(device: GPUDevice): ErrorWatch {
  let lost: string | undefined
  const pending = new Set<Promise<Report>>()
  const untold: Error[] = []
  const reports = new WeakMap<GPUBuffer, Promise<Report>>()
  void device.lost.then(({ reason, message }) => {
    lost ??= `the GPU device was lost (${reason}): ${message}`
  })

  const checkAlive = (caller: string): void => {
    if (lost !== undefined) throw new DeviceLostError(`${caller}: ${lost}`)
  }
  const tell = (error: Error): Error => {
    const place = untold.indexOf(error)
    if (place >= 0) untold.splice(place, 1)
    return error
  }
  const keep = (report: Promise<Report>): void => {
    pending.add(report)
    void report.then((error) => {
      pending.delete(report)
      if (error && untold.length < mostKept && !untold.includes(error)) untold.push(error)
    })
  }
  const popScopes = (caller: string): Promise<Report> =>
    Promise.all([device.popErrorScope(), device.popErrorScope(), device.popErrorScope()]).then(
      ([invalid, exhausted, broken]) => {
        if (exhausted) return new GpuOutOfMemoryError(`${caller}: ${exhausted.message}`)
        if (invalid) return new GpuValidationError(`${caller}: ${invalid.message}`)
        return broken ? new GpuInternalError(`${caller}: ${broken.message}`) : undefined
      },
      // A lost device rejects its scopes; the loss itself is reported elsewhere.
      () => undefined,
    )

  // The loss of a device may be announced just after what it causes.
  const stillAlive = async (caller: string): Promise<void> => {
    await new Promise((resolve) => setTimeout(resolve, 0))
    checkAlive(caller)
  }

  return {
    checkAlive,
    stillAlive,
    guard: (caller, commands) => {
      checkAlive(caller)
      for (const filter of ['internal', 'out-of-memory', 'validation'] as const) {
        device.pushErrorScope(filter)
      }
      const read: GPUBuffer[] = []
      const written: GPUBuffer[] = []
      const undos: (() => void)[] = []
      const finishes: (() => void)[] = []
      let done = false
      try {
        const result = commands({
          reads: (...buffers) => void read.push(...buffers),
          writes: (...buffers) => void written.push(...buffers),
          onFailure: (undo) => void undos.push(undo),
          onSuccess: (finish) => void finishes.push(finish),
        })
        done = true
        return result
      } finally {
        const own = popScopes(caller)
        // An exception tells of the failure by itself.
        if (done) {
          const causes = read.flatMap((buffer) => reports.get(buffer) ?? [])
          const report = first([...causes, own])
          keep(report)
          for (const buffer of written) {
            const earlier = reports.get(buffer)
            reports.set(buffer, earlier ? first([earlier, report]) : report)
          }
          if (undos.length + finishes.length > 0) {
            void own.then((error) => (error ? undos : finishes).forEach((act) => act()))
          }
        }
      }
    },
    filled: async (buffer) => {
      const error = await reports.get(buffer)
      if (!error) return
      // Told once: what fills it from now on counts.
      reports.delete(buffer)
      throw tell(error)
    },
    settle: async (caller) => {
      await Promise.all(pending)
      checkAlive(caller)
      const [error] = untold.splice(0)
      if (error) throw error
    },
    outcome: async (caller, promise) => {
      try {
        return await promise
      } catch (error) {
        await stillAlive(caller)
        const { message, reason } = error as Error & Partial<GPUPipelineError>
        const Kind = reason === 'internal' ? GpuInternalError : GpuValidationError
        throw new Kind(`${caller}: ${message}`, { cause: error })
      }
    },
    close: () => {
      lost ??= 'destroy() was called'
    },
  }
}

async function first(reports: readonly Promise<Report>[]): Promise<Report> {
  const errors = await Promise.all(reports)
  return errors.find((error) => error !== undefined)
}
