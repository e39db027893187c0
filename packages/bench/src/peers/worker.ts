// The process of one JavaScript peer: `node worker.ts NAME`, started by peer-process.ts. On its own
// because runtimes hold their device for good, and some take the process down with them.
import { closeSync, openSync, readSync } from 'node:fs'
import { ownVersion } from '../cli/environment.ts'
import type { AttnPeer } from './attn.ts'
import { resolvePeer, versionOfPeer } from './installed.ts'
import type { InputFiles, OpenedPeer, PeerMessage, PeerReply } from './messages.ts'
import type { Peer, PeerInputs, PeerShape, PreparedPeer } from './peer.ts'
import { peerEntry } from './registry.ts'

const prepared = new Map<string, PreparedPeer>()
let peer: Peer | undefined

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
  switch (message.name) {
    case 'open':
      return open(message)
    case 'prepare': {
      const { variant, shape, files } = message
      release(variant)
      prepared.set(variant, await peer!.prepare(shape, variant, readInputs(files, shape)))
      return {}
    }
    case 'rows': {
      const output = await preparedOf(message.variant).output()
      return {
        rows: message.blocks.map(({ first, count }) => [...output.subarray(first, first + count)]),
      }
    }
    case 'time': {
      const { run } = preparedOf(message.variant)
      const started = performance.now()
      await run(message.chain)
      return { milliseconds: performance.now() - started }
    }
    case 'timeOnGpu':
      return { milliseconds: (await preparedOf(message.variant).timeOnGpu?.()) ?? -1 }
    case 'ceilings':
      return (peer as AttnPeer).ceilings(message.dtypes)
    case 'release':
      release(message.variant)
      return {}
  }
}

async function open({
  flags,
  software,
  folder,
}: Extract<PeerMessage, { name: 'open' }>): Promise<OpenedPeer> {
  peer = peerEntry(process.argv[2]!).create!({
    flags,
    software,
    resolve: (name) => resolvePeer(folder, name),
    versionOf: (name) => versionOfPeer(folder, name),
    ownVersion: ownVersion(),
  })
  const missing = await peer.available()
  const { version, variants } = peer
  const device = 'device' in peer ? (peer as AttnPeer).device : undefined
  return {
    version,
    variants,
    ...(missing === undefined ? {} : { missing }),
    ...(device ? { device } : {}),
  }
}

function preparedOf(variant: string): PreparedPeer {
  const found = prepared.get(variant)
  if (!found) throw new Error(`${variant} was not prepared`)
  return found
}

function release(variant: string): void {
  prepared.get(variant)?.release()
  prepared.delete(variant)
}

function readInputs(files: InputFiles, shape: PeerShape): PeerInputs {
  const { batch, heads, queryLength, keyLength, headDim } = shape
  const read = (file: string, length: number): Float32Array<ArrayBuffer> => {
    const data = new Float32Array(batch * heads * length * headDim)
    const descriptor = openSync(file, 'r')
    try {
      readSync(descriptor, data)
    } finally {
      closeSync(descriptor)
    }
    return data
  }
  return {
    query: read(files.query, queryLength),
    key: read(files.key, keyLength),
    value: read(files.value, keyLength),
  }
}

function describe(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
