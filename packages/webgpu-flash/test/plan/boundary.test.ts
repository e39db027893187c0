// What plans refuse when they are made: options that are not known, tables of another call's sizes.
import { describe, expect, it } from 'vitest'
import { biasFromTensor, floatTable, maskFromTensor, scoreModifier } from '@attn/core'
import { defaultCapabilities } from '../../src/device/capabilities.ts'
import { planForward } from '../../src/plan/plan.ts'
import type { PlanOptions } from '../../src/plan/plan-options.ts'

const sizes = { batch: 2, heads: 12, queryLength: 6, headDim: 16 }
const planned = (options: unknown) => (): unknown =>
  planForward({ ...sizes, ...(options as PlanOptions) }, defaultCapabilities)

describe('flash.plan', () => {
  it('refuses options that it does not know, with the nearest thing', () => {
    const nearest = {
      causal: 'write mask: causal() of @attn/masks',
      isCausal: 'write mask: causal() of @attn/masks',
      numHeads: 'there are ',
      head: 'did you mean heads?',
      kv_heads: 'did you mean kvHeads?',
      headdim: 'did you mean headDim?',
      softcap: 'write scoreModifiers: [softcap(cap)]',
      trainning: 'did you mean training?',
    }
    for (const [option, message] of Object.entries(nearest)) {
      expect(planned({ [option]: 4 })).toThrow(TypeError)
      expect(planned({ [option]: 4 })).toThrow(
        `flash.plan: there is no option ${option}; ${message}`,
      )
    }
    const rotary = { inverseFrequencies: [1], attentionFactor: 1, layout: 'half', rotaryDim: 2 }
    expect(planned({ rope: { query: rotary, keys: rotary } })).toThrow(
      'flash.plan: rope: there is no option keys; did you mean key?',
    )
    expect(() => planForward(null as never, defaultCapabilities)).toThrow(
      'flash.plan: options must be an object, got null',
    )
  })

  it('refuses tables of other sizes than the call, with both shapes', () => {
    const call = '[batch, heads, queries, keys] = [2, 12, 6, 6]'
    const table = (shape: readonly [number, number, number, number]): Float32Array =>
      new Float32Array(shape.reduce((product, size) => product * size, 1)).fill(1)
    for (const shape of [
      [1, 1, 1, 5],
      [1, 3, 1, 1],
      [1, 1, 4, 6],
      [5, 1, 1, 1],
    ] as const) {
      const message = `has shape [${shape.join(', ')}], but the call ${call}; an axis must be 1 or the same`
      expect(planned({ mask: maskFromTensor(table(shape), shape) })).toThrow(
        new RangeError(`flash.plan: tensorMask ${message}`),
      )
      expect(planned({ scoreModifiers: [biasFromTensor(table(shape), shape)] })).toThrow(
        new RangeError(`flash.plan: tensorBias ${message}`),
      )
    }
    const slopes = floatTable('slopes', new Float32Array(8))
    const alibi = scoreModifier('alibi', (score, { head, query, key }) =>
      score.sub(slopes.at(head).mul(query.sub(key))),
    )
    expect(planned({ scoreModifiers: [alibi] })).toThrow(
      `flash.plan: slopes has shape [8], and is looked up by head 0..11 on axis 0 in a call of ${call}`,
    )
    expect(planned({ heads: 8, scoreModifiers: [alibi] })).not.toThrow()
  })
})
