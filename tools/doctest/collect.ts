// Where the examples stand: the READMEs, the guides, and the doc comments of every package.
import { globSync } from 'node:fs'
import { readRepositoryFile, repository, typescriptFiles, workspacePackages } from '../workspace.ts'
import { docCommentSnippets, markdownSnippets, type Snippet } from './extract.ts'

/** The files that hold examples, from the repository root. */
export function documentedFiles(): readonly string[] {
  const guides = globSync('docs/**/*.md', {
    cwd: repository,
    exclude: ['**/node_modules/**', 'docs/api/**', 'docs/.vitepress/**'],
  }).toSorted()
  const packages = workspacePackages().flatMap(({ folder }) => [
    `${folder}/README.md`,
    ...typescriptFiles(`${folder}/src`),
  ])
  return ['README.md', ...guides, ...packages]
}

/** The examples of one file. */
export function snippetsOf(file: string): readonly Snippet[] {
  const text = readRepositoryFile(file)
  return file.endsWith('.md') ? markdownSnippets(file, text) : docCommentSnippets(file, text)
}

/** The example whose code starts at a line. */
export function findSnippet(file: string, line: number): Snippet {
  const snippet = snippetsOf(file).find((candidate) => candidate.line === line)
  if (!snippet) throw new Error(`findSnippet: no example at ${file}:${line}`)
  return snippet
}
