// Float32 by products of float16 halves: what the kernel computes, and that the plain kernel takes over where
// numbers are not finite or too far apart, which the GPU decides by itself. Small heads, so that a CPU
// compiles the text; by the rule of twice the error of a plain program in float32.
import { softcap, tensor, toFloat64Array, standardAttention, mask } from '@attn/core'
import type { AttentionOptions, Tensor } from '@attn/core'
import { afterAll, beforeEach, describe, expect, it } from 'vitest'
import { conformanceCase, forwardProblems, onlyCore } from '../../core/test/conformance/index.ts'
import type { ConformanceCase } from '../../core/test/conformance/index.ts'
import { acquireGpu } from '../../../tools/testing/acquire-gpu.ts'
import { createFlashAttention } from '../src/index.ts'
import type { FlashAttention, PlanOptions } from '../src/index.ts'

const gpu = await acquireGpu()

const causal = mask('causal', ({ query, key }) => key.le(query))
const [heads, length, dims] = [2, 150, 8]
const shape = [1, heads, length, dims]
const halves = { tile: 'subgroup-matrix' } as const
/** The plain kernel, with a tile of its own. */
const plain: Pick<PlanOptions, 'tile'> = {
  tile: { queries: 32, keys: 32, threadRows: 8, threadColumns: 8, dimChunk: 8, valueChunk: 32 },
}

/** Numbers that look random and repeat, of about a normal distribution. */
function normal(seed: number): (index: number) => number {
  const one = (index: number): number => Math.abs(Math.sin(index * 12.9898 + seed) * 43758.5453) % 1
  return (index) => (one(index) + one(index + 0.3) + one(index + 0.6) - 1.5) * 2
}

type Change = (value: number, head: number, row: number, dim: number) => number
type Changes = Readonly<Partial<Record<'query' | 'key' | 'value', Change>>>

const zeros: Change = (value, _head, row) => (row === 30 ? 0 : value)

function numbers(seed: number, change: Change = (value) => value): Tensor {
  const random = normal(seed)
  const values = Float32Array.from({ length: heads * length * dims }, (_, index) =>
    change(
      random(index),
      Math.floor(index / (length * dims)),
      Math.floor(index / dims) % length,
      index % dims,
    ),
  )
  return tensor(values, shape)
}

