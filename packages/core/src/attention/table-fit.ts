// Whether tables fit a call. Look-ups clamp their indices, so a table of 8 heads would lend its last head to
// the other four of 12 without a word. An index that is a coordinate itself has to find an entry of its
// own; who wants the last one repeated says so: `table.at(key.min(size - 1))`.
import { shapeError } from '../errors.ts'
import { nodesOf } from '../expression/graph.ts'
import type { Mask, ScoreModifier } from '../expression/mask.ts'
import type { Coordinate, ExpressionNode } from '../expression/node.ts'
import type { AttentionShape, ResolvedAttention } from './options.ts'

/** What coordinates range over in one call. */
export interface CallExtent {
  /** B, H, L and S; of packed sequences their number and the longest. */
  readonly shape: readonly [batch: number, heads: number, queries: number, keys: number]
  /** Whether sequences are packed, so that some are shorter. */
  readonly packed: boolean
  /** Least and greatest position of a query. */
  readonly positions: readonly [low: number, high: number]
  /** Keys that count in any sequence. */
  readonly keys: number
}

/** What coordinates range over in a call. */
export function callExtent(
  { batch, heads, queryLength, keyLength }: AttentionShape,
  { sequences, queryOffsets, keyLengths }: ResolvedAttention,
): CallExtent {
  const lengthsOf = (cumulative: Int32Array): number[] =>
    Array.from(cumulative.subarray(1), (end, sequence) => end - cumulative[sequence]!)
  const queries = sequences ? lengthsOf(sequences.cumulativeQueryLengths) : [queryLength]
  const longestKeys = sequences ? lengthsOf(sequences.cumulativeKeyLengths) : [keyLength]
  const offsets = sequences?.queryOffsets ?? queryOffsets
  const count = sequences ? offsets.length : batch
  let [low, high] = [0, -1]
  offsets.forEach((offset, sequence) => {
    const last = offset + (queries[sequence] ?? queryLength) - 1
    if (last < offset) return
    low = Math.min(low, offset)
    high = Math.max(high, last)
  })
  return {
    shape: [count, heads, Math.max(...queries), Math.max(...longestKeys)],
    packed: sequences !== undefined,
    positions: [low, high],
    keys: (sequences?.keyLengths ?? keyLengths).reduce((most, keys) => Math.max(most, keys), 0),
  }
}

/** A read of a table, or of a relation's rows, at coordinates themselves. */
interface CoordinateRead {
  readonly name: string
  readonly shape: readonly number[]
  readonly axis: number
  readonly coordinate: Coordinate
  /** Whether the table has the axes of a call, each whole or 1. */
  readonly ofCall: boolean
}

const axisNames = ['batch', 'heads', 'queries', 'keys']
const cached = new WeakMap<ExpressionNode, readonly CoordinateRead[]>()

function coordinateReads(root: ExpressionNode): readonly CoordinateRead[] {
  const known = cached.get(root)
  if (known) return known
  const reads: CoordinateRead[] = []
  const add = (
    index: ExpressionNode,
    read: { name: string; shape: readonly number[]; axis: number; ofCall: boolean },
  ): void => {
    if (index.kind === 'coordinate') reads.push({ ...read, coordinate: index.name })
  }
  for (const node of nodesOf(root)) {
    if (node.kind === 'lookup') {
      const { name, shape, ofCall = false } = node.table
      node.indices.forEach((index, axis) => add(index, { name, shape, axis, ofCall }))
    }
    if (node.kind === 'contains') {
      const { name, offsets } = node.relation
      add(node.row, { name, shape: [offsets.length - 1], axis: 0, ofCall: false })
    }
  }
  cached.set(root, reads)
  return reads
}

/**
 * Checks that every table a call looks up by its coordinates has entries for all of them, and as many
 * sequences and heads as the call.
 *
 * @throws RangeError for one that has not, with its shape and the call's.
 */
export function checkTables(
  caller: string,
  parts: readonly (Mask | ScoreModifier | undefined)[],
  extent: CallExtent,
): void {
  const { shape, packed } = extent
  const call = `[${axisNames.join(', ')}] = [${shape.join(', ')}]`
  for (const part of parts) {
    for (const read of part ? coordinateReads(part.expression.node) : []) {
      const { name, axis, coordinate, ofCall } = read
      const size = read.shape[axis]!
      const has = `${caller}: ${name} has shape [${read.shape.join(', ')}]`
      if (ofCall) {
        const whole = size === shape[axis]
        // Keys that do not count, and rows beyond shorter sequences, need no entries and may have some.
        const counted = axis === 3 && size >= extent.keys && size < shape[3]
        const fits = size === 1 || whole || counted || (packed && axis > 1 && size > shape[axis]!)
        if (!fits) throw shapeError(`${has}, but the call ${call}; an axis must be 1 or the same`)
        continue
      }
      const range = rangeOf(coordinate, extent)
      if (!range) continue
      const [low, high] = range
      const exact = coordinate === 'batch' || coordinate === 'head'
      if (low < 0 || high >= size || (exact && high !== size - 1)) {
        throw shapeError(
          `${has}, and is looked up by ${coordinate} ${low}..${high} on axis ${axis} in a call of ${call}; repeat entries on purpose with ${coordinate}.max(0).min(${size - 1})`,
        )
      }
    }
  }
}

function rangeOf(
  coordinate: Coordinate,
  { shape: [batch, heads, queries], positions, keys }: CallExtent,
): readonly [low: number, high: number] | undefined {
  if (coordinate === 'batch') return [0, batch - 1]
  if (coordinate === 'head') return [0, heads - 1]
  if (coordinate === 'queryIndex') return [0, queries - 1]
  if (coordinate === 'query') return positions
  return coordinate === 'key' ? [0, keys - 1] : undefined
}
