// Biases by distance as curves that can be taken hold of, and what they do to a softmax.
import { t5Bucket } from '@attn/positions'

export interface Curve {
  /** The bias at each distance from 0. */
  readonly values: readonly number[]
}

/** Where a curve can be taken hold of. */
export interface Handle {
  /** Number of its curve. */
  readonly curve: number
  readonly distance: number
  readonly value: number
  /** What it moves, and the value in words. */
  readonly label: string
  readonly text: string
}

/** Where a distance stands on its axis, 0 to 1. */
export function place(distance: number, length: number, log: boolean): number {
  return log ? Math.log2(1 + distance) / Math.log2(length) : distance / (length - 1)
}

export function round(value: number): number {
  return Math.round(100 * value) / 100
}

/**
 * How many of the nearest tokens share half of the weight, where all scores are equal: what a bias alone makes of
 * attention.
 */
export function halfOfWeight(biases: readonly number[]): number {
  const most = Math.max(...biases)
  const weights = biases.map((bias) => Math.exp(bias - most))
  const half = weights.reduce((sum, weight) => sum + weight, 0) / 2
  let sum = 0
  return weights.findIndex((weight) => (sum += weight) >= half) + 1
}

export interface Buckets {
  readonly count: number
  readonly maxDistance: number
}

/** The bucket of each distance into the past. */
export function bucketsByDistance({ count, maxDistance }: Buckets, length: number): number[] {
  const options = { buckets: count, maxDistance, bidirectional: false } as const
  return Array.from({ length }, (_, distance) => t5Bucket(-distance, options))
}

/** The distances in the middle of each bucket that is reached, as an axis of logarithms has it. */
export function middles(buckets: readonly number[]): Map<number, number> {
  const ends = new Map<number, [number, number]>()
  buckets.forEach((bucket, distance) => {
    ends.set(bucket, [ends.get(bucket)?.[0] ?? distance, distance])
  })
  return new Map(
    [...ends].map(([bucket, [first, last]]) => [
      bucket,
      Math.round(Math.sqrt((1 + first) * (1 + last)) - 1),
    ]),
  )
}
