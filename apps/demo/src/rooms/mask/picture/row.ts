// What one query sees, and what the planner can say of a tile without looking at its pairs.
import { compile, compileBounds, truth, type Mask, type Truth } from '@attn/core'

export interface KeyRun {
  readonly start: number
  /** One past the last key. */
  readonly end: number
}

export interface PlaneSizes {
  readonly head: number
  readonly heads: number
  readonly queryLength: number
  readonly keyLength: number
}

/** Keys that are asked one by one, where bounds leave it open. */
const fewKeys = 64

/**
 * Reads rows of a mask; undefined is one that hides nothing. Halves of a row that its bounds decide are not asked key by
 * key, so that a row of a million keys takes no longer than its edges.
 */
export function rowReader(mask: Mask | undefined, sizes: PlaneSizes): (query: number) => KeyRun[] {
  const { keyLength } = sizes
  if (!mask) return () => [{ start: 0, end: keyLength }]
  const allows = compile(mask.expression)
  const decide = rectangleReader(mask, sizes)
  const point = { ...sizes, batch: 0, query: 0, queryIndex: 0, key: 0 }
  return (query) => {
    const runs: { start: number; end: number }[] = []
    const see = (start: number, end: number): void => {
      const last = runs.at(-1)
      if (last?.end === start) last.end = end
      else runs.push({ start, end })
    }
    point.query = query
    point.queryIndex = query
    const read = (start: number, end: number): void => {
      const verdict = decide({ start: query, end: query + 1 }, { start, end })
      if (verdict === 'always') return see(start, end)
      if (verdict === 'never') return
      if (end - start > fewKeys) {
        const middle = start + 2 ** Math.floor(Math.log2(end - start - 1))
        read(start, middle)
        return read(middle, end)
      }
      for (point.key = start; point.key < end; point.key++) {
        if (allows(point) !== 0) see(point.key, point.key + 1)
      }
    }
    read(0, keyLength)
    return runs
  }
}

/** `0–3, 237–300`, shortened where there are many. */
export function runsInWords(runs: readonly KeyRun[], most = 6): string {
  const words = runs.map(({ start, end }) =>
    end - start === 1 ? String(start) : `${start}–${end - 1}`,
  )
  if (words.length <= most) return words.join(', ')
  return [...words.slice(0, most - 1), '…', words.at(-1)].join(', ')
}

/** Decides rectangles by the bounds of the expression over them, as the planner does. */
export function rectangleReader(
  mask: Mask | undefined,
  { head, heads, queryLength, keyLength }: PlaneSizes,
): (queries: KeyRun, keys: KeyRun) => Truth {
  if (!mask) return () => 'always'
  const bounds = compileBounds(mask.expression)
  const single = (value: number) => ({ low: value, high: value, stride: 0 })
  const range = ({ start, end }: KeyRun) => ({
    low: start,
    high: end - 1,
    stride: end - start > 1 ? 1 : 0,
  })
  return (queries, keys) =>
    truth(
      bounds({
        batch: single(0),
        head: single(head),
        heads: single(heads),
        query: range(queries),
        queryIndex: range(queries),
        key: range(keys),
        queryLength: single(queryLength),
        keyLength: single(keyLength),
      }),
    )
}
