// The one error class every package shares. Shape and value mistakes are RangeErrors and kind
// mistakes TypeErrors; this one is for what the device at hand cannot do.

/**
 * Thrown when this device, adapter or runtime cannot do what was asked.
 * The message names the limit or feature at fault and what to do about it.
 */
export class UnsupportedError extends Error {
  override readonly name: string = 'UnsupportedError'
}
