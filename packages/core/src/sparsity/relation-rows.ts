// The rows of a relation, such as the random keys of BigBird (arXiv 2007.14062), from its own lists: the
// members of the rows that a tile's queries ask for are counted tile by tile. Bounds would have to
// look for each of them in a tree of rectangles.
import type { Relation } from '../expression/node.ts'
import { appendRows } from './append-rows.ts'
import type { BlockSizes } from './block-map.ts'
import type { Look } from './look.ts'
import type { RowRuns } from './row-runs.ts'
import type { PlaneEnd } from './subdivide.ts'

/** For each member of a relation the keys that ask for it: `starts[m - first] .. starts[m - first + 1] - 1`. */
export interface KeysOfMembers {
  readonly first: number
  readonly starts: Int32Array
}

/** The value of an integer expression in each of `count` places; undefined where bounds do not know. */
export function valuesAlong(
  look: (from: number, to: number) => { readonly low: number; readonly high: number },
  count: number,
): Int32Array | undefined {
  const values = new Int32Array(count)
  const visit = (from: number, to: number): boolean => {
    const { low, high } = look(from, to)
    if (low === high) {
      if (low !== (low | 0)) return false
      values.fill(low, from, to)
      return true
    }
    if (to - from === 1) return false
    const middle = from + 2 ** (31 - Math.clz32(to - from - 1))
    return visit(from, middle) && visit(middle, to)
  }
  return count === 0 || visit(0, count) ? values : undefined
}

/**
 * Which keys ask for which member. Undefined where members do not rise with keys, or leave so large
 * gaps that a list would be mostly empty.
 */
export function keysOfMembers(memberAt: Look, keys: number): KeysOfMembers | undefined {
  const members = valuesAlong((from, to) => memberAt(0, 1, from, to), keys)
  if (!members || keys === 0) return undefined
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
  const visible = new Float64Array(columns) // pairs of each tile of the row
  const touched = new Uint32Array(Math.ceil(columns / 32)) // a bit for each tile with any
  const lastRow = offsets.length - 2
  const lastMember = starts.length - 2
  // Lists of rows without members are empty, but the numbers of members may lie outside the keys.
  const count = (row: number, queries: number): void => {
    for (let place = offsets[row]!; place < offsets[row + 1]!; place++) {
      const member = members[place]! - first
      if (member < 0 || member > lastMember) continue
      const end = starts[member + 1]!
      for (let key = starts[member]!; key < end;) {
        const column = Math.floor(key / keyBlockSize)
        const next = Math.min((column + 1) * keyBlockSize, end)
        visible[column]! += queries * (next - key)
        touched[column >>> 5]! |= 1 << (column & 31)
        key = next
      }
    }
  }

  for (let row = 0; row < rows; row++) {
    const from = row * queryBlockSize
    const to = Math.min(from + queryBlockSize, querySlots)
    if (row > 0 && asksAlike(asked, from - queryBlockSize, from, to)) {
      result.shareRow()
      continue
    }
    for (let query = from; query < to;) {
      let end = query + 1
      while (end < to && asked[end] === asked[query]) end++
      count(Math.min(Math.max(asked[query]!, 0), lastRow), end - query)
      query = end
    }
    for (let word = 0; word < touched.length; word++) {
      for (let bits = touched[word]!; bits !== 0; bits &= bits - 1) {
        const column = 32 * word + 31 - Math.clz32(bits & -bits)
        const full = visible[column] === (to - from) * keyBlockSize && column < wholeColumns
        result.add(column, 1, full)
        visible[column] = 0
      }
      touched[word] = 0
    }
    result.endRow()
  }
  return result.finish()
}

/** Whether the queries `from .. to - 1` ask for the same rows as those from `before` on. */
function asksAlike(asked: Int32Array, before: number, from: number, to: number): boolean {
  for (let query = from; query < to; query++) {
    if (asked[query] !== asked[query - from + before]) return false
  }
  return true
}
