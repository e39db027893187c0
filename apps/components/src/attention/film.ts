// Attention as a film: what the real algorithms report of every tile that they move, and of the softmax after
// every tile that they compute, as frames along an axis of bytes moved.
import {
  createBlockMap,
  flashAttention,
  flashAttentionBackward,
  mask,
  memoryTraffic,
  standardAttention,
  standardAttentionBackward,
  tensor,
  type SoftmaxStep,
  type Tensor,
  type TileEvent,
  type TracedTensor,
} from '@attn/core'

export type Algorithm = 'standard' | 'flash' | 'flash2'
export type Pass = 'forward' | 'backward'

/** After one tile was loaded or stored. */
export interface Frame extends Pick<TileEvent, 'access' | 'tensor' | 'block'> {
  /** Bytes moved before it and with it. */
  readonly from: number
  readonly to: number
  /** The tiles of queries and keys at work; undefined where an algorithm moves whole matrices. */
  readonly queryBlock: number | undefined
  readonly keyBlock: number | undefined
  /** Tiles of scores that have been computed, as `queryBlock * keyBlocks + keyBlock`. */
  readonly computed: ReadonlySet<number>
  /** The softmax, where this load was the last that a tile waited for. */
  readonly step: SoftmaxStep | undefined
  /** By how much its rows were rescaled: exp(maximum before - maximum after). */
  readonly rescaled: readonly number[] | undefined
}

export interface Film {
  readonly algorithm: Algorithm
  readonly frames: readonly Frame[]
  readonly bytes: number
  /** Sides of a tile in tokens, and how many there are; one of all for standard attention. */
  readonly queryBlockSize: number
  readonly keyBlockSize: number
  readonly queryBlocks: number
  readonly keyBlocks: number
}

export interface Scene {
  readonly length: number
  readonly dim: number
  /** Numbers that fit on the chip: they decide the tiles. */
  readonly onChipElements: number
  readonly causal: boolean
  readonly pass: Pass
}

const elementBytes = 4
const causalMask = mask('causal', ({ query, key }) => key.le(query))

/** Numbers that resemble tokens: neighbours are alike. */
function tokens(length: number, dim: number, seed: number): Tensor {
  const values = Float32Array.from({ length: length * dim }, (_, index) => {
    const [token, axis] = [Math.floor(index / dim), index % dim]
    return 1.6 * Math.sin((token * (1 + axis)) / (5 + 3 * seed) + seed * (1 + axis))
  })
  return tensor(values, [1, 1, length, dim])
}

export function film(algorithm: Algorithm, scene: Scene): Film {
  const { length, dim, onChipElements, pass } = scene
  const loopOrder =
    algorithm === 'flash' || pass === 'backward' ? 'keys-outside' : 'queries-outside'
  const tile = memoryTraffic({
    algorithm: 'flash',
    loopOrder,
    queryLength: length,
    headDim: dim,
    onChipElements,
  }).tile!
  const sizes = algorithm === 'standard' ? { queryBlockSize: length, keyBlockSize: length } : tile
  const keyBlocks = Math.ceil(length / sizes.keyBlockSize)
  const frames: Frame[] = []
  const softmaxes = new Map<number, SoftmaxStep>()
  let computed: ReadonlySet<number> = new Set()
  const compute = (queryBlock: number, keyBlock: number): void => {
    computed = new Set(computed).add(queryBlock * keyBlocks + keyBlock)
  }
  const trace = ({ access, tensor: moved, block, elements }: TileEvent): void => {
    const last = frames.at(-1)
    const { queryBlock, keyBlock } = last ?? {}
    const whole = algorithm === 'standard'
    const load = access === 'load'
    const now = {
      queryBlock: !whole && load && moved === 'query' ? block : queryBlock,
      keyBlock: !whole && load && moved === 'key' ? block : keyBlock,
    }
    // The backward pass shows no softmax; a tile of it is done when the gradient of its queries leaves.
    if (pass === 'backward' && moved === 'dQuery' && !load && now.keyBlock !== undefined) {
      compute(block, now.keyBlock)
    }
    const from = last?.to ?? 0
    frames.push({
      access,
      tensor: moved,
      block,
      from,
      to: from + elements * elementBytes,
      ...now,
      computed,
      step: undefined,
      rescaled: undefined,
    })
  }
  const observe = (step: SoftmaxStep): void => {
    compute(step.queryBlock, step.keyBlock)
    const before = softmaxes.get(step.queryBlock)
    softmaxes.set(step.queryBlock, step)
    const rescaled = Array.from(step.maximum, (now, row) => {
      const old = before?.maximum[row] ?? -Infinity
      return old === -Infinity ? 1 : Math.exp(old - now)
    })
    frames.push({ ...frames.pop()!, computed, step, rescaled })
  }
  play(algorithm, scene, { ...sizes, loopOrder }, trace, observe)
  return {
    algorithm,
    frames,
    bytes: frames.at(-1)?.to ?? 0,
    ...sizes,
    queryBlocks: Math.ceil(length / sizes.queryBlockSize),
    keyBlocks,
  }
}

function play(
  algorithm: Algorithm,
  { length, dim, causal, pass }: Scene,
  tiling: {
    readonly queryBlockSize: number
    readonly keyBlockSize: number
    readonly loopOrder: 'keys-outside' | 'queries-outside'
  },
  trace: (event: TileEvent) => void,
  observe: (step: SoftmaxStep) => void,
): void {
  const [query, key, value] = [1, 2, 3].map((seed) => tokens(length, dim, seed)) as [
    Tensor,
    Tensor,
    Tensor,
  ]
  const options = causal ? { mask: causalMask } : {}
  const shape = { batch: 1, heads: 1, queryLength: length, keyLength: length }
  const tiles = causal ? { ...tiling, blockMap: createBlockMap(causalMask, shape, tiling) } : tiling
  if (pass === 'forward') {
    if (algorithm === 'standard') standardAttention(query, key, value, { ...options, trace })
    else flashAttention(query, key, value, { ...options, ...tiles, trace, observe })
    return
  }
  const dOutput = tokens(length, dim, 4)
  const forward = flashAttention(query, key, value, options)
  if (algorithm === 'standard') {
    standardAttentionBackward(query, key, value, forward, dOutput, { ...options, trace })
  } else {
    flashAttentionBackward(query, key, value, forward, dOutput, { ...options, ...tiles, trace })
  }
}

/** The frame that is being moved when so many bytes have been; undefined before the first. */
export function frameAt({ frames }: Film, bytes: number): Frame | undefined {
  let [low, high] = [0, frames.length - 1]
  if (bytes <= 0 || high < 0) return undefined
  while (low < high) {
    const middle = (low + high) >> 1
    if (frames[middle]!.to >= bytes) high = middle
    else low = middle + 1
  }
  return frames[low]
}

/** How tensors are written. */
export const tensorNames: Readonly<Record<TracedTensor, string>> = {
  query: 'Q',
  key: 'K',
  value: 'V',
  output: 'O',
  logSumExp: 'logSumExp',
  rowMaximum: 'row maxima',
  rowSum: 'row sums',
  dOutput: 'dO',
  delta: 'D = rowsum(dO · O)',
  dQuery: 'dQ',
  dKey: 'dK',
  dValue: 'dV',
  scores: 'S',
  probabilities: 'P',
  dProbabilities: 'dP',
  dScores: 'dS',
}
