// The guide shows what the code reads: each row of its table, and no other.
import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { modelTable } from './model-table.ts'

test('the guide "Model files" has a row for every model that is known', () => {
  const guide = readFileSync(new URL('../../../docs/guide/model-files.md', import.meta.url), 'utf8')
  const squeezed = guide.replace(/ +/g, ' ').split('\n')
  const rows = squeezed.filter(
    (line) =>
      (line.startsWith('| `') && line.includes(' | half | ')) || line.includes(' | interleaved | '),
  )
  // Where they differ, put the rows received into the guide and run `pnpm format`.
  expect(rows).toEqual(modelTable().map((row) => row.replace(/ +/g, ' ')))
})
