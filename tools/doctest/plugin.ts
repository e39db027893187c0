// A Vite plugin through which a test imports an example as a module of its own, against the
// sources of the packages.
import { join } from 'node:path'
import { transformWithOxc, type Plugin } from 'vite'
import { repository, workspacePackages } from '../workspace.ts'
import { withAssertions } from './assertions.ts'
import { findSnippet } from './collect.ts'

const prefix = 'virtual:example/'

/** The module that holds the example at a line of a file. */
export function exampleModule(file: string, line: number): string {
  return `${prefix}${file}:${line}.ts`
}

/** Serves `exampleModule`s. */
export function examplesPlugin(): Plugin {
  const entries = new Map(
    workspacePackages().map(({ name, folder }) => [name, join(repository, folder, 'src/index.ts')]),
  )
  return {
    name: 'attn:examples',
    enforce: 'pre',
    resolveId(source, importer) {
      if (source.startsWith(prefix)) return `\0${source}`
      if (!importer?.startsWith(`\0${prefix}`)) return undefined
      return entries.get(source) ?? this.resolve(source, join(repository, 'tools/examples.ts'))
    },
    async load(id) {
      const found = id.startsWith(`\0${prefix}`) && /\/(.*):(\d+)\.ts$/.exec(id)
      if (!found) return undefined
      const snippet = findSnippet(found[1]!, Number(found[2]))
      const runtime = join(repository, 'tools/doctest/expect-value.ts')
      return (await transformWithOxc(withAssertions(snippet, runtime), 'example.ts')).code
    },
  }
}
