// What passes have to do with one another: who rounds float16 gradients that several sum, in which order workgroups begin,
// and how heads that are not split are passed over.
import { describe, expect, it } from 'vitest'
import type { Capabilities } from '../../../src/device/capabilities.ts'
import { planBackward } from '../../../src/plan/backward/backward-plan.ts'
import type { BackwardPlan } from '../../../src/plan/backward/backward-plan.ts'
import { planForward } from '../../../src/plan/plan.ts'
import type { PlanOptions } from '../../../src/plan/plan-options.ts'
import { fixed, strided } from '../../../test-gpu/ordered-masks.ts'
import { withMatrices } from '../matrix-devices.ts'

const binding = (maxStorageBuffersPerShaderStage: number): Capabilities => ({
  ...withMatrices,
  limits: { ...withMatrices.limits, maxStorageBuffersPerShaderStage },
})
const base: PlanOptions = { heads: 2, queryLength: 4096, headDim: 64, dtype: 'float16' }

function plan(options: Partial<PlanOptions>, device = binding(10)): BackwardPlan {
  const forward = planForward({ ...base, ...options }, device)
  return planBackward('flash.plan', forward, {}, device)
}

describe('gradients of float16 that several passes sum', () => {
  it('are rounded by the last of them, where it may bind totals and gradients', () => {
    const mask = strided(64)
    const finishes = ({ query, key }: BackwardPlan) => [query.finishes, key.finishes]
    expect(finishes(plan({ mask }))).toEqual([true, true])
    expect(finishes(plan({ mask }, binding(8)))).toEqual([true, false])
  })

  it('are rounded on their own where the last pass leaves out rows, or is cut', () => {
    const { key } = plan({ mask: fixed(64, 4) })
    expect([key.totals, key.finishes]).toEqual([true, false])
    const cut = plan({ mask: strided(64), workBudget: 1e6 })
    expect([cut.query.totals, cut.key.totals]).toEqual([true, true])
    expect([cut.query.finishes, cut.key.finishes]).toEqual([false, false])
  })
})

describe('heads of float32 that are not split', () => {
  it('are passed over in the orders of the others', () => {
    const { query, key } = plan({ dtype: 'float32', queryLength: 65_536, mask: strided(256) })
    for (const { passes, leftOut, totals } of [query, key]) {
      expect(totals).toBe(false)
      expect(leftOut.map(({ continues }) => continues)).toEqual([false, true])
      expect(leftOut.map(({ orders }) => orders === undefined)).toEqual(
        passes.map(({ orders }) => orders === undefined),
      )
    }
  })
})

describe('the rows of a pass', () => {
  const longestFirst = (options: Partial<PlanOptions>) =>
    plan(options).key.passes.map((pass) => pass.longestFirst)

  it('begin with the longest, but those in an order of their own where they are many', () => {
    const mask = strided(256)
    expect(longestFirst({ queryLength: 65_536, heads: 8, mask })).toEqual([true, false])
    expect(longestFirst({ mask: strided(64) })).toEqual([true, true])
  })
})
