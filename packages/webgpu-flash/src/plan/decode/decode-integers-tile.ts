// How the decode kernel on products of signed bytes spreads its work: a workgroup of 32 threads, each of which has a key of
// a chunk for the scores, and four dims of the values for the output.
import type { QuantizedType } from '@attn/core'
import type { Capabilities } from '../../device/capabilities.ts'
import { rowWords } from '../../kernels/decode/block-words.ts'
import { isSoftware } from '../../device/software.ts'
import { workgroupsAtOnce } from './decode-spread.ts'

/** Dims of keys and of values: 32 threads with four of them each. */
export const integerDims = 128

/** One way to spread the work. */
export interface DecodeIntegersTile {
  /** Query rows of a workgroup: as many as a vector has numbers. */
  readonly rows: 4
  /** Keys of a chunk, each of which is a thread's. */
  readonly keys: 32
  /** Neighbouring threads that exchange numbers by shuffles, 2 to 32; 1 where all go through workgroup memory. */
  readonly shuffles: number
  /** Workgroups to aim at: a call's keys are cut into as many ranges as that takes. */
  readonly workgroups: number
  /** Whether products of keys are written out, and not in loops, for compilers that take their time. */
  readonly unrolled: boolean
}

/** What of it a caller may ask for. */
export type WantedIntegers = Partial<
  Pick<DecodeIntegersTile, 'shuffles' | 'workgroups' | 'unrolled'>
>

/** What keys and values are stored as. */
export interface BlockTypes {
  readonly key: QuantizedType
  readonly value: QuantizedType
}

/** Where everything lies in workgroup memory: sizes in what each array is of. */
export interface DecodeIntegersMemory {
  /** Rows as they are stored, in pairs of words; before and after them the queries and the output. */
  readonly tile: number
  /** Digits of the queries, in vectors of four rows. */
  readonly digits: number
  /** Weights of a chunk, in vectors. */
  readonly weights: number
  readonly bytes: number
}

/** Lays out a workgroup's memory. */
export function decodeIntegersMemory({ key, value }: BlockTypes): DecodeIntegersMemory {
  const rows = Math.max(rowWords(key, integerDims), rowWords(value, integerDims))
  const tile = Math.max(32 * rows, 4 * integerDims) / 2
  // Three digits of each dim and row, four in a word.
  const digits = (3 * integerDims) / 4
  const weights = (2 * integerDims) / 4
  return { tile, digits, weights, bytes: 8 * tile + 16 * (digits + weights) }
}

/** The tile for these types. */
export function chooseDecodeIntegersTile(
  types: BlockTypes,
  capabilities: Capabilities,
  wanted: WantedIntegers,
): DecodeIntegersTile {
  return {
    rows: 4,
    keys: 32,
    shuffles: wanted.shuffles ?? Math.min(32, capabilities.subgroups?.minimum ?? 1),
    workgroups: wanted.workgroups ?? workgroupsAtOnce(decodeIntegersMemory(types).bytes),
    unrolled: wanted.unrolled ?? !isSoftware(capabilities),
  }
}
