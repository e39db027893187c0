// Every stored result is of a schema that the benchmarks page draws or leaves to others; the site would not
// be built otherwise.
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { readRepositoryFile, repository } from '../workspace.ts'

const files = readdirSync(join(repository, 'docs/results')).filter((name) => name.endsWith('.json'))
const page = readRepositoryFile('docs/.vitepress/theme/benchmarks.data.ts')

test.each(files.filter((name) => name !== 'lecture.json'))('%s', (name) => {
  const { schema } = JSON.parse(readRepositoryFile(`docs/results/${name}`)) as { schema?: string }
  expect(schema).toBeTypeOf('string')
  expect(page).toContain(`'${schema}'`)
})
