// The problems of `attn peers`: every combination of what was asked for, and decoding, in which one
// query meets all keys of a cache.
import { rangeError, shapeError } from '@attn/core'
import type { DType } from '@attn/core'
import type { DeviceKind } from '../device/find-device.ts'
import type { PeerMask, PeerShape } from '../peers/peer.ts'
import { formatLength } from '../report/format.ts'

/** What to combine. */
export interface PeerProblem {
  readonly batch: number
  readonly heads: number
  /** Heads of keys and values, which divide `heads`. Default: as many. */
  readonly kvHeads?: number
  readonly headDims: readonly number[]
  readonly dtypes: readonly DType[]
  readonly masks: readonly PeerMask[]
  /** Keys that a query of mask `window` sees. */
  readonly window: number
  readonly lengths: readonly number[]
  /** Numbers of keys for a single query. */
  readonly decodeLengths: readonly number[]
  /** Whether calls are a forward and a backward pass; decoding has none. Default: false. */
  readonly backward?: boolean
}

/** What suits a device, so that a run takes a few minutes at most. */
export function defaultPeerProblem(kind: DeviceKind): PeerProblem {
  const shared = { batch: 1, headDims: [64], masks: ['full', 'causal', 'window'] } as const
  return kind === 'gpu'
    ? {
        ...shared,
        heads: 16,
        headDims: [64, 128],
        dtypes: ['float32', 'float16'],
        window: 512,
        lengths: [512, 1024, 4096, 16384],
        decodeLengths: [4096, 16384],
      }
    : {
        ...shared,
        heads: 4,
        dtypes: ['float32'],
        window: 128,
        lengths: [512],
        decodeLengths: [512],
      }
}

/**
 * All problems, small ones first.
 *
 * @throws RangeError for sizes that are no positive integers, heads that `kvHeads` does not divide,
 *   head dims that four does not divide or that exceed 256.
 */
export function peerShapes(problem: PeerProblem): PeerShape[] {
  const { batch, heads, kvHeads = heads, headDims, dtypes, masks } = problem
  const { window, lengths, decodeLengths } = problem
  const sizes = { batch, heads, kvHeads, window, headDims, lengths, decodeLengths }
  for (const [name, values] of Object.entries(sizes)) {
    for (const value of [values].flat()) {
      if (!Number.isInteger(value) || value < 1) {
        throw rangeError(`attn peers: ${name} must be positive integers, got ${value}`)
      }
    }
  }
  if (heads % kvHeads !== 0) {
    throw shapeError(`attn peers: kvHeads must divide heads, got heads=${heads} kvHeads=${kvHeads}`)
  }
  for (const headDim of headDims) {
    if (headDim % 4 !== 0 || headDim > 256) {
      throw rangeError(
        `attn peers: headDims must be multiples of four and at most 256, got ${headDim}`,
      )
    }
  }
  const shapes = dtypes.flatMap((dtype) =>
    headDims.flatMap((headDim) => {
      const shared = { batch, heads, kvHeads, headDim, dtype, window }
      return [
        ...lengths.flatMap((length) =>
          masks.map((mask) => ({
            ...shared,
            queryLength: length,
            keyLength: length,
            mask,
            ...(problem.backward ? { backward: true } : {}),
          })),
        ),
        ...decodeLengths.map((keyLength) => ({
          ...shared,
          queryLength: 1,
          keyLength,
          mask: 'full' as const,
        })),
      ]
    }),
  )
  return shapes.toSorted((left, right) => peerOperations(left) - peerOperations(right))
}

/**
 * 4 D operations per pair of a query and a key that it sees, over all heads; 14 D with the backward pass,
 * whose five products count whoever recomputes S and whoever has stored it.
 */
export function peerOperations(shape: PeerShape): number {
  const { batch, heads, queryLength, keyLength, headDim, mask, window } = shape
  const most = mask === 'window' ? Math.min(window, keyLength) : keyLength
  const pairs =
    mask === 'full'
      ? queryLength * keyLength
      : (most * (most + 1)) / 2 + (queryLength - most) * most
  return (shape.backward ? 14 : 4) * batch * heads * headDim * pairs
}

/**
 * Bytes of query, key, value and output: what has to cross the memory bus at least once. With a backward
 * pass twice that and their gradients.
 */
export function peerBytes(shape: PeerShape): number {
  const { batch, heads, kvHeads, queryLength, keyLength, headDim, dtype } = shape
  const rows = 2 * heads * queryLength + 2 * kvHeads * keyLength
  const passes = shape.backward ? 3 : 1
  return passes * batch * rows * headDim * (dtype === 'float32' ? 4 : 2)
}

/** For people: `float32, causal, B=1 H=16 L=4k D=64`. */
export function formatPeerShape(shape: PeerShape): string {
  const { batch, heads, kvHeads, queryLength, keyLength, headDim, dtype, mask, window } = shape
  const kind =
    queryLength === 1 ? 'decode' : mask === 'window' ? `window ${formatLength(window)}` : mask
  const lengths =
    queryLength === keyLength
      ? `L=${formatLength(queryLength)}`
      : `L=${queryLength} S=${formatLength(keyLength)}`
  const grouped = kvHeads === heads ? '' : ` Hkv=${kvHeads}`
  const passes = shape.backward ? 'forward and backward, ' : ''
  return `${passes}${dtype}, ${kind}, B=${batch} H=${heads}${grouped} ${lengths} D=${headDim}`
}
