// A cache in fixed memory: a window of the newest tokens and the first ones as sinks, for texts of any
// length, by one plan. What it computes is what a mask over all tokens would.
import { afterAll, describe, expect, test } from 'vitest'
import { mask, slice, standardAttention, tensor, toFloat64Array } from '@attn/core'
import type { Tensor } from '@attn/core'
import { acquireGpu } from '../../../tools/testing/acquire-gpu.ts'
import { fill, largestError } from '../../core/test/conformance/index.ts'
import type { AttentionPlan, FlashAttention, KeyValueCache, RopeOption } from '../src/index.ts'
import { deviceKinds } from './devices.ts'
import { rotaryEmbedding, rotateByDefinition } from './rotary-definition.ts'

const gpu = await acquireGpu()
const causal = mask('causal', ({ query, key }) => key.le(query))
const [batch, heads, kvHeads, dim, total] = [2, 4, 2, 16, 50]
const [window, sinks] = [7, 3]
/** What a ring comes to, over all tokens. */
const ringMask = mask('ring', ({ query, key }) =>
  key.le(query).and(key.lt(sinks).or(query.sub(key).lt(window))),
)
const all = {
  query: fill(1, [batch, heads, total, dim], 2),
  key: fill(2, [batch, kvHeads, total, dim], 2),
  value: fill(3, [batch, kvHeads, total, dim]),
}
const rope = rotaryEmbedding(dim)
const rows = (view: Tensor, start: number, end: number): Tensor => slice(view, 2, start, end)
const whole = (turn: (view: Tensor) => Tensor = (view) => view): Tensor =>
  standardAttention(turn(all.query), turn(all.key), all.value, { mask: ringMask }).output

