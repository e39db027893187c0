// The laboratory's attention kernels against the reference of @attn/core, for masks, biases and lengths
// that are no multiples of anything.
import { flashAttention, flashAttentionBackward, tensor, toContiguous } from '@attn/core'
import type { AttentionOptions, Mask, RotaryEmbedding, Tensor } from '@attn/core'
import {
  and,
  bigBird,
  causal,
  fixed,
  globalTokens,
  randomKeys,
  slidingWindow,
  strided,
} from '@attn/masks'
import { alibi, ropeFrequencies, rotate, rotateBackward } from '@attn/positions'
import { describe, expect, test } from 'vitest'
import { normalArray } from '../src/inputs/normal.ts'
import { createArena } from '../src/lab/kernels/kernels.ts'
import { createAttention, placeAttention, rowOf } from '../src/lab/model/attention.ts'
import { biasesAt } from '../src/lab/positions/biases.ts'

const [batch, heads, dim] = [2, 2, 8]
const width = heads * dim

interface Case {
  readonly name: string
  readonly length: number
  readonly mask?: Mask
  readonly bias?: boolean
}
const past = (mask: Mask): Mask => and(causal(), mask)
const cases: readonly Case[] = [
  { name: 'causal', length: 70 },
  { name: 'causal with ALiBi', length: 33, bias: true },
  { name: 'one token', length: 1, bias: true },
  { name: 'a window', length: 131, mask: slidingWindow(20) },
  { name: 'a window with ALiBi', length: 100, mask: slidingWindow(40), bias: true },
  { name: 'strided, a head each', length: 100, mask: strided(10).multiHead() },
  { name: 'strided, merged', length: 100, mask: strided(10).merged() },
  // Its first queries see nothing.
  { name: 'fixed, its summaries', length: 100, mask: fixed(40).interleaved(1) },
  { name: 'global', length: 90, mask: past(globalTokens([0, 5, 40])) },
  { name: 'random', length: 90, mask: past(randomKeys({ length: 90, count: 3, seed: 1 })) },
  {
    name: 'BigBird',
    length: 96,
    mask: past(bigBird({ length: 96, blockSize: 8, randomBlocks: 1 })),
  },
]

describe.each(cases)('$name', ({ length, mask, bias }) => {
  const count = batch * length * width
  const arrays = [0, 1, 2, 3].map((stream) => normalArray(stream, count))
  /** `[B, H, L, D]` of `[B, L, H, D]`. */
  const view = (storage: Float32Array): Tensor =>
    tensor(storage, [batch, heads, length, dim], {
      strides: [length * width, dim, width, 1],
    })
  const [query, key, value, dOutput] = arrays.map(view) as [Tensor, Tensor, Tensor, Tensor]
  const options: AttentionOptions = {
    mask: mask ?? causal(),
    ...(bias ? { scoreModifiers: [alibi({ heads })] } : {}),
  }

  test('gives the outputs and gradients of the reference', async () => {
    const arena = await createArena()
    const { kernels } = arena
    const biases = bias
      ? biasesAt({ tables: [], modifier: alibi({ heads }) }, { heads, length })
      : undefined
    const attention = createAttention({ heads, length, mask, biases })
    const [placed] = placeAttention(arena, [attention], { heads })
    if (attention.bias) arena.floats(placed!.bias, placed!.biasCount).set(attention.bias)
    const [q, k, v, dO] = arrays.map((numbers) => {
      const place = arena.reserve(count)
      arena.floats(place, count).set(numbers)
      return place
    }) as [number, number, number, number]
    const [o, dQ, dK, dV] = arrays.map(() => arena.reserve(count)) as [
      number,
      number,
      number,
      number,
    ]
    const row = rowOf(length)
    const probabilities = arena.reserve(batch * heads * length * row)
    const scratch = arena.reserve((dim + 32) * row)
    const { runs, runHeads } = placed!
    const sizes = [batch, length, heads, dim, row] as const
    kernels.attend(
      ...sizes,
      q,
      k,
      v,
      o,
      placed!.bias,
      heads,
      runs,
      runHeads,
      probabilities,
      1,
      scratch,
    )
    const expected = flashAttention(query, key, value, options)
    const close = (place: number, wanted: Tensor): void => {
      const found = toContiguous(view(arena.floats(place, count).slice())).storage
      const numbers = toContiguous(wanted).storage as Float32Array
      const error = numbers.reduce((most, x, i) => Math.max(most, Math.abs(x - found[i]!)), 0)
      expect(error).toBeLessThan(5e-6)
    }
    close(o, expected.output)

    const dBias = arena.reserve(heads * length * row)
    kernels.attendBackward(
      ...sizes,
      q,
      k,
      v,
      dO,
      runs,
      runHeads,
      probabilities,
      dQ,
      dK,
      dV,
      dBias,
      scratch,
    )
    const gradients = flashAttentionBackward(query, key, value, expected, dOutput, options)
    close(dQ, gradients.dQuery)
    close(dK, gradients.dKey)
    close(dV, gradients.dValue)
    // Gradients of scores add up to 0 in each row that sees anything.
    const sums = Array.from({ length: heads * length }, (_, line) =>
      arena.floats(dBias + 4 * line * row, row).reduce((sum, x) => sum + x, 0),
    )
    for (const sum of sums) expect(Math.abs(sum)).toBeLessThan(1e-5)

    // Where probabilities are not kept the output is the same, to the bit.
    const again = arena.reserve(count)
    const block = arena.reserve(32 * row)
    kernels.attend(...sizes, q, k, v, again, placed!.bias, heads, runs, runHeads, block, 0, scratch)
    expect(arena.floats(again, count)).toEqual(arena.floats(o, count))
  })
})

test('rotary embeddings turn as @attn/positions turns them, and back', async () => {
  const length = 11
  const count = batch * length * width
  const rotary: RotaryEmbedding = ropeFrequencies({
    type: 'yarn',
    headDim: dim,
    factor: 4,
    trainedLength: 8,
  })
  const numbers = normalArray(9, count)
  const shaped = tensor(numbers, [batch, heads, length, dim], {
    strides: [length * width, dim, width, 1],
  })
  const arena = await createArena()
  const [placed] = placeAttention(arena, [createAttention({ heads, length, rotary })], { heads })
  const { cosines, sines } = placed!.rotary!
  const place = arena.reserve(count)
  for (const [back, turned] of [
    [0, rotate(shaped, rotary)],
    [1, rotateBackward(shaped, rotary)],
  ] as const) {
    arena.floats(place, count).set(numbers)
    arena.kernels.turn(batch * length, length, heads, dim, cosines, sines, place, back)
    const found = arena.floats(place, count)
    const wanted = toContiguous(turned).storage
    for (let b = 0, i = 0; b < batch; b++) {
      for (let h = 0; h < heads; h++) {
        for (let t = 0; t < length; t++) {
          for (let d = 0; d < dim; d++, i++) {
            expect(found[((b * length + t) * heads + h) * dim + d]).toBeCloseTo(wanted[i]!, 5)
          }
        }
      }
    }
  }
})
