// A call is resolved once: whatever kernels plan it, forward and backward, they have this value and what it says.
import { describe, expect, it } from 'vitest'
import { mask, scoreModifier } from '@attn/core'
import { defaultCapabilities } from '../../src/device/capabilities.ts'
import { planBackward } from '../../src/plan/backward/backward-plan.ts'
import { resolveCall } from '../../src/plan/call.ts'
import { planForward } from '../../src/plan/plan.ts'
import { blockSizes } from '../../src/plan/visibility.ts'
import { withMatrices } from './matrix-devices.ts'
import { byHalves, decoding, inPasses } from './plans.ts'

const causal = mask('causal', ({ query, key }) => key.le(query))
const sizes = { heads: 4, queryLength: 2048, headDim: 64, mask: causal }

describe('a call', () => {
  it('has defaults for all that is left out', () => {
    const { mask: _, ...least } = sizes
    const call = resolveCall(least, defaultCapabilities)
    expect(call.shape).toEqual({
      batch: 1,
      heads: 4,
      kvHeads: 4,
      queryLength: 2048,
      keyLength: 2048,
      headDim: 64,
      valueDim: 64,
    })
    expect(call).toMatchObject({
      dtype: 'float32',
      lengthsPerCall: false,
      rope: undefined,
      scoreModifiers: [],
      shortText: false,
      workBudget: 2 ** 38,
    })
    expect(call.visibility.blockMap({ queryBlockSize: 64, keyBlockSize: 64 })).toBeUndefined()
  })

  it('says what is visible to every kernel of a plan, each map made once', () => {
    const forward = planForward(sizes, withMatrices)
    const { call, passes } = inPasses(forward)
    const [pass] = passes
    expect(pass.call).toBe(call)
    expect(pass.blockMap).toBe(call.visibility.blockMap(blockSizes(pass.kernel.tile)))
    const backward = planBackward('test', forward, {}, withMatrices)
    expect(backward.call).toBe(call)
    const { rows, columns } = backward.query.kernel.tile
    const ofRows = call.visibility.blockMap({ queryBlockSize: rows, keyBlockSize: columns })
    expect(backward.query.passes[0].blockMap).toBe(ofRows)
  })

  it('is the same of both kernels that compute float32 by halves', () => {
    const { call, passes, otherwise } = byHalves(
      planForward({ ...sizes, heads: 16, queryLength: 4096 }, largeBindings),
    )
    expect(passes[0].call).toBe(call)
    expect(otherwise.passes[0].call).toBe(call)
    expect(passes[0].rules).toBe(otherwise.passes[0].rules)
  })

  it('has rules of tiles, from which those of single pairs are made where kernels ask for them', () => {
    const slope = scoreModifier('slope', (score, { query, key }) =>
      score.sub(query.sub(key).toFloat()),
    )
    const options = { ...sizes, queryLength: 1, keyLength: 2048, scoreModifiers: [slope] }
    const { call, rules } = decoding(planForward(options, defaultCapabilities))
    expect(call.rules.code).not.toBe(rules.code)
    expect(rules.code).toContain('fn visible')
  })
})

const largeBindings = {
  ...withMatrices,
  limits: { ...withMatrices.limits, maxStorageBufferBindingSize: 2 ** 30, maxBufferSize: 2 ** 30 },
}
