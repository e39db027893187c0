// The shader text of attention weights, kept so that a reviewer sees what a change makes of it;
// `vitest -u` writes the files anew.
import { expect, it } from 'vitest'
import { mask } from '@attn/core'
import { defaultCapabilities } from '../../src/device/capabilities.ts'
import { weightsKernel } from '../../src/kernels/weights/weights.wgsl.ts'
import type { WeightsKind } from '../../src/kernels/weights/weights.wgsl.ts'
import { planForward } from '../../src/plan/plan.ts'
import { weightsTile } from '../../src/plan/weights/weights-tile.ts'

const causal = mask('causal', ({ query, key }) => key.le(query))
const access = { dtype: 'float32', vector: true, nativeFloat16: false } as const

function text(kind: WeightsKind, rows: number): string {
  const sizes = { heads: 4, queryLength: rows, keyLength: 300, headDim: 64 }
  const { rules } = planForward({ ...sizes, mask: causal }, defaultCapabilities).call
  return weightsKernel({
    kind,
    ...weightsTile(rows, defaultCapabilities),
    headDim: 64,
    query: access,
    key: access,
    rules,
    shortText: false,
    descriptorWords: 0,
    parameterWords: 0,
  })
}

it.each([
  ['none', text('none', 1)],
  ['sum-over-queries', text('sum over queries', 1)],
  ['mean-over-heads', text('mean over heads', 1)],
  ['largest-score', text('largest score', 1)],
])('%s', async (name, code) => {
  await expect(code).toMatchFileSnapshot(`../__wgsl__/weights-${name}.wgsl`)
})

it('stores nothing but the weights, and fits the limits that every device has', () => {
  expect(text('maximum', 64).match(/read_write/g)).toHaveLength(1)
  for (const rows of [1, 16, 17, 5000]) {
    const { memory } = weightsTile(rows, defaultCapabilities)
    expect(16 * memory.vectors).toBeLessThanOrEqual(16384)
  }
})
