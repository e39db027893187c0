// The numbers of trained models in the README of positions are those of the results.
import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { withTables } from '../positions-table.ts'

test('the README of positions has the tables of docs/results/lab/extrapolate.json', () => {
  const text = readFileSync(new URL('../../packages/positions/README.md', import.meta.url), 'utf8')
  expect(withTables(text)).toBe(text)
})
