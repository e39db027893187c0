// The kernel and tile of a forward pass: the caller's, else the one measured on this device, else the
// model's choice.
import { rangeError, UnsupportedError } from '@attn/core'
import type { AttentionShape, DType } from '@attn/core'
import type { Capabilities } from '../../device/capabilities.ts'
import { chooseMatrixTile, whyNoMatrixTile } from './matrix-tile.ts'
import type { MatrixTile } from './matrix-tile.ts'
import { softwareTile } from './software-tile.ts'
import { chooseTile, rankedTiles, tileBytes } from './tiles.ts'
import type { ForwardTile } from './tiles.ts'
import type { TileOrigin, TunedTiles, TuningAnswer } from '../tuning.ts'

/** What was chosen. */
export interface ForwardTileChoice {
  readonly tile: ForwardTile
  /** Undefined for the kernel in plain WGSL. */
  readonly matrix: MatrixTile | undefined
  /** Whether few queries go to the decode kernel, where it can compute the call. */
  readonly decodes: boolean
  readonly origin: TileOrigin
  /** What is known of the backward pass of such calls. */
  readonly tuned: TunedTiles
}

/**
 * Chooses the kernel and tile of a call.
 *
 * @param given - The caller's tile.
 * @param answer - What was measured on this device.
 * @throws RangeError for a tile of the caller's that does not divide or fit, UnsupportedError where there are
 *   no matrices that he asks for.
 */
export function chooseForwardTile(
  shape: AttentionShape,
  dtype: DType,
  capabilities: Capabilities,
  given: ForwardTile | 'subgroup-matrix' | undefined,
  answer: TuningAnswer | undefined,
): ForwardTileChoice {
  const tuned = answer && !('ignored' in answer) ? answer : {}
  if (given && given !== 'subgroup-matrix') {
    checkTile(given, shape.valueDim, capabilities)
    return { tile: given, matrix: undefined, decodes: false, origin: { kind: 'given' }, tuned }
  }
  const matrix = chooseMatrixTile(shape, capabilities, dtype)
  const ofMatrix = matrix && { tile: asForwardTile(matrix, shape.headDim), matrix, tuned }
  const plain = { matrix: undefined, tuned }
  const byModel = (ignored?: string): ForwardTileChoice => {
    const origin: TileOrigin = { kind: 'model', ...(ignored === undefined ? {} : { ignored }) }
    if (ofMatrix) return { ...ofMatrix, decodes: true, origin }
    const tile = softwareTile(shape, capabilities) ?? chooseTile(shape, capabilities.limits)
    return { ...plain, tile, decodes: true, origin }
  }
  if (given) {
    if (dtype !== 'float32' && !ofMatrix) {
      throw new UnsupportedError(
        `flash.plan: tile 'subgroup-matrix' is not to be had: ${whyNoMatrixTile(shape, capabilities, dtype)}`,
      )
    }
    return { ...byModel(), decodes: false, origin: { kind: 'given' }, tuned: {} }
  }
  if (answer && 'ignored' in answer) return byModel(answer.ignored)
  if (!tuned.forward) return byModel()
  const { tile, speedUp } = tuned.forward
  const origin: TileOrigin = { kind: 'tuned', speedUp }
  if (tile === 'decode') return { ...byModel(), origin }
  // Of float32 the plan carries both kernels; see split-products.ts.
  if (
    tile === 'subgroup-matrix' &&
    dtype === 'float32' &&
    chooseMatrixTile(shape, capabilities, 'halves')
  ) {
    return { ...byModel(), origin }
  }
  if (tile === 'subgroup-matrix') {
    return ofMatrix
      ? { ...ofMatrix, decodes: false, origin }
      : byModel('subgroup matrices were the fastest, which this call cannot use')
  }
  const problem = tileProblem(tile, shape.valueDim, capabilities)
  return problem === undefined ? { ...plain, tile, decodes: false, origin } : byModel(problem)
}

/** Tiles of the plain kernel for a call on a device: the model's choice, then the others. */
export function forwardTiles(shape: AttentionShape, capabilities: Capabilities): ForwardTile[] {
  const ranked = rankedTiles(shape, capabilities.limits)
  const software = softwareTile(shape, capabilities)
  return software ? [software, ...ranked] : ranked
}

/** A tile of matrices in the words of the plain kernel's. */
export function asForwardTile(matrix: MatrixTile, headDim: number): ForwardTile {
  const { queries, keys, subgroups, subgroupSize } = matrix
  const threads = { threadRows: subgroups, threadColumns: subgroupSize }
  return { queries, keys, ...threads, dimChunk: headDim, valueChunk: keys }
}

/** What keeps a device from running a tile, in words. */
function tileProblem(
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

function checkTile(tile: ForwardTile, valueDim: number, capabilities: Capabilities): void {
  const problem = tileProblem(tile, valueDim, capabilities)
  if (problem !== undefined) throw rangeError(`flash.plan: ${problem}`)
}
