// The experiment from end to end, in this thread and as a command: it learns, finds who extrapolates, is the
// same whoever does the work, and an interruption loses nothing.
import { spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { labText } from '../src/lab/data/text.ts'
import type { LabText } from '../src/lab/data/text.ts'
import { extrapolationClaims, growth, reachOf } from '../src/lab/extrapolate/claims.ts'
import { extrapolate } from '../src/lab/extrapolate/extrapolate.ts'
import { drawPapers } from '../src/lab/extrapolate/paper-figure.ts'
import { drawExtrapolation } from '../src/lab/extrapolate/figure.ts'
import { extrapolationPresets, heldOutTokens } from '../src/lab/extrapolate/options.ts'
import type { ExtrapolationPlan } from '../src/lab/extrapolate/options.ts'
import type { ExtrapolationReport } from '../src/lab/extrapolate/report.ts'
import { formatExtrapolation } from '../src/lab/extrapolate/summary.ts'
import { decodeModel } from '../src/lab/files/model-file.ts'
import { inThisThread } from '../src/lab/jobs/in-this-thread.ts'
import { JobInterrupted, memoryStore } from '../src/lab/jobs/job.ts'
import { hash } from '../src/inputs/normal.ts'

/** Words in an order that depends on the word before, so that there is something to learn. */
function fable(words: number): string {
  const kinds = 'the fox saw crow and cheese fell into river while old raven sang of gold'.split(
    ' ',
  )
  let last = 0
  return Array.from({ length: words }, (_, index) => {
    last = (3 * last + (hash(index) % 3)) % kinds.length
    return kinds[last]!
  }).join(' ')
}

const configuration = {
  layers: 1,
  heads: 2,
  width: 32,
  length: 32,
  batch: 8,
  steps: 80,
  learningRate: 0.01,
}
const plan: Partial<ExtrapolationPlan> = {
  configuration,
  methods: ['sinusoidal', 'alibi'],
  seeds: [1],
  multiples: [1, 2, 4],
  tokens: 384,
}

describe('extrapolate', { timeout: 60_000 }, () => {
  let text: LabText
  let report: ExtrapolationReport
  beforeAll(async () => {
    text = await labText('a fable', fable(2000))
    report = await extrapolate({ text, plan })
  })

  test('trains two methods, and ALiBi reaches further', () => {
    const [sinusoidal, alibi] = report.models
    for (const { losses } of report.models) expect(losses.at(-1)).toBeLessThan(losses[0]! / 2)
    expect(growth(report, sinusoidal!, 4)).toBeGreaterThan(1.5)
    expect(growth(report, alibi!, 4)).toBeLessThan(1.15)
    expect(reachOf(report, 'sinusoidal')).toBe(1)
    expect(reachOf(report, 'alibi')).toBeGreaterThan(1)
    expect(report.lengths).toEqual([32, 64, 128])
    // All lengths read the same tokens.
    expect(report.text.heldOut).toBe(384)
  })

  test('tells what it found in tables, curves and statements', () => {
    const table = formatExtrapolation(report)
    expect(table).toMatch(/ALiBi +\d+\.\d\d +\d+\.\d\d +\d+\.\d\d +2 L/)
    const claims = extrapolationClaims(report)
    expect(claims.map(({ claim }) => claim)).toContain('ALiBi: at 4 L at most 5 % above L')
    const svg = drawExtrapolation(report)
    const papers = drawPapers(['sinusoidal', 'alibi'])
    for (const title of ['Press et al. 2022, table 2', 'interpolated to 16384', 'T5 bias']) {
      expect(papers).toContain(title)
    }
    for (const title of ['perplexity by length', 'loss by place in windows of 128', 'sinusoidal']) {
      expect(svg).toContain(title)
    }
  })

  test('gives the same numbers when it is interrupted and taken up', async () => {
    const store = memoryStore()
    const interruption = new AbortController()
    const first = extrapolate({
      text,
      plan,
      runner: inThisThread(text, store),
      signal: interruption.signal,
      onProgress: ({ done }) => {
        if (done > 90) interruption.abort()
      },
    })
    await expect(first).rejects.toThrow(JobInterrupted)
    const second = await extrapolate({ text, plan, runner: inThisThread(text, store) })
    for (const [index, { perplexities, losses }] of second.models.entries()) {
      expect(perplexities).toEqual(report.models[index]!.perplexities)
      expect(losses).toEqual(report.models[index]!.losses)
    }
  })

  test('scales and fine-tunes RoPE, slides, and takes all methods', async () => {
    const { scaling, fineTuning, models } = await extrapolate({
      text,
      plan: {
        ...extrapolationPresets.full,
        configuration: { ...configuration, length: 16, steps: 6 },
        seeds: [3],
        multiples: [1, 1.5, 4],
        tokens: 192,
        slidingMultiples: [1, 4],
        fineTuning: [0, 2],
      },
    })
    expect(models.map(({ method }) => method)).toEqual(extrapolationPresets.full.methods)
    for (const { sliding, windowed } of models) {
      expect(sliding).toHaveLength(2)
      expect(windowed).toHaveLength(3)
    }
    const rope = models.find(({ method }) => method === 'rope')!
    const direct = scaling.find(({ name }) => name === 'direct')!
    // At factor 1 nothing is changed; dynamic NTK changes nothing up to L.
    expect(direct.perplexities).toEqual(rope.perplexities)
    expect(scaling.find(({ name }) => name === 'dynamic')!.perplexities[0]).toBe(
      rope.perplexities[0],
    )
    // Untuned and read at 4 L: what scaling by 4 gives.
    const tuned = fineTuning.find(({ name }) => name === 'interpolation')!
    expect(tuned.lengths).toEqual([64, 16])
    const interpolated = scaling.find(({ name }) => name === 'interpolation')!
    expect(tuned.perplexities[0]![0]).toBe(interpolated.perplexities[2])
    expect(tuned.perplexities).toHaveLength(2)
  })

  test.each([
    [{ methods: [] }, 'methods must not be empty'],
    [{ seeds: [1, 1] }, 'seeds must not repeat, got 1, 1'],
    [{ methods: ['rotary' as 'rope'] }, 'methods must be some of none, sinusoidal'],
    [{ multiples: [2, 4] }, '1 among them, got 2, 4'],
    [{ multiples: [1, 0.5] }, 'must lie in 1 .. 64'],
    [{ scaling: true }, 'need rope among the methods'],
    [{ tokens: 1e6 }, 'the held-out tenth of the text must exceed'],
    [
      { configuration: { ...configuration, width: 20 } },
      'width must be a multiple of 8 for each head',
    ],
    [{ configuration: { ...configuration, steps: 0 } }, 'steps must be a positive integer, got 0'],
  ])('refuses %o', async (change, message) => {
    await expect(extrapolate({ text, plan: { ...plan, ...change } })).rejects.toThrow(message)
  })

  test('the presets read the same tokens at all lengths', () => {
    expect(heldOutTokens(extrapolationPresets.quick)).toBe(7680)
  })
})

describe('attn extrapolate', { timeout: 120_000 }, () => {
  const cli = fileURLToPath(new URL('../src/cli.ts', import.meta.url))
  const sizes = '--layers 1 --heads 2 --width 32 --length 16 --batch 4 --multiples 1,2'.split(' ')
  let folder: string
  let common: string[]
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'attn-extrapolate-'))
    const text = join(folder, 'fable.txt')
    writeFileSync(text, fable(60_000))
    common = [...sizes, '--text', text, '--threads', '2', '--seeds', '1']
  })
  afterAll(() => rmSync(folder, { recursive: true }))

  const attn = (words: readonly string[], interruptWhen?: () => boolean) =>
    new Promise<{ code: number | null; output: string }>((resolve) => {
      const command = ['--conditions=attn:source', cli, 'extrapolate', ...words]
      const child = spawn(process.execPath, command)
      let output = ''
      for (const stream of [child.stdout, child.stderr]) {
        stream.on('data', (piece: Buffer) => (output += piece.toString()))
      }
      const timer = setInterval(() => {
        if (interruptWhen?.()) {
          clearInterval(timer)
          child.kill('SIGINT')
        }
      }, 20)
      child.on('close', (code) => {
        clearInterval(timer)
        resolve({ code, output })
      })
    })

  test('is interrupted, goes on with --resume, and writes what it found', async () => {
    const store = join(folder, 'store')
    const [json, svg, weights] = ['a.json', 'a.svg', 'weights'].map((name) => join(folder, name))
    const run = [...common, '--methods', 'alibi,rope', '--steps', '2500', '--folder', store]
    const first = await attn(run, () => existsSync(store) && readdirSync(store).length > 0)
    expect(first.output).toContain('interrupted; the same command with --resume goes on')
    expect(first.code).toBe(1)
    expect(readdirSync(store).some((name) => name.endsWith('.state'))).toBe(true)

    const files = ['--json', json!, '--svg', svg!, '--weights', weights!]
    const second = await attn([...run, '--resume', ...files])
    expect(second.output).toContain(`wrote ${json} and ${svg} and ${weights}`)
    expect(second.code).toBe(0)
    const {
      schema,
      models,
      plan: used,
    } = JSON.parse(readFileSync(json!, 'utf8')) as ExtrapolationReport
    expect(schema).toBe('attn-extrapolate/1')
    expect(models.map(({ method }) => method)).toEqual(['alibi', 'rope'])
    expect(used.configuration).toMatchObject({ steps: 2500, length: 16 })
    const { configuration: stored } = decodeModel(readFileSync(join(weights!, 'rope-1.attn')))
    expect(stored).toMatchObject({ positions: 'rope', seed: 1, steps: 2500 })
  })

  test.each([
    [['--methods', 'rotary'], 'must be some of none, sinusoidal'],
    [['--steps', '0'], 'must be a positive integer'],
    [['--width', '30'], 'width must be a multiple of 8 for each head, got width=30 heads=2'],
  ])('%o is a mistake of the caller', async (words, message) => {
    const { code, output } = await attn([...common, ...words])
    expect(output).toContain(message)
    expect(code).toBe(2)
  })
})
