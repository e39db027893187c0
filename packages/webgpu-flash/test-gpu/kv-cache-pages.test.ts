// Caches of pages: sequences that grow from one supply, share their beginnings and part when one of them writes.
// And caches as bytes, saved from one place and restored to another.
import { afterAll, describe, expect, test } from 'vitest'
import { mask, slice, standardAttention, toFloat64Array } from '@attn/core'
import type { Tensor } from '@attn/core'
import { acquireGpu } from '../../../tools/testing/acquire-gpu.ts'
import { fill, largestError } from '../../core/test/conformance/index.ts'
import type { FlashAttention, KeyValueCache, KeyValueCacheOptions } from '../src/index.ts'
import { deviceKinds } from './devices.ts'
import { rotaryEmbedding, rotateByDefinition } from './rotary-definition.ts'

const gpu = await acquireGpu()
const causal = mask('causal', ({ query, key }) => key.le(query))
const window = mask('window', ({ query, key }) => key.le(query).and(query.sub(key).lt(9)))
const [batch, heads, kvHeads, dim, total] = [3, 4, 2, 32, 70]
const sizes = { batch, kvHeads, headDim: dim }
const all = {
  query: fill(1, [batch, heads, total, dim], 2),
  key: fill(2, [batch, kvHeads, total, dim], 2),
  value: fill(3, [batch, kvHeads, total, dim]),
}
const rows = (view: Tensor, start: number, end: number): Tensor => slice(view, 2, start, end)
const of = (view: Tensor, sequence: number): Tensor => slice(view, 0, sequence, sequence + 1)

