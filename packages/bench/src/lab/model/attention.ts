// What attention needs to know of masks and positions, as numbers: the tiles that a mask leaves, from the
// block map of @attn/core; biases and hidden pairs as one matrix; the angles of a rotary embedding.
import { blockMapRow, compile, createBlockMap } from '@attn/core'
import type { Mask, RotaryEmbedding } from '@attn/core'
import { rotaryTables } from '@attn/positions'
import { biasPairs } from '../bias/pairs.ts'
import type { Arena } from '../kernels/kernels.ts'

/** Rows and keys of a tile; the kernel's. */
const tile = 32

/** Attention of a layer, as numbers. */
export interface Attention {
  /** Added to scores, `[H, L, row]`, -Infinity for hidden pairs; undefined for causal attention without. */
  readonly bias: Float32Array | undefined
  /** What `attend` in wasm/ takes. */
  readonly runs: Int32Array
  readonly runHeads: number
  readonly rotary: { readonly cosines: Float32Array; readonly sines: Float32Array } | undefined
}

/** What to make it from. */
export interface AttentionSettings {
  readonly heads: number
  readonly length: number
  /** Hides later keys at least. Default: causal, and nothing else hidden. */
  readonly mask?: Mask | undefined
  /** Biases of the pairs of `biasPairs`; undefined where there are none. */
  readonly biases?: Float32Array | undefined
  readonly rotary?: RotaryEmbedding | undefined
}

/** Numbers in a row of scores. */
export function rowOf(length: number): number {
  return Math.ceil(length / 8) * 8
}

/** Attention as numbers. */
export function createAttention(settings: AttentionSettings): Attention {
  const { heads, length, mask, rotary } = settings
  return {
    bias: biasOf(settings),
    ...runsOf(heads, length, mask),
    rotary: rotary && anglesOf(rotary, length),
  }
}

/** The matrix of biases and hidden pairs, `[H, L, row]`; `into` is overwritten where it is given. */
export function biasOf(
  { heads, length, mask, biases }: AttentionSettings,
  visible: Uint8Array | undefined = mask && visiblePairs(mask, heads, length),
  into?: Float32Array,
): Float32Array | undefined {
  if (!mask && !biases) return undefined
  const row = rowOf(length)
  const result = (into ?? new Float32Array(heads * length * row)).fill(-Infinity)
  let pair = 0
  for (let line = 0; line < heads * length; line++) {
    const query = line % length
    for (let key = 0; key <= query; key++, pair++) {
      if (!visible || visible[pair]) result[line * row + key] = biases ? biases[pair]! : 0
    }
  }
  return result
}

/** Which of the pairs of `biasPairs` a mask allows. */
export function visiblePairs(mask: Mask, heads: number, length: number): Uint8Array {
  const allows = compile(mask.expression)
  const { head, query, key } = biasPairs(heads, 0, length)
  return Uint8Array.from(head, (_, pair) =>
    allows({
      batch: 0,
      head: head[pair]!,
      query: query[pair]!,
      queryIndex: query[pair]!,
      key: key[pair]!,
      queryLength: length,
      keyLength: length,
      heads,
    }),
  )
}

/** Runs of keys that each block of queries visits, in the form that `attend` takes. */
function runsOf(
  heads: number,
  length: number,
  mask: Mask | undefined,
): { runs: Int32Array; runHeads: number } {
  const row = rowOf(length)
  const blocks = Math.ceil(length / tile)
  const map =
    mask &&
    createBlockMap(
      mask,
      { batch: 1, heads, queryLength: length, keyLength: length },
      { queryBlockSize: tile, keyBlockSize: tile },
    )
  const runHeads = map?.heads ?? 1
  const starts: number[] = [0]
  const runs: number[] = []
  for (let head = 0; head < runHeads; head++) {
    for (let block = 0; block < blocks; block++) {
      const found = map ? joined(blockMapRow(map, 0, head, block)) : [{ start: 0, end: block + 1 }]
      for (const { start, end } of found) runs.push(start * tile, Math.min(end * tile, row))
      starts.push(runs.length / 2)
    }
  }
  return { runs: Int32Array.from([...starts, ...runs]), runHeads }
}

/** Neighbouring runs as one: full and partial tiles are alike here. */
function joined(
  runs: readonly { readonly start: number; readonly end: number }[],
): { start: number; end: number }[] {
  const result: { start: number; end: number }[] = []
  for (const { start, end } of runs) {
    const last = result.at(-1)
    if (last?.end === start) last.end = end
    else result.push({ start, end })
  }
  return result
}

function anglesOf(
  rotary: RotaryEmbedding,
  length: number,
): { cosines: Float32Array; sines: Float32Array } {
  const { cos, sin } = rotaryTables(rotary, length)
  return { cosines: cos, sines: sin }
}

/** Attention in the memory of an arena: byte offsets, 0 for what there is not. */
export interface PlacedAttention {
  readonly bias: number
  readonly biasCount: number
  readonly biasHeads: number
  readonly runs: number
  readonly runHeads: number
  readonly rotary: { readonly cosines: number; readonly sines: number } | undefined
}

/** Puts attentions into memory; biases follow with `updatePositions`. */
export function placeAttention(
  arena: Arena,
  attentions: readonly Attention[],
  { heads }: { readonly heads: number },
): PlacedAttention[] {
  const placeFloats = (values: Float32Array): number => {
    const pointer = arena.reserve(values.length)
    arena.floats(pointer, values.length).set(values)
    return pointer
  }
  return attentions.map(({ bias, runs, runHeads, rotary }) => {
    const place = arena.reserve(runs.length)
    arena.integers(place, runs.length).set(runs)
    return {
      bias: bias ? arena.reserve(bias.length) : 0,
      biasCount: bias?.length ?? 0,
      biasHeads: heads,
      runs: place,
      runHeads,
      rotary: rotary && { cosines: placeFloats(rotary.cosines), sines: placeFloats(rotary.sines) },
    }
  })
}
