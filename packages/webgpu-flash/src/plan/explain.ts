// What a plan will do and why, as data: the tiles it visits, the operations and the bytes, and the
// memory it holds beyond the tensors it is given.
import type { Capabilities } from '../device/capabilities.ts'
import { elementBytes } from '../gpu-tensor.ts'
import type { BackwardExplanation } from './backward/explain-backward.ts'
import type { Call } from './call.ts'
import { explainDecode } from './decode/explain-decode.ts'
import type { KernelAccount, PlanExplanation, PlannedCall } from './explanation.ts'
import { explainHalves, explainPasses } from './forward/explain-passes.ts'
import type { ForwardPlan } from './forward/forward-plan.ts'
import { explainRope } from './rotate/explain-rope.ts'

/** Accounts for a plan. */
export function explainPlan(
  plan: ForwardPlan,
  capabilities: Capabilities,
  backward?: BackwardExplanation,
): PlanExplanation {
  const { call } = plan
  const { batch, heads, queryLength, keyLength, valueDim } = call.shape
  const { memoryBytes, ...account } = accountOf(plan, capabilities)
  const rope = explainRope(call, account.tile.queries, capabilities)
  const rows = batch * heads * queryLength
  const bytes = elementBytes(call.dtype)
  return {
    call: plannedCall(call),
    ...account,
    ...(backward ? { backward } : {}),
    memoryBytes: {
      output: rows * valueDim * bytes,
      logSumExp: rows * 4,
      ...memoryBytes,
      tables: 4 * call.data.length,
      rotated: rope?.bytes ?? 0,
    },
    scoreBytes: rows * keyLength * bytes,
    ...(rope ? { rope } : {}),
  }
}

function accountOf(plan: ForwardPlan, capabilities: Capabilities): KernelAccount {
  if (plan.kind === 'decode') return explainDecode(plan, capabilities)
  if (plan.kind === 'halves') return explainHalves(plan, capabilities)
  return explainPasses(plan, capabilities)
}

function plannedCall({ shape, dtype, attention }: Call): PlannedCall {
  const { mask, scoreModifiers, dropout, sinks, sequences } = attention
  return {
    ...shape,
    dtype,
    ...(mask ? { mask: mask.name } : {}),
    scoreModifiers: scoreModifiers.map(({ name }) => name),
    dropout: dropout !== undefined,
    sinks: sinks !== undefined,
    ...(sequences ? { sequences: sequences.keyLengths.length } : {}),
  }
}
