// Which inputs reach an output through p sparse heads in a row: the validity criterion of Sparse
// Transformers (arXiv 1904.10509, section 4.2), counted rather than argued.
import { checkOptions, compile } from '@attn/core'
import type { Mask, OptionNames, Point } from '@attn/core'
import { checkInteger } from '../check.ts'

/** Where masks that depend on the head are asked. */
export interface ReachOptions {
  /** Query head. Default: 0. */
  readonly head?: number | undefined
}

/** A query and a key that it should reach and does not. */
export type MissingPair = readonly [query: number, key: number]

/** What p steps reach. */
export interface Reach {
  /** n, in tokens. */
  readonly length: number
  /** The paper's definition: j in A_a(1), a in A_b(2), .., every step taken. */
  readonly literal: { readonly valid: boolean; readonly missing: readonly MissingPair[] }
  /** Each step may also stay where it is, as the residual connection around attention lets it. */
  readonly keepingOwn: { readonly valid: boolean; readonly missing: readonly MissingPair[] }
  /**
   * For each head the queries that see no key. Attention gives them output 0 and logSumExp
   * -Infinity, so that with a residual connection they keep what they have.
   */
  readonly emptyRows: readonly (readonly number[])[]
}

/** A square relation on n positions, one bit a pair. */
interface Bits {
  readonly length: number
  readonly words: number
  readonly data: Uint32Array
}

const empty = (length: number): Bits => {
  const words = Math.ceil(length / 32)
  return { length, words, data: new Uint32Array(length * words) }
}

const has = ({ words, data }: Bits, query: number, key: number): boolean =>
  ((data[query * words + (key >>> 5)]! >>> (key & 31)) & 1) === 1

const add = ({ words, data }: Bits, query: number, key: number): void => {
  data[query * words + (key >>> 5)]! |= 1 << (key & 31)
}

function bitsOf(mask: Mask, length: number, { head = 0 }: ReachOptions): Bits {
  const allows = compile(mask.expression)
  const bits = empty(length)
  const sizes = { heads: head + 1, queryLength: length, keyLength: length }
  const point: Point & { query: number; queryIndex: number; key: number } = {
    batch: 0,
    head,
    ...sizes,
    query: 0,
    queryIndex: 0,
    key: 0,
  }
  for (let query = 0; query < length; query++) {
    point.query = point.queryIndex = query
    for (let key = 0; key < length; key++) {
      point.key = key
      if (allows(point)) add(bits, query, key)
    }
  }
  return bits
}

/** What a query reaches if it first steps by `last` and then by `before`. */
function compose(last: Bits, before: Bits): Bits {
  const { length, words } = last
  const result = empty(length)
  for (let query = 0; query < length; query++) {
    for (let middle = 0; middle < length; middle++) {
      if (!has(last, query, middle)) continue
      for (let word = 0; word < words; word++) {
        result.data[query * words + word]! |= before.data[middle * words + word]!
      }
    }
  }
  return result
}

function keepingOwn(bits: Bits): Bits {
  const kept = { ...bits, data: bits.data.slice() }
  for (let position = 0; position < bits.length; position++) add(kept, position, position)
  return kept
}

function missingFrom(target: Bits, steps: readonly Bits[]): readonly MissingPair[] {
  const [first, ...later] = steps
  const reached = later.reduce((before, last) => compose(last, before), first!)
  const missing: MissingPair[] = []
  for (let query = 0; query < target.length; query++) {
    for (let key = 0; key < target.length; key++) {
      if (has(target, query, key) && !has(reached, query, key)) missing.push([query, key])
    }
  }
  return missing
}

function emptyRowsOf({ length, words, data }: Bits): readonly number[] {
  return Array.from({ length }, (_, query) => query).filter((query) =>
    data.subarray(query * words, (query + 1) * words).every((word) => word === 0),
  )
}

const reachOptions: OptionNames<ReachOptions> = { head: true }

/** Both readings of the criterion for heads applied in order. */
export function reach(
  heads: readonly Mask[],
  target: Mask,
  length: number,
  options: ReachOptions = {},
): Reach {
  checkOptions('reach', options, reachOptions)
  checkInteger('reach', 'length', length, 1)
  const wanted = bitsOf(target, length, options)
  const steps = heads.map((mask) => bitsOf(mask, length, options))
  const literal = missingFrom(wanted, steps)
  const kept = missingFrom(wanted, steps.map(keepingOwn))
  return {
    length,
    literal: { valid: literal.length === 0, missing: literal },
    keepingOwn: { valid: kept.length === 0, missing: kept },
    emptyRows: steps.map(emptyRowsOf),
  }
}

/** One reading of the criterion. */
export function isValid(
  heads: readonly Mask[],
  target: Mask,
  length: number,
  options: ReachOptions & { readonly keepOwn?: boolean | undefined } = {},
): boolean {
  checkOptions('isValid', options, { ...reachOptions, keepOwn: true })
  const { keepOwn = false, ...reachOnly } = options
  const { literal, keepingOwn } = reach(heads, target, length, reachOnly)
  return keepOwn ? keepingOwn.valid : literal.valid
}
