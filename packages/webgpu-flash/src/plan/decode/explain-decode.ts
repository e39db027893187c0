// The account of a plan on the decode kernel: what it reads, and how keys are spread over workgroups.
import { elementBytes } from '../../gpu-tensor.ts'
import type { Capabilities } from '../../device/capabilities.ts'
import { cutDecode } from './decode-dispatches.ts'
import type { DecodingPlan } from './decode-dispatches.ts'
import { decodeLengths } from './decode-lengths.ts'
import { decodeScratch } from './decode-plan.ts'
import { decodeMatrixMemory } from './decode-matrix-tile.ts'
import type { DecodeMatrixTile } from './decode-matrix-tile.ts'
import type { DecodeTile } from './decode-tile.ts'
import { contiguousTensors } from '../contiguous-tensors.ts'
import type { PlanExplanation } from '../explain.ts'
import { describeOrigin } from '../tuning.ts'

/** How a plan on the decode kernel spreads its work. Plain data. */
export interface DecodeExplanation {
  readonly tile: DecodeTile
  /** Set where calls are computed on subgroup matrices, if their tensors lie in whole vectors. */
  readonly matrix?: DecodeMatrixTile | undefined
  /** Query rows that share each read of a key: of H / Hkv heads. */
  readonly rowsPerKey: number
  /** Parts that the keys of a row are cut into, and keys of each. With lengths per call, the most. */
  readonly parts: number
  readonly keysPerPart: number
  readonly workgroups: number
  /** Whether lengths belong to the plan or come with each call. */
  readonly lengths: 'plan' | 'call'
}

/** Accounts for what differs from the other kernels. Blocks are chunks of keys of a key head. */
export function explainDecode(
  plan: DecodingPlan,
  capabilities: Capabilities,
): Omit<PlanExplanation, 'call' | 'rope' | 'backward' | 'scoreBytes'> {
  const { call, decode } = plan
  const { shape, dtype, attention, visibility } = call
  const { batch, heads, kvHeads, queryLength, keyLength, headDim, valueDim } = shape
  const { tile, matrix } = decode
  const spread = matrix ?? decode
  const { groupRows, rowTiles, chunkKeys: keys } = spread
  const lengths = decodeLengths(spread, shape, visibility, attention)
  const [query, key, value, output, logSumExp] = contiguousTensors(call, capabilities)
  const bound = {
    query: query!,
    key: key!,
    value: value!,
    output: output!,
    logSumExp: logSumExp!,
  }
  const boxes = cutDecode('plan.explain', call, spread, bound, lengths, capabilities.limits)
  const total = batch * kvHeads * Math.ceil(keyLength / keys)
  const visited = kvHeads * lengths.visited
  const tails = attention.keyLengths.filter((length) => length % keys !== 0).length * kvHeads
  const partial = attention.mask ? visited : tails
  const rows = batch * heads * queryLength
  const bytes = elementBytes(dtype)
  const scratch = decodeScratch(shape, decode)
  const merged = lengths.parts > 1
  const merges = merged ? boxes.filter(({ parts }) => parts.start === 0).length : 0
  const partBytes = merged ? rows * lengths.parts * (16 * Math.ceil(valueDim / 4) + 8) : 0
  return {
    variant: 'decode',
    reason: describeOrigin(plan.tileOrigin, decode.reason),
    tile: {
      queries: (matrix?.tile ?? tile).rows,
      keys,
      threadRows: matrix?.tile.subgroups ?? tile.threads / tile.lanes,
      threadColumns: matrix?.tile.subgroupSize ?? tile.lanes,
      dimChunk: headDim,
      valueChunk: keys,
    },
    workgroupMemoryBytes: matrix
      ? decodeMatrixMemory(matrix.tile, headDim, valueDim).bytes
      : decode.memory.bytes,
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
    memoryBytes: {
      output: rows * valueDim * bytes,
      logSumExp: rows * 4,
      blockMap: 0,
      parts: scratch.output + scratch.softmax,
      tables: 4 * call.data.length,
      rotated: 0,
    },
    decode: {
      tile,
      ...(matrix ? { matrix: matrix.tile } : {}),
      rowsPerKey: groupRows,
      parts: lengths.parts,
      keysPerPart: lengths.partChunks * keys,
      workgroups: batch * kvHeads * rowTiles * lengths.parts,
      lengths: call.lengthsPerCall ? 'call' : 'plan',
    },
  }
}
