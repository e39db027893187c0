// Which heads the backward kernels of split float32 take, beside what backward-matrices.test.ts asks of them:
// those whose numbers float16 halves can hold, one by one.
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { mask } from '@attn/core'
import type { Tensor } from '@attn/core'
import { backwardProblems, conformanceCase } from '../../core/test/conformance/index.ts'
import { acquireGpu } from '../../../tools/testing/acquire-gpu.ts'
import { createFlashAttention } from '../src/index.ts'
import type { FlashAttention } from '../src/index.ts'
import { gradientsWith, headDimOf } from './matrix-gradients.ts'
import { splitKind } from './small-matrix-tiles.ts'

const gpu = await acquireGpu()

const causal = mask('causal', ({ query, key }) => key.le(query))

/** The tensor with a row of its first head that is 2^30 times as large. */
const firstHuge = (view: Tensor): Tensor => {
  const storage = Float32Array.from(view.storage as Float32Array, (number, at) =>
    at < view.shape[3]! ? 2 ** 30 * number : number,
  )
  return { ...view, storage }
}

// A CPU takes seconds to compile matrices, and minutes where other work keeps it busy.
describe.skipIf(!gpu)('heads that are split', { timeout: 180_000 }, () => {
  let flash: FlashAttention
  beforeAll(async () => {
    flash = await createFlashAttention({ gpu: gpu!, training: true })
  })
  afterAll(() => flash.destroy())

  /** Skips where there are no matrices. */
  const splitting = (context: { skip(note: string): never }) => {
    const tile = splitKind.smallTile(flash.capabilities)
    if (!tile) context.skip('this adapter has no subgroup matrices of float16')
    return {
      headDim: headDimOf(splitKind, tile),
      attend: gradientsWith(flash, { query: tile, key: tile }),
    }
  }

  test('rows that nobody sees may be so large that others lose their bits beside them', async (context) => {
    const { headDim, attend } = splitting(context)
    // Most queries see nothing: there are fewer keys.
    const few = { heads: 2, kvHeads: 1, queryLength: 43, keyLength: 16, headDim }
    const each = conformanceCase('dead rows', few, { mask: causal })
    const inputs = () => {
      const given = each.inputs()
      const storage = Float32Array.from(given.query.storage as Float32Array)
      storage.fill(1e20, 0, headDim)
      return { ...given, query: { ...given.query, storage } }
    }
    expect(await backwardProblems({ ...each, inputs }, attend)).toEqual([])
  })

  test('the probability of the one key that a row sees is 1, however large its score', async (context) => {
    const { headDim, attend } = splitting(context)
    const own = mask('own', ({ query, key }) => key.eq(query))
    const shape = { heads: 1, kvHeads: 1, queryLength: 40, keyLength: 40, headDim }
    const each = conformanceCase('own keys', shape, { mask: own })
    // Numbers of so few bits that no product or sum of theirs is rounded.
    const coarse = (view: Tensor, unit: number): Tensor => ({
      ...view,
      storage: Float32Array.from(
        view.storage as Float32Array,
        (number) => unit * Math.round(number / unit),
      ),
    })
    const { query, key, value } = each.inputs()
    const dOutput = coarse(value, 2 ** -8)
    const { dValue } = await attend(coarse(query, 2), coarse(key, 2 ** -4), value, dOutput, {
      mask: own,
    })
    const right = dOutput.storage as Float32Array
    const errors = Array.from(dValue.storage as Float32Array, (number, at) =>
      Math.abs(number - right[at]!),
    )
    const largest = right.reduce((most, number) => Math.max(most, Math.abs(number)), 0)
    expect(largest).toBeGreaterThan(0.5)
    expect(Math.max(...errors) / largest).toBeLessThanOrEqual(2 ** -23)
  })

  test('heads are split where they can be, and one by one', async (context) => {
    const { headDim, attend } = splitting(context)
    const shape = { heads: 2, kvHeads: 2, queryLength: 29, keyLength: 43, headDim }
    const each = conformanceCase('two heads', shape, { mask: causal })
    const { options } = each
    const { query, key, value } = each.inputs()
    const inPlain = gradientsWith(flash, {})
    const [plain, split, one] = [
      await inPlain(query, key, value, query, options),
      await attend(query, key, value, query, options),
      // Of its first head the values differ too much.
      await attend(query, key, firstHuge(value), query, options),
    ]
    const ofHead = (view: Tensor, head: number): ArrayLike<number> => {
      const length = view.shape[2]! * view.shape[3]!
      return (view.storage as Float32Array).subarray(head * length, (head + 1) * length)
    }
    expect(ofHead(split.dQuery, 1)).not.toEqual(ofHead(plain.dQuery, 1))
    expect(ofHead(one.dQuery, 1)).toEqual(ofHead(split.dQuery, 1))
    const ofPlain = await inPlain(query, key, firstHuge(value), query, options)
    expect(ofHead(one.dQuery, 0)).toEqual(ofHead(ofPlain.dQuery, 0))
    expect(ofHead(one.dKey, 0)).toEqual(ofHead(ofPlain.dKey, 0))
  })
})
