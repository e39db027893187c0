// The text of a plan's kernels, made once for each way its tensors can be read: a cache of keys is read
// in the same way at every layer and step.
import type { Access } from '../../codegen/access.ts'
import { forwardCode, mergePartsCode } from '../../plan/plan.ts'
import type { ForwardAccesses, ForwardPlan } from '../../plan/plan.ts'

const knownTexts = new WeakMap<object, Map<string, string>>()

/** The text that a plan or a call has under a name, made at its first use. */
export function remembered(plan: object, key: string, make: () => string): string {
  let texts = knownTexts.get(plan)
  if (!texts) knownTexts.set(plan, (texts = new Map()))
  let text = texts.get(key)
  if (text === undefined) texts.set(key, (text = make()))
  return text
}

/** The WGSL of a plan for tensors with these accesses. */
export function forwardText(plan: ForwardPlan, accesses: ForwardAccesses): string {
  return remembered(plan, JSON.stringify(accesses), () => forwardCode(plan, accesses))
}

/** The same of a plan for halves, whose inputs are its own. */
export function halvesText(plan: ForwardPlan, output: Access): string {
  const query = { dtype: 'float16', vector: true, nativeFloat16: true } as const
  const staged = { ...query, wide: true }
  return forwardText(plan, { query, key: staged, value: staged, output })
}

/** The same for parts of long rows, whose results are float32. */
export function partsText(plan: ForwardPlan, given: ForwardAccesses): string {
  const output = {
    dtype: 'float32',
    vector: true,
    nativeFloat16: given.output.nativeFloat16,
  } as const
  const accesses = { ...given, output }
  return remembered(plan, `parts ${JSON.stringify(accesses)}`, () =>
    forwardCode(plan, accesses, true),
  )
}

/** The WGSL that merges parts of long rows. */
export function mergeText(plan: ForwardPlan, { output }: ForwardAccesses): string {
  return remembered(plan, `merge ${JSON.stringify(output)}`, () => mergePartsCode(plan, output))
}

/** All that a plan compiles for tensors with these accesses, pass by pass. */
export function passTexts(plan: ForwardPlan, accesses: ForwardAccesses): string[] {
  return [
    forwardText(plan, accesses),
    ...(plan.splitRows ? [partsText(plan, accesses), mergeText(plan, accesses)] : []),
  ]
}
