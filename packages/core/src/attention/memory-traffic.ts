// How much an attention call moves through memory, counted without computing it: FlashAttention's IO
// analysis (arXiv 2205.14135, section 3.2) for any sizes, tiles and block map. The loops are those that
// the algorithms run (schedule.ts), so the counts are those of their traces to the element.
import { rangeError } from '../errors.ts'
import type { IntegerList } from '../integer-list.ts'
import { checkOptions } from '../check-options.ts'
import type { OptionNames } from '../check-options.ts'
import type { DType } from '../tensor/tensor.ts'
import type { BlockMap } from '../sparsity/block-map.ts'
import { backwardSchedule } from './backward-schedule.ts'
import { checkAttentionShape, resolveOptions } from './options.ts'
import type { AttentionShape } from './options.ts'
import { checkLoopOrder, forwardSchedule } from './schedule.ts'
import type { LoopOrder, TileMoves } from './schedule.ts'
import { backwardPasses, forwardPasses, tellPass } from './standard-schedule.ts'
import { resolveTiling } from './tiling.ts'
import type { Tiling } from './tiling.ts'
import { countTraffic } from './trace.ts'
import type { MemoryTraffic, TileEvent, TracedTensor } from './trace.ts'

/** What decides the traffic of a call: sizes, algorithm and tiles. */
export interface MemoryTrafficOptions {
  /** `standard` writes S and P down, `flash` goes tile by tile. */
  readonly algorithm: 'standard' | 'flash'
  /** `backward` without the forward pass that it follows. Default: `forward`. */
  readonly pass?: 'forward' | 'backward' | undefined
  /** Of `flash`. Default: that of `flashAttention` (queries outside) or its backward (keys outside). */
  readonly loopOrder?: LoopOrder | undefined
  /** Default: 1. */
  readonly batch?: number | undefined
  /** Default: 1. */
  readonly heads?: number | undefined
  /** Default: `heads`. */
  readonly kvHeads?: number | undefined
  /** L: queries of a sequence. */
  readonly queryLength: number
  /** Default: `queryLength`. */
  readonly keyLength?: number | undefined
  /** D. */
  readonly headDim: number
  /** Default: `headDim`. */
  readonly valueDim?: number | undefined
  /** Keys that count in each sequence of the batch; standard attention moves all. Default: all. */
  readonly keyLengths?: IntegerList | undefined
  /** Tiles that `flash` visits. Default: all. */
  readonly blockMap?: BlockMap | undefined
  /**
   * M, the elements that fit on the chip. It decides the tile by the rule of FlashAttention's
   * algorithm 1: ceil(M / 4d) rows of the outer axis and at most d of the inner one. Default: the
   * block sizes decide.
   */
  readonly onChipElements?: number | undefined
  /** Rows of a query tile. Default: that of the block map, else 64. */
  readonly queryBlockSize?: number | undefined
  /** Rows of a key tile. Default: that of the block map, else 64. */
  readonly keyBlockSize?: number | undefined
  /**
   * Element type in memory, S and P included; sums and logarithms of rows are float32 at least.
   * Default: `float32`.
   */
  readonly dtype?: DType | undefined
}

const memoryTrafficOptions: OptionNames<MemoryTrafficOptions> = {
  algorithm: true,
  pass: true,
  loopOrder: true,
  batch: true,
  heads: true,
  kvHeads: true,
  queryLength: true,
  keyLength: true,
  headDim: true,
  valueDim: true,
  keyLengths: true,
  blockMap: true,
  onChipElements: true,
  queryBlockSize: true,
  keyBlockSize: true,
  dtype: true,
}

/** Counted traffic, and what the tiles compute. */
export interface CountedTraffic extends MemoryTraffic {
  /** `total` in bytes. */
  readonly bytes: number
  /** Floating-point operations of the matrix products in the tiles visited, 2 a multiply-add. */
  readonly operations: number
  /** The tile that was counted with; undefined for standard attention. */
  readonly tile: { readonly queryBlockSize: number; readonly keyBlockSize: number } | undefined
}

const caller = 'memoryTraffic'
const perRow: readonly TracedTensor[] = ['logSumExp', 'rowMaximum', 'rowSum', 'delta']

