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

/** Reads rows of a mask; undefined is one that hides nothing. */
export function rowReader(mask: Mask | undefined, sizes: PlaneSizes): (query: number) => KeyRun[] {
  const { keyLength } = sizes
  if (!mask) return () => [{ start: 0, end: keyLength }]
  const allows = compile(mask.expression)
  const point = { ...sizes, batch: 0, query: 0, queryIndex: 0, key: 0 }
  return (query) => {
    const runs: KeyRun[] = []
    let start = -1
    point.query = query
    point.queryIndex = query
    for (let key = 0; key <= keyLength; key++) {
      point.key = key
      const visible = key < keyLength && allows(point) !== 0
      if (visible && start < 0) start = key
      if (!visible && start >= 0) {
        runs.push({ start, end: key })
        start = -1
      }
    }
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
