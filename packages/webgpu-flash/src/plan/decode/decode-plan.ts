// Planning attention of few query rows, or of lengths known only when it runs: the kernels that may compute its calls.
import { UnsupportedError } from '@attn/core'
import type { AttentionShape } from '@attn/core'
import type { ScoreRules } from '../../codegen/snippets.ts'
import type { Capabilities } from '../../device/capabilities.ts'
import { rulesOfPairs } from '../call.ts'
import type { Call } from '../call.ts'
import type { Planned, Refusal } from '../planned.ts'
import type { DecodeFamily, DecodeKernel, DecodeKeys } from './decode-kernel.ts'
import { decodeOnIntegers, fourBitsOnIntegers } from './integers-kernel.ts'
import { blocksOnMatrices, decodeOnMatrices } from './matrix-kernel.ts'
import { decodeOnThreads } from './threads-kernel.ts'
import type { WantedDecodeTile } from './wanted-decode-tile.ts'

/** Queries of a sequence up to which each key is rather read once than multiplied fast. */
export const mostDecodedQueries = 16

/** Those that are preferred come first; the last reads tensors however they lie. */
const families: readonly [...DecodeFamily[], DecodeFamily] = [
  blocksOnMatrices,
  decodeOnMatrices,
  fourBitsOnIntegers,
  decodeOnIntegers,
  decodeOnThreads,
]

/** A plan on the decode kernels. */
export interface DecodePlan extends Planned {
  readonly kind: 'decode'
  /** Each call is computed by the first that suits its tensors, which the last one does. */
  readonly kernels: readonly [DecodeKernel, ...DecodeKernel[]]
  readonly rules: ScoreRules
  readonly reason: string
}

/**
 * Plans a call for the decode kernels, or says why not; undefined where there are too many queries for them.
 *
 * @param wanted - A tile to use instead of the choice, or parts of one.
 * @throws RangeError for a wanted tile that does not fit, UnsupportedError when lengths come with each call and no
 *   kernel fits.
 */
export function planDecode(
  call: Call,
  wanted: WantedDecodeTile | undefined,
  { origin, tuned }: Pick<Planned, 'origin' | 'tuned'>,
  capabilities: Capabilities,
): DecodePlan | Refusal | undefined {
  const { shape, lengthsPerCall } = call
  if (!lengthsPerCall && shape.queryLength > mostDecodedQueries) return undefined
  const kernels = decodeKernels(call, wanted ?? {}, capabilities)
  if ('refused' in kernels) {
    if (lengthsPerCall) throw new UnsupportedError(`flash.plan: ${kernels.refused}`)
    return kernels
  }
  const reason = reasonFor(call, kernels[0])
  return { kind: 'decode', call, origin, tuned, kernels, rules: rulesOfPairs(call), reason }
}

function decodeKernels(
  call: Call,
  wanted: WantedDecodeTile,
  capabilities: Capabilities,
): DecodePlan['kernels'] | Refusal {
  if (call.attention.dropout?.within) {
    return { refused: 'dropout of packed sequences counts pairs in another way' }
  }
  const choices = families.map((family) => family(call, wanted, capabilities))
  const forAny = choices.at(-1)!
  if ('refused' in forAny) return forAny
  const [first = forAny, ...others] = choices.flatMap((choice) =>
    'refused' in choice ? [] : choice,
  )
  return [first, ...others]
}

function reasonFor(
  { shape: { heads, kvHeads, queryLength } }: Call,
  { mostParts, preferred }: DecodeKernel,
): string {
  if (queryLength > mostDecodedQueries) {
    return 'lengths come with each call, for which only this kernel is made; a plan for fixed lengths is faster for so many queries'
  }
  const shared = heads > kvHeads ? `, by the ${heads / kvHeads} heads that share it at once` : ''
  return `${queryLength === 1 ? 'one query' : `only ${queryLength} queries`} a sequence, so time is that of reading keys and values: each is read once${shared}, by up to ${mostParts} workgroups whose results are merged${preferred}`
}

/** The kernel of a call over these tensors. */
export function kernelFor({ kernels }: DecodePlan, tensors: DecodeKeys): DecodeKernel {
  return kernels.find((kernel) => kernel.suits(tensors)) ?? kernels.at(-1)!
}

/** Bytes of the buffers that parts of rows are written to, whichever kernel a call takes. */
export function decodeScratch(
  { batch, heads, queryLength, valueDim }: AttentionShape,
  kernels: readonly Pick<DecodeKernel, 'mostParts'>[],
): { readonly output: number; readonly softmax: number } {
  const mostParts = Math.max(...kernels.map((kernel) => kernel.mostParts))
  const rows = batch * heads * queryLength * mostParts
  return mostParts > 1
    ? { output: 16 * rows * Math.ceil(valueDim / 4), softmax: 8 * rows }
    : { output: 0, softmax: 0 }
}
