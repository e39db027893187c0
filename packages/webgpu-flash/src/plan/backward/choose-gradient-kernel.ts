// Which kernel computes a gradient, with which tile: the caller's choice, else what was measured on this
// device, else subgroup matrices where they are, else plain WGSL.
import { rangeError } from '@attn/core'
import type { Capabilities } from '../../device/capabilities.ts'
import type { WorkgroupLimits } from '../forward/tiles.ts'
import type { Call } from '../call.ts'
import { naturalMap } from '../forward/forward-plan.ts'
import type { ForwardPlan } from '../forward/forward-plan.ts'
import type { TileOrigin } from '../tuning.ts'
import { matrixProblem, plannedMatrixTile, plannedSplitTile } from './backward-matrices.ts'
import {
  backwardMemory,
  backwardTileProblem,
  checkBackwardTile,
  chooseBackwardTile,
} from './backward-tiles.ts'
import type { BackwardTile, GradientRows } from './backward-tiles.ts'
import { gradientMatrixMemory, gradientMatrixTileProblem } from './gradient-matrix-tile.ts'
import type { GradientMatrixTile } from './gradient-matrix-tile.ts'
import type { MatrixPass, PassOfRows, SplitPass, TiledPass } from './gradient-passes.ts'
import type { GradientTile } from './gradient-tile.ts'
import { splitMatrixMemory, splitMatrixTileProblem } from './split-matrix-tile.ts'
import type { SplitMatrixTile } from './split-matrix-tile.ts'
import { chooseTeamTile, suitsTeams } from './team-tiles.ts'
import type { PairWork } from './team-tiles.ts'

type Chosen<Pass> = Omit<Pass, Exclude<keyof PassOfRows, 'tileOrigin'>>
type ChosenTiled = Chosen<TiledPass>
/** A kernel before it has its place. */
export type ChosenTile =
  | ChosenTiled
  | Chosen<MatrixPass>
  | (Omit<Chosen<SplitPass>, 'unsplit'> & { readonly unsplit: ChosenTiled })

/**
 * Chooses the kernel of a gradient.
 *
 * @param given - The caller's tile.
 * @throws RangeError for a tile that does not fit.
 */
export function chooseGradientKernel(
  caller: string,
  gradients: GradientRows,
  forward: ForwardPlan,
  given: GradientTile | undefined,
  capabilities: Capabilities,
  work: PairWork,
): ChosenTile {
  const { tables } = work
  const { call } = forward
  const { headDim, valueDim } = call.shape
  const { limits } = capabilities
  const teams = suitsTeams(call, naturalMap(forward), work)
  const tiled = (own: BackwardTile | undefined, why: string, canHaveTeams = teams): ChosenTiled => {
    const choice = chooseTile(gradients, forward, own, limits, canHaveTeams, why)
    checkBackwardTile(caller, choice.tile, headDim, valueDim, limits, gradients)
    if (tables && choice.tile.teams === 2) {
      throw rangeError(`${caller}: two teams cannot sum gradients of tables; use a tile of one`)
    }
    return choice
  }
  const measured = forward.tuned.backward?.[gradients]
  const problem = matrixProblem(call, tables)
  if (given && 'matrix' in given) {
    const why = problem ?? matrixTileProblem(call, gradients, given, capabilities)
    if (why !== undefined) throw rangeError(`${caller}: ${why}`)
    return chosenMatrix(call, gradients, given, { kind: 'given' }, tiled)
  }
  const plannedTile = call.dtype === 'float16' ? plannedMatrixTile : plannedSplitTile
  const planned =
    given || typeof measured?.tile === 'object'
      ? { why: 'the tile was chosen' }
      : call.dtype === 'bfloat16'
        ? { why: 'bfloat16 is read and written by the kernels in plain WGSL alone' }
        : plannedTile(gradients, call, problem, capabilities)
  if ('why' in planned) return tiled(given, planned.why)
  const origin: TileOrigin = measured
    ? { kind: 'tuned', speedUp: measured.speedUp }
    : modelOrigin(forward)
  return chosenMatrix(call, gradients, planned.tile, origin, tiled)
}

/** What keeps a call from running a tile of subgroup matrices that its caller chose. */
function matrixTileProblem(
  { shape, dtype }: Call,
  gradients: GradientRows,
  tile: GradientMatrixTile | SplitMatrixTile,
  capabilities: Capabilities,
): string | undefined {
  if ('pairs' in tile) {
    if (dtype !== 'float32') return 'tiles of pairs of subgroups are for float32'
    return splitMatrixTileProblem(tile, shape, gradients, capabilities)
  }
  if (dtype !== 'float16') return 'tiles of subgroup matrices without pairs are for float16'
  return gradientMatrixTileProblem(tile, shape, gradients, capabilities)
}

function chosenMatrix(
  { shape }: Call,
  gradients: GradientRows,
  tile: GradientMatrixTile | SplitMatrixTile,
  tileOrigin: TileOrigin,
  tiled: (given: undefined, why: string, canHaveTeams: boolean) => ChosenTiled,
): ChosenTile {
  if ('pairs' in tile) {
    const memory = splitMatrixMemory(tile, shape.headDim, gradients)
    // Of one team, which compile sooner: hardly any head needs them.
    const unsplit = tiled(undefined, 'for heads whose rows cannot be split', false)
    return { kind: 'split-matrix', tile, memory, tileOrigin, unsplit }
  }
  const memory = gradientMatrixMemory(tile, shape.headDim, shape.valueDim, gradients)
  return { kind: 'subgroup-matrix', tile, memory, tileOrigin }
}

/** The origin of what nobody chose and nothing measured. */
function modelOrigin({ origin }: ForwardPlan): TileOrigin {
  return origin.kind === 'model' ? origin : { kind: 'model' }
}

/** The caller's tile, else the one measured on this device, else the model's choice. */
function chooseTile(
  gradients: GradientRows,
  forward: ForwardPlan,
  given: BackwardTile | undefined,
  limits: WorkgroupLimits,
  teams: boolean,
  why: string,
): ChosenTiled {
  const { tuned } = forward
  const { shape } = forward.call
  const chosen = (tile: BackwardTile, origin: TileOrigin): ChosenTiled => ({
    kind: 'tiled',
    tile,
    memory: backwardMemory(tile, shape.headDim, shape.valueDim, gradients),
    teams,
    why,
    tileOrigin: origin,
  })
  if (given) return chosen(given, { kind: 'given' })
  const measured = tuned.backward?.[gradients]
  if (measured && typeof measured.tile === 'object') {
    const { tile, speedUp } = measured
    const applies =
      (teams || tile.teams !== 2) &&
      backwardTileProblem(tile, shape, limits, gradients) === undefined
    if (applies) return chosen(tile, { kind: 'tuned', speedUp })
  }
  const large = teams ? chooseTeamTile(gradients, shape, limits) : undefined
  return chosen(large ?? chooseBackwardTile(gradients, shape, limits), modelOrigin(forward))
}
