// The forward kernel in plain WGSL with a tile: the caller's, the one measured on this device, or the one of the least
// estimated time.
import { rangeError } from '@attn/core'
import type { AttentionShape } from '@attn/core'
import type { Capabilities } from '../../device/capabilities.ts'
import { forwardKernel } from '../../kernels/forward/forward.wgsl.ts'
import type { Call } from '../call.ts'
import { pairsOfTiles } from './masked-cost.ts'
import type { KernelChoice, TiledKernel } from './forward-kernel.ts'
import { softwareTile } from './software-tile.ts'
import { chooseTile, rankedTiles, tileBytes, tileMemory } from './tiles.ts'
import type { ForwardTile } from './tiles.ts'

/**
 * The kernel with this tile.
 *
 * @param rolled - Whether its loops stay rolled up: it compiles sooner and runs slower. Default: false.
 */
export function tiledKernel(
  tile: ForwardTile,
  { valueDim }: AttentionShape,
  { limits }: Capabilities,
  rolled = false,
): TiledKernel {
  const { maxComputeWorkgroupStorageSize: most } = limits
  const used = rolled ? inOnePart(tile, valueDim, most) : tile
  const memory = tileMemory(used, valueDim)
  return {
    kind: 'tiled',
    tile,
    threads: tile.threadRows * tile.threadColumns,
    workgroupBytes: 16 * memory.vectors,
    readsEights: false,
    cost: (maps) => pairsOfTiles(tile, maps),
    reason: (why) =>
      `plain WGSL (${why}), the tile of the least estimated time that fits ${most} bytes of workgroup memory and ${limits.maxComputeInvocationsPerWorkgroup} invocations`,
    text: (config) => forwardKernel({ ...config, tile: used, memory, rolled }),
  }
}

/**
 * The tile with all of its probabilities in workgroup memory at a time, where these fit beside fewer dims of Q and K: parts
 * of them are a text each.
 */
function inOnePart(tile: ForwardTile, valueDim: number, most: number): ForwardTile {
  const whole = { ...tile, probabilitiesInChunks: false }
  const fewer = { ...whole, dimChunk: Math.max(8, tile.dimChunk / 2) }
  return [whole, fewer].find((one) => tileBytes(one, valueDim) <= most) ?? tile
}

/** The kernel with the model's tile, which every call has. */
export function tiledKernels(
  { shape }: Call,
  capabilities: Capabilities,
): KernelChoice<TiledKernel> {
  const tile = softwareTile(shape, capabilities) ?? chooseTile(shape, capabilities.limits)
  return { kernels: [tiledKernel(tile, shape, capabilities)] }
}

/** Tiles of a call on a device: the model's choice, then the others. */
export function forwardTiles(shape: AttentionShape, capabilities: Capabilities): ForwardTile[] {
  const ranked = rankedTiles(shape, capabilities.limits)
  const software = softwareTile(shape, capabilities)
  return software ? [software, ...ranked] : ranked
}

/** What keeps a device from running a tile, in words. */
export function tileProblem(
  tile: ForwardTile,
  valueDim: number,
  { limits }: Capabilities,
): string | undefined {
  const bytes = tileBytes(tile, valueDim)
  const threads = tile.threadRows * tile.threadColumns
  const whole =
    tile.queries % (4 * tile.threadRows) === 0 &&
    tile.keys % (4 * tile.threadColumns) === 0 &&
    tile.dimChunk >= 8 &&
    Number.isInteger(Math.log2(tile.dimChunk)) &&
    tile.keys % tile.valueChunk === 0 &&
    (!tile.probabilitiesInChunks || [1, 2, 4].includes(tile.keys / tile.valueChunk))
  if (!whole) return 'the sizes of the tile do not divide; see ForwardTile'
  if (bytes > limits.maxComputeWorkgroupStorageSize) {
    return `the tile needs ${bytes} bytes of workgroup memory, the device has maxComputeWorkgroupStorageSize=${limits.maxComputeWorkgroupStorageSize}`
  }
  if (threads > limits.maxComputeInvocationsPerWorkgroup) {
    return `the tile needs ${threads} threads, the device has maxComputeInvocationsPerWorkgroup=${limits.maxComputeInvocationsPerWorkgroup}`
  }
  return undefined
}

/**
 * Checks a caller's tile.
 *
 * @throws RangeError for sizes that do not divide or fit.
 */
export function checkTile(tile: ForwardTile, valueDim: number, capabilities: Capabilities): void {
  const problem = tileProblem(tile, valueDim, capabilities)
  if (problem !== undefined) throw rangeError(`flash.plan: ${problem}`)
}
