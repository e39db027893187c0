// The forward kernel on subgroup matrices for float32, each of whose numbers comes as two float16 halves.
import type { Capabilities } from '../../device/capabilities.ts'
import { forwardSplitKernel } from '../../kernels/forward/split/forward-split.wgsl.ts'
import type { Call } from '../call.ts'
import type { HalvesKernel } from './forward-kernel.ts'
import { pairsOfTiles } from './masked-cost.ts'
import { hasWholeTiles, onMatrices } from './matrix-kernel.ts'
import { askedMatrixTile, chooseMatrixTile, matrixMemory, whyNoMatrixTile } from './matrix-tile.ts'
import { unfitting } from './matrix-tile-sizes.ts'
import type { MatrixTileSizes } from './matrix-tile-sizes.ts'
import type { Refusal } from '../planned.ts'

/**
 * The kernel for a call, or why there is none.
 *
 * @param sizes - Those of its tile. Default: the planner chooses.
 */
export function halvesKernel(
  { shape }: Call,
  capabilities: Capabilities,
  sizes?: MatrixTileSizes,
): HalvesKernel | Refusal {
  const { headDim, valueDim, keyLength } = shape
  const chosen = chooseMatrixTile(shape, capabilities, 'halves')
  if (!chosen) return { refused: whyNoMatrixTile(shape, capabilities, 'halves') }
  const tile = sizes ? askedMatrixTile(shape, capabilities, 'halves', sizes) : chosen
  if (!tile) return { refused: unfitting }
  const memory = matrixMemory(tile, headDim, valueDim, 2)
  return {
    kind: 'halves',
    tile,
    threads: tile.subgroups * tile.subgroupSize,
    workgroupBytes: memory.bytes,
    readsEights: true,
    cost: (maps) => pairsOfTiles(tile, maps),
    reason: () => onMatrices('float32 by three products of float16 halves', tile),
    text: (config) =>
      forwardSplitKernel({
        ...config,
        tile,
        memory,
        wholeTiles: hasWholeTiles(config, tile, keyLength),
      }),
  }
}
