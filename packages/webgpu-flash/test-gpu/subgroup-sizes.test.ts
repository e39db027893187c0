// Adapters whose subgroups have several sizes: this one is made to say so. Sizes that it does not have
// must not be taken, and the one that it has must be, whether shaders may state it or not.
import { afterEach, describe, expect, it } from 'vitest'
import { cast, mask, standardAttention, tensor, toFloat64Array } from '@attn/core'
import type { Tensor } from '@attn/core'
import { acquireGpu, requireFeature } from '../../../tools/testing/acquire-gpu.ts'
import { subgroupMatrixFeature, subgroupSizeFeature } from '../src/device/capabilities.ts'
import { createFlashAttention } from '../src/index.ts'
import type { FlashAttention } from '../src/index.ts'

const gpu = await acquireGpu()
// The text of the problem that proves the matrices, so that nothing more is compiled.
const [heads, length, dim] = [2, 90, 16]
const causal = mask('causal', ({ query, key }) => key.le(query))

/** A device of an adapter that pretends to have more subgroup sizes. */
async function varyingDevice(
  context: { skip(note?: string): never },
  features: readonly string[],
): Promise<{ device: GPUDevice; adapterInfo: GPUAdapterInfo; size: number }> {
  const adapter = (await gpu!.requestAdapter())!
  const named = ['shader-f16', 'subgroups', subgroupMatrixFeature, ...features]
  const wanted = named as GPUFeatureName[]
  for (const feature of wanted) requireFeature(context, adapter, feature)
  const { info } = adapter
  const { subgroupMatrixConfigs } = info as unknown as Record<string, unknown>
  const size = info.subgroupMinSize
  const adapterInfo = {
    vendor: info.vendor,
    architecture: info.architecture,
    device: info.device,
    description: info.description,
    subgroupMatrixConfigs,
    subgroupMinSize: size / 2,
    subgroupMaxSize: size * 2,
  } as unknown as GPUAdapterInfo
  return { device: await adapter.requestDevice({ requiredFeatures: wanted }), adapterInfo, size }
}

function noise(seed: number): Tensor {
  const values = Float32Array.from(
    { length: heads * length * dim },
    (_, i) => (Math.abs(Math.sin(seed + i * 12.9898) * 43758.5453) % 1) - 0.5,
  )
  return cast(tensor(values, [1, heads, length, dim]), 'float16')
}

describe.skipIf(!gpu)('subgroups of several sizes', () => {
  let flash: FlashAttention | undefined
  afterEach(() => {
    flash?.destroy()
    flash?.device.destroy()
    flash = undefined
  })

  it.for([
    ['that shaders state', true, [subgroupSizeFeature]],
    ['that drivers choose', false, []],
  ] as const)('%s: the one that comes out right is taken', async (given, context) => {
    const [, statesSize, features] = given
    const { device, adapterInfo, size } = await varyingDevice(context, features)
    flash = await createFlashAttention({ device, adapterInfo })
    const { subgroupMatrices, subgroupSizeControl } = flash.capabilities
    expect(subgroupSizeControl).toBe(statesSize)
    const used = subgroupMatrices.filter(({ provenAt }) => provenAt !== undefined)
    expect(used.map(({ provenAt }) => provenAt)).toEqual(used.map(() => size))
    expect(used.length).toBeGreaterThan(0)

    const sizes = { heads, queryLength: length, headDim: dim, dtype: 'float16' } as const
    const plan = flash.plan({ ...sizes, mask: causal })
    expect(plan.explain()).toMatchObject({ variant: 'subgroup-matrix' })
    plan.destroy()
    const [query, key, value] = [noise(1), noise(2), noise(3)]
    const { output } = await flash.attention(query, key, value, { mask: causal })
    const exact = toFloat64Array(standardAttention(query, key, value, { mask: causal }).output)
    const errors = toFloat64Array(output).map((one, index) => Math.abs(one - exact[index]!))
    expect(Math.max(...errors)).toBeLessThan(2e-3)
  })
})
