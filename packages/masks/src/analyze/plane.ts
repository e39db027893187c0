// One head of one sequence: where statistics and pictures ask a mask.
import { compile } from '@attn/core'
import type { Mask, Point } from '@attn/core'
import { checkInteger } from '../check.ts'

/** Which queries, and which head of which sequence. */
export interface PlaneOptions {
  /** L: queries. Default: as many as keys. */
  readonly queryLength?: number | undefined
  /** Position of the first query. Default: keys - queries, so that the queries are the last rows. */
  readonly queryOffset?: number | undefined
  /** Query head to look at. Default: 0. */
  readonly head?: number | undefined
  /** Sequence of the batch to look at. Default: 0. */
  readonly batch?: number | undefined
  /** Values of the mask's parameters. */
  readonly parameters?: Readonly<Record<string, number>> | undefined
}

/** Checked sizes. */
export interface Plane {
  readonly queryLength: number
  readonly keyLength: number
  readonly queryOffset: number
  readonly head: number
  readonly batch: number
  readonly parameters: Readonly<Record<string, number>>
}

/** Fills in the defaults and checks the sizes. */
export function planeOf(caller: string, length: number, options: PlaneOptions): Plane {
  const { queryLength = length, head = 0, batch = 0, parameters = {} } = options
  checkInteger(caller, 'length', length, 1)
  checkInteger(caller, 'queryLength', queryLength, 1)
  checkInteger(caller, 'head', head, 0)
  checkInteger(caller, 'batch', batch, 0)
  const { queryOffset = length - queryLength } = options
  checkInteger(caller, 'queryOffset', queryOffset, -(2 ** 31))
  return { queryLength, keyLength: length, queryOffset, head, batch, parameters }
}

/** Whether row `row` of the queries sees a key. */
export type PairTest = (row: number, key: number) => boolean

/** Compiles a mask for one plane. */
export function pairTest(mask: Mask, plane: Plane): PairTest {
  const { queryLength, keyLength, queryOffset, head, batch, parameters } = plane
  const allows = compile(mask.expression, { parameters })
  const point: Point = { batch, head, heads: head + 1, queryLength, keyLength }
  return (row, key) => {
    point.queryIndex = row
    point.query = queryOffset + row
    point.key = key
    return allows(point) !== 0
  }
}
