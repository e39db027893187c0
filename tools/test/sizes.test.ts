// The README's table of sizes is that of the file which CI checks.
import { expect, test } from 'vitest'
import { readRepositoryFile } from '../workspace.ts'

interface Budget {
  readonly name: string
  readonly limit: string
}

test('what one does and what it loads', () => {
  const budgets = JSON.parse(readRepositoryFile('.size-limit.json')) as readonly Budget[]
  const told = budgets.filter(({ name }) => name.includes(': '))
  const rows = [
    ...readRepositoryFile('README.md').matchAll(/^\| (.*?) +\| ([\d.]+ kB) +\|$/gm),
  ].map(([, name, limit]) => ({ name: name!.replaceAll('`', ''), limit }))
  expect(told.length).toBe(4)
  expect(rows.filter(({ name }) => name.includes(': '))).toEqual(
    told.map(({ name, limit }) => ({ name, limit })),
  )
})
