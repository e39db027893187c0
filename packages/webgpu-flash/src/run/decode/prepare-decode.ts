// A call of the decode kernel made ready to be encoded: lengths and uniform blocks in one buffer, cut
// into dispatches where bindings or the budget of work ask for it.
import type { Access } from '../../codegen/access.ts'
import type { DecodeAccess } from '../../kernels/decode/decode-access.ts'
import { floatWord, forwardFields, packParameters } from '../../kernels/parameters.ts'
import { addressValues } from '../../kernels/tensor-address.ts'
import { count, cutDecode, decodeRanges } from '../../plan/decode/decode-dispatches.ts'
import type { Box } from '../../plan/decode/decode-dispatches.ts'
import { decodeLengths } from '../../plan/decode/decode-lengths.ts'
import type { DecodeLengths } from '../../plan/decode/decode-lengths.ts'
import type { Call } from '../../plan/call.ts'
import type { DecodeAccesses } from '../../plan/decode/decode-kernel.ts'
import { kernelFor } from '../../plan/decode/decode-plan.ts'
import type { DecodePlan } from '../../plan/decode/decode-plan.ts'
import { placesText } from '../../plan/decode/key-places.ts'
import type { DecodeSpread } from '../../plan/decode/decode-spread.ts'
import type { PlanHost } from '../plan-host.ts'
import { boundTensors, dropoutValues, parameterWords } from '../forward/forward-call.ts'
import type { BindingRanges } from '../forward/forward-call.ts'
import { callLengths } from '../forward/call-lengths.ts'
import type { ForwardTensors, Stage } from '../forward/stage.ts'
import { decodeFieldsOf, decodeMergeText, decodeText } from './decode-texts.ts'

const tensorNames = ['query', 'key', 'value', 'output'] as const

/** Where parts leave their results. */
export interface DecodeScratch {
  readonly output: GPUBuffer
  /** Maximum and sum of each row: `[B, H, L, parts, 2]`. */
  readonly softmax: GPUBuffer
}

/** The stages of a call, and the words that its lengths take. */
export function prepareDecode(
  caller: string,
  { capabilities }: PlanHost,
  plan: DecodePlan,
  scratch: DecodeScratch | undefined,
  tensors: ForwardTensors,
): { readonly stages: Stage[]; readonly lengths: Uint32Array } {
  const { call } = plan
  const { shape, attention, visibility } = call
  const given = callLengths(caller, call, tensors)
  const kernel = kernelFor(plan, tensors)
  const accesses = kernel.accesses(tensors)
  const places = placesText(tensors.places)
  const lengths = decodeLengths(kernel, shape, visibility, given ?? attention, tensors.places)
  const whole = lengths.parts === 1
  const bound = boundTensors(tensors)
  const boxes = cutDecode(caller, call, kernel, bound, lengths, capabilities.limits)
  const stage = (code: string, each: readonly Box[], merges: boolean): Stage => ({
    code,
    blockMap: undefined,
    dispatches: each.map((box) => {
      const ranges = decodeRanges(call, kernel, bound, box, lengths, capabilities.limits)
      return {
        ranges,
        words: blockOf(call, kernel, tensors, accesses, ranges, box, lengths),
        workgroups: merges
          ? [
              shape.queryLength,
              (count(box.keyHeads) * shape.heads) / shape.kvHeads,
              count(box.batches),
            ]
          : [count(box.parts) * kernel.rowTiles, count(box.keyHeads), count(box.batches)],
      }
    }),
  })
  const main = stage(decodeText(plan, kernel, accesses, whole, places), boxes, false)
  if (whole) return { stages: [main], lengths: lengths.words }
  const first = boxes.filter(({ parts }) => parts.start === 0)
  const merge = stage(decodeMergeText(plan, kernel, accesses, places), first, true)
  const { output, softmax } = scratch!
  return {
    stages: [
      { ...main, replaced: { output, logSumExp: softmax } },
      { ...merge, replaced: { query: output, key: softmax, value: softmax } },
    ],
    lengths: lengths.words,
  }
}

function blockOf(
  call: Call,
  spread: DecodeSpread,
  tensors: ForwardTensors,
  accesses: DecodeAccesses,
  ranges: BindingRanges,
  { batches, keyHeads, parts }: Box,
  lengths: DecodeLengths,
): Uint32Array {
  const { shape, attention, data } = call
  const values: Record<string, number> = {
    ...Object.fromEntries(forwardFields.map((name) => [name, 0])),
    logSumExpOffset: tensors.logSumExp.offset - ranges.logSumExp.offset / 4,
    queryLength: shape.queryLength,
    keyLength: shape.keyLength,
    heads: shape.heads,
    headsPerKeyHead: shape.heads / shape.kvHeads,
    headBase: keyHeads.start,
    batchBase: batches.start,
    scale: floatWord(attention.scale),
    negativeInfinity: floatWord(-Infinity),
    rowTiles: spread.rowTiles,
    parts: lengths.parts,
    partBase: parts.start,
    partChunks: lengths.partChunks,
    sinkBase: 2 * shape.batch,
    ...dropoutValues(attention),
  }
  for (const name of tensorNames) {
    const view = tensors[name]
    const access: Access & Partial<DecodeAccess> = accesses[name]
    const unit = access.atOnce ?? (access.wide ? 8 : access.vector ? 4 : 1)
    Object.assign(values, addressValues(name, view, unit, ranges[name].offset))
  }
  const parameters = parameterWords(call, tensors.parameters ?? {})
  return packParameters(decodeFieldsOf(call), values, data.descriptors, parameters)
}
