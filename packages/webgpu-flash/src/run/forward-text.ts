// The text of a plan's kernel, made once for each way its tensors can be read: a cache of keys is read
// in the same way at every layer and step.
import { forwardCode } from '../plan/plan.ts'
import type { ForwardAccesses, ForwardPlan } from '../plan/plan.ts'

const knownTexts = new WeakMap<ForwardPlan, Map<string, string>>()

/** The WGSL of a plan for tensors with these accesses. */
export function forwardText(plan: ForwardPlan, accesses: ForwardAccesses): string {
  let texts = knownTexts.get(plan)
  if (!texts) knownTexts.set(plan, (texts = new Map()))
  const key = JSON.stringify(accesses)
  let text = texts.get(key)
  if (text === undefined) texts.set(key, (text = forwardCode(plan, accesses)))
  return text
}
