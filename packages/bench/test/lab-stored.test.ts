// The trained models of the docs reproduce the perplexities that are stored beside them, though float16 rounds
// their weights.
import { readFileSync, readdirSync, statSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { encode } from '../src/lab/data/vocabulary.ts'
import { perplexity, readWindows } from '../src/lab/evaluation.ts'
import type { ExtrapolationReport } from '../src/lab/extrapolate/report.ts'
import { extrapolationClaims } from '../src/lab/extrapolate/claims.ts'
import { decodeModel } from '../src/lab/files/model-file.ts'
import type { PatternReport } from '../src/lab/patterns/compare-patterns.ts'
import { runLecture } from '../src/lecture/run-lecture.ts'

const folder = new URL('../../../docs/results/lab/', import.meta.url)
const report = JSON.parse(
  readFileSync(new URL('extrapolate.json', folder), 'utf8'),
) as ExtrapolationReport
const files = readdirSync(folder).filter((name) => name.endsWith('.attn'))
const heldOut = readFileSync(new URL('held-out.txt', folder), 'utf8')

describe('trained models', { timeout: 60_000 }, () => {
  test.each(files)('%s has its perplexities', async (file) => {
    const model = decodeModel(readFileSync(new URL(file, folder)))
    expect(statSync(new URL(file, folder)).size).toBeLessThan(2e6)
    const { positions, seed } = model.configuration
    const tokens = encode(heldOut, model.characters)
    expect(tokens).toHaveLength(report.text.heldOut + 1)
    const stored = report.models.find((each) => each.method === positions && each.seed === seed)!
    for (const place of [0, report.lengths.length - 1]) {
      const { losses } = await readWindows(model, tokens, { length: report.lengths[place]! })
      const found = perplexity(losses)
      expect(Math.abs(found / stored.perplexities[place]! - 1)).toBeLessThan(1e-3)
    }
  })

  test('bear out what the lecture says of them, in every seed', () => {
    expect(report.plan.seeds.length).toBeGreaterThanOrEqual(3)
    for (const { claim, holds, found } of extrapolationClaims(report)) {
      expect(`${claim}: ${holds} (${found})`).toContain(': true')
    }
  })
})

describe('sparse patterns, trained', () => {
  const read = (name: string): PatternReport =>
    JSON.parse(readFileSync(new URL(`patterns-${name}.json`, folder), 'utf8')) as PatternReport

  // What docs/guide/trained-patterns.md says.
  test.each([
    ['text-learned', 'fixed', 'strided'],
    ['text-learned', 'strided', 'causal'],
    ['text-rope', 'strided', 'fixed'],
    ['images-learned', 'strided', 'causal'],
    ['images-learned', 'strided', 'fixed'],
    ['images-rope', 'strided', 'causal'],
    ['images-rope', 'strided', 'fixed'],
  ])('%s: %s takes fewer bits a token than %s, in every seed', (name, less, more) => {
    const { models, plan } = read(name)
    expect(plan.seeds.length).toBeGreaterThanOrEqual(3)
    const bitsOf = (mask: string, seed: number): number =>
      models.find((each) => each.seed === seed && each.pattern.mask === mask)!.bitsPerToken
    for (const seed of plan.seeds) expect(bitsOf(less, seed)).toBeLessThan(bitsOf(more, seed))
  })

  test('sparse steps take less time than dense ones', () => {
    for (const name of ['text-learned', 'text-rope', 'images-learned', 'images-rope']) {
      const [dense, ...sparse] = read(name).stepTimes
      for (const { clock, median } of sparse) {
        expect(clock).toBe('processor-time')
        expect(median).toBeLessThan(dense!.median)
      }
    }
  })

  test('dense heads find the columns of an image with RoPE, and not yet with learned positions', () => {
    const columns = (name: string): number[] =>
      read(name).profiles!.flatMap(({ profile }) =>
        profile.heads.map(({ shares }) => shares.column),
      )
    expect(columns('images-rope').filter((share) => share > 0.4)).toHaveLength(2)
    expect(Math.max(...columns('images-learned'))).toBeLessThan(0.1)
  })

  test('give the lecture its rows 1 and 7', async () => {
    const names = ['text-learned', 'text-rope', 'images-learned', 'images-rope']
    const { rows } = await runLecture({
      only: ['1', '7'],
      given: names.map(read),
      givenOnly: true,
      runCommand: () => Promise.reject(new Error('nothing is to be run')),
      environment: { attn: '', runtime: '', platform: '' },
    })
    expect(rows.map(({ number, verdict }) => [number, verdict])).toEqual([
      [1, 'holds'],
      [7, 'holds within limits'],
    ])
    expect(rows[1]!.figures).toHaveLength(1)
  })
})
