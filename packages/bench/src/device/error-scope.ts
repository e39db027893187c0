// WebGPU reports mistakes on the side. A measurement must not go on as if nothing had happened, so
// every step that records work runs inside scopes that turn them into exceptions.

const filters: readonly GPUErrorFilter[] = ['validation', 'out-of-memory', 'internal']

/** Thrown when the GPU refused or failed something; `outOfMemory` says whether memory was short. */
export class GpuWorkError extends Error {
  override readonly name: string = 'GpuWorkError'
  readonly outOfMemory: boolean

  constructor(message: string, outOfMemory: boolean) {
    super(message)
    this.outOfMemory = outOfMemory
  }
}

/**
 * Runs something that uses a device and rejects if the device reported an error meanwhile.
 *
 * @param task - What is being done, for the message: `standard attention`.
 * @throws GpuWorkError for an error the device reports; whatever `work` throws.
 */
export async function withErrorScopes<Result>(
  device: GPUDevice,
  task: string,
  work: () => Result | Promise<Result>,
): Promise<Result> {
  for (const filter of filters) device.pushErrorScope(filter)
  let failed = true
  try {
    const result = await work()
    failed = false
    return result
  } finally {
    const scopes = filters.map(() => device.popErrorScope())
    // An exception says more than the errors that it left behind.
    if (failed) await Promise.allSettled(scopes)
    else throwFirst(task, await Promise.all(scopes))
  }
}

function throwFirst(task: string, errors: readonly (GPUError | null)[]): void {
  // Scopes are popped in reverse, so the last is the outermost: validation, which names the cause.
  const error = errors.findLast((found) => found !== null)
  if (error) {
    const outOfMemory = errors[1] !== null && errors[1] !== undefined
    throw new GpuWorkError(`${task}: ${error.message}`, outOfMemory)
  }
}
