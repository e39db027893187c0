// What reading caches of each kind takes: one query a sequence, some queries, rows, rings, pages, blocks. In turns,
// on the GPU's own clock, and in chains of calls as an application makes them.
import type { DType, QuantizedType, Tensor } from '@attn/core'
import { slice, toFloat64Array } from '@attn/core'
import type { AttentionPlan, FlashAttention, GpuTensor, KeyValueCache } from '@attn/webgpu-flash'
import { fillNormal } from '../inputs/fill-normal.ts'
import { chainDifference, chains } from '../measure/chain-difference.ts'
import type { ChainPair } from '../measure/chain-difference.ts'
import { createGpuStopwatch } from '../measure/gpu-stopwatch.ts'
import { measureInTurns } from '../measure/measure-in-turns.ts'
import type { CacheTime } from './report.ts'

/** Sizes of what is read. */
export interface CacheShape {
  readonly batch: number
  readonly heads: number
  readonly kvHeads: number
  readonly keyLength: number
  readonly headDim: number
  /** Default: `headDim`. */
  readonly valueDim?: number | undefined
}

type Tile = Readonly<Record<string, number | boolean>>

interface Variant {
  readonly name: string
  readonly kind: 'rows' | 'ring' | 'pages'
  readonly queryLength: number
  readonly quantized?: QuantizedType
  readonly tile?: Tile
}

const variants: readonly Variant[] = [
  { name: 'float16', kind: 'rows', queryLength: 1 },
  { name: 'q8_0', kind: 'rows', queryLength: 1, quantized: 'q8_0' },
  { name: 'q4_0', kind: 'rows', queryLength: 1, quantized: 'q4_0' },
  { name: 'ring', kind: 'ring', queryLength: 1 },
  { name: 'pages', kind: 'pages', queryLength: 1 },
  { name: 'float16, 2 queries', kind: 'rows', queryLength: 2 },
  { name: 'float16, 4 queries', kind: 'rows', queryLength: 4 },
  { name: 'float16, 16 queries', kind: 'rows', queryLength: 16 },
  { name: 'q8_0, 2 queries', kind: 'rows', queryLength: 2, quantized: 'q8_0' },
  { name: 'q4_0, 2 queries', kind: 'rows', queryLength: 2, quantized: 'q4_0' },
  { name: 'q8_0, 4 queries', kind: 'rows', queryLength: 4, quantized: 'q8_0' },
  { name: 'q4_0, 4 queries', kind: 'rows', queryLength: 4, quantized: 'q4_0' },
]

/** Other tiles, each for what it is tried on. */
const otherTiles: readonly Tile[] = [
  { keysAhead: 8 },
  { keysAhead: 2 },
  { workgroups: 1024 },
  { workgroups: 2048 },
  { loadsAhead: true },
  { threads: 256 },
  { threads: 64 },
]

const dtype: DType = 'float16'
const pageSize = 64
/** Tokens that are appended at a time. */
const step = 1024

/** What is measured of them. */
export interface TimesOptions {
  /** Whether other tiles than the planner's are measured too. */
  readonly tiles: boolean
  /** Whether subgroup matrices may be used. */
  readonly matrices: boolean
  /** How long to warm up. */
  readonly seconds: number
}

