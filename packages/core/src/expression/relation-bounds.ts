// Whether rows of a relation hold the members of an interval. Rows are looked at one by one or, from
// a merge sort tree, in groups of 8, 64, 512 or 4096 whose members are sorted together, so that an
// empty rectangle costs a few binary searches however many rows it has.
import { lowerBound } from './evaluate.ts'
import type { Relation } from './node.ts'
import { always, isUnknown, never, sometimes } from './strided-interval.ts'
import type { StridedInterval } from './strided-interval.ts'

const shift = 3 // log2 of the groups that a group of the next level joins
const highestLevel = 4

const trees = new WeakMap<Relation, Int32Array[]>()

/**
 * The members of every `8 ** level` rows sorted together. They stand where the rows' own members
 * stand, so that the relation's offsets serve every level.
 */
function membersOfLevel(relation: Relation, level: number): Int32Array {
  let tree = trees.get(relation)
  if (tree === undefined) {
    tree = [relation.members]
    trees.set(relation, tree)
  }
  while (tree.length <= level) {
    const rowsInGroup = 2 ** (shift * tree.length)
    const members = tree.at(-1)!.slice()
    const rows = relation.offsets.length - 1
    for (let row = 0; row < rows; row += rowsInGroup) {
      const end = Math.min(row + rowsInGroup, rows)
      members.subarray(relation.offsets[row], relation.offsets[end]).sort()
    }
    tree.push(members)
  }
  return tree[level]!
}

/** Whether `member` is in the list of `row`, over all rows and members of two intervals. */
export function relationBounds(
  relation: Relation,
  row: StridedInterval,
  member: StridedInterval,
): StridedInterval {
  if (isUnknown(row) || isUnknown(member)) return sometimes
  const { offsets } = relation
  const rows = offsets.length - 1
  const first = Math.min(Math.max(row.low, 0), rows - 1)
  const last = Math.min(Math.max(row.high, 0), rows - 1)
  // Rows that are clamped lose their stride.
  const step = row.low >= 0 && row.high < rows && row.stride > 1 ? row.stride : 1
  const asked = (member.high - member.low) / Math.max(member.stride, 1) + 1
  let held = false
  let missing = false
  for (let current = first; current <= last;) {
    const level = step === 1 ? levelOfGroup(current, last, rows) : 0
    const end = Math.min(current + 2 ** (shift * level), rows)
    const members = level === 0 ? relation.members : membersOfLevel(relation, level)
    const found = countMembers(members, offsets[current]!, offsets[end]!, member)
    held ||= found > 0
    missing ||= found < asked * (end - current)
    if (held && missing) return sometimes
    current = level === 0 ? current + step : end
  }
  return held ? always : never
}

/** The level of the largest group of rows that starts at `first` and ends by `last`. */
function levelOfGroup(first: number, last: number, rows: number): number {
  let level = 0
  while (level < highestLevel) {
    const size = 2 ** (shift * (level + 1))
    if (first % size !== 0 || Math.min(first + size, rows) > last + 1) break
    level++
  }
  return level
}

/** How many of a sorted list, from `start` to before `stop`, are in an interval. */
function countMembers(
  members: Int32Array,
  start: number,
  stop: number,
  { low, high, stride }: StridedInterval,
): number {
  const place = lowerBound(members, start, stop, low)
  if (place === stop || members[place]! > high) return 0
  if (stride <= 1) return lowerBound(members, place, stop, high + 1) - place
  let found = 0
  for (let i = place; i < stop && members[i]! <= high; i++) {
    if ((members[i]! - low) % stride === 0) found++
  }
  return found
}
