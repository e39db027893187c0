// Every stored result is of a schema that the benchmarks page draws or leaves to others; the site would not
// be built otherwise. And what the page says first holds whatever reports there are.
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { sparseSentence } from '../../docs/.vitepress/theme/sparse-sentence.ts'
import type { SparseReport } from '../../packages/bench/src/sparse/report.ts'
import { readRepositoryFile, repository } from '../workspace.ts'

const files = readdirSync(join(repository, 'docs/results')).filter((name) => name.endsWith('.json'))
const page = readRepositoryFile('docs/.vitepress/theme/benchmarks.data.ts')

test.each(files.filter((name) => name !== 'lecture.json'))('%s', (name) => {
  const { schema } = JSON.parse(readRepositoryFile(`docs/results/${name}`)) as { schema?: string }
  expect(schema).toBeTypeOf('string')
  expect(page).toContain(`'${schema}'`)
})

describe('the sentence on sparse patterns that the benchmarks page begins with', () => {
  const reports = files.map(
    (name) => JSON.parse(readRepositoryFile(`docs/results/${name}`)) as { schema?: string },
  )
  const sparse = reports.filter(({ schema }) => schema === 'attn-sparse/1') as SparseReport[]
  test('names all four patterns, in whatever order files are found', () => {
    const sentence = sparseSentence(sparse)
    expect(sentence[0]).toMatch(
      /a sliding window is [\d.]+×, BigBird is [\d.]+×, strided is [\d.]+× and fixed is [\d.]+× as/,
    )
    expect(sparseSentence(sparse.toReversed())).toEqual(sentence)
  })

  test('leaves out patterns that no report has', () => {
    const some = sparse.filter(({ results }) =>
      results.every((each) => each.results.every(({ name }) => name !== 'bigBird')),
    )
    expect(some.length).toBeGreaterThan(0)
    expect(sparseSentence(some).join()).not.toMatch(/BigBird|undefined/)
    expect(sparseSentence([])).toEqual([])
  })
})
