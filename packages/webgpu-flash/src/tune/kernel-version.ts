// A name for the kernels as they are, so that what was measured with others is not taken for theirs:
// a hash of the WGSL of a few plans with fixed tiles.
import { mask } from '@attn/core'
import { defaultCapabilities } from '../device/capabilities.ts'
import type { Capabilities } from '../device/capabilities.ts'
import { planBackward } from '../plan/backward/backward-plan.ts'
import { forwardCode, planForward } from '../plan/plan.ts'
import type { Access } from '../codegen/access.ts'
import { keyKernel, queryKernel } from '../run/backward/backward-kernels.ts'

const tile = {
  queries: 64,
  keys: 32,
  threadRows: 16,
  threadColumns: 8,
  dimChunk: 16,
  valueChunk: 16,
}
const chunkedTile = { ...tile, probabilitiesInChunks: true }
const gradientTile = {
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
const withMatrices: Capabilities = {
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
  return (known ??= hash(kernelTexts().join('\n')))
}

function kernelTexts(): string[] {
  const causal = mask('causal', ({ query, key }) => key.le(query))
  const options = { ...sizes, tile, mask: causal }
  const same = <Name extends string>(names: readonly Name[], access: Access) =>
    Object.fromEntries(names.map((name) => [name, access])) as Record<Name, Access>
  const float32: Access = { dtype: 'float32', nativeFloat16: false, vector: true }
  const float16: Access = { dtype: 'float16', nativeFloat16: true, vector: true }
  const ofForward = ['query', 'key', 'value', 'output'] as const
  const forward = planForward(options, defaultCapabilities)
  const chunked = planForward({ ...options, tile: chunkedTile }, defaultCapabilities)
  const tiles = { query: gradientTile, key: gradientTile }
  const backward = planBackward('flash.tune', forward, tiles, defaultCapabilities)
  const teamTiles = { query: teamTile, key: teamTile }
  const teams = planBackward('flash.tune', forward, teamTiles, defaultCapabilities)
  const ofBackward = same([...ofForward, 'dQuery', 'dKey', 'dValue', 'dOutput'] as const, float32)
  const matrices = planForward({ ...sizes, dtype: 'float16' }, withMatrices)
  const backwardMatrices = planBackward('flash.tune', matrices, {}, withMatrices)
  const ofMatrices = same(Object.keys(ofBackward) as (keyof typeof ofBackward)[], float16)
  return [
    forwardCode(forward, same(ofForward, float32)),
    forwardCode(chunked, same(ofForward, float32)),
    forwardCode(matrices, same(ofForward, float16)),
    queryKernel(backward, ofBackward).code,
    keyKernel(backward, ofBackward).code,
    queryKernel(teams, ofBackward).code,
    keyKernel(teams, ofBackward).code,
    queryKernel(backwardMatrices, ofMatrices).code,
    keyKernel(backwardMatrices, ofMatrices).code,
  ]
}

/** FNV-1a: http://www.isthe.com/chongo/tech/comp/fnv/ */
function hash(text: string): string {
  let value = 0x811c9dc5
  for (let index = 0; index < text.length; index++) {
    value = Math.imul(value ^ text.charCodeAt(index), 0x01000193)
  }
  return (value >>> 0).toString(16).padStart(8, '0')
}
