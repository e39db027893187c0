// The peers by name, and what has to be installed for each. Versions are pinned: a ratio is a
// statement about both sides.
import { rangeError } from '@attn/core'
import { attnPeer } from './attn.ts'
import { jaxPeer } from './jax-js.ts'
import { onnxruntimeNodePeer, onnxruntimeWebPeer } from './onnxruntime.ts'
import type { Peer, PeerSetting } from './peer.ts'
import { tensorflowPeer } from './tensorflow.ts'

/** A peer that can be asked for. */
export type PeerName =
  'attn' | 'onnxruntime-node' | 'onnxruntime-web' | 'jax-js' | 'tensorflow.js' | 'pytorch'

/** How a peer is run. */
export interface PeerEntry {
  readonly name: PeerName
  /** Packages of npm, with versions. */
  readonly packages: readonly string[]
  /** Makes it in its own process; undefined for the one that is a Python program. */
  readonly create: ((setting: PeerSetting) => Peer) | undefined
  /** Whether Dawn's switches reach it; the others are measured once, as they come. */
  readonly takesFlags: boolean
  /** Variants that write the scores down. */
  readonly unfused: readonly string[]
  /** Whether its backward pass is measured. */
  readonly trains: boolean
}

const entry = (
  name: PeerName,
  create: PeerEntry['create'],
  packages: readonly string[],
  unfused: readonly string[] = [],
  takesFlags = true,
): PeerEntry => ({
  name,
  packages,
  create,
  takesFlags,
  unfused,
  trains: name === 'attn' || name === 'pytorch',
})

/** All of them, ourselves first. */
export const peerEntries: readonly PeerEntry[] = [
  entry('attn', attnPeer, [], ['standard']),
  entry('onnxruntime-node', onnxruntimeNodePeer, ['onnxruntime-node@1.30.0'], [], false),
  entry('onnxruntime-web', onnxruntimeWebPeer, ['onnxruntime-web@1.30.0']),
  entry('jax-js', jaxPeer, ['@jax-js/jax@0.1.25'], ['dotProductAttention']),
  entry(
    'tensorflow.js',
    tensorflowPeer,
    ['@tensorflow/tfjs-core@4.22.0', '@tensorflow/tfjs-backend-webgpu@4.22.0'],
    ['unfused'],
  ),
  entry('pytorch', undefined, [], ['math'], false),
]

/** The entry of a peer. */
export function peerEntry(name: string): PeerEntry {
  const found = peerEntries.find((each) => each.name === name)
  if (!found) {
    const names = peerEntries.map((each) => each.name).join(', ')
    throw rangeError(`peerEntry: peer must be one of ${names}, got ${name}`)
  }
  return found
}
