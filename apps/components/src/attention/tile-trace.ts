// What `flashAttention` reports about its tiles, as frames of a film: after every load and store,
// which tiles are in fast memory and how many elements have moved.
import { flashAttention, zeros, type LoopOrder, type TileEvent } from '@attn/core'

export interface Frame {
  /** The event in words. */
  readonly caption: string
  readonly queryBlock: number | undefined
  readonly keyBlock: number | undefined
  /** Score tiles that have been computed, as `queryBlock * blocks + keyBlock`. */
  readonly computed: ReadonlySet<number>
  readonly loaded: number
  readonly stored: number
}

const names: Partial<Record<TileEvent['tensor'], string>> = {
  query: 'Q',
  key: 'K',
  value: 'V',
  output: 'O',
  logSumExp: 'logSumExp',
  rowMaximum: 'row maxima',
  rowSum: 'row sums',
}

/** The frames of one head with `blocks` tiles along each axis. */
export function tileFrames(
  loopOrder: LoopOrder,
  blocks: number,
  block: number,
  dim: number,
): Frame[] {
  const events: TileEvent[] = []
  const x = zeros([1, 1, blocks * block, dim])
  flashAttention(x, x, x, {
    loopOrder,
    queryBlockSize: block,
    keyBlockSize: block,
    trace: (event) => events.push(event),
  })
  const frames: Frame[] = []
  let frame: Frame = {
    caption: 'Nothing in fast memory yet',
    queryBlock: undefined,
    keyBlock: undefined,
    computed: new Set(),
    loaded: 0,
    stored: 0,
  }
  for (const { access, tensor, block: index, elements } of events) {
    const load = access === 'load'
    const queryBlock = tensor === 'query' ? index : frame.queryBlock
    const keyBlock = tensor === 'key' ? index : frame.keyBlock
    frame = {
      caption: `${load ? 'load' : 'store'} ${names[tensor] ?? tensor}, tile ${index}`,
      queryBlock,
      keyBlock,
      computed: frame.computed,
      loaded: frame.loaded + (load ? elements : 0),
      stored: frame.stored + (load ? 0 : elements),
    }
    // The last thing to arrive before a tile of scores: V, or the row sums of the earlier keys.
    const complete = load && tensor === (loopOrder === 'queries-outside' ? 'value' : 'rowSum')
    if (complete && queryBlock !== undefined && keyBlock !== undefined) {
      const computed = new Set(frame.computed).add(queryBlock * blocks + keyBlock)
      if (computed.size > frame.computed.size) {
        frame = { ...frame, computed, caption: `${frame.caption}, and compute` }
      }
    }
    frames.push(frame)
  }
  return frames
}