/** Measures them. */
export async function measureTimes(
  flash: FlashAttention,
  shape: CacheShape,
  { tiles, matrices, seconds }: TimesOptions,
): Promise<CacheTime[]> {
  const { batch, heads, kvHeads, keyLength, headDim, valueDim = headDim } = shape
  const { device } = flash
  const given = matrices ? {} : { matrix: false }
  const tensorOf = async (
    rows: number,
    count: number,
    stream: number,
    dim = headDim,
  ): Promise<GpuTensor> => {
    const view = flash.empty([batch, rows, count, dim], dtype)
    await fillNormal(device, view.storage, dtype, stream)
    return view
  }
  const caches = new Map<string, KeyValueCache>()
  const cacheOf = async ({ kind, quantized }: Variant): Promise<KeyValueCache> => {
    const key = `${kind} ${quantized}`
    const known = caches.get(key)
    if (known) return known
    const cache = flash.cache({
      batch,
      kvHeads,
      headDim,
      valueDim,
      dtype,
      capacity: keyLength,
      quantized,
      ...(kind === 'ring' ? { ring: { window: keyLength - 4, sinks: 4 } } : {}),
      ...(kind === 'pages'
        ? { pages: { pageSize, count: batch * Math.ceil(keyLength / pageSize) } }
        : {}),
    })
    const size = Math.min(step, keyLength)
    // A ring has turned when it is read.
    const tokens = kind === 'ring' ? keyLength + size : keyLength
    for (let start = 0; start < tokens; start += size) {
      const own = [
        await tensorOf(kvHeads, size, start + 2),
        await tensorOf(kvHeads, size, start + 3, valueDim),
      ]
      cache.append({ key: own[0]!, value: own[1]! })
      flash.release(...own)
    }
    caches.set(key, cache)
    return cache
  }
  const wanted = tiles
    ? [
        ...variants,
        ...variants.flatMap((variant) =>
          ['float16', 'q8_0', 'q4_0', 'float16, 4 queries'].includes(variant.name)
            ? otherTiles.map((tile) => ({ ...variant, tile }))
            : [],
        ),
      ]
    : variants
  const prepared: {
    variant: Variant
    plan: AttentionPlan
    tensors: Parameters<AttentionPlan['encodeForward']>[1]
    bytes: number
  }[] = []
  for (const variant of wanted) {
    const cache = await cacheOf(variant)
    const { queryLength, tile } = variant
    const plan = flash.plan({
      batch,
      heads,
      kvHeads,
      headDim,
      valueDim,
      dtype,
      queryLength,
      keyLength,
      lengths: 'call',
      ...(tile || !matrices ? { decodeTile: { ...tile, ...given } } : {}),
    })
    const query = await tensorOf(heads, queryLength, 1)
    const inputs = cache.inputs()
    const tensors = { query, ...inputs, ...plan.createOutputs() }
    const rowBytes = [inputs.key, inputs.value].reduce(
      (sum, { shape: own }) => sum + own[3]! * 2,
      0,
    )
    prepared.push({ variant, plan, tensors, bytes: batch * kvHeads * keyLength * rowBytes })
  }
  const outputs: Float64Array[] = []
  for (const { plan, tensors } of prepared) {
    plan.forward(tensors)
    const output: Tensor = await flash.download(slice(tensors.output, 2, 0, 1))
    outputs.push(toFloat64Array(output))
  }
  const stopwatches = prepared.map(({ plan, tensors }) =>
    createGpuStopwatch(device, (encoder, timestampWrites) =>
      plan.encodeForward(encoder, tensors, timestampWrites),
    ),
  )
  const warm = performance.now()
  while (performance.now() - warm < 1000 * seconds) await stopwatches[0]!.time(50)
  const options = { samples: 7, sampleMilliseconds: 5, budgetMilliseconds: 200, warmUps: 3 }
  const times = await measureInTurns(stopwatches, options)
  stopwatches.forEach((stopwatch) => stopwatch.destroy())

  const results: CacheTime[] = []
  for (const [index, { variant, plan, tensors, bytes }] of prepared.entries()) {
    const chained = variant.tile ? undefined : await timeChains(flash, () => plan.forward(tensors))
    const size = Math.sqrt(outputs[0]!.reduce((sum, x) => sum + x * x, 0) / outputs[0]!.length)
    // A ring holds other tokens, and the first of four queries is another one.
    const comparable = variant.queryLength === 1 && variant.kind !== 'ring'
    const difference = comparable
      ? outputs[index]!.reduce((most, x, i) => Math.max(most, Math.abs(x - outputs[0]![i]!)), 0) /
        size
      : undefined
    results.push({
      name: variant.name,
      queryLength: variant.queryLength,
      tile: variant.tile,
      bytes,
      gpu: times[index]!,
      ...chained,
      difference,
    })
  }
  for (const { plan } of prepared) plan.destroy()
  for (const cache of caches.values()) cache.destroy()
  return results
}

/** A call of a chain, and what the processor takes to submit one. */
async function timeChains(
  flash: FlashAttention,
  call: () => unknown,
): Promise<Pick<CacheTime, 'chained' | 'host'>> {
  const time = async (count: number): Promise<number> => {
    const started = performance.now()
    for (let i = 0; i < count; i++) call()
    await flash.finished()
    return performance.now() - started
  }
  await time(50)
  const rounds: ChainPair[][] = []
  for (let round = 0; round < 7; round++) {
    const pairs: ChainPair[] = []
    for (let pair = 0; pair < 5; pair++) {
      pairs.push({ short: await time(chains.short), long: await time(chains.long) })
    }
    rounds.push(pairs)
  }
  const started = performance.now()
  for (let i = 0; i < 100; i++) call()
  const host = (performance.now() - started) / 100
  await flash.finished()
  return { chained: chainDifference(rounds)?.median, host }
}
