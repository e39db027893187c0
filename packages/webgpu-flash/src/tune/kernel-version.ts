// A name for the forward kernels as they are, so that what was measured with others is not taken for theirs:
// a hash of the WGSL of a few plans with fixed tiles.
import { mask } from '@attn/core'
import type { DType } from '@attn/core'
import type { Access } from '../codegen/access.ts'
import { defaultCapabilities } from '../device/capabilities.ts'
import type { Capabilities } from '../device/capabilities.ts'
import type { ForwardPlan, PassesPlan } from '../plan/forward/forward-plan.ts'
import { passText } from '../plan/forward/pass-text.ts'
import { planForward } from '../plan/plan.ts'
import { textHash } from './text-hash.ts'

const tile = {
  queries: 64,
  keys: 32,
  threadRows: 16,
  threadColumns: 8,
  dimChunk: 16,
  valueChunk: 16,
}
const chunkedTile = { ...tile, probabilitiesInChunks: true }

/** A device with subgroup matrices. */
export const withMatrices: Capabilities = {
  ...defaultCapabilities,
  shaderFloat16: true,
  subgroups: { minimum: 32, maximum: 32 },
  subgroupMatrices: [{ operands: 'f16', sums: 'f32', rows: 16, columns: 16, depth: 16 }],
  limits: { ...defaultCapabilities.limits, maxComputeWorkgroupStorageSize: 49152 },
}
const sizes = { heads: 1, queryLength: 128, headDim: 32 } as const

let known: string | undefined

/** Eight digits that change with the text of the kernels. Makes that text at the first call. */
export function kernelVersion(): string {
  return (known ??= textHash(kernelTexts().join('\n')))
}

/** A plan for the kernels in plain WGSL. */
export function plainPlan(probabilitiesInChunks = false): ForwardPlan {
  const causal = mask('causal', ({ query, key }) => key.le(query))
  const options = { ...sizes, tile: probabilitiesInChunks ? chunkedTile : tile, mask: causal }
  return planForward(options, defaultCapabilities)
}

/** A plan for those on subgroup matrices. */
export function matrixPlan(): ForwardPlan {
  return planForward({ ...sizes, dtype: 'float16' }, withMatrices)
}

/** The same access for each of some tensors, in a dtype. */
export function sameAccess<Name extends string>(
  names: readonly Name[],
  dtype: DType,
): Record<Name, Access> {
  const access: Access = { dtype, nativeFloat16: dtype === 'float16', vector: true }
  return Object.fromEntries(names.map((name) => [name, access])) as Record<Name, Access>
}

function kernelTexts(): string[] {
  const names = ['query', 'key', 'value', 'output'] as const
  return [plainPlan(), plainPlan(true), matrixPlan()].map((plan) => {
    const { call, passes } = plan as PassesPlan
    return passText(passes[0], sameAccess(names, call.dtype))
  })
}
