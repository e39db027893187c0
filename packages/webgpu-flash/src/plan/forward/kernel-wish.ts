// Which kernel is asked of a plan before the planner has its say: the caller's, else the one measured on this device.
import { rangeError, UnsupportedError } from '@attn/core'
import type { Capabilities } from '../../device/capabilities.ts'
import type { Call } from '../call.ts'
import type { PlanOptions } from '../plan-options.ts'
import { isOnMatrices } from '../tuning.ts'
import type { TileOrigin, TunedTiles, Tuning } from '../tuning.ts'
import type { ForwardKernel } from './forward-kernel.ts'
import { halvesKernel } from './halves-kernel.ts'
import { matrixKernelOf, matrixKernels } from './matrix-kernel.ts'
import { checkedSizes, unfitting } from './matrix-tile-sizes.ts'
import type { MatrixTileSizes } from './matrix-tile-sizes.ts'
import { checkTile, tiledKernel, tileProblem } from './tiled-kernel.ts'

/** What is asked. */
export interface KernelWish {
  /** The kernels that are asked for, the first choice first; undefined where the planner is free. */
  readonly kernels: readonly [ForwardKernel, ...ForwardKernel[]] | undefined
  /** Where the kernel comes from, if the wish comes true. */
  readonly origin: TileOrigin
  readonly tuned: TunedTiles
  /** Whether the caller asks for subgroup matrices, be it of halves. */
  readonly asksMatrices: boolean
  /** The sizes of their tile; undefined where the planner chooses. */
  readonly sizes?: MatrixTileSizes | undefined
}

/**
 * Reads the wish for a call.
 *
 * @param given - The caller's tile.
 * @throws RangeError for a tile of the caller's that does not divide or fit, UnsupportedError where there are
 *   no matrices that he asks for.
 */
export function kernelWish(
  call: Call,
  given: PlanOptions['tile'],
  tuning: Tuning | undefined,
  capabilities: Capabilities,
): KernelWish {
  const { shape, dtype } = call
  const answer = call.lengthsPerCall ? undefined : tuning?.find(shapeClass(call))
  const tuned = answer && !('ignored' in answer) ? answer : {}
  const free = (origin: TileOrigin): KernelWish => ({
    kernels: undefined,
    origin,
    tuned,
    asksMatrices: false,
  })
  if (given && isOnMatrices(given)) {
    const sizes = typeof given === 'string' ? undefined : checkedSizes(given)
    const choice = matrixKernels(call, capabilities)
    const own = { origin: { kind: 'given' }, tuned: {}, asksMatrices: true, sizes } as const
    if ('refused' in choice) {
      if (dtype === 'float32') return { ...own, kernels: undefined }
      throw new UnsupportedError(
        `flash.plan: tile 'subgroup-matrix' is not to be had: ${choice.refused}`,
      )
    }
    if (!sizes) return { ...own, kernels: choice.kernels }
    const kernel = matrixKernelOf(call, capabilities, sizes)
    if (!kernel) throw rangeError(`flash.plan: ${unfitting}`)
    return { ...own, kernels: [kernel] }
  }
  if (given) {
    checkTile(given, shape.valueDim, capabilities)
    const kernel = tiledKernel(given, shape, capabilities)
    return { ...free({ kind: 'given' }), kernels: [kernel] }
  }
  if (answer && 'ignored' in answer) return free({ kind: 'model', ignored: answer.ignored })
  if (!tuned.forward) return free({ kind: 'model' })
  const { tile, speedUp } = tuned.forward
  const origin: TileOrigin = { kind: 'tuned', speedUp }
  if (tile === 'decode') return free(origin)
  if (!isOnMatrices(tile)) {
    const problem = tileProblem(tile, shape.valueDim, capabilities)
    if (problem !== undefined) return free({ kind: 'model', ignored: problem })
    return { ...free(origin), kernels: [tiledKernel(tile, shape, capabilities)] }
  }
  const sizes = typeof tile === 'string' ? undefined : tile
  // Of float32 the plan carries both kernels; see halves-plan.ts.
  if (dtype === 'float32' && !('refused' in halvesKernel(call, capabilities, sizes))) {
    return { ...free(origin), sizes }
  }
  const choice = matrixKernels(call, capabilities)
  if ('refused' in choice) {
    const ignored = 'subgroup matrices were the fastest, which this call cannot use'
    return free({ kind: 'model', ignored })
  }
  if (!sizes) return { ...free(origin), kernels: choice.kernels }
  const kernel = matrixKernelOf(call, capabilities, sizes)
  return kernel
    ? { ...free(origin), kernels: [kernel] }
    : free({ kind: 'model', ignored: unfitting })
}

function shapeClass({ shape, dtype, attention }: Call): Parameters<Tuning['find']>[0] {
  const { headDim, valueDim, queryLength } = shape
  return { dtype, headDim, valueDim, queryLength, masked: attention.mask !== undefined }
}
