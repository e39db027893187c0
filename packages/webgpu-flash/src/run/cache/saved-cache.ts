// A cache as bytes, for a file or a database: a header that says what it is of, and the rows that hold
// anything, of keys and then of values, each by sequence and head. Rows go in the order of their tokens, so that
// what was saved from one place can be restored to another; a ring's go as they lie.
import { rangeError, typeError } from '@attn/core'
import type { GpuTensor } from '../../gpu-tensor.ts'
import { elementBytes } from '../../gpu-tensor.ts'

/** What the header says, all of which must be the same to restore. */
export type SavedLayout = Readonly<Record<string, unknown>>

/** What there is to be saved. */
export interface SavedTokens {
  readonly lengths: readonly number[]
  /** Rows that hold anything, of each sequence. */
  readonly held: readonly number[]
  /** What else an account of places needs. */
  readonly longest?: readonly number[] | undefined
}

/** Version of the bytes. */
const version = 1
const magic = 0x766b7461 // "atkv"
const headBytes = 12

/** Rows of one head that lie one after another. */
export interface RowRun {
  readonly row: number
  readonly count: number
}

/** The header, padded to whole words. */
export function savedHeader(layout: SavedLayout, tokens: SavedTokens): Uint8Array<ArrayBuffer> {
  const text = new TextEncoder().encode(JSON.stringify({ layout, tokens }))
  const bytes = new Uint8Array(headBytes + Math.ceil(text.length / 4) * 4)
  const view = new DataView(bytes.buffer)
  view.setUint32(0, magic, true)
  view.setUint32(4, version, true)
  view.setUint32(8, text.length, true)
  bytes.set(text, headBytes)
  return bytes
}

/**
 * Reads a header, and checks that it is of a cache like this one.
 *
 * @throws TypeError for bytes that are none, RangeError for another version or layout.
 */
export function readSaved(
  caller: string,
  bytes: Uint8Array,
  layout: SavedLayout,
): { readonly tokens: SavedTokens; readonly data: Uint8Array } {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  if (bytes.length < headBytes || view.getUint32(0, true) !== magic) {
    throw typeError(`${caller}: these bytes are not a saved cache`)
  }
  const written = view.getUint32(4, true)
  if (written !== version) {
    throw rangeError(`${caller}: the bytes are of version ${written}, this reads ${version}`)
  }
  const textBytes = view.getUint32(8, true)
  const header = JSON.parse(
    new TextDecoder().decode(bytes.subarray(headBytes, headBytes + textBytes)),
  ) as { layout: SavedLayout; tokens: SavedTokens }
  for (const name of new Set([...Object.keys(layout), ...Object.keys(header.layout)])) {
    const [saved, own] = [header.layout[name], layout[name]].map((value) => JSON.stringify(value))
    if (saved !== own) {
      throw rangeError(
        `${caller}: the saved cache has ${name} ${saved ?? 'unset'}, this one ${own ?? 'unset'}`,
      )
    }
  }
  return {
    tokens: header.tokens,
    data: bytes.subarray(headBytes + Math.ceil(textBytes / 4) * 4),
  }
}

/** Where the runs of rows of a tensor lie: bytes in its buffer, one after another in what is saved. */
export function* savedRuns(
  { shape, strides, offset, dtype }: GpuTensor,
  runs: readonly (readonly RowRun[])[],
): Generator<{ readonly place: number; readonly size: number }> {
  const heads = shape[1]!
  const bytes = elementBytes(dtype)
  const [batchStride, headStride, rowStride] = strides as [number, number, number]
  for (const [sequence, own] of runs.entries()) {
    for (let head = 0; head < heads; head++) {
      for (const { row, count } of own) {
        if (count === 0) continue
        const first = offset + sequence * batchStride + head * headStride + row * rowStride
        yield { place: first * bytes, size: count * rowStride * bytes }
      }
    }
  }
}

/** Runs of rows that so many tokens from the first on lie in. */
export function runsOf(row: (position: number) => number, count: number): RowRun[] {
  const runs: { row: number; count: number }[] = []
  for (let position = 0; position < count; position++) {
    const at = row(position)
    const last = runs.at(-1)
    if (last && last.row + last.count === at) last.count++
    else runs.push({ row: at, count: 1 })
  }
  return runs
}
