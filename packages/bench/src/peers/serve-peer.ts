// A peer as the other end of its messages: makes problems ready, keeps them by variant, and answers.
// Apart from the process around it, so that it runs in browsers and tests as well.
import type { AttnPeer } from './attn.ts'
import type { InputFiles, PeerMessage } from './messages.ts'
import type { Peer, PeerInputs, PeerShape, PreparedPeer } from './peer.ts'

/** Answers every request but `open`. */
export type PeerServer = (message: Exclude<PeerMessage, { name: 'open' }>) => Promise<unknown>

/**
 * Serves a peer that is open.
 *
 * @param readInputs - Gives the inputs of a problem.
 */
export function servePeer(
  peer: Peer,
  readInputs: (files: InputFiles, shape: PeerShape) => PeerInputs,
): PeerServer {
  const prepared = new Map<string, PreparedPeer>()
  const preparedOf = (variant: string): PreparedPeer => {
    const found = prepared.get(variant)
    if (!found) throw new Error(`${variant} was not prepared`)
    return found
  }
  const release = (variant: string): void => {
    prepared.get(variant)?.release()
    prepared.delete(variant)
  }
  return async (message) => {
    switch (message.name) {
      case 'prepare': {
        const { variant, shape, files } = message
        release(variant)
        prepared.set(variant, await peer.prepare(shape, variant, readInputs(files, shape)))
        return {}
      }
      case 'rows': {
        const output = await preparedOf(message.variant).output()
        return {
          rows: message.blocks.map(({ first, count }) => [
            ...output.subarray(first, first + count),
          ]),
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
}
