// A name for the backward kernels as they are, as kernel-version.ts has one for the forward kernels. It is
// loaded with them.
import { defaultCapabilities } from '../device/capabilities.ts'
import { planBackward } from '../plan/backward/backward-plan.ts'
import type { BackwardPlan } from '../plan/backward/backward-plan.ts'
import type { BackwardTiles } from '../plan/backward/gradient-tile.ts'
import type { ForwardPlan } from '../plan/forward/forward-plan.ts'
import { passKernel } from '../run/backward/backward-kernels.ts'
import { matrixPlan, plainPlan, sameAccess, withMatrices } from './kernel-version.ts'
import { textHash } from './text-hash.ts'

const tile = {
  rows: 64,
  columns: 32,
  threadRows: 16,
  threadColumns: 8,
  dimChunk: 16,
  sourceChunk: 16,
}
const teamTile = {
  rows: 16,
  columns: 32,
  threadRows: 4,
  threadColumns: 8,
  dimChunk: 8,
  sourceChunk: 4,
  teams: 2,
  parts: 2,
} as const

let known: string | undefined

/** Eight digits that change with the text of the kernels. Makes that text at the first call. */
export function gradientKernelVersion(): string {
  return (known ??= textHash(kernelTexts().join('\n')))
}

/** A plan that knows the tiles of these kernels alone, and why others do not count. */
export function withOwnGradients(plan: ForwardPlan): ForwardPlan {
  const { backward, ...others } = plan.tuned
  if (!backward || backward.kernels === gradientKernelVersion()) return plan
  const ignored = 'its record is of other versions of the backward kernels'
  return { ...plan, tuned: others, origin: { kind: 'model', ignored } }
}

function kernelTexts(): string[] {
  const plain = (tiles: BackwardTiles): BackwardPlan =>
    planBackward('flash.tune', plainPlan(), tiles, defaultCapabilities)
  const matrices = planBackward('flash.tune', matrixPlan(), {}, withMatrices)
  return [
    ...codes(plain({ query: tile, key: tile }), 'float32'),
    ...codes(plain({ query: teamTile, key: teamTile }), 'float32'),
    ...codes(matrices, 'float16'),
  ]
}

function codes(plan: BackwardPlan, dtype: 'float32' | 'float16'): string[] {
  const read = ['query', 'key', 'value', 'output', 'dOutput'] as const
  const accesses = sameAccess([...read, 'dQuery', 'dKey', 'dValue'] as const, dtype)
  return [plan.query, plan.key].map(({ passes }) => passKernel(plan, passes[0], accesses).code)
}
