// The contract in docs/guide/conventions.md is what tests check: each row names them, and they exist.
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { readRepositoryFile, repository } from '../workspace.ts'

const page = 'docs/guide/conventions.md'

interface Row {
  readonly what: string
  readonly tests: readonly { readonly file: string; readonly title: string }[]
}

/** The rows of the first table after the heading, below its header. */
function contractRows(): readonly Row[] {
  const [, section = ''] = readRepositoryFile(page).split('\n## The contract\n')
  const lines = section.split('\n## ', 1)[0]!.split('\n')
  const rows = lines.filter((line) => line.startsWith('|')).slice(2)
  return rows.map((row) => {
    const cells = row.split('|').map((cell) => cell.trim())
    const tests = [...cells[3]!.matchAll(/`([^`]+)` "([^"]+)"/g)]
    return {
      what: cells[1]!,
      tests: tests.map(([, file, title]) => ({ file: file!, title: title! })),
    }
  })
}

/** Whether a file has a test (or a group of them) of this title. */
function hasTest(file: string, title: string): boolean {
  const text = readRepositoryFile(file).replaceAll(/\(\s+/g, '(')
  return [`'`, `"`, '`'].some((quote) => text.includes(`(${quote}${title}${quote},`))
}

test('the contract has rows, and each names a test', () => {
  const rows = contractRows()
  expect(rows.length).toBeGreaterThan(3)
  expect(rows.filter(({ tests }) => tests.length === 0).map(({ what }) => what)).toEqual([])
})

test.each(contractRows())('the tests of "$what" exist', ({ tests }) => {
  const missing = tests.filter(
    ({ file, title }) => !existsSync(join(repository, file)) || !hasTest(file, title),
  )
  expect(missing).toEqual([])
})
