// Partial results merged on the GPU: the cases that every backend has, in place, in a caller's encoder,
// views of other layouts, and what is refused.
import { afterAll, describe, expect, test } from 'vitest'
import { mergeAttention, permute, slice, standardAttention, toFloat64Array } from '@attn/core'
import type { Tensor } from '@attn/core'
import { acquireGpu } from '../../../tools/testing/acquire-gpu.ts'
import { fill, largestError, mergeCases, mergeProblems } from '../../core/test/conformance/index.ts'
import type { FlashAttention } from '../src/index.ts'
import { deviceKinds } from './devices.ts'
import { mergeOnDevice } from './merge-on-device.ts'

const gpu = await acquireGpu()

describe.skipIf(!gpu).each(deviceKinds(gpu))('merge, %s', (_, create) => {
  let created: Promise<FlashAttention> | undefined
  const library = (): Promise<FlashAttention> => (created ??= create())
  afterAll(async () => (await created)?.destroy())

  test.each(mergeCases())('$name', async (each) => {
    const flash = await library()
    expect(await mergeProblems(each, (parts) => mergeOnDevice(flash, parts))).toEqual([])
  })

  const parts = mergeCases()
    .find(({ name }) => name === '5 parts, float32')!
    .parts()
  const expected = mergeAttention(parts)
  const uploadAll = (flash: FlashAttention) =>
    parts.map(({ output, logSumExp }) => ({
      output: flash.upload(output),
      logSumExp: flash.upload(logSumExp),
    }))

  test('one after the other into the first, as a ring passes them, takes no more memory', async () => {
    const flash = await library()
    const [first, ...rest] = uploadAll(flash)
    flash.merge([first!, rest[0]!], first)
    flash.resetPeakMemory()
    const before = flash.memory.allocatedBytes
    for (const part of rest.slice(1)) expect(flash.merge([first!, part], first)).toEqual(first)
    expect(flash.memory.peakBytes).toBe(before)
    expect(
      largestError((await flash.download(first!.output)).storage, expected.output.storage),
    ).toBeLessThan(2e-6)
    for (const { output, logSumExp } of [first!, ...rest]) flash.release(output, logSumExp)
  })

  test('in the encoder of the caller', async () => {
    const flash = await library()
    const uploaded = uploadAll(flash)
    const into = { output: flash.empty([2, 3, 11, 16]), logSumExp: flash.empty([2, 3, 11]) }
    const encoder = flash.device.createCommandEncoder()
    flash.encodeMerge(encoder, uploaded, into)
    flash.device.queue.submit([encoder.finish()])
    const { output } = flash.merge(uploaded)
    expect(await flash.download(into.output)).toEqual(await flash.download(output))
    expect((await flash.download(into.logSumExp)).storage).not.toContain(0)
    flash.release(output, into.output, into.logSumExp)
    for (const each of uploaded) flash.release(each.output, each.logSumExp)
  })

  test('a prefix that three sequences share, computed once', async () => {
    const flash = await library()
    const query = fill(1, [3, 4, 1, 8], 2)
    const prefix = fill(2, [1, 2, 50, 8], 2)
    const own = fill(3, [3, 2, 9, 8], 2)
    const [q, p, o] = [query, prefix, own].map((each) => flash.upload(each)) as [
      ReturnType<FlashAttention['upload']>,
      ReturnType<FlashAttention['upload']>,
      ReturnType<FlashAttention['upload']>,
    ]
    const sizes = { heads: 4, kvHeads: 2, headDim: 8 }
    const together = flash.plan({ ...sizes, queryLength: 3, keyLength: 50 })
    const apart = flash.plan({ ...sizes, batch: 3, queryLength: 1, keyLength: 9 })
    const seen = together.forward({ query: permute(q, [2, 1, 0, 3]), key: p, value: p })
    const last = apart.forward({ query: q, key: o, value: o })
    const merged = flash.merge([
      last,
      {
        output: permute(seen.output, [2, 1, 0, 3]),
        logSumExp: permute(seen.logSumExp, [2, 1, 0]),
      },
    ])
    const result = await flash.download(merged.output)
    for (let sequence = 0; sequence < 3; sequence++) {
      const of = (view: Tensor): Tensor => slice(view, 0, sequence, sequence + 1)
      const keys = [prefix, of(own)].map((view) => standardAttention(of(query), view, view))
      const whole = mergeAttention(keys)
      const got = toFloat64Array(of(result))
      expect(largestError(got, toFloat64Array(whole.output))).toBeLessThan(1e-5)
    }
    flash.release(q, p, o, seen.output, seen.logSumExp, last.output, last.logSumExp)
    flash.release(merged.output, merged.logSumExp)
    together.destroy()
    apart.destroy()
  })

  test('refuses what does not fit', async () => {
    const flash = await library()
    const [first, second] = uploadAll(flash) as [
      ReturnType<typeof uploadAll>[0],
      ReturnType<typeof uploadAll>[0],
    ]
    const refuses = (call: () => unknown, message: RegExp) => expect(call).toThrow(message)
    refuses(() => flash.merge([]), /^flash\.merge: need a list of at least one part, got none$/)
    refuses(() => flash.merge(first as never), /need a list of at least one part/)
    refuses(() => flash.merge([{ output: first.output } as never]), /part 0 has no logSumExp/)
    const narrow = { ...first, output: slice(first.output, 3, 0, 8) }
    refuses(
      () => flash.merge([first, narrow]),
      /^flash\.merge: output of part 1 must have shape \[2, 3, 11, 16\], got \[2, 3, 11, 8\]$/,
    )
    refuses(
      () => flash.merge([first, second], second),
      /output of the result must have a buffer of its own, unless the result is part 0/,
    )
    refuses(() => flash.merge([first], { outputs: 1 } as never), /there is no option outputs/)
    refuses(
      () => flash.encodeMerge(flash.device.createCommandEncoder(), [first], {} as never),
      /^flash\.encodeMerge: need output and logSumExp to write, got none$/,
    )
    for (const each of [first, second]) flash.release(each.output, each.logSumExp)
  })
})
