// The shader text of the forward kernel, kept so that a reviewer sees what a change makes of it. On a
// tile of 4 x 4 pairs a thread, so that little is unrolled; `vitest -u` writes the files anew.
import { describe, expect, it } from 'vitest'
import { floatTable, mask, scoreModifier } from '@attn/core'
import type { Access } from '../../src/codegen/access.ts'
import { defaultCapabilities } from '../../src/device/capabilities.ts'
import { planForward } from '../../src/plan/plan.ts'
import { firstText } from '../plan/plans.ts'
import type { PlanOptions } from '../../src/plan/plan-options.ts'

const tile = { queries: 32, keys: 32, threadRows: 8, threadColumns: 8, dimChunk: 8, valueChunk: 32 }
const base: PlanOptions = { heads: 4, queryLength: 256, headDim: 64, tile }
const causal = mask('causal', ({ query, key }) => key.le(query))
const slopes = floatTable('slopes', [0.5, 0.25, 0.125, 0.0625])
const alibi = scoreModifier('alibi', (score, { head, query, key }) =>
  score.sub(slopes.at(head).mul(query.sub(key))),
)

function code(options: Partial<PlanOptions>, access: Partial<Access> = {}): string {
  const plan = planForward({ ...base, ...options }, defaultCapabilities)
  const { dtype, shape } = plan.call
  const of = (dims: number): Access => ({
    dtype,
    nativeFloat16: false,
    vector: dims % 4 === 0,
    ...access,
  })
  const [head, value] = [of(shape.headDim), of(shape.valueDim)]
  return firstText(plan, { query: head, key: head, value, output: value })
}

describe('the forward kernel', () => {
  it.each([
    ['plain-float32', code({})],
    ['causal-alibi-float32', code({ mask: causal, scoreModifiers: [alibi] })],
    ['unpacked-float16-odd-dims', code({ dtype: 'float16', headDim: 37, valueDim: 5 })],
    ['native-float16', code({ dtype: 'float16' }, { nativeFloat16: true })],
  ])('%s', async (name, text) => {
    await expect(text).toMatchFileSnapshot(`../__wgsl__/forward-${name}.wgsl`)
  })

  it('holds only what the call needs', () => {
    expect(code({})).not.toMatch(/fn visible|fn modified|blockMap\[|enable f16|unpack2x16float/)
    expect(code({ mask: causal })).toMatch(/fn visible\([^]*blockMap\[/)
    expect(code({ dtype: 'float16' }, { nativeFloat16: true })).toMatch(/^enable f16;/)
    expect(code({ dtype: 'float16' })).not.toContain('enable f16')
  })

  it('does not depend on lengths, heads or the scale, so that one pipeline serves them all', () => {
    const first = code({ mask: causal, scoreModifiers: [alibi] })
    const fewerSlopes = floatTable('slopes', [0.5, 0.25])
    const ofTwoHeads = scoreModifier('alibi', (score, { head, query, key }) =>
      score.sub(fewerSlopes.at(head).mul(query.sub(key))),
    )
    const other = {
      mask: causal,
      scoreModifiers: [ofTwoHeads],
      heads: 2,
      queryLength: 77,
      keyLength: 1000,
    }
    expect(code({ ...other, batch: 3, scale: 0.5, keyLengths: [9, 8, 7] })).toBe(first)
  })
})
