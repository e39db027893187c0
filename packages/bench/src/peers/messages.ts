// What a run and the process of a peer say to each other: requests, each with one reply, in order.
// Plain data, for the process may be Node's or Python's.
import type { DType } from '@attn/core'
import type { DeviceReport } from '../device/find-device.ts'
import type { DawnFlags } from '../device/dawn-flags.ts'
import type { ElementRange } from '../inputs/read-back.ts'
import type { Ceilings } from './ceilings.ts'
import type { PeerShape } from './peer.ts'

/** Files of float32 of which a problem's inputs are the beginning. */
export interface InputFiles {
  readonly query: string
  readonly key: string
  readonly value: string
  /** Where some problem has a backward pass. */
  readonly dOutput?: string
}

/** Requests by name: what goes there and what comes back. */
export interface PeerRequests {
  /** First of all: open the runtime. */
  readonly open: {
    readonly request: {
      readonly flags: DawnFlags
      readonly software: boolean
      readonly folder: string
    }
    readonly reply: OpenedPeer
  }
  /** Make a variant ready; the one before of the same name is released. */
  readonly prepare: {
    readonly request: {
      readonly variant: string
      readonly shape: PeerShape
      readonly files: InputFiles
    }
    readonly reply: Record<string, never>
  }
  /** Compute once; rows of the result, block by block. */
  readonly rows: {
    readonly request: { readonly variant: string; readonly blocks: readonly ElementRange[] }
    readonly reply: { readonly rows: readonly (readonly number[])[] }
  }
  /** Milliseconds of a chain. */
  readonly time: {
    readonly request: { readonly variant: string; readonly chain: number }
    readonly reply: { readonly milliseconds: number }
  }
  /** Milliseconds of one call by the GPU's clock; -1 where it cannot be read. */
  readonly timeOnGpu: {
    readonly request: { readonly variant: string }
    readonly reply: { readonly milliseconds: number }
  }
  readonly ceilings: {
    readonly request: { readonly dtypes: readonly DType[] }
    readonly reply: Ceilings
  }
  readonly release: {
    readonly request: { readonly variant: string }
    readonly reply: Record<string, never>
  }
}

/** What a peer says of itself when it is open. */
export interface OpenedPeer {
  readonly version: string
  readonly variants: readonly string[]
  /** Why it cannot run here. */
  readonly missing?: string
  /** Ours alone says. */
  readonly device?: DeviceReport
}

/** Any request as it travels. */
export type PeerMessage = {
  [Name in keyof PeerRequests]: { readonly name: Name } & PeerRequests[Name]['request']
}[keyof PeerRequests]

/** Any reply as it travels. */
export type PeerReply = { readonly result: unknown } | { readonly error: string }
