// The API pages are whole: every option says what it is for, no default is said to be `undefined`, a package's page
// begins with its README, and a name means one thing in all packages.
import { readdirSync, readFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const folder = fileURLToPath(new URL('api', import.meta.url))
const pages = readdirSync(folder, { recursive: true, encoding: 'utf8' })
  .filter((file) => file.endsWith('.md'))
  .map((file) => ({ file, text: readFileSync(join(folder, file), 'utf8') }))
const problems: string[] = []

/** The rows of all tables of a page, each by the names of its columns. */
function* rowsOf(text: string): Generator<Readonly<Record<string, string>>> {
  let columns: readonly string[] | undefined
  for (const line of text.split('\n')) {
    const cells = line.split(/(?<!\\)\|/).map((cell) => cell.trim())
    if (!line.startsWith('|')) columns = undefined
    else if (!columns) columns = cells
    else yield Object.fromEntries(columns.map((column, index) => [column, cells[index] ?? '']))
  }
}

for (const { file, text } of pages) {
  const isOptions = /(Options|Inputs|Request)\.md$/.test(file)
  for (const { Property = '', Description, 'Default value': byDefault } of rowsOf(text)) {
    if (byDefault === '`undefined`') problems.push(`${file}: a default that is undefined`)
    const isBare = Property !== '' && (Description === '' || Description === '-')
    if (isOptions && isBare) problems.push(`${file}: no description of ${Property}`)
  }
}

for (const { file, text } of pages.filter(({ file }) => /^[^/]+\/index\.md$/.test(file))) {
  if (!text.includes('\n## License\n')) problems.push(`${file}: without the package's README`)
}

// What a package passes on from another is described in the same words.
const members = pages.filter(({ file }) => !file.endsWith('index.md'))
for (const name of new Set(members.map(({ file }) => basename(file)))) {
  const same = members.filter(({ file }) => basename(file) === name)
  const kinds = new Set(
    same.map(({ text }) => text.slice(0, text.indexOf('\n## ')).replace(/^\[Guide\].*\n\n/m, '')),
  )
  if (kinds.size > 1) problems.push(`${name}: ${same.map(({ file }) => file).join(' and ')}`)
}

for (const problem of problems) console.error(problem)
console.log(`${pages.length} pages of the API, ${problems.length} problems`)
if (problems.length > 0) process.exitCode = 1
