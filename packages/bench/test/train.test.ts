// `attn train` from end to end on the CPU: it learns, matches jax-js, and can be resumed; and what it
// says about two curves.
import { execFile } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { curveDifference, formatTraining, withinNoise } from '../src/report/train-report.ts'
import type { TrainReport, TrainingRun } from '../src/report/train-report.ts'
import { train as trainSuite } from '../src/suites/train.ts'
import type { TrainOptions } from '../src/suites/train.ts'
import type { Checkpoint } from '../src/train/checkpoint.ts'
import { defaultConfiguration } from '../src/train/configuration.ts'
import { positionsOf } from '../src/train/positions.ts'
import { corpusOf } from '../src/train/text.ts'

const cli = fileURLToPath(new URL('../src/cli.ts', import.meta.url))
const train = (...words: string[]): Promise<{ code: number; stdout: string; stderr: string }> =>
  new Promise((resolve) => {
    execFile(
      process.execPath,
      ['--conditions=attn:source', cli, 'train', '--device', 'cpu', ...words],
      (error, stdout, stderr) => {
        resolve({ code: error ? Number(error.code) : 0, stdout, stderr })
      },
    )
  })

describe('training on the CPU', () => {
  const configuration = {
    layers: 1,
    width: 16,
    context: 24,
    learningRate: 0.01,
    mask: 'strided',
    dropout: 0.1,
  } as const
  const corpus = corpusOf('fables', 'The fox saw the crow, and the crow saw the cheese. '.repeat(9))
  const environment = { attn: '0.0.0', runtime: 'Node', platform: 'any' }
  const common = { device: 'cpu', corpus, environment } as const
  const checkpoints: Checkpoint[] = []
  const trainTo = (steps: number, options: Partial<TrainOptions> = {}): Promise<TrainReport> =>
    trainSuite({ ...common, steps, ...options })

  test('learns, and matches jax-js within noise', async () => {
    const report = await trainTo(30, {
      configuration,
      compare: true,
      checkpointEvery: 20,
      onCheckpoint: (checkpoint) => checkpoints.push(checkpoint),
    })
    expect(report.configuration).toMatchObject(configuration)
    const { losses } = report.run
    expect(losses).toHaveLength(30)
    expect(losses.at(-1)).toBeLessThan(losses[0]! - 0.8)
    expect(withinNoise(report)).toBe(true)
    expect(curveDifference(report.run, report.comparison!.dense).largest).toBeLessThan(1e-5)
    expect(checkpoints.map(({ state }) => state.step)).toEqual([20, 30])

    const resumed = await trainTo(30, { checkpoint: checkpoints[0]! })
    expect(resumed.earlierLosses).toEqual(losses.slice(0, 20))
    expect(resumed.run.losses).toEqual(losses.slice(20))
    expect(formatTraining(resumed)).toContain('in 30 steps, of which 20 before')
  })

  test.each(['t5', 'kerple', 'fire', 'learned'] as const)(
    'trains the tables of %s with the weights, as jax-js does',
    async (positions) => {
      const kept: Checkpoint[] = []
      const report = await trainTo(12, {
        configuration: { ...configuration, positions, dropout: 0 },
        compare: true,
        checkpointEvery: 6,
        onCheckpoint: (checkpoint) => kept.push(checkpoint),
      })
      expect(withinNoise(report)).toBe(true)
      expect(curveDifference(report.run, report.comparison!.dense).largest).toBeLessThan(1e-5)
      const { tables } = positionsOf(report.configuration)
      const trained = kept.map(({ state }) => state.weights.slice(-tables.length))
      for (const [index, { values }] of tables.entries()) {
        expect(trained[0]![index]).not.toEqual(values)
        expect(trained[1]![index]).not.toEqual(trained[0]![index])
      }
      const resumed = await trainTo(12, { checkpoint: kept[0]! })
      expect(resumed.run.losses).toEqual(report.run.losses.slice(6))
    },
  )

  test('goes on with the same text and configuration only', async () => {
    const [checkpoint] = checkpoints as [Checkpoint]
    await expect(trainTo(40, { checkpoint, configuration: { mask: 'causal' } })).rejects.toThrow(
      'attn train: a resumed run keeps its mask of strided, got causal',
    )
    const other = corpusOf('other', 'Another text. '.repeat(9))
    await expect(trainTo(40, { checkpoint, corpus: other })).rejects.toThrow(
      'another text than other',
    )
    await expect(trainTo(20, { checkpoint })).rejects.toThrow('must exceed the 20 made, got 20')
  })
})

