import { mask } from '@attn/core'
import type { Mask } from '@attn/core'
import { create } from 'webgpu'
import { describe, expect, it } from 'vitest'
import { defaultCapabilities } from '../../../src/device/capabilities.ts'
import type { Capabilities } from '../../../src/device/capabilities.ts'
import { explainPlan } from '../../../src/plan/explain.ts'
import { chooseMatrixTile, matrixMemory } from '../../../src/plan/forward/matrix-tile.ts'
import type { MatrixTile } from '../../../src/plan/forward/matrix-tile.ts'
import { passText } from '../../../src/plan/forward/pass-text.ts'
import { planForward } from '../../../src/plan/plan.ts'
import { firstText, inPasses } from '../plans.ts'

const product = { operands: 'f16', sums: 'f32', rows: 16, columns: 16, depth: 16 }

/** A device like the one the kernel was measured on. */
const withMatrices: Capabilities = {
  ...defaultCapabilities,
  shaderFloat16: true,
  subgroups: { minimum: 32, maximum: 32 },
  subgroupMatrices: [
    { ...product, sums: 'f16' },
    { ...product, columns: 8 },
    product,
    { ...product, operands: 'i8', sums: 'i32', depth: 32 },
  ],
  limits: { ...defaultCapabilities.limits, maxComputeWorkgroupStorageSize: 49152 },
}

const access = { dtype: 'float16', nativeFloat16: true, vector: true } as const
const accesses = { query: access, key: access, value: access, output: access }
const strided: Mask = {
  ...mask('strided', ({ query, key }) =>
    key.le(query).and(query.sub(key).le(64).or(query.sub(key).mod(64).eq(0))),
  ),
  orders: [{ kind: 'residues', stride: 64 }],
}
const causal = mask('causal', ({ query, key }) => key.le(query))

/** The tile of a call with so many heads. */
const tileOf = (
  queryLength: number,
  headDim: number,
  valueDim: number,
  capabilities: Capabilities,
  heads = 16,
): MatrixTile | undefined =>
  chooseMatrixTile({ batch: 1, heads, queryLength, headDim, valueDim }, capabilities)

