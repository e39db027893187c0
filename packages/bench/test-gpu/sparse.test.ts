// The patterns of @attn/masks that propose token orders, through the planner and the kernels, against
// the dense masked reference; and `attn sparse` itself.
import { describe, expect, it } from 'vitest'
import { standardAttention, tensor, toFloat64Array } from '@attn/core'
import type { Mask } from '@attn/core'
import { and, axial, causal, dilatedWindow, fixed, strided } from '@attn/masks'
import { createFlashAttention } from '@attn/webgpu-flash'
import { acquireGpu } from '../../../tools/testing/acquire-gpu.ts'
import { normalArray } from '../src/inputs/normal.ts'
import { allRowsVerified } from '../src/sparse/report.ts'
import { runSparse } from '../src/sparse/run-sparse.ts'

const gpu = await acquireGpu()

const patterns: readonly (readonly [name: string, mask: Mask, length: number])[] = [
  ['strided', strided(16).merged(), 608],
  ['strided, ragged', strided(16).merged(), 603],
  ['strided, three heads in one', strided(9, { heads: 3 }).merged(), 900],
  ['strided, a head each', strided(16).multiHead(), 608],
  ['fixed', fixed(64, { summary: 4 }).merged(), 640],
  ['fixed, ragged', fixed(64, { summary: 4 }).merged(), 597],
  ['fixed, summaries of their own', fixed(64, { summary: 4, subBlocks: 2 }).merged(), 640],
  ['axial, causal', and(causal(), axial(16).merged()), 608],
  ['dilated window', dilatedWindow({ left: 12, right: 3, dilation: 15 }), 600],
]

describe.skipIf(!gpu)('patterns with token orders', () => {
  it.each(patterns)('%s is what the reference computes', async (_, mask, length) => {
    const flash = await createFlashAttention({ gpu: gpu! })
    const input = (stream: number) =>
      tensor(normalArray(stream, 2 * length * 16), [1, 2, length, 16])
    const [query, key, value] = [input(1), input(2), input(3)]
    const plan = flash.plan({ heads: 2, queryLength: length, headDim: 16, mask })
    const { passes } = plan.explain()
    expect(passes!.chosen).not.toBe('one pass in natural order')
    const got = toFloat64Array((await flash.attention(query, key, value, { mask })).output)
    const right = toFloat64Array(standardAttention(query, key, value, { mask }).output)
    const worst = right.reduce((most, x, i) => Math.max(most, Math.abs(x - got[i]!)), 0)
    expect(worst).toBeLessThan(1e-5)
    flash.destroy()
  })

  const measured = {
    lengths: [256],
    heads: 2,
    headDim: 8,
    window: 64,
    stride: 16,
    toggles: true,
    contest: { rounds: 2, warmUpMilliseconds: 1, sampleMilliseconds: 1 },
    environment: { attn: '0', runtime: 'test', platform: 'test' },
  }

  it('are measured by attn sparse', async () => {
    const report = await runSparse(measured)
    const [{ results, standard, backward }] = report.results as [(typeof report.results)[number]]
    expect(allRowsVerified(report)).toBe(true)
    expect(results.map(({ name }) => name)).toEqual(['window', 'bigBird', 'strided', 'fixed'])
    expect(results.every(({ time }) => time.samples.length === 2 && time.median > 0)).toBe(true)
    expect(standard!.samples).toHaveLength(2)
    expect(backward).toBeUndefined()
  })

  it('are measured backward too', async () => {
    const options = { ...measured, backward: true, seconds: 1000, patterns: ['window'] as const }
    const report = await runSparse(options)
    const [length] = report.results as [(typeof report.results)[number]]
    expect(allRowsVerified(report)).toBe(true)
    expect(length.backward!.causal!.samples).toHaveLength(2)
    const [gradients] = length.backward!.results
    expect(gradients).toMatchObject({ name: 'window', verification: { rows: 24, passed: true } })
    const { timeRatio, workRatio, teraflops, verification } = gradients!
    expect(Math.min(timeRatio!, workRatio!, teraflops)).toBeGreaterThan(0)
    const wrong = { ...gradients!, verification: { ...verification, passed: false } }
    const results = [{ ...length, backward: { results: [wrong] } }]
    expect(allRowsVerified({ ...report, results })).toBe(false)
  })
})
