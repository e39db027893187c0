// Which kernel computes a gradient, with which tile: the caller's choice, else what was measured on this
// device, else subgroup matrices where they are, else plain WGSL.
import { rangeError } from '@attn/core'
import type { Capabilities } from '../../device/capabilities.ts'
import { naturalMap } from '../forward/forward-plan.ts'
import type { ForwardPlan } from '../forward/forward-plan.ts'
import type { Refusal } from '../planned.ts'
import { matrixProblem } from './backward-matrices.ts'
import type { GradientRows } from './backward-tile.ts'
import type {
  GradientKernel,
  MatrixFamily,
  MatrixRequest,
  TiledGradient,
} from './gradient-kernel.ts'
import type { GradientTile } from './gradient-tile.ts'
import { matrixGradient } from './matrix-gradient.ts'
import { splitGradient } from './split-gradient.ts'
import { suitsTeams } from './team-tiles.ts'
import type { PairWork } from './team-tiles.ts'
import { modelOrigin, tiledGradient } from './tiled-gradient.ts'

/** The kernels on subgroup matrices. A new one is a file that makes it, and its name here. */
const onMatrices: readonly MatrixFamily[] = [matrixGradient, splitGradient]

/** The kernel of a gradient. */
export interface ChosenKernels {
  readonly kernel: GradientKernel
  /** That of heads which it leaves out; undefined where it leaves out none. */
  readonly leftOut: TiledGradient | undefined
  /** Why it is not one on subgroup matrices; undefined where it is. */
  readonly refused: string | undefined
}

/**
 * Chooses the kernel of a gradient.
 *
 * @param given - The caller's tile.
 * @param barred - What keeps it from subgroup matrices, whatever it could be by itself. Default: nothing.
 * @throws RangeError for a tile that does not fit.
 */
export function chooseGradientKernel(
  caller: string,
  gradients: GradientRows,
  forward: ForwardPlan,
  given: GradientTile | undefined,
  capabilities: Capabilities,
  work: PairWork,
  barred?: string,
): ChosenKernels {
  const { call, tuned } = forward
  const { tables } = work
  const problem = barred ?? matrixProblem(call, tables)
  const request = { call, gradients, problem, capabilities }
  const tiled = { gradients, forward, capabilities, tables }
  const withLeftOut = (kernel: GradientKernel): ChosenKernels => {
    if (kernel.kind !== 'split-matrix') return { kernel, leftOut: undefined, refused: undefined }
    // Of one team, which compile sooner: hardly any head needs them.
    const why = 'for heads whose rows cannot be split'
    const leftOut = tiledGradient(caller, { ...tiled, given: undefined, teams: false, why })
    return { kernel, leftOut, refused: undefined }
  }
  if (given && 'matrix' in given) {
    const kernel = matrixKernel({ ...request, given, origin: { kind: 'given' } })
    if ('refused' in kernel) throw rangeError(`${caller}: ${kernel.refused}`)
    return withLeftOut(kernel)
  }
  const measured = tuned.backward?.[gradients]
  const kernel =
    given || typeof measured?.tile === 'object'
      ? { refused: 'the tile was chosen' }
      : matrixKernel({
          ...request,
          given: undefined,
          origin: measured ? { kind: 'tuned', speedUp: measured.speedUp } : modelOrigin(forward),
        })
  if (!('refused' in kernel)) return withLeftOut(kernel)
  const teams = suitsTeams(call, naturalMap(forward), work)
  const plain = tiledGradient(caller, { ...tiled, given, teams, why: kernel.refused })
  return { kernel: plain, leftOut: undefined, refused: kernel.refused }
}

function matrixKernel(request: MatrixRequest): GradientKernel | Refusal {
  for (const family of onMatrices) {
    const kernel = family(request)
    if (kernel) return kernel
  }
  return { refused: 'bfloat16 is read and written by the kernels in plain WGSL alone' }
}
