// The guard against regressions: what is paired, what fails, what is refused.
import { execFile } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, describe, expect, test } from 'vitest'
import { parseComparable } from '../src/report/comparable.ts'
import type { ComparableReport } from '../src/report/comparable.ts'
import { compareReports, formatComparison } from '../src/report/compare.ts'
import type { PeerRow } from '../src/report/peers-report.ts'

const results = fileURLToPath(new URL('../../../docs/results', import.meta.url))

const row = (configuration: string, milliseconds: number, ours = true) => ({
  configuration,
  milliseconds,
  ours,
})
const report = (...rows: ComparableReport['rows']): ComparableReport => ({
  schema: 'attn-peers/1',
  device: 'a GPU',
  rows,
})

describe('compareReports', () => {
  test('pairs by configuration and fails what is slower than tolerated', () => {
    const before = report(row('a', 10), row('b', 10), row('c', 10), row('gone', 1))
    const after = report(row('new', 1), row('c', 5), row('b', 11), row('a', 11.1))
    const { rows, unpaired } = compareReports(before, after, 0.1)
    expect(rows.map(({ configuration, regressed }) => [configuration, regressed])).toEqual([
      ['a', true],
      ['b', false],
      ['c', false],
    ])
    expect(rows[2]!.ratio).toBe(0.5)
    expect(unpaired).toEqual(['gone', 'new'])
  })

  test('a slower peer is shown, not failed', () => {
    const before = report(row('ours', 1), row('peer', 1, false))
    const after = report(row('ours', 1), row('peer', 9, false))
    const comparison = compareReports(before, after, 0.1)
    expect(comparison.rows.some(({ regressed }) => regressed)).toBe(false)
    const text = formatComparison(comparison)
    expect(text).toMatch(/peer .* 9\.00 .*\(peer\)/)
    expect(text).toContain('0 of 1 configurations of attn are slower by more than 10.0 %')
  })

  test('refuses kinds that differ, nothing in common, and tolerances below 0', () => {
    const one = report(row('a', 1))
    expect(() => compareReports(one, { ...one, schema: 'attn-run/1' }, 0.1)).toThrow(
      'the files must be of the same kind, got attn-peers/1 and attn-run/1',
    )
    expect(() => compareReports(one, report(row('b', 1)), 0.1)).toThrow('no configuration of attn')
    expect(() => compareReports(one, one, -1)).toThrow('tolerance must be at least 0, got -1')
  })

  test('warns where the devices differ', () => {
    const one = report(row('a', 1))
    const { warnings } = compareReports(one, { ...one, device: 'another' }, 0.1)
    expect(warnings).toEqual(['the devices differ: a GPU before, another after'])
  })
})

const shape = {
  batch: 1,
  heads: 4,
  kvHeads: 4,
  queryLength: 512,
  keyLength: 512,
  headDim: 64,
  window: 128,
}
const peerRow = (peer: string, median: number, gpuMedian?: number): PeerRow => ({
  shape: { ...shape, dtype: 'float32', mask: 'causal' },
  peer,
  variant: 'flash',
  flags: 'browser-equivalent',
  outcome: {
    status: 'measured',
    time: { median, minimum: median, maximum: median, samples: [median], pairs: 1 },
    ...(gpuMedian === undefined
      ? {}
      : { gpuTime: { median: gpuMedian, minimum: 1, maximum: 1, samples: [] } }),
    teraflops: 1,
    gigabytes: 1,
    agreement: { with: 'reference', difference: 0, allowedDifference: 1, agrees: true },
  },
})
const peersJson = (median: number, gpuMedian?: number): string =>
  JSON.stringify({
    schema: 'attn-peers/1',
    device: { name: 'a GPU' },
    rows: [peerRow('attn', median, gpuMedian), peerRow('jax-js', 2 * median)],
  })
const runJson = JSON.stringify({
  schema: 'attn-run/1',
  problem: { dtype: 'float32', batch: 1, heads: 4, headDim: 64, causal: false, window: 128 },
  configurations: [
    {
      device: { name: 'a CPU', kind: 'cpu' },
      results: [
        {
          length: 1024,
          outcomes: {
            standard: { status: 'skipped', reason: 'needs more' },
            flash: { status: 'measured', time: { median: 3 } },
            windowFlash: { status: 'measured', time: { median: 1 } },
          },
        },
      ],
    },
  ],
})

