// Planned when the site is built: one call on adapters that people have, by the library itself. Planning needs no GPU,
// only what an adapter says of itself; these are the ones that the replay of plans keeps.
import { createBlockMap } from '@attn/core'
import { attentionSinks } from '@attn/masks'
import { tileLayer, type TileLayer } from '../../../apps/components/src/mask/tile-layer.ts'
import { createLibrary } from '../../../packages/webgpu-flash/src/run/flash-attention.ts'
import { readCapabilities } from '../../../packages/webgpu-flash/src/device/capabilities.ts'
import { adapters } from '../../../packages/webgpu-flash/test/replay/adapters.ts'
import { recordingDevice } from '../../../packages/webgpu-flash/test/replay/recording-device.ts'

export interface AdapterPlan {
  /** The adapter, for people. */
  readonly name: string
  readonly variant: string
  readonly reason: string
  readonly workgroupMemoryBytes: number
  readonly visited: number
  readonly total: number
  readonly tiles: TileLayer
  /** The kernel: its lines, and where it begins. */
  readonly lines: number
  readonly code: string
}

declare const data: readonly AdapterPlan[]
export { data }

const shown = {
  nvidia: 'NVIDIA, in Chrome',
  'nvidia-h200-vulkan': 'NVIDIA H200, with subgroup matrices',
  'apple-m': 'Apple M',
  'amd-rdna3': 'AMD RDNA 3',
  'intel-xe': 'Intel Xe',
  'adreno-7xx': 'Qualcomm Adreno',
  'mali-valhall': 'Arm Mali',
  defaults: 'WebGPU’s default limits',
} as const

const length = 1024
const call = { heads: 8, queryLength: length, headDim: 64, dtype: 'float16' } as const
const mask = attentionSinks({ sinks: 32, recent: 256 })
const linesShown = 24

function planOn(adapter: keyof typeof shown): AdapterPlan {
  const known = adapters.find(({ name }) => name === adapter)!
  const { device, info } = recordingDevice(known)
  const flash = createLibrary(device, readCapabilities(device, info), {})
  const plan = flash.plan({ ...call, mask })
  const { variant, reason, tile, workgroupMemoryBytes, blocks } = plan.explain()
  const shape = { batch: 1, heads: 1, queryLength: length, keyLength: length }
  const sizes = { queryBlockSize: tile.queries, keyBlockSize: tile.keys }
  const lines = plan.code.split('\n')
  return {
    name: shown[adapter],
    variant,
    reason,
    workgroupMemoryBytes,
    visited: blocks.visited / call.heads,
    total: blocks.total / call.heads,
    tiles: tileLayer(createBlockMap(mask, shape, sizes)),
    lines: lines.length,
    code: lines.slice(0, linesShown).join('\n'),
  }
}

/** @public VitePress calls it. */
export default {
  load(): readonly AdapterPlan[] {
    return (Object.keys(shown) as (keyof typeof shown)[]).map(planOn)
  },
}
