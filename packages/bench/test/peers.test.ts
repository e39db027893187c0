// Problems, table, chart and processes of `attn peers`, without a GPU.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { standardAttention, tensor } from '@attn/core'
import { peersFolder, resolvePeer, versionOfPeer } from '../src/peers/installed.ts'
import { startPeer } from '../src/peers/peer-process.ts'
import type { PeerProcess } from '../src/peers/peer-process.ts'
import { peerEntries, peerEntry } from '../src/peers/registry.ts'
import { browserEquivalent } from '../src/device/dawn-flags.ts'
import type { PeerRow, PeersReport } from '../src/report/peers-report.ts'
import { oursAgree } from '../src/report/peers-report.ts'
import { formatPeerRows } from '../src/report/peers-summary.ts'
import { drawPeersChart } from '../src/report/peers-svg.ts'
import { contest } from '../src/suites/peer-contest.ts'
import type { Contestant } from '../src/suites/peer-contest.ts'
import { createPeerInputs } from '../src/suites/peer-inputs.ts'
import { defaultPeerProblem, formatPeerShape, peerBytes } from '../src/suites/peer-shapes.ts'
import { peerOperations, peerShapes } from '../src/suites/peer-shapes.ts'

const problem = {
  ...defaultPeerProblem('software'),
  lengths: [8, 16],
  window: 4,
  decodeLengths: [9],
}
const [shape] = peerShapes({ ...problem, lengths: [16], masks: ['full'], decodeLengths: [] })

describe('peerShapes', () => {
  test('combines everything, small problems first', () => {
    const shapes = peerShapes({ ...problem, dtypes: ['float32', 'float16'], headDims: [64, 128] })
    expect(shapes).toHaveLength(2 * 2 * (2 * 3 + 1))
    const operations = shapes.map(peerOperations)
    expect(operations).toEqual(operations.toSorted((left, right) => left - right))
    expect(formatPeerShape(shapes[0]!)).toBe('float32, decode, B=1 H=4 L=1 S=9 D=64')
  })

  test('counts the pairs that a query sees', () => {
    const pairs = (mask: 'full' | 'causal' | 'window'): number =>
      peerOperations({ ...shape!, mask, window: 4 }) / (4 * 4 * 64)
    expect(pairs('full')).toBe(256)
    expect(pairs('causal')).toBe(136)
    expect(pairs('window')).toBe(4 * 16 - 6)
    expect(peerBytes(shape!)).toBe(4 * 4 * 16 * 64 * 4)
  })

  test('shares keys and values among heads', () => {
    const grouped = { ...problem, lengths: [], heads: 4, kvHeads: 2 }
    const [decode, ...rest] = peerShapes(grouped)
    expect(rest).toEqual([])
    expect(formatPeerShape(decode!)).toBe('float32, decode, B=1 H=4 Hkv=2 L=1 S=9 D=64')
    expect(peerBytes(decode!)).toBe((2 * 4 + 2 * 2 * 9) * 64 * 4)
    expect(() => peerShapes({ ...grouped, kvHeads: 3 })).toThrow('heads=4 kvHeads=3')
  })

  test('inputs repeat after a while, and every head has its own keys', () => {
    const short = { ...problem, lengths: [], decodeLengths: [64], headDims: [8] }
    const [decode] = peerShapes({ ...short, heads: 4, kvHeads: 2, batch: 2 })
    const period = 509
    const store = createPeerInputs([decode!], period)
    try {
      const { files, blocks, verify } = store.caseOf(decode!)
      const floats = (file: string) => new Float32Array(new Uint8Array(readFileSync(file)).buffer)
      const [query, key, value] = [floats(files.query), floats(files.key), floats(files.value)]
      expect(key).toHaveLength(2 * 2 * 512)
      expect(key.slice(period, period + 9)).toEqual(key.slice(0, 9))
      expect(key.slice(512, 521)).not.toEqual(key.slice(0, 9))
      const rowOf = (head: number, kvHead: number): number[] => {
        const own = (data: Float32Array) =>
          tensor(data.slice(kvHead * 512, (kvHead + 1) * 512), [1, 1, 64, 8])
        const first = tensor(query.slice(head * 8, (head + 1) * 8), [1, 1, 1, 8])
        return [...(standardAttention(first, own(key), own(value)).output.storage as Float32Array)]
      }
      expect(blocks.map(({ first }) => first / 8)).toEqual([0, 7])
      expect(verify([rowOf(0, 0), rowOf(7, 3)]).passed).toBe(true)
      expect(verify([rowOf(0, 0), rowOf(7, 1)]).passed).toBe(false)
    } finally {
      store.remove()
    }
  })

  test('refuses sizes that are none', () => {
    expect(() => peerShapes({ ...problem, lengths: [0] })).toThrow('lengths must be positive')
    expect(() => peerShapes({ ...problem, headDims: [6] })).toThrow('multiples of four')
  })
})

/** A process that is none: replies at once, with a call that takes so many milliseconds. */
function pretend(milliseconds: number, row: readonly number[], failing?: string): PeerProcess {
  const replies: Readonly<Record<string, (request: { chain: number }) => unknown>> = {
    rows: () => ({ rows: [row] }),
    time: ({ chain }) => ({ milliseconds: 3 + chain * milliseconds }),
    timeOnGpu: () => ({ milliseconds: -1 }),
  }
  return {
    ask: async (name, request) => {
      if (name === failing) throw new Error(`no ${name}`)
      return (replies[name]?.(request as { chain: number }) ?? {}) as never
    },
    end: () => {},
  }
}

const contestant = (peer: string, process: PeerProcess, reason?: string): Contestant => ({
  peer,
  variant: peer === 'attn' ? 'flash' : 'fused',
  flags: 'browser-equivalent',
  process,
  reasonAgainst: () => reason,
})

