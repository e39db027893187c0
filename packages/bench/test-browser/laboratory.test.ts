// The laboratory in a browser: two methods learn side by side, in the page and in a worker, to the bit alike; a
// stored model reads as it does in Node.
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import modelAddress from '../../../docs/results/lab/alibi-1.attn?url'
import storedReport from '../../../docs/results/lab/extrapolate.json?raw'
import heldOut from '../../../docs/results/lab/held-out.txt?raw'
import { connectLab, decodeModel, labText, perplexity, trainSideBySide } from '../src/lab/index.ts'
import type {
  ExtrapolationReport,
  LabConnection,
  LabText,
  SideBySideProgress,
} from '../src/lab/index.ts'

const report = JSON.parse(storedReport) as ExtrapolationReport

const configuration = {
  layers: 1,
  heads: 2,
  width: 32,
  length: 16,
  batch: 8,
  steps: 60,
  learningRate: 0.01,
}
const models = [{ positions: 'sinusoidal' }, { positions: 'alibi' }] as const
const lengths = [16, 64]

describe('the laboratory in a browser', () => {
  let text: LabText
  let worker: Worker
  let lab: LabConnection
  beforeAll(async () => {
    text = await labText('fables', 'The fox saw the crow, and the crow saw the cheese. '.repeat(99))
    worker = new Worker(new URL('./lab-worker.ts', import.meta.url), { type: 'module' })
    lab = connectLab(worker)
  })
  afterAll(() => worker.terminate())

  test('trains two methods in the page and, to the bit alike, in a worker', async () => {
    const settings = { text, models, configuration, lengths, tokens: 256, readEvery: 20 }
    const told: SideBySideProgress[] = []
    const here = await trainSideBySide(settings)
    const there = await lab.train({ ...settings, onProgress: (progress) => told.push(progress) })
    for (const [place, { losses, perplexities, model }] of here.entries()) {
      expect(losses).toHaveLength(60)
      expect(losses.at(-1)).toBeLessThan(losses[0]! / 2)
      expect(there[place]!.losses).toEqual(losses)
      expect(there[place]!.perplexities).toEqual(perplexities)
      expect(there[place]!.model).toEqual(model)
      // What was told on the way is all of it.
      const own = told.filter(({ model: which }) => which === place)
      expect(own.flatMap((progress) => progress.losses)).toEqual(losses)
      const readings = own.filter((progress) => progress.perplexities)
      expect(readings.map(({ step }) => step)).toEqual([20, 40, 60])
      expect(readings.at(-1)!.perplexities).toEqual(perplexities)
    }
    const growth = here.map(({ perplexities: [near, far] }) => far! / near!)
    expect(growth[0]).toBeGreaterThan(growth[1]!)
  })

  test('reads with a stored model as Node does', async () => {
    const answer = await fetch(modelAddress)
    const model = decodeModel(new Uint8Array(await answer.arrayBuffer()))
    const places = new Map(model.characters.map((character, place) => [character, place]))
    const tokens = Uint16Array.from(heldOut as Iterable<string>, (character: string) =>
      places.get(character)!,
    )
    const stored = report.models.find(({ method, seed }) => method === 'alibi' && seed === 1)!
    for (const place of [0, report.lengths.length - 1]) {
      const { losses } = await lab.read(model, tokens, { length: report.lengths[place]! })
      expect(Math.abs(perplexity(losses) / stored.perplexities[place]! - 1)).toBeLessThan(1e-3)
    }
  })

  test('stops when it is told to, and says what is wrong', async () => {
    const interruption = new AbortController()
    const stopped = lab.train({
      text,
      models,
      configuration: { ...configuration, steps: 1e6 },
      lengths,
      tokens: 256,
      signal: interruption.signal,
      onProgress: () => interruption.abort(),
    })
    await expect(stopped).rejects.toThrow('interrupted')
    await expect(lab.train({ text, models: [], configuration })).rejects.toThrow(RangeError)
    const wrong = lab.train({ text, models: [{ positions: 'alibi', width: 20 }], configuration })
    await expect(wrong).rejects.toThrow('width must be a multiple of 8 for each head')
  })

  test('says when there is no worker', async () => {
    const missing = new Worker(new URL('./no-such-worker.js', location.href), { type: 'module' })
    await expect(connectLab(missing).train({ text, models, configuration })).rejects.toThrow(
      'connectLab: the worker failed',
    )
    missing.terminate()
  })
})
