// How gradients of trainable tables are summed without float atomics. A workgroup has one head and
// one sequence, so it can only meet the entries that its own axes tell apart (the buckets of a T5
// bias [buckets, heads]). Where these are few it sums each, and a second kernel adds workgroups up;
// where every pair of a head has an entry of its own (a bias [H, L, S]) it adds to that entry alone.
import { compile, dependencies, differentiateTables, UnsupportedError } from '@attn/core'
import type {
  AttentionShape,
  FloatExpression,
  IntegerExpression,
  ResolvedAttention,
  Table,
} from '@attn/core'

/** One look-up in a trainable table. */
export interface TableLookup {
  readonly table: Table
  /** Which score modifier looks up. */
  readonly modifier: number
  /** The index of each axis, before it is clamped. */
  readonly indices: readonly IntegerExpression[]
  /** Derivative of the modifier by the entry. */
  readonly derivative: FloatExpression
  /** Whether every pair of a head has an entry of its own, so that it may be added to in place. */
  readonly direct: boolean
  /** Axes a workgroup tells apart: those that vary within a head; all where `direct`. */
  readonly ownAxes: readonly number[]
  /** Entries along these. */
  readonly ownEntries: number
}

/** Entries a workgroup can sum apart. */
export const mostOwnEntries = 1024

/** The trainable tables of the score modifiers, in order of appearance. */
export function trainableTables({ scoreModifiers }: ResolvedAttention): Table[] {
  const tables = scoreModifiers.flatMap(({ expression }) => dependencies(expression.node).tables)
  return [...new Set(tables.filter(({ trainable }) => trainable))]
}

/**
 * Every look-up that can have a gradient.
 *
 * @throws UnsupportedError for tables whose gradients fit neither way.
 */
export function tableLookups(
  caller: string,
  shape: AttentionShape,
  attention: ResolvedAttention,
): TableLookup[] {
  const addedInPlace = new Set<Table>()
  return attention.scoreModifiers.flatMap(({ expression }, modifier) =>
    differentiateTables(expression).map(({ table, indices, derivative }) => {
      // Two look-ups in one table would lead different pairs to one entry.
      const direct = !addedInPlace.has(table) && isDirect(shape, attention, table, indices)
      if (direct) addedInPlace.add(table)
      const axes = indices.map((_, axis) => axis)
      const ownAxes = direct ? axes : axes.filter((axis) => varies(indices[axis]!))
      const ownEntries = ownAxes.reduce((count, axis) => count * table.shape[axis]!, 1)
      if (!direct && ownEntries > mostOwnEntries) {
        throw new UnsupportedError(
          `${caller}: the gradient of table ${table.name} needs ${ownEntries} sums a head, at most ${mostOwnEntries} are supported; use a smaller table, index it by (query, key), or train on the CPU`,
        )
      }
      return { table, modifier, indices, derivative, direct, ownAxes, ownEntries }
    }),
  )
}

/** Whether an index may differ between pairs of one head. */
function varies({ node }: IntegerExpression): boolean {
  const { coordinates } = dependencies(node)
  return ['query', 'queryIndex', 'key', 'score'].some((name) => coordinates.has(name as 'query'))
}

/** Whether two of the axes are query and key themselves, with room for all of them. */
function isDirect(
  { queryLength, keyLength }: AttentionShape,
  { queryOffsets }: ResolvedAttention,
  table: Table,
  indices: readonly IntegerExpression[],
): boolean {
  const has = (name: string, fits: (size: number) => boolean): boolean =>
    indices.some(
      ({ node }, axis) =>
        node.kind === 'coordinate' && node.name === name && fits(table.shape[axis]!),
    )
  const positionsFit = (size: number): boolean =>
    queryOffsets.every((offset) => offset >= 0 && offset + queryLength <= size)
  return (
    has('key', (size) => size >= keyLength) &&
    (has('queryIndex', (size) => size >= queryLength) || has('query', positionsFit))
  )
}

/**
 * Whether heads or sequences add to the same entries of a `direct` look-up, so that they must be
 * dispatched one after the other.
 */
export function sharesEntries({ batch, heads }: AttentionShape, lookup: TableLookup): boolean {
  const ofPlane = lookup.indices.filter((index) => !varies(index))
  if (ofPlane.some(({ node }) => dependencies(node).parameters.length > 0)) return true
  const evaluators = ofPlane.map((index) => compile(index))
  const axes = lookup.table.shape.filter((_, axis) => !varies(lookup.indices[axis]!))
  const seen = new Set<string>()
  for (let b = 0; b < batch; b++) {
    for (let h = 0; h < heads; h++) {
      const entry = evaluators.map((evaluate, n) =>
        Math.min(Math.max(evaluate({ batch: b, head: h, heads }), 0), axes[n]! - 1),
      )
      seen.add(entry.join())
    }
  }
  return seen.size < batch * heads
}
