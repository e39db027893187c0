// Inputs that all processes of `attn peers` share: files of random numbers, written once, of which
// every problem takes the beginning; and the rows of the results that are compared.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fromFloat16Array, toFloat16Array } from '@attn/core'
import type { DType } from '@attn/core'
import { normalArray } from '../inputs/normal.ts'
import type { ElementRange } from '../inputs/read-back.ts'
import { attentionMask } from '../peers/attn.ts'
import type { InputFiles } from '../peers/messages.ts'
import type { PeerShape } from '../peers/peer.ts'
import { expectRows, verifyRows } from '../verify/expectation.ts'
import type { Verification } from '../verify/expectation.ts'
import { sampleBlocks } from '../verify/sample.ts'

/** What one problem needs apart from the peers. */
export interface PeerCase {
  readonly files: InputFiles
  /** The rows to compare, as elements of the result. */
  readonly blocks: readonly ElementRange[]
  /** Compares rows with the CPU reference in float64: for ours. */
  readonly verify: (rows: readonly (readonly number[])[]) => Verification
}

/** Inputs for all problems of a run. */
export interface PeerInputStore {
  readonly caseOf: (shape: PeerShape) => PeerCase
  /** Deletes the files. */
  readonly remove: () => void
}

interface DTypeInputs {
  readonly data: Readonly<Record<keyof InputFiles, Float32Array<ArrayBuffer>>>
  readonly files: InputFiles
}

/** Prepares inputs for these problems, in a folder for temporary files. */
export function createPeerInputs(shapes: readonly PeerShape[]): PeerInputStore {
  const folder = mkdtempSync(join(tmpdir(), 'attn-peers-'))
  const made = new Map<DType, DTypeInputs>()
  const inputsOf = (dtype: DType): DTypeInputs => {
    const known = made.get(dtype)
    if (known) return known
    const most = Math.max(
      ...shapes
        .filter((shape) => shape.dtype === dtype)
        .map(({ batch, heads, keyLength, headDim }) => batch * heads * keyLength * headDim),
    )
    const create = (stream: number): Float32Array<ArrayBuffer> => {
      const numbers = normalArray(stream, most)
      return dtype === 'float32' ? numbers : fromFloat16Array(toFloat16Array(numbers))
    }
    const data = { query: create(1), key: create(2), value: create(3) }
    const write = (name: keyof InputFiles): string => {
      const file = join(folder, `${name}.${dtype}`)
      writeFileSync(file, data[name])
      return file
    }
    const files = { query: write('query'), key: write('key'), value: write('value') }
    const inputs = { data, files }
    made.set(dtype, inputs)
    return inputs
  }
  return {
    caseOf(shape) {
      const { data, files } = inputsOf(shape.dtype)
      const { batch, heads, queryLength, keyLength, headDim, dtype } = shape
      const blocks = sampleBlocks(batch * heads, queryLength)
      const rowsOf = (
        array: Float32Array,
        head: number,
        length: number,
        firstRow: number,
        rows: number,
      ): Float32Array => {
        const first = (head * length + firstRow) * headDim
        return array.subarray(first, first + rows * headDim)
      }
      // A single query sees all keys, as if it were one of as many.
      const expectation = expectRows(
        blocks.map(({ head, firstRow, rows }) => ({
          head,
          firstRow,
          rows,
          query: rowsOf(data.query, head, queryLength, firstRow, rows),
          key: rowsOf(data.key, head, keyLength, 0, keyLength),
          value: rowsOf(data.value, head, keyLength, 0, keyLength),
        })),
        keyLength,
        attentionMask(shape),
        dtype,
      )
      return {
        files,
        blocks: blocks.map(({ head, firstRow, rows }) => ({
          first: (head * queryLength + firstRow) * headDim,
          count: rows * headDim,
        })),
        verify: (rows) => verifyRows(expectation, rows),
      }
    },
    remove: () => rmSync(folder, { recursive: true, force: true }),
  }
}
