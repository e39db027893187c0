// A pass on a device: its block map, and memory for parts of long rows.
import type { BufferPool } from '../../device/buffers.ts'
import { partBytes } from '../../plan/forward/passes.ts'
import type { ForwardPass } from '../../plan/forward/passes.ts'
import { packBlockMap } from '../../plan/pack-block-map.ts'

/** Uploads words of a plan that no call changes. */
export type PlanUpload = (label: string, words: Uint32Array) => GPUBuffer

/** The block map on the GPU, once for each order of its rows that calls ask for. */
export interface BlockMapBuffers {
  /** Rows longest first, or in order, as calls need whose heads are too large to bind at once. */
  get(order: 'longest first' | 'ascending'): GPUBuffer
}

/** A pass with its buffers. */
export interface BoundPass {
  readonly pass: ForwardPass
  readonly blockMaps: BlockMapBuffers
  /** The map of long rows, and the results of their parts; undefined where there are none. */
  readonly parts:
    | {
        readonly blockMap: GPUBuffer
        /** Vectors of float32: `[B, H, parts, tile rows, ceil(Dv / 4)]`. */
        readonly output: GPUBuffer
        /** `[B, H, parts, tile rows]`. */
        readonly logSumExp: GPUBuffer
      }
    | undefined
  destroy(): void
}

/** Uploads the block map of a pass, and allocates what it needs besides. */
export function bindPass(pass: ForwardPass, upload: PlanUpload, buffers: BufferPool): BoundPass {
  const { blockMap, packedMap, longRows } = pass
  const usual = upload('block map', packedMap?.words ?? new Uint32Array(4))
  let ascending: GPUBuffer | undefined
  const bytes = partBytes(pass)
  const parts = longRows && {
    blockMap: upload('map of long rows', longRows.words),
    output: buffers.allocate('parts of long rows', bytes.output),
    logSumExp: buffers.allocate('log-sum-exp of parts', bytes.logSumExp),
  }
  return {
    pass,
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
