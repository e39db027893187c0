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
import type { PeerInputs, PeerShape } from '../peers/peer.ts'
import { expectQueryGradients } from '../gradients/query-rows.ts'
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
  readonly data: PeerInputs
  readonly files: InputFiles
}

/** No size divides it, so that heads that repeat the same numbers differ all the same. */
const longPeriod = 2 ** 22 - 3

/** A beginning over and over, `count` numbers in all. */
function repeat(beginning: Float32Array<ArrayBuffer>, count: number): Float32Array<ArrayBuffer> {
  if (beginning.length === count) return beginning
  const all = new Float32Array(count)
  for (let first = 0; first < count; first += beginning.length) {
    all.set(beginning.subarray(0, Math.min(beginning.length, count - first)), first)
  }
  return all
}

/**
 * Prepares inputs for these problems, in a folder for temporary files.
 *
 * @param period - After so many numbers they repeat: a cache has hundreds of millions, which would take
 *   longer to draw than to attend to.
 */
export function createPeerInputs(
  shapes: readonly PeerShape[],
  period: number = longPeriod,
): PeerInputStore {
  const folder = mkdtempSync(join(tmpdir(), 'attn-peers-'))
  const made = new Map<DType, DTypeInputs>()
  const inputsOf = (dtype: DType): DTypeInputs => {
    const known = made.get(dtype)
    if (known) return known
    const own = shapes.filter((shape) => shape.dtype === dtype)
    const most = (elements: (shape: PeerShape) => number): number => Math.max(...own.map(elements))
    const create = (stream: number, count: number): Float32Array<ArrayBuffer> => {
      const numbers = normalArray(stream, Math.min(count, period))
      return repeat(
        dtype === 'float32' ? numbers : fromFloat16Array(toFloat16Array(numbers)),
        count,
      )
    }
    const queries = most((shape) => shape.batch * shape.heads * shape.queryLength * shape.headDim)
    const keys = most((shape) => shape.batch * shape.kvHeads * shape.keyLength * shape.headDim)
    const data = {
      query: create(1, queries),
      key: create(2, keys),
      value: create(3, keys),
      ...(own.some(({ backward }) => backward) ? { dOutput: create(4, queries) } : {}),
    }
    const write = (name: keyof InputFiles): string => {
      const file = join(folder, `${name}.${dtype}`)
      writeFileSync(file, data[name]!)
      return file
    }
    const files = {
      query: write('query'),
      key: write('key'),
      value: write('value'),
      ...(data.dOutput ? { dOutput: write('dOutput') } : {}),
    }
    const inputs = { data, files }
    made.set(dtype, inputs)
    return inputs
  }
  return {
    caseOf(shape) {
      const { data, files } = inputsOf(shape.dtype)
      const { batch, heads, kvHeads, queryLength, keyLength, headDim, dtype } = shape
      const kvHeadOf = (head: number): number => Math.floor((head * kvHeads) / heads)
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
      const inputs = blocks.map(({ head, firstRow, rows }) => ({
        head,
        firstRow,
        rows,
        query: rowsOf(data.query, head, queryLength, firstRow, rows),
        key: rowsOf(data.key, kvHeadOf(head), keyLength, 0, keyLength),
        value: rowsOf(data.value, kvHeadOf(head), keyLength, 0, keyLength),
        ...(data.dOutput
          ? { dOutput: rowsOf(data.dOutput, head, queryLength, firstRow, rows) }
          : {}),
      }))
      const mask = attentionMask(shape)
      const expectation = shape.backward
        ? expectQueryGradients(inputs, keyLength, mask, dtype)
        : expectRows(inputs, keyLength, mask, dtype)
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
