// Attention under this package's patterns is what PyTorch computes under masks built there.
import { standardAttention, tensorFrom, toFloat64Array } from '@attn/core'
import type { Tensor } from '@attn/core'
import { describe, expect, test } from 'vitest'
import golden from '../../core/test/golden/attention.json' with { type: 'json' }
import { and, causal, sameDocument, fixed, prefixLm, slidingWindow, strided } from '../src/index.ts'
import type { Pattern } from '../src/index.ts'

interface Spec {
  readonly mask?: string | null
  readonly bias?: string
  readonly softcap?: number
  readonly left?: number
  readonly right?: number
  readonly stride?: number
  readonly summary?: number
  readonly prefix?: number
  readonly documents?: readonly number[]
}

const patterns: Readonly<Record<string, (spec: Spec) => Pattern>> = {
  causal: () => causal(),
  slidingWindow: ({ left, right }) => slidingWindow(left!, right),
  strided: ({ stride }) => strided(stride!).merged(),
  fixed: ({ stride, summary }) => fixed(stride!, { summary: summary! }).merged(),
  'document & causal': ({ documents }) => and(sameDocument({ ids: documents! }), causal()),
  prefixLM: ({ prefix }) => prefixLm(prefix!),
}

/** The generator of the golden inputs: xorshift32, scaled to -1 .. 1. */
function fill(seed: number, shape: readonly number[], scale: number): Tensor {
  let state = seed
  const values = Float64Array.from({ length: shape.reduce((a, b) => a * b) }, () => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return scale * ((state >>> 0) / 2 ** 31 - 1)
  })
  return tensorFrom(values, shape, 'float64')
}

const cases = golden.cases.filter(({ spec }) => {
  const { mask, bias, softcap } = spec as Spec
  return typeof mask === 'string' && mask in patterns && !bias && !softcap
})

test('every mask of the golden cases is tried', () => {
  expect(new Set(cases.map(({ spec }) => (spec as Spec).mask))).toEqual(
    new Set(Object.keys(patterns)),
  )
})

describe.each(cases)('$name', (stored) => {
  const { batch, heads, kvHeads, queryLength, keyLength, headDim, valueDim, seed } = stored
  const spec = stored.spec as Spec
  const { output, logSumExp } = standardAttention(
    fill(seed, [batch, heads, queryLength, headDim], 2),
    fill(seed + 1, [batch, kvHeads, keyLength, headDim], 2),
    fill(seed + 2, [batch, kvHeads, keyLength, valueDim], 1),
    { mask: patterns[spec.mask!]!(spec) },
  )

  test.each([
    ['output', output, stored.output],
    ['logSumExp', logSumExp, stored.logSumExp],
  ] as const)('%s to the digits stored', (_, tensor, expected) => {
    const computed = toFloat64Array(tensor)
    const worst = expected.reduce(
      (most: number, value, at) => Math.max(most, Math.abs(computed[at]! - value!)),
      0,
    )
    expect(worst).toBeLessThan(2e-8)
  })
})
