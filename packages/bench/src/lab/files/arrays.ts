// Arrays of numbers in a file: one line of JSON that says what follows, then the numbers, little-endian, as
// float32 or float16.
import { float16Bits, float16Value, typeError } from '@attn/core'

/** How numbers are kept. */
export type ArrayPrecision = 'float32' | 'float16'

interface ArraysHeader {
  readonly schema: 'attn-lab/1'
  readonly precision: ArrayPrecision
  readonly counts: readonly number[]
  readonly about: unknown
}

/** Arrays and what is to be known of them, as bytes. */
export function encodeArrays(
  about: unknown,
  arrays: readonly Float32Array[],
  precision: ArrayPrecision,
): Uint8Array<ArrayBuffer> {
  const counts = arrays.map(({ length }) => length)
  const header: ArraysHeader = { schema: 'attn-lab/1', precision, counts, about }
  const line = new TextEncoder().encode(`${JSON.stringify(header)}\n`)
  const size = precision === 'float32' ? 4 : 2
  const bytes = new Uint8Array(line.length + size * counts.reduce((sum, count) => sum + count, 0))
  bytes.set(line)
  const view = new DataView(bytes.buffer, line.length)
  let place = 0
  for (const numbers of arrays) {
    for (const number of numbers) {
      if (precision === 'float32') view.setFloat32(place, number, true)
      else view.setUint16(place, float16Bits(number), true)
      place += size
    }
  }
  return bytes
}

/**
 * Reads what {@link encodeArrays} made.
 *
 * @throws TypeError for anything else.
 */
export function decodeArrays(bytes: Uint8Array): {
  about: unknown
  arrays: Float32Array<ArrayBuffer>[]
} {
  const end = bytes.indexOf(10)
  const { precision, counts, about } = parseHeader(
    new TextDecoder().decode(bytes.subarray(0, Math.max(end, 0))),
  )
  const size = precision === 'float32' ? 4 : 2
  const total = counts.reduce((sum, count) => sum + count, 0)
  if (bytes.length - end - 1 !== size * total) {
    throw typeError(
      `decodeArrays: expected ${size * total} bytes after the first line, got ${bytes.length - end - 1}`,
    )
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset + end + 1)
  let place = 0
  const read = (): number => {
    const number =
      precision === 'float32'
        ? view.getFloat32(place, true)
        : float16Value(view.getUint16(place, true))
    place += size
    return number
  }
  return { about, arrays: counts.map((count) => Float32Array.from({ length: count }, read)) }
}

function parseHeader(line: string): ArraysHeader {
  let header: Partial<ArraysHeader> | null
  try {
    header = JSON.parse(line) as Partial<ArraysHeader> | null
  } catch (error) {
    throw typeError('decodeArrays: the first line must be JSON', 'ATTN_TYPE', { cause: error })
  }
  if (header?.schema !== 'attn-lab/1' || !header.counts || !header.precision) {
    throw typeError(
      `decodeArrays: schema must be attn-lab/1 with precision and counts, got ${String(header?.schema)}`,
    )
  }
  return header as ArraysHeader
}
