// The tile of the kernels that compute attention weights: scores alone, so that registers are no concern
// and workgroup memory holds but the operands of one product.
import { isSoftware } from '../../device/software.ts'
import type { Capabilities } from '../../device/capabilities.ts'
import { transposedStride } from '../../kernels/tile/source.ts'
import type { ThreadGrid } from '../../kernels/tile/grid.ts'
import type { WeightsConfig } from '../../kernels/weights/weights.wgsl.ts'

/** A grid with what the product on it takes of workgroup memory. */
export type WeightsTile = Pick<WeightsConfig, 'grid' | 'dimChunk' | 'memory'>

/** Four by four scores a thread. */
const usual: ThreadGrid = { tileRows: 64, tileColumns: 64, threadRows: 16, threadColumns: 16 }
/** For a decoding step, or the last few queries of a prompt. */
const fewRows: ThreadGrid = { tileRows: 16, tileColumns: 64, threadRows: 4, threadColumns: 16 }
/** In software a barrier costs more than what it guards, so that fewer threads are faster. */
const software: ThreadGrid = { tileRows: 32, tileColumns: 32, threadRows: 8, threadColumns: 8 }

const dimChunk = 16

/** The tile for so many rows on a device. */
export function weightsTile(rows: number, capabilities: Capabilities): WeightsTile {
  const grid = isSoftware(capabilities) ? software : rows <= 16 ? fewRows : usual
  const key = dimChunk * transposedStride(grid.tileColumns)
  const query = dimChunk * transposedStride(grid.tileRows)
  const shared = Math.max(
    (grid.threadRows * grid.tileColumns) / 4,
    grid.tileRows * grid.threadColumns,
  )
  return {
    grid,
    dimChunk,
    memory: {
      query: key,
      vectors: Math.max(key + query, shared),
      note: `16 bytes times: K ${key} and Q ${query}, or ${shared} for what threads share at the end`,
    },
  }
}