describe('attn train', () => {
  let folder: string
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'attn-train-'))
  })
  afterAll(() => rmSync(folder, { recursive: true }))

  test('writes what it found, and a checkpoint to go on from', async () => {
    const [json, svg, checkpoint] = ['json', 'svg', 'checkpoint'].map((end) =>
      join(folder, `a.${end}`),
    )
    const sizes = ['--layers', '1', '--width', '16', '--context', '16', '--mask', 'window']
    const files = ['--json', json!, '--svg', svg!, '--checkpoint', checkpoint!]
    const ended = await train('--steps', '2', '--compare', ...sizes, ...files)
    expect(ended).toMatchObject({ code: 0, stderr: '' })
    expect(ended.stdout).toContain('within noise')
    expect(ended.stdout).toContain(`wrote ${checkpoint} and ${json} and ${svg}`)
    const { run, configuration } = JSON.parse(readFileSync(json!, 'utf8')) as TrainReport
    expect(run.losses).toHaveLength(2)
    expect(configuration).toMatchObject({ mask: 'window', context: 16 })
    expect(readFileSync(svg!, 'utf8')).toMatch(/^<svg [\s\S]*dense attention of jax-js/)

    const resumed = await train('--steps', '3', '--resume', checkpoint!)
    expect(resumed).toMatchObject({ code: 0, stderr: '' })
    expect(resumed.stdout).toContain('in 3 steps, of which 2 before')
  })

  test.each([
    [['--mask', 'nonsense'], 'Allowed choices are causal, window'],
    [['--dropout', '1'], 'must be a number from 0 to less than 1, got 1'],
    [['--seed', '1.5'], 'must be a whole number of 32 bits, got 1.5'],
    [['--heads', '3'], 'width must be even and a multiple of heads, got width=32 heads=3'],
  ])('%o is a mistake of the caller', async (words, message) => {
    const { code, stderr } = await train(...words)
    expect(code).toBe(2)
    expect(stderr).toContain(message)
  })
})

describe('two curves', () => {
  const curve = (...losses: number[]): TrainingRun => ({
    description: 'a model',
    losses,
    milliseconds: losses.map(() => 2),
  })
  const reportOf = (run: TrainingRun, dense: TrainingRun, nudged: TrainingRun): TrainReport => ({
    schema: 'attn-train/1',
    created: '2026-01-01T00:00:00.000Z',
    environment: { attn: '0.0.0', runtime: 'Node 24', platform: 'Linux' },
    device: {
      kind: 'cpu',
      name: 'CPU',
      description: '',
      vendor: '',
      architecture: '',
      backend: '',
      features: [],
      limits: {},
    },
    configuration: defaultConfiguration('cpu'),
    text: { name: 'text', digest: '', characters: 100, vocabulary: 10 },
    steps: 12,
    firstStep: 10,
    earlierLosses: [5, 4.5],
    run,
    comparison: { dense, nudged },
  })

  test('are as far apart as at their worst step', () => {
    expect(curveDifference(curve(4, 3, 2), curve(4, 3.5, 2.25))).toEqual({ largest: 0.5, step: 2 })
  })

  test('are the same within ten times the noise', () => {
    const [dense, nudged] = [curve(4, 3), curve(4, 3.01)]
    const near = reportOf(curve(4, 3.09), dense, nudged)
    const far = reportOf(curve(4, 3.2), dense, nudged)
    expect(withinNoise(near)).toBe(true)
    expect(withinNoise(far)).toBe(false)
    expect(formatTraining(near)).toContain('at step 12')
    expect(formatTraining(near)).toContain('loss 5.000 -> 3.090')
    expect(formatTraining(far)).toContain('BEYOND NOISE')
    const clocked = {
      ...near.run,
      attention: [
        { forward: 0.25, backward: 0.75 },
        { forward: 0.25, backward: 0.75 },
      ],
    }
    expect(formatTraining({ ...near, run: clocked })).toContain(
      'of which attention is 0.250 ms forward and 0.750 ms backward on the GPU, 50.0 %; all else 1.00 ms',
    )
    // Without any noise, rounding alone is forgiven.
    expect(withinNoise(reportOf(curve(4, 3.000005), dense, dense))).toBe(true)
    expect(withinNoise(reportOf(curve(4, 3.00005), dense, dense))).toBe(false)
  })
})
