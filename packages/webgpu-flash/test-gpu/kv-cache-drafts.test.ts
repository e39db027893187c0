// Drafts in a tree, verified in one pass over a cache: what is accepted closes up, and decoding goes on as if
// nothing else had ever been there. And prompts that are padded on the left.
import { afterAll, describe, expect, test } from 'vitest'
import { cast, mask, slice, standardAttention, tensor, toFloat64Array } from '@attn/core'
import type { Tensor } from '@attn/core'
import { acquireGpu } from '../../../tools/testing/acquire-gpu.ts'
import { fill, largestError } from '../../core/test/conformance/index.ts'
import { createFlashAttention } from '../src/index.ts'
import type { FlashAttention, RingOptions } from '../src/index.ts'
import { rotaryEmbedding, rotateByDefinition } from './rotary-definition.ts'

const gpu = await acquireGpu()
const causal = mask('causal', ({ query, key }) => key.le(query))
const [batch, heads, kvHeads, dim, total] = [2, 4, 2, 8, 40]
const sizes = { batch, kvHeads, headDim: dim }
const all = {
  query: fill(1, [batch, heads, total, dim], 2),
  key: fill(2, [batch, kvHeads, total, dim], 2),
  value: fill(3, [batch, kvHeads, total, dim]),
}
const rope = rotaryEmbedding(dim)

/** Of each sequence some rows, in an order of their own. */
function rowsAt(view: Tensor, rows: readonly (readonly number[])[]): Tensor {
  const width = view.shape[1]!
  const parts = rows.flatMap((list, b) =>
    Array.from({ length: width }, (_, h) =>
      list.map((row) =>
        toFloat64Array(slice(slice(slice(view, 0, b, b + 1), 1, h, h + 1), 2, row, row + 1)),
      ),
    ).flat(),
  )
  const values = Float32Array.from(parts.flatMap((part) => Array.from(part)))
  return tensor(values, [batch, width, rows[0]!.length, dim])
}

