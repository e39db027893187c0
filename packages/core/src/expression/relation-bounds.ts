// Whether rows of a relation hold the members of an interval: a binary search a row, stopped as soon
// as one pair is found that is held and one that is not.
import { lowerBound } from './evaluate.ts'
import type { Relation } from './node.ts'
import { always, isUnknown, never, sometimes } from './strided-interval.ts'
import type { StridedInterval } from './strided-interval.ts'

/** Whether `member` is in the list of `row`, over all rows and members of two intervals. */
export function relationBounds(
  relation: Relation,
  row: StridedInterval,
  member: StridedInterval,
): StridedInterval {
  if (isUnknown(row) || isUnknown(member)) return sometimes
  const { offsets, members } = relation
  const last = offsets.length - 2
  const inside = row.low >= 0 && row.high <= last
  const step = inside && row.stride > 1 ? row.stride : 1
  const stride = Math.max(member.stride, 1)
  const asked = (member.high - member.low) / stride + 1
  let held = false
  let missing = false
  const end = Math.min(Math.max(row.high, 0), last)
  for (let current = Math.min(Math.max(row.low, 0), last); current <= end; current += step) {
    const stop = offsets[current + 1]!
    const place = lowerBound(members, offsets[current]!, stop, member.low)
    const found = countMembers(members, place, stop, member, stride)
    held ||= found > 0
    missing ||= found < asked
    if (held && missing) return sometimes
  }
  return held ? always : never
}

/** How many members of a list, from `place` on, are in the interval. */
function countMembers(
  members: Int32Array,
  place: number,
  stop: number,
  { low, high }: StridedInterval,
  stride: number,
): number {
  if (stride === 1) return lowerBound(members, place, stop, high + 1) - place
  let found = 0
  for (let i = place; i < stop && members[i]! <= high; i++) {
    if ((members[i]! - low) % stride === 0) found++
  }
  return found
}
