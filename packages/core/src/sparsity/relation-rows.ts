// The rows of a relation, such as the random keys of BigBird (arXiv 2007.14062), from its own lists: the
// members of the rows that a tile's queries ask for are counted tile by tile. Bounds would have to
// look for each of them in a tree of rectangles.
import type { Relation } from '../expression/node.ts'
import type { StridedInterval } from '../expression/strided-interval.ts'
import { appendRows } from './append-rows.ts'
import type { BlockSizes } from './block-map.ts'
import type { RowRuns } from './row-runs.ts'
import type { PlaneEnd } from './subdivide.ts'

/** For each member of a relation the keys that ask for it: `starts[m - first] .. starts[m - first + 1] - 1`. */
export interface KeysOfMembers {
  readonly first: number
  readonly starts: Int32Array
}

/** Ranges this short are looked at place by place. */
const shortRange = 16

/**
 * The value of an integer expression in each of `count` places; undefined where bounds do not know.
 *
 * @param step - By how much it grows from each place to the next, if that is known.
 */
export function valuesAlong(
  look: (from: number, to: number) => StridedInterval,
  count: number,
  step?: number,
): Int32Array | undefined {
  const values = new Int32Array(count)
  const visit = (from: number, to: number): boolean => {
    const { low, high } = look(from, to)
    if (low === high) {
      if (low !== (low | 0)) return false
      values.fill(low, from, to)
      return true
    }
    if (to - from > shortRange) {
      const middle = from + 2 ** (31 - Math.clz32(to - from - 1))
      return visit(from, middle) && visit(middle, to)
    }
    for (let place = from; place < to; place++) {
      const { low, high } = look(place, place + 1)
      if (low !== high || low !== (low | 0)) return false
      values[place] = low
    }
    return true
  }
  if (count === 0) return values
  if (step === undefined) return visit(0, count) ? values : undefined
  if (!visit(0, 1)) return undefined
  for (let place = 1; place < count; place++) values[place] = values[place - 1]! + step
  return values
}

/**
 * Which keys ask for which member. Undefined where members do not rise with keys, or leave so large
 * gaps that a list would be mostly empty.
 */
export function keysOfMembers(members: Int32Array | undefined): KeysOfMembers | undefined {
  const keys = members?.length
  if (!members || !keys) return undefined
  const first = members[0]!
  const range = members[keys - 1]! - first + 1
  if (range > 2 * keys + 1024) return undefined
  const starts = new Int32Array(Math.max(range, 1) + 1)
  let member = 0
  for (let key = 1; key < keys; key++) {
    const place = members[key]! - first
    if (place < member) return undefined
    while (member < place) starts[++member] = key
  }
  starts[range] = keys
  return { first, starts }
}

/**
 * The rows of `contains(row, member)` where the row depends on the query and the member on the key.
 *
 * @param asked - The row of the relation that each query asks for.
 */
export function relationRows(
  { offsets, members }: Relation,
  asked: Int32Array,
  { first, starts }: KeysOfMembers,
  { querySlots, keySlots }: PlaneEnd,
  { queryBlockSize, keyBlockSize }: BlockSizes,
): RowRuns {
  const rows = Math.ceil(querySlots / queryBlockSize)
  const columns = Math.ceil(keySlots / keyBlockSize)
  const wholeColumns = Math.floor(keySlots / keyBlockSize)
  const result = appendRows(rows, columns)
  const tally = tallyOf(columns)
  const lastRow = offsets.length - 2
  const lastMember = starts.length - 2
  /** Counts what `queries` queries see that ask for a row of the relation. */
  const count = (row: number, queries: number): void => {
    const last = offsets[row + 1]!
    for (let place = offsets[row]!; place < last; place++) {
      const member = members[place]! - first
      if (member < 0 || member > lastMember) continue // no key asks for it
      const end = starts[member + 1]!
      for (let key = starts[member]!; key < end;) {
        const column = Math.floor(key / keyBlockSize)
        const next = Math.min((column + 1) * keyBlockSize, end)
        tally.add(column, queries * (next - key))
        key = next
      }
    }
  }

  for (let row = 0; row < rows; row++) {
    const from = row * queryBlockSize
    const to = Math.min(from + queryBlockSize, querySlots)
    const whole = to - from === queryBlockSize
    if (row > 0 && whole && asksAlike(asked, from - queryBlockSize, from, to)) {
      result.shareRow()
      continue
    }
    for (let query = from; query < to;) {
      let end = query + 1
      while (end < to && asked[end] === asked[query]) end++
      count(Math.min(Math.max(asked[query]!, 0), lastRow), end - query)
      query = end
    }
    const pairs = (to - from) * keyBlockSize
    tally.take((column, visible) =>
      result.add(column, 1, visible === pairs && column < wholeColumns),
    )
    result.endRow()
  }
  return result.finish()
}

/** Counts for the tiles of a row, of which few are not 0. */
interface Tally {
  add(column: number, pairs: number): void
  /** Reports what was counted in ascending order, and forgets it. */
  take(report: (column: number, pairs: number) => void): void
}

function tallyOf(columns: number): Tally {
  const counts = new Float64Array(columns)
  // A bit for each count that is not 0, and one for each word of those that is not.
  const marks = new Uint32Array(Math.ceil(columns / 32))
  const groups = new Uint32Array(Math.ceil(columns / 1024))
  const lowest = (bits: number): number => 31 - Math.clz32(bits & -bits)
  return {
    add(column, pairs) {
      counts[column]! += pairs
      marks[column >>> 5]! |= 1 << (column & 31)
      groups[column >>> 10]! |= 1 << ((column >>> 5) & 31)
    },
    take(report) {
      for (let group = 0; group < groups.length; group++) {
        for (let words = groups[group]!; words !== 0; words &= words - 1) {
          const word = 32 * group + lowest(words)
          for (let bits = marks[word]!; bits !== 0; bits &= bits - 1) {
            const column = 32 * word + lowest(bits)
            report(column, counts[column]!)
            counts[column] = 0
          }
          marks[word] = 0
        }
        groups[group] = 0
      }
    },
  }
}

/** Whether the queries `from .. to - 1` ask for the same rows as those from `before` on. */
function asksAlike(asked: Int32Array, before: number, from: number, to: number): boolean {
  for (let query = from; query < to; query++) {
    if (asked[query] !== asked[query - from + before]) return false
  }
  return true
}