/**
 * Counts what an attention call loads and stores, by tensor, without score modifiers and sinks. The
 * time it takes grows with the number of tiles: of a head, where all have the same.
 *
 * @throws RangeError for sizes, tiles and choices out of range, TypeError for a block map of another
 *   kind.
 *
 * @example
 * ```ts
 * import { memoryTraffic } from '@attn/core'
 * const shape = { queryLength: 512, headDim: 64 }
 * const flash = { algorithm: 'flash', loopOrder: 'keys-outside', ...shape } as const
 * memoryTraffic({ algorithm: 'standard', ...shape }).total // => 1180160
 * memoryTraffic({ ...flash, onChipElements: 64 ** 2 }).total // => 3278336
 * memoryTraffic({ ...flash, onChipElements: 4 * 64 ** 2 }).total // => 869888
 * ```
 */
export function memoryTraffic(options: MemoryTrafficOptions): CountedTraffic {
  checkOptions(caller, options, memoryTrafficOptions)
  const { algorithm, pass = 'forward', dtype = 'float32' } = options
  oneOf('algorithm', algorithm, ['standard', 'flash'])
  oneOf('pass', pass, ['forward', 'backward'])
  oneOf('dtype', dtype, ['float32', 'float16', 'bfloat16'])
  const { batch = 1, heads = 1, kvHeads = heads, queryLength, headDim } = options
  const { keyLength = queryLength, valueDim = headDim } = options
  const shape = { batch, heads, kvHeads, queryLength, keyLength, headDim, valueDim }
  checkAttentionShape(caller, shape)
  const counted =
    algorithm === 'standard' ? countStandard(shape, pass) : countFlash(shape, pass, options)
  let bytes = 0
  for (const side of [counted.traffic.loads, counted.traffic.stores]) {
    for (const [name, elements] of Object.entries(side)) {
      const wide = dtype === 'float32' || perRow.includes(name as TracedTensor)
      bytes += elements * (wide ? 4 : 2)
    }
  }
  return { ...counted.traffic, bytes, operations: counted.operations, tile: counted.tile }
}

type Pass = NonNullable<MemoryTrafficOptions['pass']>

interface Counted {
  readonly traffic: MemoryTraffic
  readonly operations: number
  readonly tile: CountedTraffic['tile']
}

function countStandard(shape: AttentionShape, pass: Pass): Counted {
  const passes = Object.values(pass === 'forward' ? forwardPasses : backwardPasses)
  const { batch, heads, kvHeads, queryLength, keyLength } = shape
  const events: TileEvent[] = []
  for (let head = 0; head < heads; head++) {
    const first = pass === 'forward' || head % (heads / kvHeads) === 0
    for (const each of passes) {
      tellPass(each, shape, 0, head, first, (event) =>
        events.push({ ...event, elements: event.elements * batch }),
      )
    }
  }
  const perPair = passes.reduce((sum, { operations }) => sum + operations(shape), 0)
  return {
    traffic: countTraffic(events),
    operations: perPair * batch * heads * queryLength * keyLength,
    tile: undefined,
  }
}

function countFlash(shape: AttentionShape, pass: Pass, options: MemoryTrafficOptions): Counted {
  const { blockMap: map, keyLengths } = options
  const { loopOrder = pass === 'forward' ? 'queries-outside' : 'keys-outside' } = options
  checkLoopOrder(caller, loopOrder)
  const resolved = resolveOptions(caller, shape, keyLengths ? { keyLengths } : {})
  const tiling = resolveTiling(caller, shape, resolved, {
    ...options,
    ...tileOf(shape, loopOrder, options),
  })
  const { batch, heads, kvHeads } = shape
  const { queryBlockSize, keyBlockSize } = tiling

  // Heads with the same tiles move the same, so one of them is counted for all.
  const kinds = new Map<string, { batch: number; head: number; times: number }>()
  for (let b = 0; b < batch; b++) {
    for (let h = 0; h < heads; h++) {
      const first = pass === 'forward' || h % (heads / kvHeads) === 0
      const row = map && [map.batch === 1 ? 0 : b, map.heads === 1 ? 0 : h]
      const kind = JSON.stringify([resolved.keyLengths[b], first, row])
      const known = kinds.get(kind)
      if (known) known.times++
      else kinds.set(kind, { batch: b, head: h, times: 1 })
    }
  }
  const events: TileEvent[] = []
  let operations = 0
  for (const { batch: b, head: h, times } of kinds.values()) {
    const counter = tileCounter(shape, tiling, resolved.keyLengths)
    if (pass === 'forward') forwardSchedule(loopOrder, tiling, counter.chip, b, h)
    else backwardSchedule(loopOrder, tiling, counter.chip, b, h)
    for (const event of counter.events()) {
      events.push({ ...event, elements: event.elements * times })
    }
    operations += counter.pairs() * times * operationsPerPair(shape, pass)
  }
  return { traffic: countTraffic(events), operations, tile: { queryBlockSize, keyBlockSize } }
}

