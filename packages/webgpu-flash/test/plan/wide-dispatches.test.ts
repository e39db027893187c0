import { describe, expect, it } from 'vitest'
import { mask } from '@attn/core'
import { defaultCapabilities } from '../../src/device/capabilities.ts'
import { contiguousTensors } from '../../src/plan/contiguous-tensors.ts'
import { forwardDispatches } from '../../src/plan/forward/forward-dispatches.ts'
import { planForward } from '../../src/plan/plan.ts'
import { inPasses } from './plans.ts'

const causal = mask('causal', ({ query, key }) => key.le(query))
const limits = { ...defaultCapabilities.limits, maxStorageBufferBindingSize: 2 ** 31 - 4 }
const capabilities = { ...defaultCapabilities, limits }

describe('dispatches cut by the work', () => {
  it.each([
    ['causal', { heads: 8, queryLength: 65_536, mask: causal }],
    ['dense', { heads: 16, queryLength: 32_768 }],
    [
      'few rows, many keys',
      { batch: 64, heads: 32, kvHeads: 1, queryLength: 64, keyLength: 65_536 },
    ],
  ])('leave each enough workgroups to fill a GPU: %s', (_, options) => {
    const [pass] = inPasses(planForward({ ...options, headDim: 64 }, capabilities)).passes
    const tensors = contiguousTensors(pass.call, capabilities)
    const { dispatches } = forwardDispatches('test', pass, tensors, limits)
    expect(dispatches.length).toBeGreaterThan(1)
    const { batch, heads, queryLength } = pass.call.shape
    const all = (batch * heads * queryLength) / pass.kernel.tile.queries
    for (const box of dispatches) {
      const workgroups = [box.batches, box.heads, box.queryTiles].reduce(
        (n, r) => n * (r.end - r.start),
        1,
      )
      expect(workgroups).toBeGreaterThanOrEqual(Math.min(2048, all))
    }
  })
})
