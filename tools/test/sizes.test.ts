// The README's table of sizes is that of the file which CI checks.
import { describe, expect, test } from 'vitest'
import { readRepositoryFile } from '../workspace.ts'

interface Budget {
  readonly name: string
  readonly limit: string
}

const budgets = JSON.parse(readRepositoryFile('.size-limit.json')) as readonly Budget[]

test('what one does and what it loads', () => {
  const told = budgets.filter(({ name }) => name.includes(': '))
  const rows = [
    ...readRepositoryFile('README.md').matchAll(/^\| (.*?) +\| ([\d.]+ kB) +\|$/gm),
  ].map(([, name, limit]) => ({ name: name!.replaceAll('`', ''), limit }))
  expect(told.length).toBe(4)
  expect(rows.filter(({ name }) => name.includes(': '))).toEqual(
    told.map(({ name, limit }) => ({ name, limit })),
  )
})

// Those of a package's README, by words of their names.
describe.each([
  ['core', [/flashAttention of @attn\/core/, /^@attn\/core$/]],
  ['masks', [/causal/, /^@attn\/masks$/]],
  ['positions', [/^@attn\/positions$/]],
  ['webgpu-flash', [/createFlashAttention/, /everything/]],
])('the README of %s', (name, words) => {
  test.each(words)('says the size of %s', (word) => {
    const section = readRepositoryFile(`packages/${name}/README.md`).split('\n## Size\n')[1] ?? ''
    const { limit } = budgets.find((budget) => word.test(budget.name))!
    expect(section.split('\n## ')[0]).toContain(limit)
  })
})
