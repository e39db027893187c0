// What every package throws. Each error carries a code, which programs tell apart, and the address of a page that
// says where it comes from and what helps (tools/error-table.ts). Mistakes in arguments are RangeErrors and
// TypeErrors as JavaScript has them; UnsupportedError is for what the device at hand cannot do.

/** Codes of mistakes in arguments: `RangeError` for the first three, `TypeError` for the others. */
export type ArgumentCode =
  | 'ATTN_SHAPE'
  | 'ATTN_VALUE'
  | 'ATTN_CACHE_FULL'
  | 'ATTN_TYPE'
  | 'ATTN_DTYPE'
  | 'ATTN_OPTION'
  | 'ATTN_TRAINING'
  | 'ATTN_DESTROYED'

/** Why something is not supported here. */
export type UnsupportedCode =
  'ATTN_UNSUPPORTED' | 'ATTN_NO_WEBGPU' | 'ATTN_NO_ADAPTER' | 'ATTN_WEBGPU_PACKAGE'

/** What errors carry besides their message. */
export interface CodedError {
  /** What a program tells errors apart by. */
  readonly code: string
  /** The page about it in the documentation. */
  readonly url: string
}

/**
 * The address of the page about a code.
 *
 * @example
 * ```ts
 * import { errorUrl } from '@attn/core'
 * errorUrl('ATTN_SHAPE') // => 'https://attn-ts.github.io/attn/errors/attn-shape'
 * ```
 */
export function errorUrl(code: string): string {
  const page = code.toLowerCase().replaceAll('_', '-')
  return `https://attn-ts.github.io/attn/errors/${page}`
}

/**
 * An error of an argument whose value no call can take: a number out of its range, a name that is not one of
 * those there are.
 *
 * @param code - Default: ATTN_VALUE.
 *
 * @example
 * ```ts
 * import { rangeError } from '@attn/core'
 * const error = rangeError('blur: radius must be positive, got -1')
 * error instanceof RangeError // => true
 * error.code // => 'ATTN_VALUE'
 * ```
 */
export function rangeError(
  message: string,
  code: 'ATTN_VALUE' | 'ATTN_SHAPE' | 'ATTN_CACHE_FULL' = 'ATTN_VALUE',
): RangeError & CodedError {
  return coded(new RangeError(message), code, rangeError)
}

/**
 * An error of shapes, lengths or strides that do not fit one another: a RangeError with code ATTN_SHAPE.
 *
 * @example
 * ```ts
 * import { shapeError } from '@attn/core'
 * shapeError('blur: need shape [height, width], got [3]').code // => 'ATTN_SHAPE'
 * ```
 */
export function shapeError(message: string): RangeError & CodedError {
  return coded(new RangeError(message), 'ATTN_SHAPE', shapeError)
}

/**
 * An error of an argument of another kind than the one that is needed.
 *
 * @param code - Default: ATTN_TYPE.
 * @param options - The error behind it, as `cause`.
 *
 * @example
 * ```ts
 * import { typeError } from '@attn/core'
 * const error = typeError('blur: there is no option raduis', 'ATTN_OPTION')
 * error instanceof TypeError // => true
 * error.url // => 'https://attn-ts.github.io/attn/errors/attn-option'
 * ```
 */
export function typeError(
  message: string,
  code: Exclude<ArgumentCode, 'ATTN_VALUE' | 'ATTN_SHAPE' | 'ATTN_CACHE_FULL'> = 'ATTN_TYPE',
  options?: ErrorOptions,
): TypeError & CodedError {
  return coded(new TypeError(message, options), code, typeError)
}

function coded<Kind extends Error>(error: Kind, code: string, maker: object): Kind & CodedError {
  // Stacks, which consoles print, then begin as those of Node do: `RangeError [ATTN_SHAPE]: ...`
  error.name += ` [${code}]`
  // Firefox has had it since version 138.
  const engine = Error as { readonly captureStackTrace?: (error: object, from: object) => void }
  engine.captureStackTrace?.(error, maker)
  // Engines write the stack when it is first read.
  void error.stack
  delete (error as Partial<Error>).name
  // Not among the keys, so that errors compare and clone as they did.
  const carried = { code: { value: code }, url: { value: errorUrl(code) } }
  return Object.defineProperties(error, carried) as Kind & CodedError
}

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
export class UnsupportedError extends Error implements CodedError {
  override readonly name: string = 'UnsupportedError'
  /** What a program tells errors apart by. */
  readonly code: UnsupportedCode

  constructor(
    message: string,
    { code = 'ATTN_UNSUPPORTED', ...options }: UnsupportedErrorOptions = {},
  ) {
    super(message, options)
    this.code = code
  }

  /** The page about it in the documentation. */
  get url(): string {
    return errorUrl(this.code)
  }
}
