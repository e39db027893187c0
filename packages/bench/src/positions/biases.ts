// The methods that change scores, and the embedding that changes queries and keys, as plans and the
// reference take them.
import { compile } from '@attn/core'
import type { RotaryEmbedding, ScoreModifier } from '@attn/core'
import { alibi, kerpleLog, ropeFrequencies, t5Bias } from '@attn/positions'
import { normalArray } from '../inputs/normal.ts'
import type { PositionMethod } from './problem.ts'

/** What a method adds to every score; undefined for methods that add nothing. */
export function biasOf(method: PositionMethod, heads: number): ScoreModifier | undefined {
  if (method === 'alibi') return alibi({ heads })
  if (method === 'kerple') return kerpleLog({ heads })
  if (method !== 't5') return undefined
  const buckets = 32
  return t5Bias({ heads, buckets, bidirectional: false, table: normalArray(5, buckets * heads) })
}

/** The same as a number: what is added to the score of a pair. */
export function biasNumber(
  modifier: ScoreModifier,
): (head: number, query: number, key: number) => number {
  const evaluate = compile(modifier.expression)
  return (head, query, key) => evaluate({ score: 0, head, query, key })
}

/** How a method turns queries and keys; undefined for methods that do not. */
export function rotaryOf(method: PositionMethod, headDim: number): RotaryEmbedding | undefined {
  return method === 'rope' ? ropeFrequencies({ headDim }) : undefined
}