describe('chooseMatrixTile', () => {
  it('takes the largest product of float16 with float32 sums', () => {
    expect(tileOf(4096, 64, 64, withMatrices)).toMatchObject({
      matrix: { rows: 16, columns: 16, depth: 16 },
      subgroupSize: 32,
      subgroups: 4,
      rowBlocks: 2,
      queries: 128,
      keys: 16,
      lanesPerRow: 2,
      rowsPerLane: 2,
    })
  })

  it.each([
    ['no float16', { shaderFloat16: false }],
    ['no subgroups', { subgroups: undefined }],
    ['subgroups of more than one size', { subgroups: { minimum: 8, maximum: 32 } }],
    ['no matrices', { subgroupMatrices: [] }],
    ['only float16 sums', { subgroupMatrices: [{ ...product, sums: 'f16' }] }],
    [
      'too few invocations',
      { limits: { ...defaultCapabilities.limits, maxComputeInvocationsPerWorkgroup: 32 } },
    ],
  ])('says no where there is %s', (_, change) => {
    expect(tileOf(4096, 64, 64, { ...withMatrices, ...change })).toBeUndefined()
  })

  it.each([
    [20, 64],
    [64, 4],
    [144, 64],
    [64, 256],
  ])('says no to widths %i and %i', (headDim, valueDim) => {
    expect(tileOf(4096, headDim, valueDim, withMatrices)).toBeUndefined()
  })

  it('takes fewer rows where there are fewer and where memory is short, and more for wide heads', () => {
    expect(tileOf(64, 64, 64, withMatrices)?.queries).toBe(64)
    expect(tileOf(65, 64, 64, withMatrices, 128)?.queries).toBe(128)
    const small = { ...withMatrices, limits: defaultCapabilities.limits }
    expect(tileOf(4096, 64, 64, small)).toMatchObject({ queries: 64, keys: 16 })
    expect(tileOf(4096, 128, 128, withMatrices)).toMatchObject({ queries: 256, keys: 16 })
  })

  it('takes fewer rows where there would be too few workgroups for a large GPU', () => {
    expect(tileOf(2048, 64, 64, withMatrices)).toMatchObject({ subgroups: 4, queries: 128 })
    expect(tileOf(1024, 64, 64, withMatrices, 8)).toMatchObject({ subgroups: 4, queries: 64 })
    expect(tileOf(1024, 128, 128, withMatrices)).toMatchObject({ queries: 128, keys: 32 })
    expect(tileOf(16, 128, 128, withMatrices, 1)?.queries).toBe(64)
  })

  it('gives a subgroup four blocks of rows where matrices have eight', () => {
    const eight = { ...product, rows: 8, columns: 8, depth: 8 }
    const tile = tileOf(4096, 64, 64, { ...withMatrices, subgroupMatrices: [eight] })
    expect(tile).toMatchObject({ rowBlocks: 4, queries: 128, lanesPerRow: 2, rowsPerLane: 2 })
  })

  it.each([
    [8, { queries: 64, lanesPerRow: 2, rowsPerLane: 4 }],
    [16, { queries: 128, lanesPerRow: 2, rowsPerLane: 4 }],
    [64, { queries: 128, lanesPerRow: 2, rowsPerLane: 1 }],
  ])('shares rows among subgroups of %i', (size, lanes) => {
    const subgroups = { minimum: size, maximum: size }
    const { limits } = withMatrices
    const tile = tileOf(4096, 64, 64, {
      ...withMatrices,
      subgroups,
      limits: { ...limits, maxComputeInvocationsPerWorkgroup: 1024 },
    })
    expect(tile).toMatchObject(lanes)
  })

  it.each([
    [4, 16, { subgroupSize: 4, rowBlocks: 1, rowsPerLane: 4 }],
    [8, 32, { subgroupSize: 8 }],
    [16, 32, { subgroupSize: 16 }],
    [32, 64, { subgroupSize: 32 }],
    [64, 128, { subgroupSize: 64 }],
    [128, 128, { subgroupSize: 128, lanesPerRow: 4 }],
  ])('takes the size at which matrices were proven: %i of up to %i', (provenAt, maximum, lanes) => {
    const eight = { ...product, rows: 8, columns: 8, depth: 8, provenAt }
    const device: Capabilities = {
      ...withMatrices,
      subgroups: { minimum: 4, maximum },
      subgroupSizeControl: true,
      subgroupMatrices: [eight],
      limits: { ...withMatrices.limits, maxComputeInvocationsPerWorkgroup: 1024 },
    }
    const tile = tileOf(4096, 64, 64, device)!
    expect(tile).toMatchObject({ ...lanes, statesSize: true })
    expect((tile.subgroups * tile.subgroupSize) % maximum).toBe(0)
    const unstated = tileOf(4096, 64, 64, { ...device, subgroupSizeControl: false })
    expect(unstated).toEqual({ ...tile, statesSize: false })
  })

  it("takes Apple's matrices: float32 for float32, and float16 sums where there are no others", () => {
    const plain = { ...product, rows: 8, columns: 8, depth: 8 }
    const eight = { ...plain, provenAt: 32 }
    const apple: Capabilities = {
      ...withMatrices,
      subgroupMatrices: [
        { ...eight, operands: 'f32' },
        { ...eight, sums: 'f16' },
      ],
      limits: { ...withMatrices.limits, maxComputeWorkgroupStorageSize: 32768 },
    }
    const sizes = { batch: 1, heads: 16, queryLength: 4096 }
    for (const dims of [64, 128]) {
      const call = { ...sizes, headDim: dims, valueDim: dims }
      const [half, single] = (['float16', 'float32'] as const).map((dtype) => {
        const tile = chooseMatrixTile(call, apple, dtype)!
        expect(matrixMemory(tile, dims, dims).bytes).toBeLessThanOrEqual(32768)
        return tile
      })
      expect(half).toMatchObject({ operands: 'f16', sums: 'f16', woven: false, subgroupSize: 32 })
      expect(single).toMatchObject({ operands: 'f32', sums: 'f32', subgroupSize: 32 })
    }
    const both = { ...apple, subgroupMatrices: [{ ...eight, sums: 'f16' }, eight] }
    expect(tileOf(4096, 64, 64, both)).toMatchObject({ operands: 'f16', sums: 'f32' })
    const unproven = [{ ...plain, operands: 'f32' }]
    expect(
      chooseMatrixTile(
        { ...sizes, headDim: 64, valueDim: 64 },
        { ...apple, subgroupMatrices: unproven },
        'float32',
      ),
    ).toBeUndefined()
  })

  it('gives software adapters little text, for few dims', () => {
    const eight = { ...product, rows: 8, columns: 8, depth: 8 }
    const lavapipe: Capabilities = {
      ...withMatrices,
      adapter: { ...defaultCapabilities.adapter, description: 'llvmpipe: Mesa 26.1' },
      subgroups: { minimum: 8, maximum: 8 },
      subgroupMatrices: [eight],
    }
    expect(tileOf(4096, 32, 16, lavapipe)).toMatchObject({ queries: 32, keys: 8 })
    expect(tileOf(4096, 64, 64, lavapipe)).toBeUndefined()
  })

  it('begins all rows and arrays in workgroup memory at multiples of 16 bytes', () => {
    for (const [headDim, valueDim] of [
      [64, 48],
      [128, 128],
      [16, 112],
    ] as const) {
      // prettier-ignore
      const memory = matrixMemory(
        tileOf(4096, headDim, valueDim, withMatrices)!,
        headDim,
        valueDim,
      )
      const { keyStride, valueStride, probabilityStride, keyRows, valueRows, probabilities } =
        memory
      const halves = [keyStride, valueStride, probabilityStride, keyRows, valueRows, probabilities]
      expect(halves.map((vectors) => (8 * vectors) % 16)).toEqual(halves.map(() => 0))
      expect(memory.bytes).toBeLessThanOrEqual(49152)
    }
  })
})