describe.skipIf(!gpu)('drafts in a tree', () => {
  let created: Promise<FlashAttention> | undefined
  const library = (): Promise<FlashAttention> => (created ??= createFlashAttention({ gpu: gpu! }))
  afterAll(async () => (await created)?.destroy())

  // 0 ─┬─ 1 ─── 3
  //    └─ 2 ─┬─ 4 ─── 6
  //          └─ 5
  const parents = [-1, 0, 0, 1, 2, 2, 4]
  const ancestors = parents.map((_, node): number[] => {
    const path: number[] = []
    for (let at = node; at >= 0; at = parents[at]!) path.unshift(at)
    return path
  })
  const depths = ancestors.map((path) => path.length - 1)
  /** `tree` of @attn/masks, which this package does not import, for this tree. */
  const drafts = mask('tree', ({ query, queryIndex, key }) => {
    const first = query.sub(queryIndex)
    const sees = ancestors
      .map((path, node) =>
        path
          .map((other) => key.sub(first).eq(other))
          .reduce((a, b) => a.or(b))
          .and(queryIndex.eq(node)),
      )
      .reduce((a, b) => a.or(b))
    return key.lt(first).or(sees)
  })

  test.each<[string, 'float32' | 'float16', boolean, RingOptions | undefined]>([
    ['float32', 'float32', false, undefined],
    ['float32, rotary', 'float32', true, undefined],
    ['float16, rotary', 'float16', true, undefined],
    ['in a ring, rotary', 'float32', true, { window: 12, sinks: 2 }],
  ])('accepted paths: %s', async (_name, dtype, rotary, ring) => {
    const flash = await library()
    const capacity = ring ? 12 + 2 + parents.length : total
    const cache = flash.cache({
      ...sizes,
      capacity,
      dtype,
      ...(rotary ? { rope } : {}),
      ...(ring ? { ring } : {}),
    })
    const shared = {
      ...sizes,
      heads,
      dtype,
      keyLength: capacity,
      lengths: 'call',
      ...(rotary ? { rope: { query: rope } } : {}),
    } as const
    const verify = flash.plan({ ...shared, queryLength: parents.length, mask: drafts })
    const upload = (view: Tensor) => flash.upload(cast(view, dtype))
    const append = (rows: readonly (readonly number[])[], more: object = {}): void => {
      cache.append({
        key: upload(rowsAt(all.key, rows)),
        value: upload(rowsAt(all.value, rows)),
        ...more,
      })
    }
    const tolerance = dtype === 'float16' ? 5e-3 : 1e-5
    /** Which row of `all` each token of a sequence is. */
    const held: number[][] = [0, 1].map(() => [0, 1, 2, 3, 4])
    append(held)
    /** What token `row` sees after those before it. */
    const expected = (b: number, before: readonly number[], row: number): Float64Array => {
      const tokens = [...before, row]
      const both = [0, 1].map(() => tokens)
      const turn = (view: Tensor, from: number): Tensor =>
        rotary ? rotateByDefinition(view, rope, (_sequence, at) => from + at) : view
      const at = tokens.length - 1
      const visible = mask('ring', ({ key }) =>
        ring ? key.lt(ring.sinks!).or(key.gt(at - ring.window)) : key.ge(0),
      )
      const { output } = standardAttention(
        turn(rowsAt(all.query, [[row], [row]]), at),
        turn(rowsAt(all.key, both), 0),
        rowsAt(all.value, both),
        { mask: visible },
      )
      return toFloat64Array(slice(output, 0, b, b + 1))
    }
    const accepted = [
      [
        [0, 2, 4],
        [0, 1],
      ],
      [[0, 2, 4, 6], []],
      [[0], [0, 2, 5]],
      [[], [0, 1, 3]],
    ]
    let next = 5
    for (const paths of accepted) {
      const nodes = parents.map((_, node) => next + node)
      append([nodes, nodes], { depths })
      const query = upload(rowsAt(all.query, [nodes, nodes]))
      const { output } = verify.forward({ query, ...cache.inputs() })
      const actual = await flash.download(output)
      held.forEach((before, b) =>
        parents.forEach((_, node) => {
          const one = slice(slice(actual, 0, b, b + 1), 2, node, node + 1)
          const path = ancestors[node]!.slice(0, -1).map((at) => nodes[at]!)
          // A ring counts rows, and a node of a tree stands some rows behind its depth.
          if (ring && before.length + node >= ring.window) return
          const wanted = expected(b, [...before, ...path], nodes[node]!)
          expect(largestError(toFloat64Array(one), wanted)).toBeLessThan(tolerance)
        }),
      )
      cache.keep(paths)
      paths.forEach((path, b) => held[b]!.push(...path.map((at) => nodes[at]!)))
      expect(cache.lengths).toEqual(held.map((tokens) => tokens.length))
      next += parents.length
    }
    // And on by single tokens.
    const single = flash.plan({ ...shared, queryLength: 1, mask: causal })
    for (let step = 0; step < 3; step++, next++) {
      append([[next], [next]])
      const query = upload(rowsAt(all.query, [[next], [next]]))
      const { output } = single.forward({ query, ...cache.inputs() })
      const actual = await flash.download(output)
      held.forEach((before, b) => {
        const one = toFloat64Array(slice(actual, 0, b, b + 1))
        expect(largestError(one, expected(b, before, next))).toBeLessThan(tolerance)
        before.push(next)
      })
    }
    for (const made of [cache, verify, single]) made.destroy()
  })

  test('what cannot be kept is said, and the cache stays as it was', async () => {
    const flash = await library()
    const cache = flash.cache({ ...sizes, capacity: 20 })
    const tokens = flash.upload(
      rowsAt(all.key, [
        [0, 1, 2, 3],
        [0, 1, 2, 3],
      ]),
    )
    const given = { key: tokens, value: tokens }
    expect(() => cache.keep([0])).toThrow('cache.keep: needs tokens that were appended last')
    cache.append({ ...given, counts: [4, 2] })
    const bad: [Parameters<typeof cache.keep>[0], string][] = [
      [[0, 4], 'sequence 0 was given 4 tokens last, of which indices are 0..3, got 4'],
      [[[0], [2]], 'sequence 1 was given 2 tokens last, of which indices are 0..1, got 2'],
      [[1, 0], 'indices must ascend, as tokens of a path do, got 0 after 1'],
      [[[0], [1], [1]], 'needs a list for each of 2 sequences, got 3'],
      [[0.5], 'got 0.5'],
    ]
    for (const [indices, message] of bad) expect(() => cache.keep(indices)).toThrow(message)
    expect(cache.lengths).toEqual([4, 2])
    const depths = (list: number[]) => () => cache.append({ ...given, depths: list })
    expect(depths([0, 1])).toThrow(
      'cache.append: depths needs one number for each of 4 rows, got 2',
    )
    expect(depths([0, 1, 1, 4])).toThrow('depths must be integers in 0..3, got 4')
    cache.truncate(1)
    expect(() => cache.keep([0])).toThrow('since the last append tokens were forgotten')
    cache.destroy()
  })

  test.each([false, true])('prompts padded on the left, rotary %s', async (rotary) => {
    const flash = await library()
    const cache = flash.cache({ ...sizes, capacity: 20, ...(rotary ? { rope } : {}) })
    const shared = {
      ...sizes,
      heads,
      keyLength: 20,
      lengths: 'call',
      mask: causal,
      ...(rotary ? { rope: { query: rope } } : {}),
    } as const
    const counts = [2, 6]
    const rows = counts.map((count) =>
      Array.from({ length: 6 }, (_, row) => (row < 6 - count ? 39 : row - (6 - count))),
    )
    const upload = (view: Tensor, at: readonly (readonly number[])[]) =>
      flash.upload(rowsAt(view, at))
    cache.append({
      key: upload(all.key, rows),
      value: upload(all.value, rows),
      counts,
      padding: 'left',
    })
    expect(cache.lengths).toEqual(counts)
    const turn = (view: Tensor): Tensor =>
      rotary ? rotateByDefinition(view, rope, (_sequence, row) => row) : view
    const { output: expected } = standardAttention(turn(all.query), turn(all.key), all.value, {
      mask: causal,
    })
    const check = async (at: number[][], skipped: number[]): Promise<void> => {
      const length = at[0]!.length
      const plan = flash.plan({ ...shared, queryLength: length })
      const { output } = plan.forward({ query: upload(all.query, at), ...cache.inputs() })
      const actual = await flash.download(output)
      at.forEach((list, b) => {
        const one = (view: Tensor, from: number, to: number): Float64Array =>
          toFloat64Array(slice(slice(view, 0, b, b + 1), 2, from, to))
        const first = list[skipped[b]!]!
        expect(
          largestError(
            one(actual, skipped[b]!, length),
            one(expected, first, first + length - skipped[b]!),
          ),
        ).toBeLessThan(1e-5)
      })
      plan.destroy()
    }
    await check(rows, [4, 0])
    // The next token of each.
    const next = counts.map((count) => [count])
    cache.append({ key: upload(all.key, next), value: upload(all.value, next) })
    await check(next, [0, 0])
    expect(() =>
      cache.append({
        key: upload(all.key, next),
        value: upload(all.value, next),
        padding: 'both' as 'left',
      }),
    ).toThrow('cache.append: padding must be left or right, got both')
    cache.destroy()
  })
})
