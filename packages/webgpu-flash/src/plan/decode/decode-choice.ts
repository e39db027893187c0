// When a call goes to the decode kernel: few queries, or lengths that come with each call.
import { UnsupportedError } from '@attn/core'
import type { Capabilities } from '../../device/capabilities.ts'
import { mostDecodedQueries, planDecode } from './decode-plan.ts'
import type { DecodePlan } from './decode-plan.ts'
import type { WantedDecodeTile } from './wanted-decode-tile.ts'
import type { Call } from '../call.ts'

/** The decode kernel's part of a plan. */
export interface DecodeDecision {
  /** Set where few queries, or lengths known only per call, are computed by the decode kernel. */
  readonly decode?: DecodePlan | undefined
  /** Why few queries are not. */
  readonly decodeRefused?: string | undefined
}

/**
 * Decides, and plans where it is for it.
 *
 * @throws UnsupportedError when lengths come with each call and the kernel does not fit.
 */
export function decideDecode(
  call: Call,
  wanted: WantedDecodeTile | undefined,
  capabilities: Capabilities,
): DecodeDecision {
  const { lengthsPerCall, shape } = call
  if (!lengthsPerCall && shape.queryLength > mostDecodedQueries) return {}
  const choice = call.attention.dropout?.within
    ? { refused: 'dropout of packed sequences counts pairs in another way' }
    : planDecode(call, wanted, capabilities)
  if (!('refused' in choice)) return { decode: choice }
  if (lengthsPerCall) throw new UnsupportedError(`flash.plan: ${choice.refused}`)
  return { decodeRefused: choice.refused }
}