describe('a plan on subgroup matrices', () => {
  const dropout = { rate: 0.1, seed: 1 }
  const options = { heads: 2, queryLength: 100, headDim: 64, dtype: 'float16' } as const

  it('is explained, and not taken for little float32 or few queries', () => {
    const variant = (more: object): string =>
      explainPlan(planForward({ ...options, ...more }, withMatrices), withMatrices).variant
    expect(variant({})).toBe('subgroup-matrix')
    expect(variant({ dtype: 'float32' })).toBe('tiled')
    expect(variant({ dropout: { rate: 0.1, seed: 1 }, sinks: [0, 0] })).toBe('subgroup-matrix')
    expect(variant({ queryLength: 1 })).toBe('decode')
  })

  it.each<[string, Partial<Capabilities>, object]>([
    ['float16 halves on subgroup matrices would not be faster', {}, { dtype: 'float32' }],
    ['offers no subgroup matrices', { subgroupMatrices: [] }, { dtype: 'float32' }],
    ['offers no subgroup matrices', { subgroupMatrices: [] }, {}],
    ['want shader-f16', { shaderFloat16: false }, {}],
    ['at no subgroup size from 16 to 32', { subgroups: { minimum: 16, maximum: 32 } }, {}],
    ['f16 want a proof here', { subgroupMatrices: [{ ...product, sums: 'f16' }] }, {}],
    [
      'but i8 with sums in i32',
      { subgroupMatrices: [{ ...product, operands: 'i8', sums: 'i32' }] },
      {},
    ],
    ['are for dims to 128', {}, { headDim: 144 }],
    ['fits headDim 60 and valueDim 60', {}, { headDim: 60 }],
  ])('that is not taken says why: %s', (why, change, more) => {
    const capabilities = { ...withMatrices, ...change }
    const plan = planForward({ ...options, ...more }, capabilities)
    expect(explainPlan(plan, capabilities).reason).toContain(why)
  })

  it('takes tokens in the orders that a mask proposes', () => {
    const plan = planForward({ ...options, queryLength: 4096, mask: strided }, withMatrices)
    const [window, column] = inPasses(plan).passes
    expect(window.kernel.kind).toBe('subgroup-matrix')
    expect(column!.kernel).toBe(window.kernel)
    expect(column!.orders?.keyOrder?.name).toBe('residues mod 64')
    const code = passText(column!, accesses)
    expect(code).toContain('subgroupMatrixMultiplyAccumulate')
    expect(code).toContain('let queryRow0 = queryToken(firstQuery + ')
  })

  it('cuts long rows into parts', () => {
    const global = mask('global', ({ query, key }) => query.sub(key).abs().le(64).or(query.lt(64)))
    const plan = planForward({ ...options, queryLength: 16384, mask: global }, withMatrices)
    const [pass] = inPasses(plan).passes
    expect(pass.longRows).toMatchObject({ rows: 1 })
    const parts = passText(pass, accesses, true)
    expect(parts).toContain('params.mapQueryTiles * tileQueries + (rowPart * tileQueries + ')
  })

  it('has WGSL as reviewed', async () => {
    const code = firstText(planForward({ ...options, mask: causal }, withMatrices), accesses)
    await expect(code).toMatchFileSnapshot('../../__wgsl__/forward-matrix-causal.wgsl')
  })

  it.each([
    ['float32', { operands: 'f32', sums: 'f32' }],
    ['float16', { operands: 'f16', sums: 'f16' }],
  ] as const)('of eight rows, %s, has WGSL as reviewed', async (dtype, arithmetic) => {
    const eight = { ...product, ...arithmetic, rows: 8, columns: 8, depth: 8, provenAt: 32 }
    const device = { ...withMatrices, subgroupMatrices: [eight] }
    const plan = planForward({ ...options, headDim: 32, dtype, mask: causal }, device)
    const one = { ...access, dtype }
    const code = firstText(plan, { query: one, key: one, value: one, output: one })
    await expect(code).toMatchFileSnapshot(
      `../../__wgsl__/forward-matrix-${dtype}-${arithmetic.sums}-sums.wgsl`,
    )
  })

  it('is valid WGSL', async () => {
    // No software adapter has such matrices; Dawn's null backend checks the text all the same.
    const gpu = create([
      'backend=null',
      'enable-dawn-features=allow_unsafe_apis,vulkan_enable_f16_on_nvidia',
    ])
    const adapter = await gpu.requestAdapter()
    const feature = 'chromium-experimental-subgroup-matrix' as GPUFeatureName
    const device = await adapter!.requestDevice({
      requiredFeatures: ['shader-f16', 'subgroups', feature],
    })
    const wide = { ...access, wide: true }
    const calls = [
      {},
      { mask: causal },
      { valueDim: 32 },
      { headDim: 128 },
      { dropout, sinks: [0, 0] },
      { queryLength: 128 },
    ]
    for (const used of [accesses, { ...accesses, key: wide, value: wide }]) {
      for (const more of calls) {
        const code = firstText(planForward({ ...options, ...more }, withMatrices), used)
        const { messages } = await device.createShaderModule({ code }).getCompilationInfo()
        expect(messages.map(({ message }) => message)).toEqual([])
      }
    }
    // Apple's: matrices of float32, and those that sum in float16.
    for (const dtype of ['float32', 'float16'] as const) {
      const type = dtype === 'float32' ? 'f32' : 'f16'
      const eight = { ...product, operands: type, sums: type, rows: 8, columns: 8, depth: 8 }
      const apple = { ...withMatrices, subgroupMatrices: [{ ...eight, provenAt: 32 }] }
      const one = { ...access, dtype }
      const given = { query: one, key: one, value: one, output: one }
      for (const more of calls) {
        const plan = planForward({ ...options, dtype, ...more }, apple)
        expect(inPasses(plan).passes[0].kernel.kind).toBe('subgroup-matrix')
        const code = firstText(plan, given)
        const { messages } = await device.createShaderModule({ code }).getCompilationInfo()
        expect(messages.map(({ message }) => message)).toEqual([])
      }
    }
    device.destroy()
  })
})
