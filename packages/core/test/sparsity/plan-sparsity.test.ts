import { describe, expect, it } from 'vitest'
import { compile, mask, planSparsity, unionParts } from '@attn/core'
import type { Mask, OrderProposal } from '@attn/core'

const window = mask('window', ({ query, key }) => key.le(query).and(key.ge(query.sub(16))))
const column = mask('column', ({ query, key }) => key.le(query).and(query.sub(key).mod(16).eq(0)))
const merged: Mask = {
  ...mask('merged', () => window.expression.or(column.expression)),
  orders: [{ kind: 'residues', stride: 16 }],
}
const shape = { batch: 2, heads: 3, queryLength: 1024, keyLength: 1024 }
const sizes = { queryBlockSize: 16, keyBlockSize: 16 }

describe('unionParts', () => {
  it('takes a union apart, also below a conjunction', () => {
    const masks = {
      merged,
      distributed: mask('distributed', ({ query, key, head }) =>
        key.le(query).and(key.lt(4).or(head.eq(1)).or(key.mod(7).eq(0))),
      ),
    }
    expect(unionParts(masks.merged)).toHaveLength(2)
    expect(unionParts(masks.distributed)).toHaveLength(3)
    expect(unionParts(window)).toEqual([window])
    for (const whole of Object.values(masks)) {
      const visible = compile(whole.expression)
      const parts = unionParts(whole).map((part) => compile(part.expression))
      for (let query = 0; query < 20; query++) {
        for (let key = 0; key < 20; key++) {
          const point = { query, key, head: query % 2 }
          expect(parts.some((part) => part(point) === 1)).toBe(visible(point) === 1)
        }
      }
    }
  })
})

describe('planSparsity', () => {
  it('looks at no order unless a mask proposes one', () => {
    const plan = planSparsity(window, shape, sizes)
    expect(plan.candidates.map(({ name }) => name)).toEqual(['one pass in natural order'])
    expect(plan.passes).toHaveLength(1)
    expect(plan.passes[0]!.mask).toBe(window)
  })

  it('splits a union, each part in the order that suits it', () => {
    const plan = planSparsity(merged, shape, sizes)
    expect(plan.candidates[plan.chosen]).toMatchObject({
      name: '2 passes: natural order; queries and keys by residues mod 16',
      passes: 2,
      // The window: 64 + 63 + 62 tiles; 16 classes of 4 tiles: 10 each; for 2 x 3 heads.
      tiles: 6 * (64 + 63 + 16 * 10),
    })
    expect(plan.candidates[0]!.tiles).toBe(6 * ((64 * 65) / 2))
  })

  it.each([16, 20, 24, 32, 48])('plans %i tokens, of which no period is whole', (length) => {
    const fifth: Mask = {
      ...mask('fifth', ({ query, key, head }) =>
        key.le(query).and(
          head
            .eq(0)
            .and(key.ge(query.sub(5)))
            .or(query.sub(key).mod(5).eq(0)),
        ),
      ),
      orders: [{ kind: 'residues', stride: 5 }],
    }
    const short = { batch: 1, heads: 2, queryLength: length, keyLength: length }
    const plan = planSparsity(fifth, short, { queryBlockSize: 64, keyBlockSize: 32 })
    expect(plan.candidates[plan.chosen]!.tiles).toBeGreaterThan(0)
  })

  it('splits into disjoint passes that see what the mask sees', () => {
    const visible = compile(merged.expression)
    const passes = planSparsity(merged, shape, sizes).passes.map(({ mask }) =>
      compile(mask.expression),
    )
    for (let query = 0; query < 100; query++) {
      for (let key = 0; key < 100; key++) {
        const seen = passes.reduce((sum, pass) => sum + pass({ query, key }), 0)
        expect(seen).toBe(visible({ query, key }))
      }
    }
  })

  it('leaves a mask in natural order where nothing is gained', () => {
    const orders: OrderProposal[] = [
      { kind: 'residues', stride: 16 },
      { kind: 'periodicKeys', period: 16, first: 12, count: 4 },
    ]
    const plan = planSparsity(window, shape, sizes, orders)
    expect(plan.chosen).toBe(0)
    expect(plan.passes[0]!.queryOrder).toBeUndefined()
  })

  it('takes no order that leaves out keys that are seen', () => {
    const summaries = mask('summaries', ({ query, key }) => key.le(query).and(key.mod(32).ge(28)))
    const proposal = { kind: 'periodicKeys', period: 32, first: 28, count: 4 } as const
    const plan = planSparsity(summaries, shape, sizes, [proposal])
    expect(plan.passes[0]!.keyOrder?.name).toBe('places 28 to 31 of every 32')
    const wrong = planSparsity(summaries, shape, sizes, [{ ...proposal, first: 0 }])
    expect(wrong.passes[0]!.keyOrder).toBeUndefined()
  })
})
