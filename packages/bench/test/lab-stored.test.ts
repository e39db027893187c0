// The trained models of the docs reproduce the perplexities that are stored beside them, though float16 rounds
// their weights.
import { readFileSync, readdirSync, statSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { encode } from '../src/lab/data/vocabulary.ts'
import { perplexity, readWindows } from '../src/lab/evaluation.ts'
import type { ExtrapolationReport } from '../src/lab/extrapolate/report.ts'
import { extrapolationClaims } from '../src/lab/extrapolate/claims.ts'
import { decodeModel } from '../src/lab/files/model-file.ts'

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
