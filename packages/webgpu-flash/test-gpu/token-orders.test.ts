// Sparse masks in passes, tokens in orders of their own, and long rows cut into parts: all of it must
// give what the dense masked reference gives.
import { afterAll, describe, expect, it } from 'vitest'
import { cast, mask, scoreModifier, standardAttention, tensor, toFloat64Array } from '@attn/core'
import type { AttentionOptions, Mask, Tensor } from '@attn/core'
import { acquireGpu } from '../../../tools/testing/acquire-gpu.ts'
import type { FlashAttention } from '../src/index.ts'
import { deviceKinds } from './devices.ts'
import { column, fixed, proposing, strided } from './ordered-masks.ts'
import { onlyCore } from '../../core/test/conformance/index.ts'

const gpu = await acquireGpu()

/** The largest difference of two tensors; Infinity where one of them alone is NaN or infinite. */
function difference(actual: Tensor, expected: Tensor): number {
  const [got, wanted] = [toFloat64Array(actual), toFloat64Array(expected)]
  let worst = 0
  wanted.forEach((number, index) => {
    const distance = Object.is(number, got[index]) ? 0 : Math.abs(number - got[index]!)
    worst = Math.max(worst, Number.isNaN(distance) ? Infinity : distance)
  })
  return worst
}

function inputs(
  batch: number,
  heads: number,
  queries: number,
  keys: number,
  dim: number,
): Tensor[] {
  let state = 1
  const random = (): number => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return state / 2 ** 31 - 1
  }
  const make = (length: number): Tensor =>
    tensor(Float32Array.from({ length: batch * heads * length * dim }, random), [
      batch,
      heads,
      length,
      dim,
    ])
  return [make(queries), make(keys), make(keys), make(queries)]
}

/** The second pass sees nothing in the first rows, and only some heads have it. */
const perHead = proposing(
  mask('perHead', ({ head, query, key }) =>
    key
      .le(query)
      .and(key.gt(query.sub(9)))
      .or(
        head
          .eq(1)
          .and(query.sub(key).mod(16).eq(0))
          .and(key.lt(query.sub(40))),
      ),
  ),
  { kind: 'residues', stride: 16 },
)
const perSequence = proposing(
  mask('perSequence', ({ batch, head, query, key }) =>
    query
      .sub(key)
      .abs()
      .le(head.add(2).mul(5))
      .or(query.sub(key).mod(12).eq(batch.mul(3)).and(key.le(query))),
  ),
  { kind: 'residues', stride: 12 },
)
const lastGlobal = mask('lastGlobal', ({ query, key, head }) =>
  query
    .sub(key)
    .abs()
    .le(8)
    .or(query.ge(700).and(query.lt(704)))
    .or(head.eq(1).and(query.eq(3))),
)

interface Case {
  readonly name: string
  readonly mask: Mask
  readonly queries: number
  readonly keys?: number
  readonly batch?: number
  readonly options?: AttentionOptions
  readonly passes?: number
  readonly longRows?: number
}

const bias = scoreModifier('bias', (score, { query, key }) =>
  score.sub(query.sub(key).abs().toFloat().mul(0.01)),
)
// Of few kernels, and those of the smaller tiles that planners take for fewer queries: software adapters
// compile each of the others in a second and more.
const cases: readonly Case[] = [
  { name: 'strided', mask: strided(8), queries: 512, passes: 2 },
  { name: 'strided, ragged', mask: strided(8), queries: 605, passes: 2 },
  { name: 'strided, fewer queries', mask: strided(8), queries: 300, keys: 613, passes: 2 },
  { name: 'residues alone', mask: column(12), queries: 640, passes: 1 },
  { name: 'fixed', mask: fixed(64, 4), queries: 1024, passes: 2 },
  { name: 'fixed, ragged', mask: fixed(64, 4), queries: 601, passes: 2 },
  { name: 'a pass that few rows have', mask: perHead, queries: 1000, passes: 2 },
  {
    name: 'with padding, sinks, dropout and a score modifier',
    mask: strided(8),
    queries: 512,
    options: {
      keyLengths: [450],
      queryOffset: 0,
      sinks: [0.5, -1],
      dropout: { rate: 0.25, seed: 7 },
      scoreModifiers: [bias],
    },
    passes: 2,
  },
  {
    name: 'maps of their own for sequences and heads',
    mask: perSequence,
    queries: 700,
    batch: 2,
    options: { keyLengths: [700, 650], queryOffset: 0 },
    passes: 2,
  },
  {
    name: 'a few long rows',
    mask: lastGlobal,
    queries: 800,
    keys: 2600,
    options: { queryOffset: 0 },
    longRows: 4,
  },
  {
    name: 'long rows with sinks, padding and dropout',
    mask: lastGlobal,
    queries: 800,
    keys: 2600,
    options: {
      sinks: [0.5, 3],
      keyLengths: [2500],
      queryOffset: 0,
      dropout: { rate: 0.25, seed: 7 },
    },
    longRows: 4,
  },
]

/** One case for each kernel on matrices: orders of both or of keys alone, rules of pairs, parts of rows. */
const matrixCases = cases.filter(({ name }) =>
  [
    'strided, ragged',
    'fixed',
    'with padding, sinks, dropout and a score modifier',
    'long rows with sinks, padding and dropout',
  ].includes(name),
)

/** The same of float32 by halves. */
const halvesCases = cases.filter(({ name }) =>
  ['strided, ragged', 'long rows with sinks, padding and dropout'].includes(name),
)