describe.skipIf(!gpu).each(deviceKinds(gpu))('caches of pages, %s', (_, create) => {
  let created: Promise<FlashAttention> | undefined
  const library = (): Promise<FlashAttention> => (created ??= create())
  afterAll(async () => (await created)?.destroy())

  async function append(
    cache: KeyValueCache,
    start: number,
    end: number,
    counts?: readonly number[],
  ): Promise<void> {
    const flash = await library()
    const [key, value] = [all.key, all.value].map((view) => flash.upload(rows(view, start, end)))
    cache.append({ key: key!, value: value!, ...(counts ? { counts } : {}) })
    flash.release(key!, value!)
  }

  test.each([
    [2, causal, false],
    [8, causal, true],
    [64, window, false],
  ] as const)(
    'pages of %i tokens: prompts and single tokens',
    async (pageSize, pattern, rotary) => {
      const flash = await library()
      const rope = rotaryEmbedding(dim)
      const cache = flash.cache({
        ...sizes,
        capacity: total,
        pages: { pageSize, count: Math.ceil((batch * total) / pageSize) + batch },
        ...(rotary ? { rope } : {}),
      })
      const turn = (view: Tensor): Tensor =>
        rotary ? rotateByDefinition(view, rope, (_sequence, row) => row) : view
      const expected = standardAttention(turn(all.query), turn(all.key), all.value, {
        mask: pattern,
      }).output
      const shared = {
        ...sizes,
        heads,
        keyLength: total,
        mask: pattern,
        lengths: 'call',
        ...(rotary ? { rope: { query: rope } } : {}),
      } as const
      const check = async (start: number, end: number): Promise<void> => {
        const plan = flash.plan({ ...shared, queryLength: end - start })
        const query = flash.upload(rows(all.query, start, end))
        const { output } = plan.forward({ query, ...cache.inputs() })
        const actual = toFloat64Array(await flash.download(output))
        const wanted = toFloat64Array(rows(expected, start, end))
        expect(largestError(actual, wanted)).toBeLessThan(1e-5)
      }
      await append(cache, 0, 45)
      await check(0, 45)
      for (let row = 45; row < 50; row++) {
        await append(cache, row, row + 1)
        await check(row, row + 1)
      }
      cache.truncate(40)
      await append(cache, 40, total)
      await check(66, total)
      cache.destroy()
    },
  )

  test('a prompt that sequences share, and part from', async () => {
    const flash = await library()
    const pages = { pageSize: 8, count: 12 }
    const cache = flash.cache({ ...sizes, capacity: total, pages })
    await append(cache, 0, 20, [20, 0, 0])
    expect(cache.freePages).toBe(9)
    cache.share(0, 1)
    cache.share(0, 2, 17)
    expect(cache.freePages).toBe(9)
    expect(cache.lengths).toEqual([20, 20, 17])
    // All three go on, each in its way: two of them need a copy of the page they share.
    await append(cache, 20, 23)
    expect(cache.lengths).toEqual([23, 23, 20])
    expect(cache.freePages).toBe(7)
    const plan = flash.plan({
      ...sizes,
      heads,
      queryLength: 1,
      keyLength: total,
      lengths: 'call',
      mask: causal,
    })
    const query = flash.upload(rows(all.query, 30, 31))
    const { output } = plan.forward({ query, ...cache.inputs() })
    const actual = await flash.download(output)
    for (const [sequence, prefix] of [20, 20, 17].entries()) {
      const keys = (view: Tensor): Tensor => {
        const first = toFloat64Array(rows(of(view, 0), 0, prefix))
        const last = toFloat64Array(rows(of(view, sequence), 20, 23))
        const joined = new Float32Array(kvHeads * (prefix + 3) * dim)
        for (let h = 0; h < kvHeads; h++) {
          joined.set(
            first.subarray(h * prefix * dim, (h + 1) * prefix * dim),
            h * (prefix + 3) * dim,
          )
          joined.set(
            last.subarray(h * 3 * dim, (h + 1) * 3 * dim),
            (h * (prefix + 3) + prefix) * dim,
          )
        }
        return { ...fill(1, [1, kvHeads, prefix + 3, dim]), storage: joined }
      }
      const wanted = standardAttention(
        rows(of(all.query, sequence), 30, 31),
        keys(all.key),
        keys(all.value),
      ).output
      const one = toFloat64Array(of(actual, sequence))
      expect(largestError(one, toFloat64Array(wanted))).toBeLessThan(1e-5)
    }
    cache.truncate([0, 23, 20])
    expect(cache.freePages).toBe(8)
    cache.truncate(0)
    expect(cache.freePages).toBe(12)

    const bad: [() => void, string][] = [
      [() => cache.share(0, 3), 'sequences must lie in 0..2, got 3'],
      [() => cache.share(1, 1), 'sequence 1 must hold nothing, and not be the one'],
      [() => cache.share(0, 1, 1), 'length must lie in 0..0, what sequence 0 holds, got 1'],
      [() => cache.grow(100), 'cache.grow: pages are as many as there were'],
      [
        () => flash.cache({ ...sizes, capacity: 9, pages: { pageSize: 12, count: 1 } }),
        'pages.pageSize must be a power of two, got 12',
      ],
      [
        () => flash.cache({ ...sizes, capacity: 9, pages: { count: 0 } }),
        'pages.count must be a positive integer, got 0',
      ],
      [
        () => flash.cache({ ...sizes, capacity: 9, pages: { count: 1 }, ring: { window: 4 } }),
        'give ring or pages',
      ],
    ]
    for (const [wrong, message] of bad) expect(wrong).toThrow(message)
    await expect(append(cache, 0, 40)).rejects.toThrow(
      'cache.append: needs 15 pages of 8 tokens, of which 12 are free',
    )
    expect(cache.freePages).toBe(12)
    cache.destroy()
  })

  const kinds: readonly [string, Partial<KeyValueCacheOptions>, Partial<KeyValueCacheOptions>][] = [
    ['float32', {}, { capacity: 90 }],
    ['from pages to rows', { pages: { pageSize: 8, count: 30 } }, {}],
    [
      'from rows to pages, four bits',
      { quantized: 'q4_0' },
      { pages: { pageSize: 16, count: 16 } },
    ],
    ['a ring', { capacity: 20, ring: { window: 16, sinks: 4 } }, {}],
    [
      'float16, rotary, a model',
      { dtype: 'float16', rope: rotaryEmbedding(dim), model: 'm-7b' },
      {},
    ],
  ]
  test.each(kinds)('saved and restored: %s', async (_name, from, to) => {
    const flash = await library()
    const shared: KeyValueCacheOptions = { ...sizes, capacity: total, ...from }
    const { pages: _own, ...others } = shared
    const saved = flash.cache(shared)
    const restored = flash.cache({ ...others, ...to })
    const dtype = shared.dtype ?? 'float32'
    const tokens = fill(4, [batch, kvHeads, 33, dim], 2, dtype)
    const uploaded = flash.upload(tokens)
    saved.append({ key: uploaded, value: uploaded, counts: [33, 0, 20] })
    const bytes = await saved.save()
    restored.append({ key: uploaded, value: uploaded, counts: [3, 3, 3] })
    // Bytes from a file may begin anywhere.
    const moved = new Uint8Array(bytes.length + 3)
    moved.set(bytes, 3)
    restored.restore(moved.subarray(3))
    expect(restored.lengths).toEqual([33, 0, 20])
    expect(Array.from(await restored.save())).toEqual(Array.from(bytes))
    // Both go on alike.
    const more = flash.upload(fill(5, [batch, kvHeads, 1, dim], 2, dtype))
    const plan = flash.plan({
      ...sizes,
      dtype,
      heads,
      queryLength: 1,
      keyLength: 90,
      lengths: 'call',
    })
    const query = flash.upload(fill(6, [batch, heads, 1, dim], 2, dtype))
    const results = []
    for (const cache of [saved, restored]) {
      cache.append({ key: more, value: more })
      const { output } = plan.forward({ query, ...cache.inputs() })
      results.push(toFloat64Array(await flash.download(output)))
    }
    expect(results[0]).toEqual(results[1])

    const other = flash.cache({ ...others, ...to, kvHeads: 1 })
    expect(() => other.restore(bytes)).toThrow(
      'cache.restore: the saved cache has kvHeads 2, this one 1',
    )
    const model = flash.cache({ ...others, ...to, model: 'another' })
    expect(() => model.restore(bytes)).toThrow(/has model ("m-7b"|unset), this one "another"/)
    const small = flash.cache({ ...others, capacity: 20 })
    if (shared.ring) return small.restore(bytes)
    expect(() => small.restore(bytes)).toThrow(
      'a sequence of 33 tokens was saved, this cache has room for 20',
    )
  })

  test('bytes that are none of a cache', async () => {
    const flash = await library()
    const cache = flash.cache({ ...sizes, capacity: 10 })
    await append(cache, 0, 4)
    const bytes = await cache.save()
    expect(() => cache.restore(new Uint8Array(100))).toThrow('these bytes are not a saved cache')
    expect(() => cache.restore(bytes.subarray(0, bytes.length - 4))).toThrow(/bytes of rows, got/)
    const later = bytes.slice()
    later[4] = 9
    expect(() => cache.restore(later)).toThrow('the bytes are of version 9, this reads 1')
    expect(cache.lengths).toEqual([4, 4, 4])
    cache.destroy()
  })
})