describe.skipIf(!gpu).each(deviceKinds(gpu))('a ring, %s', (_, create) => {
  let created: Promise<FlashAttention> | undefined
  const library = (): Promise<FlashAttention> => (created ??= create())
  afterAll(async () => (await created)?.destroy())

  const planFor = (
    flash: FlashAttention,
    queryLength: number,
    keyLength: number,
    turned?: RopeOption,
  ): AttentionPlan =>
    flash.plan({
      batch,
      heads,
      kvHeads,
      headDim: dim,
      queryLength,
      keyLength,
      mask: causal,
      lengths: 'call',
      ...(turned ? { rope: turned } : {}),
    })

  async function step(
    cache: KeyValueCache,
    plan: AttentionPlan,
    start: number,
    end: number,
  ): Promise<Float64Array> {
    const flash = await library()
    const upload = (view: Tensor) => flash.upload(rows(view, start, end))
    const [query, key, value] = [upload(all.query), upload(all.key), upload(all.value)]
    cache.append({ key, value })
    const { output, logSumExp } = plan.forward({ query, ...cache.inputs() })
    const result = toFloat64Array(await flash.download(output))
    flash.release(query, key, value, output, logSumExp)
    return result
  }

  test.each([
    ['unturned', 'none'],
    ['turned on the way in', 'before'],
    ['turned when read', 'after'],
  ] as const)('token by token past its capacity: %s', async (_name, turned) => {
    const flash = await library()
    const capacity = window + sinks
    const cache = flash.cache({
      batch,
      kvHeads,
      headDim: dim,
      capacity,
      ring: { window, sinks },
      ...(turned === 'before' ? { rope } : {}),
    })
    const side = { none: undefined, before: { query: rope }, after: rope }[turned]
    const plan = planFor(flash, 1, capacity, side)
    const turn = (view: Tensor): Tensor =>
      turned === 'none' ? view : rotateByDefinition(view, rope, (_sequence, row) => row)
    const expected = whole(turn)
    const memory = flash.memory.allocatedBytes
    for (let row = 0; row < total; row++) {
      const actual = await step(cache, plan, row, row + 1)
      const wanted = toFloat64Array(rows(expected, row, row + 1))
      expect(largestError(actual, wanted)).toBeLessThan(1e-5)
    }
    expect(cache.lengths).toEqual([total, total])
    expect(flash.memory.allocatedBytes - memory).toBeLessThan(2 ** 21)
    cache.destroy()
    plan.destroy()
  })

  test('sinks right before the window: positions stay below the capacity', async () => {
    const flash = await library()
    const capacity = window + sinks
    const cache = flash.cache({ batch, kvHeads, headDim: dim, capacity, ring: { window, sinks } })
    const plan = planFor(flash, 1, capacity, { query: rope, key: rope, gap: 'closed' })
    for (let row = 0; row < total; row++) {
      const actual = await step(cache, plan, row, row + 1)
      const length = row + 1
      const first = Math.max(sinks, length - window)
      const held = [...Array(length).keys()].filter((key) => key < sinks || key >= first)
      const closed = (position: number): number =>
        position < sinks ? position : position - (first - sinks)
      const turn = (view: Tensor): Tensor =>
        rotateByDefinition(view, rope, (_sequence, at) => (at < length ? closed(at) : 0))
      const query = rows(turn(all.query), row, length)
      const only = mask('held', ({ key }) => held.map((at) => key.eq(at)).reduce((a, b) => a.or(b)))
      const wanted = standardAttention(query, turn(all.key), all.value, { mask: only }).output
      expect(largestError(actual, toFloat64Array(wanted))).toBeLessThan(1e-5)
    }
    cache.destroy()
    plan.destroy()
  })

  test('several tokens at a time, cut back and given others, a prompt longer than it all', async () => {
    const flash = await library()
    const spare = 4
    const capacity = window + sinks + spare
    const cache = flash.cache({ batch, kvHeads, headDim: dim, capacity, ring: { window, sinks } })
    const plans = [1, 2, 3, 4, 5].map((length) => planFor(flash, length, capacity))
    const expected = whole()
    let at = 0
    for (const [index, count] of [5, 3, 5, 1, 5, 2, 4, 5].entries()) {
      const actual = await step(cache, plans[count - 1]!, at, at + count)
      const wanted = toFloat64Array(rows(expected, at, at + count))
      expect(largestError(actual, wanted)).toBeLessThan(1e-5)
      at += count
      // Drafts that are rejected: as many as there is room for.
      const drafts = index % 2 === 0 ? 0 : Math.min(spare, count - 1)
      at -= drafts
      cache.truncate(at)
    }
    expect(() => cache.truncate(at - spare - 2)).toThrow(
      /cache.truncate: the ring holds what sequence 0 sees at lengths from \d+ on, and at most 3/,
    )
    cache.truncate(0)
    // Of a long prompt the ring keeps what counts from then on.
    const upload = (view: Tensor, start: number, end: number) =>
      flash.upload(rows(view, start, end))
    cache.append({ key: upload(all.key, 0, 40), value: upload(all.value, 0, 40) })
    expect(cache.lengths).toEqual([40, 40])
    const query = upload(all.query, 35, 40)
    const { output } = plans[4]!.forward({ query, ...cache.inputs() })
    const last = toFloat64Array(await flash.download(output))
    expect(largestError(last, toFloat64Array(rows(expected, 35, 40)))).toBeLessThan(1e-5)
    const six = planFor(flash, 6, capacity)
    expect(() => six.forward({ query: upload(all.query, 34, 40), ...cache.inputs() })).toThrow(
      'plan.forward: a query at position 34 sees keys from position 28 on, of which the ring has lost those before 29',
    )
    cache.destroy()
  })

  test('sequences of their own lengths', async () => {
    const flash = await library()
    const capacity = window + sinks + 2
    const cache = flash.cache({ batch, kvHeads, headDim: dim, capacity, ring: { window, sinks } })
    const plan = planFor(flash, 3, capacity)
    const expected = whole()
    const starts = [0, 0]
    for (let turn = 0; turn < 18; turn++) {
      const counts = [1 + (turn % 3), 3 - (turn % 2)]
      const place = (view: Tensor): Tensor => {
        const width = view.shape[1]!
        const parts = starts.map((start, b) =>
          toFloat64Array(slice(slice(view, 0, b, b + 1), 2, start, start + 3)),
        )
        const values = Float32Array.from(parts.flatMap((part) => Array.from(part)))
        return tensor(values, [batch, width, 3, dim])
      }
      const [query, key, value] = [all.query, all.key, all.value].map((view) =>
        flash.upload(place(view)),
      )
      cache.append({ key: key!, value: value!, counts })
      const { output } = plan.forward({ query: query!, ...cache.inputs() })
      const actual = await flash.download(output)
      counts.forEach((count, b) => {
        const one = (view: Tensor, from: number, to: number): Float64Array =>
          toFloat64Array(slice(slice(view, 0, b, b + 1), 2, from, to))
        const wanted = one(expected, starts[b]!, starts[b]! + count)
        expect(largestError(one(actual, 0, count), wanted)).toBeLessThan(1e-5)
        starts[b]! += count
      })
      flash.release(query!, key!, value!, output)
    }
    cache.destroy()
  })

  test('what does not fit is said', async () => {
    const flash = await library()
    const options = { kvHeads: 1, headDim: 8, capacity: 10 }
    const bad: [() => void, string][] = [
      [() => flash.cache({ ...options, ring: { window: 0 } }), 'ring.window must be a positive'],
      [
        () => flash.cache({ ...options, ring: { window: 4, sink: 1 } as { window: number } }),
        'flash.cache: ring',
      ],
      [() => flash.cache({ ...options, ring: { window: 4, sinks: -1 } }), 'ring.sinks must be'],
      [
        () => flash.cache({ ...options, ring: { window: 8, sinks: 3 } }),
        'capacity must hold ring.window + ring.sinks = 11 tokens, got 10',
      ],
      [
        () => flash.cache({ ...options, ring: { window: 8 } }).grow(20),
        'cache.grow: a ring keeps its size',
      ],
    ]
    for (const [wrong, message] of bad) expect(wrong).toThrow(message)
    const turned = flash.cache({ batch, kvHeads, headDim: dim, capacity: 10, rope })
    const plan = planFor(flash, 1, 10, rope)
    const query = flash.empty([batch, heads, 1, dim])
    const token = flash.empty([batch, kvHeads, 1, dim])
    turned.append({ key: token, value: token })
    expect(() => plan.forward({ query, ...turned.inputs() })).toThrow(
      'the cache turned its keys as they came, and the plan would turn them once more',
    )
    turned.destroy()
  })
})