/** Orders, and long rows cut into parts under one: all kernels of this file. */
const coreCases = cases.filter(({ name }) => ['strided', 'a few long rows'].includes(name))

describe.skipIf(!gpu).each(deviceKinds(gpu))('%s', (_, create) => {
  let made: Promise<FlashAttention> | undefined
  const library = (): Promise<FlashAttention> => (made ??= create())
  afterAll(async () => (await made)?.destroy())

  it.each(onlyCore() ? coreCases : cases)(
    '$name',
    async ({ mask: pattern, queries, keys = queries, batch = 1, options, ...expected }) => {
      const flash = await library()
      const [query, key, value] = inputs(batch, 2, queries, keys, 20) as [Tensor, Tensor, Tensor]
      const all = { ...options, mask: pattern }
      const plan = flash.plan({
        ...all,
        batch,
        heads: 2,
        queryLength: queries,
        keyLength: keys,
        headDim: 20,
      })
      const { passes, longRows } = plan.explain()
      const chosen = passes?.candidates.find(({ name }) => name === passes.chosen)
      plan.destroy()
      expect({
        passes: chosen?.passes,
        inOrder: passes && passes.chosen === passes.candidates[0]!.name,
        longRows: longRows.rows,
      }).toEqual({
        passes: expected.passes,
        inOrder: expected.passes && false,
        longRows: expected.longRows ?? 0,
      })

      const result = await flash.attention(query, key, value, all)
      const right = standardAttention(query, key, value, all)
      expect(difference(result.output, right.output)).toBeLessThan(1e-5)
      expect(difference(result.logSumExp, right.logSumExp)).toBeLessThan(1e-5)
    },
  )

  it.each(onlyCore() ? matrixCases.slice(0, 1) : matrixCases)(
    'on subgroup matrices, where there are any: $name',
    async ({ mask: pattern, queries, keys = queries, batch = 1, options, passes, longRows }) => {
      const flash = await library()
      const [query, key, value] = inputs(batch, 2, queries, keys, 16).map((one) =>
        cast(one, 'float16'),
      ) as [Tensor, Tensor, Tensor, Tensor]
      const all = { ...options, mask: pattern }
      const sizes = { batch, heads: 2, queryLength: queries, keyLength: keys, headDim: 16 }
      const plan = flash.plan({ ...all, ...sizes, dtype: 'float16' })
      const explained = plan.explain()
      plan.destroy()
      // A late key that rows outgrow their references by, and a value that is not for all rows to see.
      if (explained.variant === 'subgroup-matrix') {
        ;(key.storage as Uint16Array)[(keys - 130) * 16 + 3] = 0x5a00 // 192
        ;(value.storage as Uint16Array)[37 * 16 + 3] = 0x7c00 // Infinity
      }
      const { candidates = [], chosen } = explained.passes ?? {}
      expect(candidates.find(({ name }) => name === chosen)?.passes).toBe(passes)
      expect(explained.longRows.rows).toBe(longRows ?? 0)
      const result = await flash.attention(query, key, value, all)
      const right = standardAttention(query, key, value, all)
      // Of halves near 1, which two passes may round twice.
      expect(difference(result.output, right.output)).toBeLessThan(2e-3)
      expect(difference(result.logSumExp, right.logSumExp)).toBeLessThan(2e-3)
    },
  )

  it.for(onlyCore() ? [] : halvesCases)(
    'by float16 halves of float32: $name',
    async ({ mask: pattern, queries, keys = queries, options, ...expected }, { skip }) => {
      const flash = await library()
      const { subgroupMatrices, shaderFloat16 } = flash.capabilities
      const can = subgroupMatrices.some(
        ({ operands, sums }) => operands === 'f16' && sums === 'f32',
      )
      if (!can || !shaderFloat16) skip('this adapter has no matrices of float16')
      const [query, key, value] = inputs(1, 2, queries, keys, 16) as [Tensor, Tensor, Tensor]
      const all = { ...options, mask: pattern }
      const sizes = { heads: 2, queryLength: queries, keyLength: keys, headDim: 16 }
      const plan = flash.plan({ ...all, ...sizes, tile: 'subgroup-matrix' })
      const { products, passes, longRows } = plan.explain()
      const chosen = passes?.candidates.find(({ name }) => name === passes.chosen)
      expect({ products: products?.ofEach, passes: chosen?.passes, rows: longRows.rows }).toEqual({
        products: 3,
        passes: expected.passes,
        rows: expected.longRows ?? 0,
      })
      const right = standardAttention(query, key, value, all)
      const run = async (given: Tensor) => {
        const [onQuery, onKey, onValue] = [query, key, given].map((one) => flash.upload(one))
        const result = plan.forward({ query: onQuery!, key: onKey!, value: onValue! })
        return {
          output: await flash.download(result.output),
          logSumExp: await flash.download(result.logSumExp),
        }
      }
      const result = await run(value)
      expect(difference(result.output, right.output)).toBeLessThan(1e-5)
      expect(difference(result.logSumExp, right.logSumExp)).toBeLessThan(1e-5)
      // What is not finite the kernel in plain WGSL computes, in passes of its own.
      const odd = { ...value, storage: (value.storage as Float32Array).slice() }
      odd.storage[0] = Infinity
      const wanted = standardAttention(query, key, odd, all)
      expect(difference((await run(odd)).output, wanted.output)).toBeLessThan(1e-5)
      plan.destroy()
    },
  )
})
