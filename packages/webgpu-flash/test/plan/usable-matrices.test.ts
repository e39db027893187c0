import { describe, expect, it } from 'vitest'
import type { Capabilities } from '../../src/device/capabilities.ts'
import { subgroupSizes, unprovenMatrices, usableMatrices } from '../../src/plan/usable-matrices.ts'
import { withMatrices } from './matrix-devices.ts'

const [halfSums, product] = withMatrices.subgroupMatrices as [
  Capabilities['subgroupMatrices'][number],
  Capabilities['subgroupMatrices'][number],
]
const varying: Capabilities = { ...withMatrices, subgroups: { minimum: 16, maximum: 32 } }

describe('usableMatrices', () => {
  it('are those with float32 sums where subgroups have one size', () => {
    expect(usableMatrices(withMatrices)).toEqual([
      { ...product, subgroupSize: 32, statesSize: false },
    ])
    expect(unprovenMatrices(withMatrices).includes(product)).toBe(false)
  })

  it('want a proof where sizes vary, and then state the size where shaders may', () => {
    expect(usableMatrices(varying)).toEqual([])
    expect(unprovenMatrices(varying)).toContain(product)
    const proven = { ...product, provenAt: 16 }
    const device = { ...varying, subgroupMatrices: [halfSums, proven] }
    expect(usableMatrices(device)).toEqual([{ ...proven, subgroupSize: 16, statesSize: false }])
    expect(usableMatrices({ ...device, subgroupSizeControl: true })).toEqual([
      { ...proven, subgroupSize: 16, statesSize: true },
    ])
  })

  it('of float32, and with float16 sums where there are no others, want a proof everywhere', () => {
    const single = { ...product, operands: 'f32' }
    const apple = { ...withMatrices, subgroupMatrices: [halfSums, single] }
    expect(usableMatrices(apple)).toEqual([])
    expect(unprovenMatrices(apple)).toEqual([single, halfSums])
    expect(unprovenMatrices({ ...apple, shaderFloat16: false })).toEqual([single])
    // What sums in float32 makes the others needless.
    expect(unprovenMatrices(withMatrices)).toEqual([])
    const proven = [single, halfSums].map((matrix) => ({ ...matrix, provenAt: 32 }))
    expect(usableMatrices({ ...apple, subgroupMatrices: proven })).toEqual(
      proven.map((matrix) => ({ ...matrix, subgroupSize: 32, statesSize: false })),
    )
    expect(unprovenMatrices({ ...apple, subgroupMatrices: proven })).toEqual([])
  })

  it.each([
    ['no float16', { shaderFloat16: false }],
    ['no subgroups', { subgroups: undefined }],
  ])('are none where there is %s', (_, change) => {
    expect(usableMatrices({ ...withMatrices, ...change })).toEqual([])
    expect(unprovenMatrices({ ...varying, ...change })).toEqual([])
  })

  it.each([
    [4, 128, [4, 8, 16, 32, 64, 128]],
    [8, 32, [8, 16, 32]],
    [32, 64, [32, 64]],
    [32, 32, [32]],
  ])('are tried at every size from %i to %i', (minimum, maximum, sizes) => {
    expect(subgroupSizes({ ...varying, subgroups: { minimum, maximum } })).toEqual(sizes)
  })
})
