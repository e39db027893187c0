// The forward kernel on subgroup matrices with a tile: of elements as they are, where the adapter multiplies their type.
import type { AttentionShape, DType } from '@attn/core'
import type { Capabilities } from '../../device/capabilities.ts'
import { forwardMatrixKernel } from '../../kernels/forward/matrix/forward-matrix.wgsl.ts'
import type { Call } from '../call.ts'
import type { KernelChoice, MatrixKernel } from './forward-kernel.ts'
import { maskedCost } from './masked-cost.ts'
import { askedMatrixTile, matrixMemory, matrixTiles, whyNoMatrixTile } from './matrix-tile.ts'
import type { MatrixTile } from './matrix-tile.ts'
import type { MatrixTileSizes } from './matrix-tile-sizes.ts'

function matrixKernel(
  tile: MatrixTile,
  { headDim, valueDim, keyLength }: AttentionShape,
  dtype: DType,
  { limits }: Capabilities,
): MatrixKernel {
  const memory = matrixMemory(tile, headDim, valueDim)
  // All workgroups of a multiprocessor share about as much memory as one may have.
  const atOnce = Math.max(1, Math.floor(limits.maxComputeWorkgroupStorageSize / memory.bytes))
  return {
    kind: 'subgroup-matrix',
    tile,
    threads: tile.subgroups * tile.subgroupSize,
    workgroupBytes: memory.bytes,
    readsEights: true,
    cost: (maps, asksPairs) => maskedCost(tile, maps, asksPairs, atOnce),
    reason: () => onMatrices(dtype, tile),
    text: (config) =>
      forwardMatrixKernel({
        ...config,
        tile,
        memory,
        wholeTiles: hasWholeTiles(config, tile, keyLength),
      }),
  }
}

/** What is multiplied on which matrices, in words. */
export function onMatrices(numbers: string, { matrix, sums, subgroupSize }: MatrixTile): string {
  const { rows, columns, depth } = matrix
  return `${numbers} on matrices of ${rows}x${columns}x${depth} with ${sums === 'f32' ? 'float32 sums' : 'float16 sums of one tile'}, which the adapter multiplies by subgroups of ${subgroupSize}`
}

/** Whether every tile is visited and full. */
export function hasWholeTiles(
  { blockMap }: { readonly blockMap: boolean },
  { keys }: MatrixTile,
  keyLength: number,
): boolean {
  return !blockMap && keyLength % keys === 0
}

/** The kernel with a tile of these sizes; undefined where it does not divide or fit. */
export function matrixKernelOf(
  { shape, dtype }: Call,
  capabilities: Capabilities,
  sizes: MatrixTileSizes,
): MatrixKernel | undefined {
  const tile = askedMatrixTile(shape, capabilities, dtype, sizes)
  return tile && matrixKernel(tile, shape, dtype, capabilities)
}

/** The kernel with each of the tiles that suit the call, or why there is none. */
export function matrixKernels(
  { shape, dtype }: Call,
  capabilities: Capabilities,
): KernelChoice<MatrixKernel> {
  const [first, ...smaller] = matrixTiles(shape, capabilities, dtype).map((tile) =>
    matrixKernel(tile, shape, dtype, capabilities),
  )
  return first
    ? { kernels: [first, ...smaller] }
    : { refused: whyNoMatrixTile(shape, capabilities, dtype) }
}
