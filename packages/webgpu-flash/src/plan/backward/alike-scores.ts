// Float32 by products of halves in both passes of a call that trains, or in neither. Gradients make P = exp(S - L)
// again from the log-sum-exp that the forward pass saved. Matrices round sums towards zero: scores come out a little
// small there, all of them, and L with them. Where S does too, that cancels. Beside scores of plain float32 it does
// not: with scores of 100 all of P is too large by a part in 10^5, which is up to twice what the 2x rule allows for
// dQ and dK, and more for tables, whose gradients are sums over all pairs.
//
// Which heads cannot be split is found out on the GPU, in each pass by itself: no plan can know.
import { UnsupportedError } from '@attn/core'
import type { Capabilities } from '../../device/capabilities.ts'
import { asOnly } from '../forward/fallback.ts'
import { planHalves, visitedOperations } from '../forward/halves-plan.ts'
import { isPlainFloat32 } from '../forward/forward-plan.ts'
import type { ForwardPlan } from '../forward/forward-plan.ts'
import type { Refusal } from '../planned.ts'
import type { GradientRows } from './backward-tile.ts'
import type { ChosenKernels } from './choose-gradient-kernel.ts'
import type { BackwardTiles } from './gradient-tile.ts'

/** Both passes of a call. */
export interface AlikePasses {
  readonly forward: ForwardPlan
  readonly query: ChosenKernels
  readonly key: ChosenKernels
}

/** Chooses the kernel of a gradient; `barred` keeps it from subgroup matrices. */
export type KernelChooser = (gradients: GradientRows, barred?: string) => ChosenKernels

/** What gradients are asked for. */
export interface AskedGradients {
  /** The caller's. */
  readonly tiles: BackwardTiles
  /** Whether gradients of tables are summed. */
  readonly sumsTables: boolean
}

/**
 * Chooses the kernels of both passes such that they round scores alike. Tiles of halves that the caller gives for a
 * gradient are taken, whatever the other kernels are: they are for measuring.
 *
 * @param alone - The forward pass as it would be without gradients.
 * @throws RangeError for tiles that do not fit, UnsupportedError where the caller asks for a forward pass by halves whose
 *   gradients cannot be.
 */
export function alikePasses(
  caller: string,
  alone: ForwardPlan,
  { tiles, sumsTables }: AskedGradients,
  choose: KernelChooser,
  capabilities: Capabilities,
): AlikePasses {
  if (alone.call.dtype !== 'float32') {
    return { forward: alone, query: choose('query'), key: choose('key') }
  }
  const both = (barred?: string) => ({
    query: choose('query', barred),
    key: choose('key', barred),
  })
  const chosen = both(sumsTables ? 'gradients of tables are summed in plain WGSL' : undefined)
  const refused = chosen.query.refused ?? chosen.key.refused
  if (refused !== undefined && alone.kind === 'halves' && alone.origin.kind === 'given') {
    throw new UnsupportedError(
      `${caller}: tile 'subgroup-matrix' is not to be had: ${alike} gradients are not by halves: ${refused}`,
    )
  }
  if ([tiles.query, tiles.key].some((tile) => tile && 'pairs' in tile)) {
    return { forward: alone, ...chosen }
  }
  if (refused !== undefined) {
    const plain = chosen.query.refused === chosen.key.refused ? chosen : both(refused)
    return { forward: inPlain(alone, refused, capabilities), ...plain }
  }
  const forward = byHalves(alone, capabilities)
  if (!('refused' in forward)) return { forward, ...chosen }
  return {
    forward: alone,
    ...both(`${alike} the forward pass is not by halves: ${forward.refused}`),
  }
}

/**
 * Operations of a forward pass from which on both are by halves. On an NVIDIA H200 they take 0.24 ms together by halves
 * and 0.21 without for 512 tokens of 8 heads of width 64 under a causal mask, 0.39 and 0.44 for 1,024.
 */
const leastOperations = 2 ** 29

const alike = 'both passes round scores alike, and'

/** The forward pass in plain WGSL, where it would be by halves. */
function inPlain(alone: ForwardPlan, refused: string, capabilities: Capabilities): ForwardPlan {
  if (alone.kind !== 'halves') return alone
  const plan = asOnly(alone.otherwise, capabilities)
  return { ...plan, whyNoOther: `${alike} gradients are not by halves: ${refused}` }
}

/** The forward pass by halves, where it would be in plain WGSL: for calls smaller than alone, and whatever was measured. */
function byHalves(alone: ForwardPlan, capabilities: Capabilities): ForwardPlan | Refusal {
  if (!isPlainFloat32(alone)) return alone
  const { origin } = alone
  if (origin.kind === 'given') return { refused: 'its tile was chosen' }
  if (visitedOperations(alone) < leastOperations) {
    return { refused: 'so short a call is not faster' }
  }
  const ignored = 'gradients are by halves, and so is the forward pass'
  const plan =
    origin.kind === 'tuned' ? { ...alone, origin: { kind: 'model', ignored } as const } : alone
  return planHalves(plan, { asksMatrices: true }, capabilities)
}
