// Brute force: a mask asked about every pair, to be held against a set written out from the paper.
import { compile } from '@attn/core'
import type { Mask, Point } from '@attn/core'
import { componentsOf } from '../../src/index.ts'

/** Visible pairs as rows of text, `#` visible and `.` hidden, so that a failure shows a picture. */
export function pairs(
  length: number,
  visible: (query: number, key: number) => unknown,
  keys = length,
): string[] {
  return Array.from({ length }, (_, query) => {
    let row = ''
    for (let key = 0; key < keys; key++) row += visible(query, key) ? '#' : '.'
    return row
  })
}

/** The pairs a mask allows over `length` queries and keys. */
export function pairsOf(mask: Mask, length: number, point: Point = {}): string[] {
  const allows = compile(mask.expression)
  const sizes = { heads: 1, queryLength: length, keyLength: length }
  // One object for all pairs, of which there are millions.
  const pair: Point = { batch: 0, head: 0, ...sizes, ...point }
  return pairs(length, (query, key) => {
    pair.query = query
    pair.queryIndex = query
    pair.key = key
    return allows(pair)
  })
}

/** The pairs that at least one part of a pattern allows. */
export function pairsOfParts(mask: Mask, length: number, point: Point = {}): string[] {
  const parts = componentsOf(mask).map((part) => pairsOf(part, length, point))
  return pairs(length, (query, key) => parts.some((part) => part[query]![key] === '#'))
}
