// The passes of a plan on a device: their block maps, and memory for parts of long rows.
import type { BufferPool } from '../../device/buffers.ts'
import { decodeScratch } from '../../plan/decode/decode-plan.ts'
import { packBlockMap } from '../../plan/pack-block-map.ts'
import { partBytes, passesOf } from '../../plan/forward/passes.ts'
import { measureBytes } from '../../plan/forward/split-products.ts'
import type { SplitProducts } from '../../plan/forward/split-products.ts'
import type { SplitTensor } from '../../kernels/forward/split/inputs.ts'
import type { ForwardPlan } from '../../plan/plan.ts'

/** The block map on the GPU, once for each order of its rows that calls ask for. */
export interface BlockMapBuffers {
  /** Rows longest first, or in order, as calls need whose heads are too large to bind at once. */
  get(order: 'longest first' | 'ascending'): GPUBuffer
}

/** A pass with its buffers. */
export interface BoundPass {
  readonly plan: ForwardPlan
  readonly blockMaps: BlockMapBuffers
  /** Where rows are cut: the map of long ones, and the results of their parts. */
  readonly parts:
    | {
        readonly blockMap?: GPUBuffer
        /** Vectors of float32: `[B, H, parts, tile rows, ceil(Dv / 4)]`. */
        readonly output: GPUBuffer
        /** `[B, H, parts, tile rows]`; of decode kernels maximum and sum, `[B, H, L, parts, 2]`. */
        readonly logSumExp: GPUBuffer
      }
    | undefined
  destroy(): void
}

/** Uploads the block maps of a plan's passes. */
export function bindPasses(
  plan: ForwardPlan,
  upload: (label: string, words: Uint32Array) => GPUBuffer,
  buffers: BufferPool,
): readonly BoundPass[] {
  return passesOf(plan).map((pass) => bindPass(pass, upload, buffers))
}

/** The kernel of halves with its buffers. */
export interface BoundSplit {
  readonly split: SplitProducts
  readonly pass: BoundPass
  /** The halves of the tensors, and what their planes measure. */
  readonly buffers: Readonly<Record<SplitTensor | 'measures', GPUBuffer>>
  destroy(): void
}

/** Allocates what a plan needs to compute by halves. */
export function bindSplit(
  split: SplitProducts,
  upload: (label: string, words: Uint32Array) => GPUBuffer,
  buffers: BufferPool,
): BoundSplit {
  const pass = bindPass(split.plan, upload, buffers)
  const { bytes } = split
  const own = {
    query: buffers.allocate('halves of queries', bytes.query),
    key: buffers.allocate('halves of keys', bytes.key),
    value: buffers.allocate('halves of values', bytes.value),
    measures: buffers.allocate('magnitudes of planes', measureBytes(split)),
  }
  return {
    split,
    pass,
    buffers: own,
    destroy: () => {
      pass.destroy()
      Object.values(own).forEach((buffer) => buffers.release(buffer))
    },
  }
}

function bindPass(
  plan: ForwardPlan,
  upload: (label: string, words: Uint32Array) => GPUBuffer,
  buffers: BufferPool,
): BoundPass {
  const { call, blockMap, packedMap, splitRows, decode } = plan
  const usual = upload('block map', packedMap?.words ?? new Uint32Array(4))
  let ascending: GPUBuffer | undefined
  const bytes = partBytes(plan)
  const scratch = decode && decodeScratch(call.shape, decode)
  const parts = splitRows
    ? {
        blockMap: upload('map of long rows', splitRows.words),
        output: buffers.allocate('parts of long rows', bytes.output),
        logSumExp: buffers.allocate('log-sum-exp of parts', bytes.logSumExp),
      }
    : scratch && scratch.output > 0
      ? {
          output: buffers.allocate('parts of rows', scratch.output),
          logSumExp: buffers.allocate('maxima and sums of parts', scratch.softmax),
        }
      : undefined
  return {
    plan,
    blockMaps: {
      get: (order) => {
        if (order === 'longest first' || !blockMap) return usual
        return (ascending ??= upload('ordered block map', packBlockMap(blockMap, order).words))
      },
    },
    parts,
    destroy: () => {
      for (const buffer of [usual, ascending, ...Object.values(parts ?? {})]) {
        if (buffer) buffers.release(buffer)
      }
    },
  }
}
