// Matrices that sum in float16 alone, as Apple's: an adapter that has others too is made to offer these
// only. They may be off by twice what a plain program is off by that sums as few terms in float16 as they do;
// and have to hold what sums of float16 cannot.
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { mask, standardAttention, tensor, toFloat16Array, toFloat64Array } from '@attn/core'
import type { AttentionOptions, Tensor } from '@attn/core'
import { acquireGpu } from '../../../tools/testing/acquire-gpu.ts'
import {
  chosenCases,
  conformanceCases,
  dropoutCases,
  forwardProblems,
  sinkCases,
} from '../../core/test/conformance/index.ts'
import { readCapabilities, subgroupMatrixFeature } from '../src/device/capabilities.ts'
import { createFlashAttention } from '../src/index.ts'
import type { FlashAttention } from '../src/index.ts'

const gpu = await acquireGpu()
const adapter = await gpu?.requestAdapter()

interface MatrixConfig {
  readonly componentType: string
  readonly resultComponentType: string
}

/** What the adapter says, but for the matrices that sum in float32. */
function withHalfSums({ info }: GPUAdapter): GPUAdapterInfo {
  const { subgroupMatrixConfigs = [] } = info as {
    readonly subgroupMatrixConfigs?: readonly MatrixConfig[]
  }
  const { vendor, architecture, device, description, subgroupMinSize, subgroupMaxSize } = info
  return {
    vendor,
    architecture,
    device,
    description,
    subgroupMinSize,
    subgroupMaxSize,
    subgroupMatrixConfigs: [...subgroupMatrixConfigs].filter(
      ({ componentType, resultComponentType }) =>
        componentType === 'f16' && resultComponentType === 'f16',
    ),
  } as unknown as GPUAdapterInfo
}

const features = ['shader-f16', 'subgroups', subgroupMatrixFeature] as GPUFeatureName[]
const offers =
  adapter && features.every((feature) => adapter.features.has(feature)) && withHalfSums(adapter)
const missing = 'this adapter has no subgroup matrices of f16 with sums of f16'

const causal = mask('causal', ({ query, key }) => key.le(query))

describe.skipIf(!gpu)('matrices that sum in float16', () => {
  let flash: FlashAttention | undefined
  beforeAll(async () => {
    if (!offers) return
    const { maxComputeWorkgroupStorageSize, maxComputeInvocationsPerWorkgroup } = adapter.limits
    const device = await adapter.requestDevice({
      requiredFeatures: features,
      requiredLimits: { maxComputeWorkgroupStorageSize, maxComputeInvocationsPerWorkgroup },
    })
    const { subgroupMatrices } = readCapabilities(device, offers)
    if (subgroupMatrices.length > 0)
      flash = await createFlashAttention({ device, adapterInfo: offers })
  })
  afterAll(() => {
    flash?.destroy()
    flash?.device.destroy()
  })

  // What software adapters compute on matrices; the others would be the plain kernel's once more.
  const fits = (dims: number): boolean => dims % 8 === 0 && dims <= 32
  const cases = chosenCases(
    [...conformanceCases(), ...dropoutCases(), ...sinkCases()].filter(
      ({ dtype, shape: { queryLength, headDim, valueDim } }) =>
        dtype === 'float16' && queryLength >= 16 && fits(headDim) && fits(valueDim),
    ),
  )
  it.for(cases)('$name', async (each, { skip }) => {
    if (!flash) return skip(missing)
    const library = flash
    const { depth } = library.capabilities.subgroupMatrices[0]!
    const problems = await forwardProblems(
      each,
      async (...call) => library.attention(...call),
      depth,
    )
    expect(problems).toEqual([])
  })

  const [heads, length, dim] = [2, 70, 16]
  const half = (value: (row: number, dim: number) => number, rows = length): Tensor =>
    tensor(
      toFloat16Array(
        Float32Array.from({ length: heads * rows * dim }, (_, i) =>
          value(Math.floor(i / dim) % rows, i % dim),
        ),
      ),
      [1, heads, rows, dim],
    )
  const noise = (row: number, at: number): number =>
    (Math.abs(Math.sin(row * 7.3 + at * 1.7) * 43758.5453) % 1) - 0.5

  const hard: readonly (readonly [string, Tensor, Tensor, Tensor, AttentionOptions])[] = [
    [
      'scores beyond float16',
      half((row, at) => 300 * noise(row, at)),
      half((row, at) => 300 * noise(at, row)),
      half(noise),
      {},
    ],
    [
      'parts of a score that cancel',
      half((_, at) => (at < 8 ? 250 : -250)),
      half((row) => 100 + noise(row, 1)),
      half(noise),
      { scale: 0.01 },
    ],
    [
      'values near the largest of float16',
      half(noise),
      half(noise),
      half((row) => 60000 - row),
      {},
    ],
    ['a long row of equal weights', half(() => 0), half(noise), half(() => 1), {}],
  ]
  it.for(hard)('%s', async ([, query, key, value, options], { skip }) => {
    if (!flash) return skip(missing)
    const call = { ...options, mask: causal }
    const sizes = { heads, queryLength: length, headDim: dim, dtype: 'float16' } as const
    const plan = flash.plan({ ...sizes, ...call })
    expect(plan.explain()).toMatchObject({ variant: 'subgroup-matrix' })
    plan.destroy()
    const { output, logSumExp } = await flash.attention(query, key, value, call)
    const exact = standardAttention(query, key, value, call)
    const relative = (got: Tensor, wanted: Tensor): number => {
      const right = toFloat64Array(wanted)
      const scale = Math.max(1, ...right.map(Math.abs))
      return Math.max(...toFloat64Array(got).map((one, i) => Math.abs(one - right[i]!) / scale))
    }
    expect(relative(output, exact.output)).toBeLessThan(2e-3)
    expect(relative(logSumExp, exact.logSumExp)).toBeLessThan(1e-3)
  })

  it('take tokens in the order that a mask proposes', async ({ skip }) => {
    if (!flash) return skip(missing)
    const rows = 640
    const [query, key, value] = [noise, (row: number, at: number) => noise(at, row), noise].map(
      (values) => half(values, rows),
    ) as [Tensor, Tensor, Tensor]
    const column = mask('column', ({ query: i, key: j }) => i.sub(j).mod(16).eq(0))
    const call = { mask: { ...column, orders: [{ kind: 'residues', stride: 16 } as const] } }
    const plan = flash.plan({ heads, queryLength: rows, headDim: dim, dtype: 'float16', ...call })
    const { variant, passes } = plan.explain()
    plan.destroy()
    expect({ variant, reordered: passes?.chosen !== passes?.candidates[0]!.name }).toEqual({
      variant: 'subgroup-matrix',
      reordered: true,
    })
    const { output } = await flash.attention(query, key, value, call)
    const exact = toFloat64Array(standardAttention(query, key, value, call).output)
    const errors = toFloat64Array(output).map((one, i) => Math.abs(one - exact[i]!))
    expect(Math.max(...errors)).toBeLessThan(2e-3)
  })
})
