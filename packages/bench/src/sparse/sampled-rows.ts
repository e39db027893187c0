// Rows of long sequences checked in float64 without reading inputs back: every number of the inputs is
// known by its index, so that only the keys a row sees have to be computed.
import { compile, float16Bits, float16Value, standardAttention, tensor } from '@attn/core'
import type { DType, Mask } from '@attn/core'
import { hash, normal } from '../inputs/normal.ts'
import { plainRow } from '../verify/plain-row.ts'
import { resolution } from '../verify/expectation.ts'
import type { Verification } from '../verify/expectation.ts'

/** One row of one head. */
export interface SampledRow {
  readonly head: number
  readonly row: number
}

/** Rows that see more keys are not compared as long as another one is: they take seconds each. */
const mostKeys = 2 ** 17

/** The streams that `fillNormal` fills query, key and value from. */
export const streams = { query: 1, key: 2, value: 3 } as const

/** Rows at both ends, at tile edges and in between, of the first and the last head. */
export function sampleRows(heads: number, length: number): SampledRow[] {
  const between = [1, 2, 3].map((index) => hash(length + index) % length)
  const rows = [0, 63, 64, Math.floor(length / 2), ...between, length - 1]
  return [...new Set(rows.filter((row) => row < length))].map((row, index) => ({
    head: index % 2 === 0 ? 0 : heads - 1,
    row,
  }))
}

/**
 * Compares rows of a result with the reference in float64. Allowed is twice the error of a plain
 * implementation in the same precision, and one rounding of the largest number.
 *
 * @param actual - A row of the output, `[D]`, for each sampled row.
 */
export function verifySampledRows(
  rows: readonly SampledRow[],
  actual: readonly Float32Array[],
  problem: {
    readonly mask: Mask
    readonly heads: number
    readonly length: number
    readonly headDim: number
    /** Default: `float32`. */
    readonly dtype?: DType
  },
): Verification {
  const { mask, heads, length, headDim, dtype = 'float32' } = problem
  const visible = compile(mask.expression)
  const lengths = { batch: 0, heads, queryLength: length, keyLength: length }
  let [error, plainError, largest, compared] = [0, 0, 0, 0]
  rows.forEach(({ head, row }, index) => {
    const keys: number[] = []
    const position = { ...lengths, head, query: row, queryIndex: row }
    for (let key = 0; key < length; key++) if (visible({ ...position, key })) keys.push(key)
    const last = index === rows.length - 1
    if (keys.length > mostKeys && !(last && compared === 0)) return
    compared++
    const vectorsOf = (stream: number, tokens: readonly number[]): Float32Array<ArrayBuffer> => {
      const values = new Float32Array(tokens.length * headDim)
      tokens.forEach((token, place) => {
        const first = (head * length + token) * headDim
        for (let d = 0; d < headDim; d++) {
          const value = normal(stream, first + d)
          values[place * headDim + d] =
            dtype === 'float16' ? float16Value(float16Bits(value)) : value
        }
      })
      return values
    }
    const query = vectorsOf(streams.query, [row])
    const key = vectorsOf(streams.key, keys)
    const value = vectorsOf(streams.value, keys)
    const { output } = standardAttention(
      tensor(Float64Array.from(query), [1, 1, 1, headDim]),
      tensor(Float64Array.from(key), [1, 1, keys.length, headDim]),
      tensor(Float64Array.from(value), [1, 1, keys.length, headDim]),
    )
    const exact = output.storage as Float64Array
    const scale = 1 / Math.sqrt(headDim)
    const plain = plainRow({ query, key, value, scale, visible: () => true }, dtype)
    for (let d = 0; d < headDim; d++) {
      const difference = Math.abs(actual[index]![d]! - exact[d]!)
      error = Math.max(error, Number.isNaN(difference) ? Infinity : difference)
      plainError = Math.max(plainError, Math.abs(plain[d]! - exact[d]!))
      largest = Math.max(largest, Math.abs(exact[d]!))
    }
  })
  const allowedError = 2 * plainError + resolution[dtype] * largest
  return { rows: compared, error, plainError, allowedError, passed: error <= allowedError }
}
