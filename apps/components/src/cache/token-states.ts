// What becomes of each token of a text that is being decoded, by the expression that kernels read too.
import { compile } from '@attn/core'
import { attentionSinks, causal } from '@attn/masks'

/** All is kept and read; all is kept and a window read; a window is kept. */
export type Keeps = 'all' | 'mask' | 'ring'

export type TokenState = 'now' | 'read' | 'kept' | 'forgotten' | 'free'

export interface CacheScene {
  readonly keeps: Keeps
  /** Tokens so far. */
  readonly length: number
  /** Last tokens and first tokens that are read, where not all are. */
  readonly window: number
  readonly sinks: number
}

/** @param room - Places, of which those past the text are free. */
export function tokenStates(scene: CacheScene, room: number): TokenState[] {
  const { keeps, length, window, sinks } = scene
  const mask = keeps === 'all' ? causal() : attentionSinks({ sinks, recent: window })
  const allows = compile(mask.expression)
  const point = {
    batch: 0,
    head: 0,
    heads: 1,
    query: length - 1,
    queryIndex: 0,
    queryLength: 1,
    keyLength: length,
  }
  return Array.from({ length: room }, (_, key) => {
    if (key >= length) return 'free'
    if (allows({ ...point, key }) !== 0) return key === length - 1 ? 'now' : 'read'
    return keeps === 'ring' ? 'forgotten' : 'kept'
  })
}
