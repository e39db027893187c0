// A pattern is whole when it is exported, described in the README's table, drawn and measured with all
// the others (every-pattern.ts), and tested against its paper's definition.
import { globSync, readFileSync } from 'node:fs'
import { basename } from 'node:path'
import { describe, expect, test } from 'vitest'

const folder = new URL('..', import.meta.url)
const read = (file: string): string => readFileSync(new URL(file, folder), 'utf8')
const files = (pattern: string): string[] =>
  globSync(pattern, { cwd: folder }).map((file) => file.replaceAll('\\', '/'))

/** The functions that files in src/patterns export and that users call. */
const index = read('src/index.ts')
const patterns = files('src/patterns/**/*.ts').flatMap((file) =>
  [...read(file).matchAll(/^export function (\w+)/gm)]
    .map(([, name]) => name!)
    .filter((name) => new RegExp(`\\b${name}\\b`).test(index)),
)
const every = read('test/support/every-pattern.ts')
const specifications = files('test/{patterns,factorize}/*.test.ts').map((file) => ({
  file: basename(file),
  text: read(file),
}))

test('patterns are found', () => {
  expect(patterns.length).toBeGreaterThan(15)
})

describe.each(patterns)('%s', (name) => {
  test('has a row in the table of the README', () => {
    expect(read('README.md')).toMatch(new RegExp(`\\| \`[^|]*\\b${name}\\(`))
  })

  test('is planned, drawn and measured with the others', () => {
    expect(every).toMatch(new RegExp(`\\b${name}\\(`))
  })

  test('is tested against its definition', () => {
    const tests = specifications.filter(({ text }) => text.includes(`${name}(`))
    expect(tests.map(({ file }) => file)).not.toEqual([])
  })
})
