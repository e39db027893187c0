// Plans of the kind that a test is about.
import type { DecodePlan } from '../../src/plan/decode/decode-plan.ts'
import type { ForwardPlan, HalvesPlan, PassesPlan } from '../../src/plan/forward/forward-plan.ts'
import { passText } from '../../src/plan/forward/pass-text.ts'
import type { ForwardAccesses } from '../../src/plan/forward/pass-text.ts'

function ofKind<Kind extends ForwardPlan['kind']>(
  plan: ForwardPlan,
  kind: Kind,
): Extract<ForwardPlan, { readonly kind: Kind }> {
  if (plan.kind !== kind) throw new Error(`the plan is one of ${plan.kind}, not of ${kind}`)
  return plan as Extract<ForwardPlan, { readonly kind: Kind }>
}

export const inPasses = (plan: ForwardPlan): PassesPlan => ofKind(plan, 'passes')
export const byHalves = (plan: ForwardPlan): HalvesPlan => ofKind(plan, 'halves')
export const decoding = (plan: ForwardPlan): DecodePlan => ofKind(plan, 'decode')

/** The text of a plan's first pass. */
export const firstText = (plan: ForwardPlan, accesses: ForwardAccesses): string =>
  passText(inPasses(plan).passes[0], accesses)
