// When a call goes to the decode kernel: few queries, or lengths that come with each call.
import { rangeError, typeError, UnsupportedError } from '@attn/core'
import type { Capabilities } from '../../device/capabilities.ts'
import { mostDecodedQueries, planDecode } from './decode-plan.ts'
import type { DecodePlan, DecodeProblem } from './decode-plan.ts'
import type { PlanOptions } from '../plan.ts'

/** The decode kernel's part of a plan. */
export interface DecodeDecision {
  /** Set where few queries, or lengths known only per call, are computed by the decode kernel. */
  readonly decode?: DecodePlan | undefined
  /** Why few queries are not. */
  readonly decodeRefused?: string | undefined
}

/**
 * Whether lengths come with each call.
 *
 * @throws RangeError when they are given here as well, TypeError for another word.
 */
export function checkLengthsOption({ lengths = 'plan', ...options }: PlanOptions): boolean {
  if (lengths !== 'plan' && lengths !== 'call') {
    throw typeError(`flash.plan: lengths must be plan or call, got ${String(lengths)}`)
  }
  if (lengths === 'plan') return false
  for (const name of ['keyLengths', 'queryOffset', 'sequences', 'tile'] as const) {
    if (options[name] !== undefined) {
      throw rangeError(`flash.plan: ${name} cannot be given here with lengths 'call'`)
    }
  }
  if (options.training) throw rangeError(`flash.plan: training needs lengths 'plan', got call`)
  return true
}

/**
 * Decides, and plans where it is for it.
 *
 * @throws UnsupportedError when lengths come with each call and the kernel does not fit.
 */
export function decideDecode(problem: DecodeProblem, capabilities: Capabilities): DecodeDecision {
  const { lengthsPerCall, shape } = problem
  if (!lengthsPerCall && shape.queryLength > mostDecodedQueries) return {}
  const choice = problem.attention.dropout?.within
    ? { refused: 'dropout of packed sequences counts pairs in another way' }
    : planDecode(problem, capabilities)
  if (!('refused' in choice)) return { decode: choice }
  if (lengthsPerCall) throw new UnsupportedError(`flash.plan: ${choice.refused}`)
  return { decodeRefused: choice.refused }
}
