// The golden vectors of core, written from PyTorch and transformers, and the inputs they came from.
import { readFileSync } from 'node:fs'

export interface GoldenRope {
  readonly type: string
  readonly headDim: number
  readonly maxPositionEmbeddings: number
  readonly sequenceLength: number | null
  readonly parameters: Readonly<Record<string, unknown>>
  readonly inverseFrequencies: readonly number[]
  readonly attentionFactor: number
}

export interface GoldenApply {
  readonly type: 'apply'
  readonly layout: 'half' | 'interleaved'
  readonly base: number
  readonly seedQ: number
  readonly seedK?: number
  readonly shape: readonly number[]
  readonly positions: readonly number[]
  readonly q: readonly number[]
  readonly k?: readonly number[]
}

export interface GoldenBuckets {
  readonly bidirectional: boolean
  readonly numBuckets: number
  readonly maxDistance: number
  readonly from_: number
  readonly to: number
  readonly buckets: readonly number[]
}

interface GoldenPositions {
  readonly rope: readonly (GoldenRope | GoldenApply)[]
  readonly t5Buckets: readonly GoldenBuckets[]
  readonly alibiSlopes: Readonly<Record<string, readonly number[]>>
}

const golden = JSON.parse(
  readFileSync(new URL('../../core/test/golden/positions.json', import.meta.url), 'utf8'),
) as GoldenPositions

export const goldenRopes: readonly GoldenRope[] = golden.rope.filter(
  (entry): entry is GoldenRope => entry.type !== 'apply',
)
export const goldenApplications: readonly GoldenApply[] = golden.rope.filter(
  (entry): entry is GoldenApply => entry.type === 'apply',
)
export const goldenBuckets: readonly GoldenBuckets[] = golden.t5Buckets
export const goldenSlopes: ReadonlyMap<number, readonly number[]> = new Map(
  Object.entries(golden.alibiSlopes).map(([heads, slopes]) => [Number(heads), slopes]),
)

/** The generator's inputs: xorshift32 scaled to [-1, 1). */
export function fill(seed: number, count: number): Float64Array {
  let state = seed | 0 || 1
  return Float64Array.from({ length: count }, () => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return (state >>> 0) / 2147483648 - 1
  })
}
