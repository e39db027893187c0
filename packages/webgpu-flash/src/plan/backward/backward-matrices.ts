// Whether a backward pass runs on subgroup matrices, and what its kernels need to know for that.
import { compileBounds, differentiate } from '@attn/core'
import type { ScoreModifier } from '@attn/core'
import { rowsAtOnce } from '../../kernels/backward/shared-rows.ts'
import type { Call } from '../call.ts'

/** Fewer rows than a subgroup owns leave matrices empty. */
const leastRows = 16
/** Scores of float16 times this stay finite in float32. */
const largestScale = 2 ** 80
/** What dropout and slopes may multiply dP by, at most; P is kept 2^8 times as large in float16. */
const largestKeep = 100
const largestSlope = 2 ** 10

/**
 * What keeps a kernel of a call from running on subgroup matrices, on any device.
 *
 * @param sumsTables - Whether the kernel sums gradients of tables.
 */
export function matrixProblem(
  { shape, attention, scoreModifiers }: Call,
  sumsTables: boolean,
): string | undefined {
  if (sumsTables) return 'gradients of tables are summed in plain WGSL'
  if (Math.min(shape.queryLength, shape.keyLength) < leastRows) {
    return `subgroup matrices need at least ${leastRows} queries and keys`
  }
  if (Math.abs(attention.scale) > largestScale) return 'the scale is too large for float16'
  if (!(keptScale(attention) <= largestKeep)) return 'dropout keeps too few pairs for float16'
  if (!(slopeBound(scoreModifiers) <= largestSlope)) {
    return 'nothing bounds how steep the score modifiers are'
  }
  return undefined
}

/** What dropout multiplies the pairs by that it keeps. */
function keptScale({ dropout }: Call['attention']): number {
  return dropout?.scale ?? 1
}

/** How much larger than |dO| |V| dropout and slopes may make the gradient of a score. */
export function gradientHeadroom({ attention, scoreModifiers }: Call): number {
  return keptScale(attention) * Math.max(1, slopeBound(scoreModifiers))
}

/** The most that a chain of modifiers may multiply a gradient by; Infinity where nothing bounds it. */
export function slopeBound(modifiers: readonly ScoreModifier[]): number {
  const bound = modifiers.reduce((product, { expression }) => {
    const { low, high } = compileBounds(differentiate(expression, 'score'))({})
    return product * Math.max(Math.abs(low), Math.abs(high))
  }, 1)
  return Number.isNaN(bound) ? Infinity : bound
}

/** So few rows are read one after the other in a moment; so few measures are read again for each row. */
const mostPieces = 256

/** Pieces that the rows of dO, and of V, are measured in. */
export function measuredPieces(length: number): { readonly rows: number; readonly count: number } {
  const rows = rowsAtOnce * Math.ceil(length / rowsAtOnce / mostPieces)
  return { rows, count: Math.ceil(length / rows) }
}

/** Where the measures of dO and of V lie in their buffer, counted in float32. */
export function magnitudeStorage({ shape }: Pick<Call, 'shape'>): {
  readonly value: number
  readonly length: number
} {
  const { batch, heads, kvHeads, queryLength, keyLength } = shape
  const value = batch * heads * measuredPieces(queryLength).count
  return { value, length: value + batch * kvHeads * measuredPieces(keyLength).count }
}
