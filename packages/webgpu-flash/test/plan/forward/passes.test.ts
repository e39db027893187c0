import { describe, expect, it } from 'vitest'
import { mask, scoreModifier } from '@attn/core'
import type { Mask } from '@attn/core'
import { defaultCapabilities } from '../../../src/device/capabilities.ts'
import type { PassesPlan } from '../../../src/plan/forward/forward-plan.ts'
import { passText } from '../../../src/plan/forward/pass-text.ts'
import type { ForwardPass } from '../../../src/plan/forward/passes.ts'
import { planForward } from '../../../src/plan/plan.ts'
import type { PlanOptions } from '../../../src/plan/plan-options.ts'
import { inPasses } from '../plans.ts'

const strided: Mask = {
  ...mask('strided', ({ query, key }) =>
    key.le(query).and(query.sub(key).le(64).or(query.sub(key).mod(64).eq(0))),
  ),
  orders: [{ kind: 'residues', stride: 64 }],
}
const natural: Mask = mask('strided', () => strided.expression)
const options = { heads: 2, queryLength: 4096, headDim: 32 }

const access = { dtype: 'float32', vector: true, nativeFloat16: false } as const
const codeOf = (pass: ForwardPass): string =>
  passText(pass, { query: access, key: access, value: access, output: access })
const planOf = (more: Partial<PlanOptions>): PassesPlan =>
  inPasses(planForward({ ...options, ...more }, defaultCapabilities))

describe('passes of a plan', () => {
  it('are those that visit the fewest tiles, each in its order', () => {
    const plan = planOf({ mask: strided })
    const [window, column] = plan.passes
    expect(plan.passes).toHaveLength(2)
    expect([window.orders, window.continues]).toEqual([undefined, false])
    expect([column!.orders?.keyOrder?.name, column!.continues]).toEqual(['residues mod 64', true])
    const tiles = plan.passes.map(({ packedMap }) => packedMap!.visited)
    const whole = planOf({ mask: natural }).passes[0].packedMap!.visited
    expect(tiles[0]! + tiles[1]!).toBeLessThan(whole / 5)
    expect(plan.choice!.reason).toMatch(/times fewer tiles than natural order/)
  })

  it('find tokens by shifts where classes are powers of two', () => {
    const column = planOf({ mask: strided }).passes[1]!
    expect(codeOf(column)).toContain(`fn keyToken(slot: u32) -> u32 {
  return (((slot & 63u) * 64u) + (slot >> 6u));
}`)
    expect(codeOf(column)).toContain('min(keyToken(firstKey + ')
  })

  it('hold nothing past the last slot', () => {
    const classes: Mask = {
      ...mask('classes', ({ query, key }) => query.sub(key).mod(81).eq(0)),
      orders: [{ kind: 'residues', stride: 81 }],
    }
    const [pass] = planOf({ mask: classes, queryLength: 900 }).passes
    expect(pass.orders?.keyOrder?.slots).toBe(81 * 16)
    expect(codeOf(pass)).toContain('if (slot >= 1296u) { return 0xffffffffu; }')
  })

  it('leave the kernel in natural order as it is', () => {
    const [window] = planOf({ mask: strided }).passes
    expect(codeOf(window)).not.toContain('Token')
    expect(codeOf(planOf({ mask: natural }).passes[0])).not.toContain('Token')
  })

  it('ask score modifiers for every pair', () => {
    const bias = scoreModifier('bias', (score, { query, key }) =>
      score.sub(query.sub(key).toFloat().mul(0.1)),
    )
    const [, column] = planOf({ mask: strided, scoreModifiers: [bias] }).passes
    expect(codeOf(column!)).toContain('= modified0(score0_0.x, ')
  })

  it('are one in natural order where a head does not fit a binding', () => {
    const plan = planOf({ mask: strided, queryLength: 2 ** 21 })
    expect(plan.passes.map(({ orders }) => orders)).toEqual([undefined])
    expect(plan.choice!.reason).toMatch('maxStorageBufferBindingSize=134217728')
  })
})
