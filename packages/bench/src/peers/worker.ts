// The process of one JavaScript peer: `node worker.ts NAME`, started by peer-process.ts. On its own
// because runtimes hold their device for good, and some take the process down with them.
import { closeSync, openSync, readSync } from 'node:fs'
import { ownVersion } from '../cli/environment.ts'
import type { AttnPeer } from './attn.ts'
import { resolvePeer, versionOfPeer } from './installed.ts'
import type { InputFiles, OpenedPeer, PeerMessage, PeerReply } from './messages.ts'
import type { PeerInputs, PeerShape } from './peer.ts'
import { peerEntry } from './registry.ts'
import { servePeer } from './serve-peer.ts'
import type { PeerServer } from './serve-peer.ts'

let server: PeerServer | undefined

process.on('message', (message: PeerMessage) => {
  void answer(message)
    .then((result): PeerReply => ({ result }))
    .catch((error: unknown): PeerReply => ({ error: describe(error) }))
    .then((reply) => process.send!(reply))
})
// Some runtimes reject promises that nobody waits for when they meet a size that they cannot do.
process.on('unhandledRejection', (error) => {
  process.stderr.write(`${describe(error)}\n`)
})
process.on('disconnect', () => process.exit(0))

async function answer(message: PeerMessage): Promise<unknown> {
  if (message.name === 'open') return open(message)
  if (!server) throw new Error('the peer was not opened')
  return server(message)
}

async function open({
  flags,
  software,
  folder,
}: Extract<PeerMessage, { name: 'open' }>): Promise<OpenedPeer> {
  const peer = peerEntry(process.argv[2]!).create!({
    flags,
    software,
    resolve: (name) => resolvePeer(folder, name),
    versionOf: (name) => versionOfPeer(folder, name),
    ownVersion: ownVersion(),
  })
  const missing = await peer.available()
  server = servePeer(peer, readInputs)
  const { version, variants } = peer
  const device = 'device' in peer ? (peer as AttnPeer).device : undefined
  return {
    version,
    variants,
    ...(missing === undefined ? {} : { missing }),
    ...(device ? { device } : {}),
  }
}

function readInputs(files: InputFiles, shape: PeerShape): PeerInputs {
  const { batch, heads, kvHeads, queryLength, keyLength, headDim } = shape
  const read = (file: string, rows: number): Float32Array<ArrayBuffer> => {
    const data = new Float32Array(batch * rows * headDim)
    const descriptor = openSync(file, 'r')
    try {
      readSync(descriptor, data)
    } finally {
      closeSync(descriptor)
    }
    return data
  }
  return {
    query: read(files.query, heads * queryLength),
    key: read(files.key, kvHeads * keyLength),
    value: read(files.value, kvHeads * keyLength),
    ...(shape.backward ? { dOutput: read(files.dOutput!, heads * queryLength) } : {}),
  }
}

function describe(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
