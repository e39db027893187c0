// The account of a plan on the decode kernel: what it reads, and how keys are spread over workgroups.
import { elementBytes } from '../../gpu-tensor.ts'
import type { Capabilities } from '../../device/capabilities.ts'
import { cutDecode } from './decode-dispatches.ts'
import { decodeLengths } from './decode-lengths.ts'
import { decodeScratch, kernelFor } from './decode-plan.ts'
import type { DecodePlan } from './decode-plan.ts'
import { contiguousTensors } from '../contiguous-tensors.ts'
import type { DecodeExplanation, KernelAccount } from '../explanation.ts'
import { describeOrigin } from '../tuning.ts'

/** Accounts for what differs from the other kernels. Blocks are chunks of keys of a key head. */
export function explainDecode(plan: DecodePlan, capabilities: Capabilities): KernelAccount {
  const { call, kernels } = plan
  const { shape, dtype, attention, visibility } = call
  const { batch, heads, kvHeads, queryLength, keyLength, headDim, valueDim } = shape
  const [query, key, value, output, logSumExp] = contiguousTensors(call, capabilities)
  const bound = {
    query: query!,
    key: key!,
    value: value!,
    output: output!,
    logSumExp: logSumExp!,
  }
  // That of tensors in the type of the call.
  const kernel = kernelFor(plan, { key: bound.key.view, value: bound.value.view })
  const { groupRows, rowTiles, chunkKeys: keys } = kernel
  const lengths = decodeLengths(kernel, shape, visibility, attention)
  const boxes = cutDecode('plan.explain', call, kernel, bound, lengths, capabilities.limits)
  const total = batch * kvHeads * Math.ceil(keyLength / keys)
  const visited = kvHeads * lengths.visited
  const tails = attention.keyLengths.filter((length) => length % keys !== 0).length * kvHeads
  const partial = attention.mask ? visited : tails
  const rows = batch * heads * queryLength
  const bytes = elementBytes(dtype)
  const scratch = decodeScratch(shape, kernels)
  const merged = lengths.parts > 1
  const merges = merged ? boxes.filter(({ parts }) => parts.start === 0).length : 0
  const partBytes = merged ? rows * lengths.parts * (16 * Math.ceil(valueDim / 4) + 8) : 0
  return {
    variant: 'decode',
    reason: describeOrigin(plan.origin, plan.reason),
    tile: { queries: kernel.tile.rows, keys },
    threads: kernel.threads,
    workgroupMemoryBytes: kernel.workgroupBytes,
    blocks: { total, visited, full: visited - partial, partial, skipped: total - visited },
    longRows: { rows: 0, parts: 0 },
    floatingPointOperations: visited * keys * groupRows * 2 * (headDim + valueDim),
    dispatches: boxes.length + merges,
    bytes: {
      read:
        (visited * keys * (headDim + valueDim) + rows * headDim * lengths.parts) * bytes +
        partBytes,
      written: rows * (valueDim * bytes + 4) + partBytes,
    },
    memoryBytes: { blockMap: 0, parts: scratch.output + scratch.softmax },
    decode: {
      ...tilesOf(kernels),
      rowsPerKey: groupRows,
      parts: lengths.parts,
      keysPerPart: lengths.partChunks * keys,
      workgroups: batch * kvHeads * rowTiles * lengths.parts,
      lengths: call.lengthsPerCall ? 'call' : 'plan',
    },
  }
}

/** The tiles of the kernels, each in its words. */
function tilesOf(
  kernels: DecodePlan['kernels'],
): Pick<DecodeExplanation, 'tile' | 'matrix' | 'integers'> {
  const tiles = kernels.map(({ kind, tile }) => [kind === 'threads' ? 'tile' : kind, tile])
  return Object.fromEntries(tiles) as ReturnType<typeof tilesOf>
}