/** Forward two products, backward S once more and four. */
function operationsPerPair({ headDim, valueDim }: AttentionShape, pass: Pass): number {
  return pass === 'forward' ? 2 * (headDim + valueDim) : 2 * (3 * headDim + 2 * valueDim)
}

/** A chip whose tiles hold nothing: it adds up the elements and the pairs that pass through it. */
function tileCounter(shape: AttentionShape, tiling: Tiling, keyLengths: Int32Array) {
  const { headDim, valueDim, heads, kvHeads } = shape
  const totals: { -readonly [Field in keyof TileEvent]: TileEvent[Field] }[] = []
  const moves = (tensor: TracedTensor, width: number, ofKeys = false): TileMoves => {
    const blockSize = ofKeys ? tiling.keyBlockSize : tiling.queryBlockSize
    const move = (access: TileEvent['access']): TileMoves['load'] => {
      const total = { access, tensor, batch: 0, head: 0, block: 0, elements: 0 }
      totals.push(total)
      return (batch, _head, block) => {
        const length = ofKeys ? keyLengths[batch]! : shape.queryLength
        total.elements += Math.min(blockSize, length - block * blockSize) * width
      }
    }
    return { load: move('load'), store: move('store') }
  }
  let pairs = 0
  const countPairs = (...[b, h, i, j, full]: Parameters<Tiling['region']>): void => {
    const { rows, columns } = tiling.region(b, h, i, j, full)
    pairs += rows * columns
  }
  const nothing = (): void => {}
  const chip = {
    query: moves('query', headDim),
    key: moves('key', headDim, true),
    value: moves('value', valueDim, true),
    output: moves('output', valueDim),
    rowMaximum: moves('rowMaximum', 1),
    rowSum: moves('rowSum', 1),
    logSumExp: moves('logSumExp', 1),
    dOutput: moves('dOutput', valueDim),
    delta: moves('delta', 1),
    dQuery: moves('dQuery', headDim),
    dKey: moves('dKey', headDim, true),
    dValue: moves('dValue', valueDim, true),
    startsGroup: (head: number) => head % (heads / kvHeads) === 0,
    absorb: countPairs,
    differentiate: countPairs,
    absorbSink: undefined,
    start: nothing,
    normalize: nothing,
    unnormalize: nothing,
    finish: nothing,
    rowProducts: nothing,
    clearKeys: nothing,
    clearQueries: nothing,
  }
  return { chip, events: () => totals.filter(({ elements }) => elements > 0), pairs: () => pairs }
}

/** The tile of a fast memory of M elements; nothing where block sizes were given instead. */
function tileOf(
  { headDim, valueDim }: AttentionShape,
  loopOrder: LoopOrder,
  options: MemoryTrafficOptions,
): { readonly queryBlockSize?: number; readonly keyBlockSize?: number } {
  const { onChipElements: size, queryBlockSize, keyBlockSize, blockMap } = options
  if (size === undefined) {
    return {
      ...(queryBlockSize !== undefined && { queryBlockSize }),
      ...(keyBlockSize !== undefined && { keyBlockSize }),
    }
  }
  if (queryBlockSize !== undefined || keyBlockSize !== undefined || blockMap !== undefined) {
    throw rangeError(
      `${caller}: onChipElements decides the tile, so leave it out or queryBlockSize, keyBlockSize and blockMap`,
    )
  }
  const dim = Math.max(headDim, valueDim)
  if (!Number.isInteger(size) || size < 4 * dim) {
    throw rangeError(
      `${caller}: onChipElements must be an integer that holds a row of four tiles, 4 * ${dim}, got ${size}`,
    )
  }
  const outer = Math.ceil(size / (4 * dim))
  const inner = Math.min(outer, dim)
  return loopOrder === 'keys-outside'
    ? { queryBlockSize: inner, keyBlockSize: outer }
    : { queryBlockSize: outer, keyBlockSize: inner }
}

function oneOf(name: string, value: unknown, choices: readonly string[]): void {
  if (!choices.includes(value as string)) {
    throw rangeError(`${caller}: ${name} must be ${choices.join(' or ')}, got ${String(value)}`)
  }
}