describe('parseComparable', () => {
  test('reads attn run', () => {
    expect(parseComparable(runJson, 'a.json').rows).toEqual([
      row('flash, cpu, float32, full, B=1 H=4 L=1k D=64', 3),
      row('flash, cpu, float32, window 128, B=1 H=4 L=1k D=64', 1),
    ])
  })

  test("reads attn peers, by the GPU's clock where there is one", () => {
    const [ours, peer] = parseComparable(peersJson(5), 'a.json').rows
    expect(ours).toEqual(
      row('attn flash, browser-equivalent, float32, causal, B=1 H=4 L=512 D=64', 5),
    )
    expect(peer).toMatchObject({ milliseconds: 10, ours: false })
    expect(parseComparable(peersJson(5, 4), 'a.json').rows[0]!.milliseconds).toBe(4)
  })

  test('reads attn sparse, without what was extrapolated', () => {
    const pattern = { name: 'strided', label: 'strided, l = 64', time: { median: 2 } }
    const text = JSON.stringify({
      schema: 'attn-sparse/1',
      device: { name: 'a GPU', kind: 'gpu', flags: { name: 'unchecked' } },
      problem: { dtype: 'float32', heads: 8, headDim: 64 },
      results: [
        { length: 4096, causal: { median: 9 }, standard: { median: 20 }, results: [pattern] },
        { length: 8192, causal: { median: 36, extrapolatedFrom: 4096 }, results: [] },
      ],
      flex: { times: [{ length: 4096, name: 'strided', median: 7 }] },
    })
    expect(parseComparable(text, 'a.json').rows).toEqual([
      row('flash, unchecked, causal, float32, B=1 H=8 L=4k D=64', 9),
      row('standard, unchecked, causal, float32, B=1 H=8 L=4k D=64', 20),
      row('flash, unchecked, strided, l = 64, float32, B=1 H=8 L=4k D=64', 2),
      row('FlexAttention, strided, l = 64, float32, B=1 H=8 L=4k D=64', 7, false),
    ])
  })

  test('reads attn positions', () => {
    const text = JSON.stringify({
      schema: 'attn-positions/1',
      device: { name: 'a GPU', kind: 'gpu' },
      problem: { dtype: 'float32', batch: 1, heads: 8, headDim: 64 },
      results: [{ length: 1024, outcomes: { none: { time: { median: 2 } } } }],
    })
    expect(parseComparable(text, 'a.json').rows).toEqual([
      row('positions none, gpu, float32, causal, B=1 H=8 L=1k D=64', 2),
    ])
  })

  test('reads attn train, by the median step', () => {
    const sizes = { layers: 2, heads: 2, width: 32, context: 64, batch: 4 }
    const text = JSON.stringify({
      schema: 'attn-train/1',
      device: { name: 'a GPU', kind: 'gpu' },
      configuration: { ...sizes, mask: 'causal', positions: 'alibi', dropout: 0 },
      run: { milliseconds: [90, 5, 7] },
      comparison: { dense: { milliseconds: [8] } },
    })
    const model = '2 layers, B=4 H=2 L=64, width 32, causal, alibi, dropout 0'
    expect(parseComparable(text, 'a.json').rows).toEqual([
      row(`a step with flash attention, ${model}`, 7),
      row(`a step with dense attention of jax-js, ${model}`, 8, false),
    ])
  })

  test('reads attn tune, by the fastest tile of each kernel', () => {
    const call = { batch: 1, heads: 16, kvHeads: 4, queryLength: 64, keyLength: 64, mask: 'causal' }
    const kernel = (...times: number[]) => ({
      measured: times.map((milliseconds) => ({ tile: {}, milliseconds, samples: 3 })),
    })
    const text = JSON.stringify({
      schema: 'attn-tuning/1',
      device: { adapter: { vendor: 'acme', architecture: '', device: 'one' } },
      entries: [
        {
          dtype: 'float16',
          headDim: 64,
          call,
          forward: kernel(3, 2),
          backward: { query: kernel(7), key: kernel() },
        },
      ],
    })
    const sizes = 'float16, causal, B=1 H=16 Hkv=4 L=64 S=64 D=64'
    expect(parseComparable(text, 'a.json')).toMatchObject({
      device: 'acme one',
      rows: [row(`tuned forward, ${sizes}`, 2), row(`tuned backward dQ, ${sizes}`, 7)],
    })
  })

  // Records of conformance hold no times, and those of other commands none to compare.
  const others =
    /cache|^(conformance-|lecture\.json|kernels\.json|h200-device\.json|h200-partition\.json)/
  const timed = readdirSync(results).filter((name) => name.endsWith('.json') && !others.test(name))
  test.each(timed)('reads %s of the documentation', (name) => {
    const { rows } = parseComparable(readFileSync(join(results, name), 'utf8'), name)
    expect(rows.length).toBeGreaterThan(0)
    expect(rows.every(({ milliseconds }) => milliseconds > 0)).toBe(true)
    const names = rows.map(({ configuration }) => configuration)
    expect(new Set(names).size).toBe(names.length)
  })

  test.each([
    ['nonsense', 'a.json must be JSON'],
    ['null', 'a.json must have schema attn-run/1, attn-peers/1, attn-sparse/1, '],
    ['{}', 'attn-tuning/1, got undefined'],
    ['{ "schema": "toString" }', 'got toString'],
    ['{ "schema": "attn-run/1" }', 'a.json lacks parts of attn-run/1'],
  ])('refuses %s', (text, message) => {
    expect(() => parseComparable(text, 'a.json')).toThrow(message)
  })
})

describe('attn compare', () => {
  const folder = mkdtempSync(join(tmpdir(), 'attn-compare-'))
  afterAll(() => rmSync(folder, { recursive: true }))
  const cli = fileURLToPath(new URL('../src/cli.ts', import.meta.url))
  const file = (name: string, text: string): string => {
    writeFileSync(join(folder, name), text)
    return join(folder, name)
  }
  const attn = (...words: string[]): Promise<{ code: number; output: string }> =>
    new Promise((resolve) => {
      const parameters = ['--conditions=attn:source', cli, 'compare', ...words]
      execFile(process.execPath, parameters, (error, stdout, stderr) => {
        resolve({ code: error ? Number(error.code) : 0, output: stdout + stderr })
      })
    })

  test('exits with 0, 1 where ours got slower, 2 for other files', async () => {
    const before = file('before.json', peersJson(5))
    const after = file('after.json', peersJson(6))
    const run = file('run.json', runJson)
    const [same, slower, tolerated, mixed] = await Promise.all([
      attn(before, before),
      attn(before, after),
      attn(before, after, '--tolerance', '25'),
      attn(before, run),
    ])
    expect(same.code).toBe(0)
    expect(slower).toMatchObject({ code: 1, output: expect.stringContaining('SLOWER') })
    expect(tolerated.code).toBe(0)
    expect(mixed).toMatchObject({ code: 2, output: expect.stringContaining('of the same kind') })
  })
})