describe('contest', () => {
  const peerCase = {
    files: { query: '', key: '', value: '' },
    blocks: [{ first: 0, count: 2 }],
    verify: () => ({ rows: 1, error: 0, plainError: 1, allowedError: 1, passed: true }),
  }
  const options = { rounds: 3, warmUpMilliseconds: 1, budgetMilliseconds: 1e6 }
  const run = (...contestants: Contestant[]): Promise<PeerRow[]> =>
    contest(contestants, shape!, peerCase, options)

  test('times everyone by the difference of chains and compares with ours', async () => {
    const rows = await run(
      contestant('attn', pretend(2, [1, -2])),
      contestant('jax-js', pretend(6, [1, -2.001])),
      contestant('tensorflow.js', pretend(1, [1, Number.NaN])),
    )
    const [ours, near, wrong] = rows.map(({ outcome }) => outcome)
    expect(ours).toMatchObject({ time: { median: 2 }, agreement: { with: 'reference' } })
    expect(near).toMatchObject({ time: { median: 6 }, agreement: { with: 'attn', agrees: true } })
    expect(wrong).toMatchObject({ agreement: { difference: Infinity, agrees: false } })
    const table = formatPeerRows(rows, {})
    expect(table).toMatch(/jax-js fused +6\.00 .* 3\.00x/)
    expect(table).toContain('tensorflow.js fused: WRONG here, differs from attn')
    const chart = drawPeersChart({ device: { name: 'a <GPU>' }, rows } as unknown as PeersReport)
    expect(chart).toMatch(/^<svg [\s\S]*a &lt;GPU&gt;[\s\S]*WRONG[\s\S]*<\/svg>\n$/)
    expect(oursAgree({ rows } as unknown as PeersReport)).toBe(true)
  })

  test('what takes longer than its budget is timed once', async () => {
    const ours = [contestant('attn', pretend(200, [1])), contestant('jax-js', pretend(2, [1]))]
    const rows = await contest(ours, shape!, peerCase, { ...options, budgetMilliseconds: 1000 })
    expect(rows.map(({ outcome }) => outcome)).toMatchObject([
      { time: { median: 200, samples: [200] } },
      { time: { median: 2, samples: [2, 2, 2] } },
    ])
  })

  test('nobody is begun when the time is over', async () => {
    const ours = [contestant('attn', pretend(2, [1]))]
    const rows = await contest(ours, shape!, peerCase, { ...options, deadline: 0 })
    expect(rows[0]!.outcome).toEqual({
      status: 'skipped',
      reason: 'left out: the time was over',
    })
  })

  test.each(['prepare', 'rows', 'time'])('a peer that fails at %s is a line', async (name) => {
    const rows = await run(
      contestant('attn', pretend(2, [1])),
      contestant('jax-js', pretend(1, [1], name)),
      contestant('tensorflow.js', pretend(1, [1]), 'needs more'),
    )
    expect(rows.map(({ outcome }) => outcome.status)).toEqual(['measured', 'skipped', 'skipped'])
    expect(formatPeerRows(rows, {})).toContain(`jax-js fused: no ${name}`)
    expect(formatPeerRows(rows, {})).toContain('tensorflow.js fused: needs more')
  })

  test('ours is wrong where the reference says so', async () => {
    const wrong = { rows: 1, error: 2, plainError: 1, allowedError: 1, passed: false }
    const ours = [contestant('attn', pretend(2, [1]))]
    const rows = await contest(ours, shape!, { ...peerCase, verify: () => wrong }, options)
    expect(oursAgree({ rows } as unknown as PeersReport)).toBe(false)
  })

  test('nothing measured cannot be drawn', () => {
    expect(() => drawPeersChart({ rows: [] } as unknown as PeersReport)).toThrow('got none')
  })
})

describe('peers as processes', () => {
  test('one that is not installed says so', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'attn-none-'))
    const names = ['tensorflow.js', 'onnxruntime-node', 'onnxruntime-web']
    const processes = names.map((name) => startPeer(peerEntry(name), 20_000))
    const request = { flags: browserEquivalent, software: true, folder }
    const opened = await Promise.all(processes.map((process) => process.ask('open', request)))
    for (const { missing } of opened) expect(missing).toMatch(/ is not installed$/)
    processes.forEach((process) => process.end())
    await expect(processes[0]!.ask('release', { variant: 'x' })).rejects.toThrow('ended')
    rmSync(folder, { recursive: true })
  })

  test('a process that does not answer in time is ended', async () => {
    const process = startPeer(peerEntry('jax-js'), 1)
    const request = { flags: browserEquivalent, software: true, folder: tmpdir() }
    await expect(process.ask('open', request)).rejects.toThrow('took longer than 0.001 s')
    await expect(process.ask('open', request)).rejects.toThrow('took longer than 0.001 s')
  })
})

test('peers are found by name, their packages pinned and installed in a cache', () => {
  expect(() => peerEntry('nobody')).toThrow('peer must be one of attn, onnxruntime-node')
  for (const { packages } of peerEntries) {
    for (const each of packages) expect(each).toMatch(/.@\d+\.\d+\.\d+$/)
  }
  expect(peersFolder({ XDG_CACHE_HOME: '/cache' })).toBe(join('/cache', 'attn', 'peers'))
  // What this package sees by itself counts as installed.
  expect(resolvePeer(tmpdir(), 'commander')).toContain('commander')
  expect(versionOfPeer(tmpdir(), 'commander')).toMatch(/^\d+\./)
  expect(versionOfPeer(tmpdir(), 'no-such-package')).toBe('')
})
