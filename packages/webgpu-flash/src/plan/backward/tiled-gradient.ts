// The backward kernels in plain WGSL with a tile: the caller's, else the one measured on this device, else what software
// adapters have, else one of two teams where it suits the call, else the one of the least estimated time.
import { rangeError } from '@attn/core'
import { keyGradientKernel } from '../../kernels/backward/backward-key-value.wgsl.ts'
import { queryGradientKernel } from '../../kernels/backward/backward-query.wgsl.ts'
import type { ForwardPlan } from '../forward/forward-plan.ts'
import type { Capabilities } from '../../device/capabilities.ts'
import { describeOrigin } from '../tuning.ts'
import type { TileOrigin } from '../tuning.ts'
import {
  backwardMemory,
  backwardTileProblem,
  checkBackwardTile,
  chooseBackwardTile,
} from './backward-tiles.ts'
import type { BackwardTile, GradientRows } from './backward-tile.ts'
import type { TiledGradient } from './gradient-kernel.ts'
import { softwareGradientTile } from './software-gradient-tile.ts'
import { chooseTeamTile } from './team-tiles.ts'

/** What the kernel is made for. */
export interface TiledRequest {
  readonly gradients: GradientRows
  readonly forward: ForwardPlan
  /** The caller's tile; undefined where the planner chooses. */
  readonly given: BackwardTile | undefined
  readonly capabilities: Capabilities
  /** Whether a tile of two teams suits the call. */
  readonly teams: boolean
  /** Whether it sums gradients of tables. */
  readonly tables: boolean
  /** Why it is not one on subgroup matrices. */
  readonly why: string
}

/**
 * Makes the kernel.
 *
 * @throws RangeError for a tile that does not fit.
 */
export function tiledGradient(caller: string, request: TiledRequest): TiledGradient {
  const { gradients, forward, capabilities, teams, tables, why } = request
  const { headDim, valueDim } = forward.call.shape
  const { tile, origin } = chooseTile(request)
  checkBackwardTile(caller, tile, headDim, valueDim, capabilities.limits, gradients)
  if (tables && tile.teams === 2) {
    throw rangeError(`${caller}: two teams cannot sum gradients of tables; use a tile of one`)
  }
  const memory = backwardMemory(tile, headDim, valueDim, gradients)
  const model =
    tile.teams === 2
      ? 'the tile of two teams of threads, for which the device has room'
      : 'the tile of the least estimated time that fits the device'
  return {
    kind: 'tiled',
    tile,
    workgroupBytes: 16 * memory.vectors,
    reason: describeOrigin(origin, `${model}; in plain WGSL: ${why}`),
    teams,
    scales: 'none',
    readsHalves: false,
    readsTotals: false,
    writes: gradients === 'query' ? ['dQuery'] : ['dKey', 'dValue'],
    text: (config) =>
      gradients === 'query'
        ? queryGradientKernel({ ...config, ...config.gradients, tile, memory })
        : keyGradientKernel({ ...config, ...config.gradients, tile, memory }),
  }
}

function chooseTile({ gradients, forward, given, capabilities, teams }: TiledRequest): {
  readonly tile: BackwardTile
  readonly origin: TileOrigin
} {
  const { tuned, call } = forward
  if (given) return { tile: given, origin: { kind: 'given' } }
  const measured = tuned.backward?.[gradients]
  if (measured && typeof measured.tile === 'object') {
    const { tile, speedUp } = measured
    const applies =
      (teams || tile.teams !== 2) &&
      backwardTileProblem(tile, call.shape, capabilities.limits, gradients) === undefined
    if (applies) return { tile, origin: { kind: 'tuned', speedUp } }
  }
  const { limits } = capabilities
  const tile =
    softwareGradientTile(gradients, call.shape, capabilities) ??
    (teams ? chooseTeamTile(gradients, call.shape, limits) : undefined) ??
    chooseBackwardTile(gradients, call.shape, limits)
  return { tile, origin: modelOrigin(forward) }
}

/** The origin of what nobody chose and nothing measured. */
export function modelOrigin({ origin }: ForwardPlan): TileOrigin {
  return origin.kind === 'model' ? origin : { kind: 'model' }
}
