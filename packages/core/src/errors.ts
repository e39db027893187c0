// The one error class every package shares. Shape and value mistakes are RangeErrors and kind
// mistakes TypeErrors; this one is for what the device at hand cannot do. What a program may want to tell
// apart has a code, with a page of its own in the documentation (tools/error-table.ts).

/** Why something is not supported here. */
export type UnsupportedCode =
  'ATTN_UNSUPPORTED' | 'ATTN_NO_WEBGPU' | 'ATTN_NO_ADAPTER' | 'ATTN_WEBGPU_PACKAGE'

/** What an {@link UnsupportedError} is made with. */
export interface UnsupportedErrorOptions {
  /** Default: ATTN_UNSUPPORTED. */
  readonly code?: UnsupportedCode | undefined
  /** The error behind it. */
  readonly cause?: unknown
}

/**
 * Thrown when this device, adapter or runtime cannot do what was asked.
 * The message names the limit or feature at fault and what to do about it.
 *
 * @example
 * ```ts
 * import { UnsupportedError } from '@attn/core'
 * new UnsupportedError('no GPU here', { code: 'ATTN_NO_ADAPTER' }).code // => 'ATTN_NO_ADAPTER'
 * ```
 */
export class UnsupportedError extends Error {
  override readonly name: string = 'UnsupportedError'
  /** What to look up: `/errors/attn-unsupported` and so on in the documentation. */
  readonly code: UnsupportedCode

  constructor(
    message: string,
    { code = 'ATTN_UNSUPPORTED', ...options }: UnsupportedErrorOptions = {},
  ) {
    super(message, options)
    this.code = code
  }
}
