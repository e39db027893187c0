// The kernels that passes are computed by. A new one is a file that makes it, and a line here.
import { rangeError } from '@attn/core'
import type { Capabilities } from '../../device/capabilities.ts'
import type { Call } from '../call.ts'
import type { ForwardKernel, KernelFamily } from './forward-kernel.ts'
import { matrixKernels } from './matrix-kernel.ts'
import { tiledKernels } from './tiled-kernel.ts'

/** Those that are preferred come first. */
const families: readonly KernelFamily[] = [
  { kind: 'subgroup-matrix', candidates: matrixKernels },
  { kind: 'tiled', candidates: tiledKernels },
]

/** Kernels of one kind, and why those of kinds that are preferred are not to be had. */
export interface PreferredKernels {
  readonly kernels: readonly [ForwardKernel, ...ForwardKernel[]]
  readonly whyNoOther: string
}

/** The kernels that the planner prefers for a call. */
export function preferredKernels(call: Call, capabilities: Capabilities): PreferredKernels {
  const refused: string[] = []
  for (const family of families) {
    const choice = family.candidates(call, capabilities)
    if (!('refused' in choice)) return { ...choice, whyNoOther: refused.join('; ') }
    refused.push(choice.refused)
  }
  throw rangeError(`flash.plan: no kernel computes the call: ${refused.join('; ')}`)
}
