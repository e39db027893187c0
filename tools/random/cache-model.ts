// A cache as a list of tokens on the CPU: what a cache on the device has to come to, whatever rows, rings, pages
// and blocks it keeps them in. Attention over it is written out in float64.
import type { RotaryEmbedding } from '../../packages/core/src/index.ts'

/** One token of a sequence. */
export interface ModelToken {
  /** By key head, one after another; keys turned already. */
  readonly key: readonly number[]
  readonly value: readonly number[]
}

/** What it is a model of. */
export interface ModelSizes {
  readonly batch: number
  readonly heads: number
  readonly kvHeads: number
  readonly dim: number
  readonly rope?: RotaryEmbedding | undefined
  readonly ring?: { readonly window: number; readonly sinks: number } | undefined
}

/** A row of one head turned by its position. */
export function turnRow(
  row: readonly number[],
  position: number,
  rope: RotaryEmbedding | undefined,
): number[] {
  if (!rope) return [...row]
  const result = [...row]
  const half = rope.rotaryDim / 2
  for (let pair = 0; pair < half; pair++) {
    const angle = position * rope.inverseFrequencies[pair]!
    const [x, y] = [row[pair]!, row[pair + half]!]
    result[pair] = x * Math.cos(angle) - y * Math.sin(angle)
    result[pair + half] = x * Math.sin(angle) + y * Math.cos(angle)
  }
  return result
}

/**
 * Output of one query head over a sequence: causal, and of a ring no more than window and sinks.
 *
 * @param query - Turned already.
 */
export function attendRow(
  { heads, kvHeads, dim, ring }: ModelSizes,
  tokens: readonly ModelToken[],
  query: readonly number[],
  head: number,
  position: number,
): number[] {
  const first = Math.floor(head / (heads / kvHeads)) * dim
  const seen = tokens
    .slice(0, position + 1)
    .filter((_, at) => !ring || at < ring.sinks || position - at < ring.window)
  const scores = seen.map(({ key }) => {
    let sum = 0
    for (let d = 0; d < dim; d++) sum += query[d]! * key[first + d]!
    return sum / Math.sqrt(dim)
  })
  const most = Math.max(...scores)
  const weights = scores.map((score) => Math.exp(score - most))
  const total = weights.reduce((sum, weight) => sum + weight, 0)
  return Array.from({ length: dim }, (_, d) =>
    seen.reduce((sum, { value }, at) => sum + (weights[at]! / total) * value[first + d]!, 0),
  )
}
