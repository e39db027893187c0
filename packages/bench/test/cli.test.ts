// The command as a user starts it: its help, its exit codes, a small run from end to end.
import { execFile } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { parseRunReport } from '../src/report/run-report.ts'

const cli = fileURLToPath(new URL('../src/cli.ts', import.meta.url))

interface Ended {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

const attn = (...words: string[]): Promise<Ended> =>
  new Promise((resolve) => {
    execFile(
      process.execPath,
      ['--conditions=attn:source', cli, ...words],
      (error, stdout, stderr) => {
        resolve({ code: error ? Number(error.code) : 0, stdout, stderr })
      },
    )
  })

test.each([
  [['--help'], 'Usage: attn'],
  [['run', '--help'], '--lengths <list>'],
  [['--version'], '0.'],
])('attn %o answers and succeeds', async (words, answer) => {
  const { code, stdout } = await attn(...words)
  expect(code).toBe(0)
  expect(stdout).toContain(answer)
})

test.each([
  [['nonsense'], "unknown command 'nonsense'"],
  [['run', '--lengths', '1k,x'], 'must be a positive integer such as 4096 or 4k, got x'],
  [['run', '--dtype', 'float64'], 'Allowed choices are float32, float16'],
  [['tune', '--dtypes', 'float32,float64'], 'must be some of float32, float16, got float64'],
  [['run', '--device', 'cpu', '--head-dim', '6'], 'headDim must be a multiple of four'],
])('attn %o is a mistake of the caller', async (words, message) => {
  const { code, stderr } = await attn(...words)
  expect(code).toBe(2)
  expect(stderr).toContain(message)
})

test('what the device cannot do fails with another code', async () => {
  const { code, stderr } = await attn('run', '--device', 'cpu', '--dtype', 'float16')
  expect(code).toBe(1)
  expect(stderr).toContain('attn run: the CPU reference is timed in float32, got float16')
})

describe('attn run on the CPU', () => {
  let folder: string
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'attn-'))
  })
  afterAll(() => rmSync(folder, { recursive: true }))

  test('verifies, times, and writes table, JSON and chart', async () => {
    const [json, svg] = [join(folder, 'run.json'), join(folder, 'run.svg')]
    const sizes = ['--lengths', '32,16', '--heads', '1', '--head-dim', '8', '--window', '4']
    const files = ['--json', json, '--svg', svg]
    const ended = await attn(
      'run',
      '--device',
      'cpu',
      '--causal',
      '--samples',
      '3',
      ...sizes,
      ...files,
    )
    expect(ended).toMatchObject({ code: 0, stderr: '' })
    expect(ended.stdout).toContain('verified against the CPU reference')
    expect(ended.stdout).toMatch(/^\s+16 .*x.*\n\s+32 .*x/m)

    const report = parseRunReport(readFileSync(json, 'utf8'))
    expect(report.problem).toMatchObject({ lengths: [16, 32], heads: 1, window: 4, causal: true })
    expect(report.environment.runtime).toBe(`Node ${process.versions.node}`)
    const [{ device, results } = { device: undefined, results: [] }] = report.configurations
    expect(device?.kind).toBe('cpu')
    for (const { outcomes } of results) {
      for (const outcome of Object.values(outcomes)) {
        expect(outcome).toMatchObject({ status: 'measured', verification: { passed: true } })
        expect(outcome.status === 'measured' && outcome.time.samples).toHaveLength(3)
      }
    }
    expect(readFileSync(svg, 'utf8')).toMatch(/^<svg [\s\S]*<\/svg>\n$/)
  })
})
