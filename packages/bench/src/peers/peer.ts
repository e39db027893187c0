// What every peer has to offer: one attention problem made ready on its own runtime, runnable as a
// chain in which the output of one call is the query of the next, so that nothing can be left out.
import type { DType } from '@attn/core'
import type { DawnFlags } from '../device/dawn-flags.ts'

/** Which keys a query sees: all, those up to its own position, or the last few of those. */
export type PeerMask = 'full' | 'causal' | 'window'

/** One problem. */
export interface PeerShape {
  readonly batch: number
  readonly heads: number
  /** Heads of keys and values; each is shared by `heads / kvHeads` neighbouring heads. */
  readonly kvHeads: number
  readonly queryLength: number
  /** Equal to `queryLength`, unless the mask is `full`. */
  readonly keyLength: number
  readonly headDim: number
  readonly dtype: DType
  readonly mask: PeerMask
  /** Keys that a query of mask `window` sees, itself and those just before it. */
  readonly window: number
  /** Whether a call is a forward and a backward pass; its result is then dQuery. Default: false. */
  readonly backward?: boolean
}

/** Inputs as float32, row-major `[B, H or Hkv, length, D]`; values that the problem's dtype holds exactly. */
export interface PeerInputs {
  readonly query: Float32Array<ArrayBuffer>
  readonly key: Float32Array<ArrayBuffer>
  readonly value: Float32Array<ArrayBuffer>
  /** Gradient of the output, where there is a backward pass. */
  readonly dOutput?: Float32Array<ArrayBuffer>
}

/** A problem made ready. */
export interface PreparedPeer {
  /** Computes so many calls in a row and waits until the last one is done. */
  readonly run: (chain: number) => Promise<void>
  /** The result of one call, `[B, H, L, D]`: the output, or dQuery. */
  readonly output: () => Promise<Float32Array>
  /** Milliseconds of one call by the GPU's own clock, where it can be read. */
  readonly timeOnGpu?: () => Promise<number | undefined>
  readonly release: () => void
}

/** Where a peer runs. */
export interface PeerSetting {
  /** Dawn's switches; peers that bring their own runtime ignore them. */
  readonly flags: DawnFlags
  /** Whether a software adapter is asked for. */
  readonly software: boolean
  /** Path of an installed package's main file, or undefined where it is not installed. */
  readonly resolve: (name: string) => string | undefined
  /** Version of an installed package; empty where it is not installed. */
  readonly versionOf: (name: string) => string
  /** Version of this package. */
  readonly ownVersion: string
}

/** An implementation of attention to compare with. */
export interface Peer {
  readonly name: string
  /** Of the package that was found; empty before it is. */
  readonly version: string
  /** Ways of computing it that are measured apart, such as PyTorch's backends. */
  readonly variants: readonly string[]
  /** Opens its runtime; undefined where it can run, else why it cannot, for people. */
  readonly available: () => Promise<string | undefined>
  /** @throws Error when this problem is beyond it; the message becomes a line of the report. */
  readonly prepare: (shape: PeerShape, variant: string, inputs: PeerInputs) => Promise<PreparedPeer>
}

/** Bytes of the scores of all heads: what implementations write down that do not fuse. */
export function scoresOf({ batch, heads, queryLength, keyLength, dtype }: PeerShape): number {
  return batch * heads * queryLength * keyLength * (dtype === 'float32' ? 4 : 2)
}

/**
 * Rows and columns of `[B, H, L, D]` turned into `[B, L, H, D]`, or back with `heads` and `length`
 * exchanged.
 */
export function swapHeads(
  data: Float32Array,
  batch: number,
  heads: number,
  length: number,
  headDim: number,
): Float32Array<ArrayBuffer> {
  const swapped = new Float32Array(data.length)
  for (let sequence = 0; sequence < batch; sequence++) {
    for (let head = 0; head < heads; head++) {
      for (let row = 0; row < length; row++) {
        const from = ((sequence * heads + head) * length + row) * headDim
        const to = ((sequence * length + row) * heads + head) * headDim
        swapped.set(data.subarray(from, from + headDim), to)
      }
    }
  }
  return swapped
}
