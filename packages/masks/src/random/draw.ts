// Random subsets, one for each row: Floyd's algorithm (Bentley, "Programming Pearls", CACM 1987) on
// Philox words. Word w of row r and head h is word w mod 4 of the counter (floor(w / 4), r, h, 0)
// under the key (seed, 0): no draw depends on another row, so rows can be drawn in any order.
import { philox } from './philox.ts'

/** Whole numbers `start .. end - 1`. */
export interface Span {
  readonly start: number
  readonly end: number
}

/** What each row may draw. */
export interface Draw {
  readonly rows: number
  /** Rows drawn anew for each head; row r of head h is row `h * rows + r` of the result. */
  readonly heads: number
  readonly seed: number
  /** Numbers to draw for a row; all there are if there are fewer. */
  readonly count: number
  /** The numbers of a row: those below `limit` that lie in none of the ascending, disjoint spans. */
  readonly candidates: (row: number) => {
    readonly limit: number
    readonly without: readonly Span[]
  }
}

/** Ascending lists, one a row, end to end: list r is `members[offsets[r]] .. members[offsets[r + 1] - 1]`. */
export interface Lists {
  readonly offsets: Int32Array
  readonly members: Int32Array
}

/** Draws a random subset for every row of every head. */
export function drawSubsets({ rows, heads, seed, count, candidates }: Draw): Lists {
  const offsets = new Int32Array(rows * heads + 1)
  const members = new Int32Array(rows * heads * count)
  const words = new Uint32Array(4)
  let end = 0
  for (let head = 0; head < heads; head++) {
    for (let row = 0; row < rows; row++) {
      const { limit, without } = candidates(row)
      const excluded = without.reduce((total, span) => total + span.end - span.start, 0)
      const available = Math.max(limit - excluded, 0)
      const start = end
      let word = 0
      for (let top = Math.max(available - count, 0); top < available; top++, word++) {
        if (word % 4 === 0) philox(seed, 0, [word / 4, row, head, 0], words)
        const candidate = Math.floor((words[word % 4]! / 2 ** 32) * (top + 1))
        members[end] = members.subarray(start, end).includes(candidate) ? top : candidate
        end++
      }
      const drawn = members.subarray(start, end).sort()
      skip(drawn, without)
      offsets[head * rows + row + 1] = end
    }
  }
  return { offsets, members: members.slice(0, end) }
}

/** Turns ranks among the numbers outside the spans into those numbers; both ascend. */
function skip(ranks: Int32Array, without: readonly Span[]): void {
  let shift = 0
  let next = 0
  for (let i = 0; i < ranks.length; i++) {
    while (next < without.length && ranks[i]! + shift >= without[next]!.start) {
      shift += without[next]!.end - without[next]!.start
      next++
    }
    ranks[i] = ranks[i]! + shift
  }
}