describe.skipIf(!gpu)('float32 by halves', () => {
  let made: Promise<FlashAttention> | undefined
  const library = (): Promise<FlashAttention> => (made ??= createFlashAttention({ gpu: gpu! }))
  afterAll(async () => (await made)?.destroy())

  beforeEach(async (context) => {
    const { subgroupMatrices, shaderFloat16 } = (await library()).capabilities
    const can = subgroupMatrices.some(({ operands, sums }) => operands === 'f16' && sums === 'f32')
    if (!can || !shaderFloat16) context.skip('this adapter has no matrices of float16')
  })

  async function run(
    inputs: readonly Tensor[],
    options: AttentionOptions & Partial<PlanOptions>,
    sizes: Omit<PlanOptions, keyof AttentionOptions> = {
      heads,
      queryLength: length,
      headDim: dims,
    },
  ) {
    const flash = await library()
    const { parameters: _, ...planned } = options
    const plan = flash.plan({ ...sizes, ...planned })
    const [query, key, value] = inputs.map((input) => flash.upload(input))
    const result = plan.forward({ query: query!, key: key!, value: value! })
    const output = await flash.download(result.output)
    const logSumExp = await flash.download(result.logSumExp)
    plan.destroy()
    return { output, logSumExp }
  }

  const each = (name: string, sizes: object, options: AttentionOptions, given = {}) =>
    conformanceCase(name, { heads: 2, kvHeads: 1, headDim: 8, ...sizes }, options, given)
  const ragged = { queryLength: 45, keyLength: 70 }
  const cases: readonly (readonly [ConformanceCase, Partial<PlanOptions>])[] = [
    [each('ragged ends, grouped heads', { ...ragged, headDim: 16 }, {}), {}],
    [each('causal', ragged, { mask: causal }), {}],
    [each('padding', { batch: 3, ...ragged }, { keyLengths: [70, 0, 33] }), {}],
    [
      each('modifiers, dropout and sinks', ragged, {
        mask: causal,
        scoreModifiers: [softcap(3)],
        dropout: { rate: 0.3, seed: 5 },
        sinks: [0.5, -1],
      }),
      {},
    ],
    [each('cut over keys and heads', { ...ragged, keyLength: 300 }, {}), { workBudget: 2 ** 17 }],
    [each('long rows of large scores', { ...ragged, keyLength: 300 }, {}, { amplitude: 9 }), {}],
  ]

  // A core has that which every option is in.
  const chosen = onlyCore() ? cases.filter(([{ options }]) => options.dropout) : cases
  it.each(chosen.map(([one, more]) => [one.name, one, more] as const))(
    '%s',
    async (_name, one, more) => {
      const problems = await forwardProblems(one, async (query, key, value, options) => {
        return run([query, key, value], { ...options, ...more, ...halves }, one.shape)
      })
      expect(problems).toEqual([])
    },
  )

  const allowed: readonly (readonly [string, Changes])[] = [
    ['numbers near 1', {}],
    ['small queries and large keys', { query: (x) => x * 1e-20, key: (x) => x * 1e20 }],
    ['values near the largest float', { value: (x) => x * 1e38 }],
    [
      'heads of different magnitudes',
      { query: (x, head) => x * (head ? 1e6 : 1), key: (x, head) => x * (head ? 1e-6 : 1) },
    ],
    ['values near the smallest float', { value: (x) => x * 1e-36 }],
    ['scores that grow with every key', { query: () => 1, key: (_x, _head, row) => row / 8 }],
    [
      'one late key that outweighs all',
      { query: () => 1, key: (x, _head, row) => (row === 140 ? 60 : x / 4) },
    ],
    ['rows of zeros', { query: zeros, key: zeros, value: zeros }],
  ]

  it.each(allowed)('computes %s', async (_name, changes) => {
    const inputs = changed(changes)
    for (const options of [{}, { mask: causal }]) {
      const [byHalves, byPlain] = [
        await run(inputs, { ...options, ...halves }),
        await run(inputs, { ...options, ...plain }),
      ]
      // Otherwise the plain kernel has taken over.
      expect(byHalves.output.storage).not.toEqual(byPlain.output.storage)
      const exact = standardAttention(inputs[0]!, inputs[1]!, inputs[2]!, options)
      for (const part of ['output', 'logSumExp'] as const) {
        const wanted = toFloat64Array(exact[part])
        const largest = Math.max(...wanted.map(Math.abs))
        const error = ({ [part]: got }: typeof byHalves): number =>
          Math.max(...toFloat64Array(got).map((x, i) => Math.abs(x - wanted[i]!)))
        expect(error(byHalves)).toBeLessThanOrEqual(
          Math.max(2 * error(byPlain), 2 ** -21 * largest),
        )
      }
    }
  })

  const refused: readonly (readonly [string, Changes])[] = [
    ['a key of NaN', { key: (x, _head, row) => (row === 20 ? NaN : x) }],
    ['an infinite value', { value: (x, head, row) => (head + row === 9 ? Infinity : x) }],
    [
      'dims whose magnitudes cancel in products',
      {
        query: (x, _h, _r, dim) => x * (dim ? 1 : 1e25),
        key: (x, _h, _r, dim) => x * (dim ? 1 : 1e-25),
      },
    ],
    ['rows of values far apart', { value: (x, _head, row) => x * 10 ** (row % 12) }],
    ['scores that overflow', { query: (x) => x * 1e30, key: (x) => x * 1e30 }],
  ]

  it.each(refused)('leaves %s to the plain kernel', async (_name, changes) => {
    const flash = await library()
    const inputs = changed(changes)
    const otherwise = flash.plan({ heads, queryLength: length, headDim: dims, ...halves }).explain()
      .products!.otherwise
    const byHalves = await run(inputs, halves)
    const byPlain = await run(inputs, { tile: otherwise })
    expect(byHalves.output.storage).toEqual(byPlain.output.storage)
    expect(byHalves.logSumExp.storage).toEqual(byPlain.logSumExp.storage)
  })

  it('decides for each call of a plan', async () => {
    const flash = await library()
    const sizes = { heads, queryLength: length, headDim: dims }
    const plan = flash.plan({ ...sizes, ...halves })
    const usual = changed({})
    const strange = changed({ key: (x, _head, row) => (row === 20 ? NaN : x) })
    const outputs: Tensor[] = []
    for (const inputs of [usual, strange, usual]) {
      const [query, key, value] = inputs.map((input) => flash.upload(input))
      const { output } = plan.forward({ query: query!, key: key!, value: value! })
      outputs.push(await flash.download(output))
    }
    expect(outputs[2]!.storage).toEqual(outputs[0]!.storage)
    expect(toFloat64Array(outputs[0]!).every(Number.isFinite)).toBe(true)
    expect(toFloat64Array(outputs[1]!).some(Number.isNaN)).toBe(true)
    plan.destroy()
  })
})

function changed({ query, key, value }: Changes): Tensor[] {
  return [query, key, value].map((change, index) => numbers(index + 1, change))
}
