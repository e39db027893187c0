// The shape of the repository: who may import whom, no circles, no file too long to read at once.
import { posix } from 'node:path'
import { describe, expect, test } from 'vitest'
import { readRepositoryFile, typescriptFiles, workspacePackages } from '../workspace.ts'
import { importsOf } from './imports.ts'
import type { Import } from './imports.ts'

const longestFile = 300
const siblings = workspacePackages().map(({ name }) => name)

/** What the sources of a package may import from this repository; bench may import all. */
const allowedInSources: Readonly<Record<string, readonly string[]>> = {
  '@attn/core': [],
  '@attn/masks': ['@attn/core'],
  '@attn/positions': ['@attn/core'],
  '@attn/webgpu-flash': ['@attn/core'],
  '@attn/bench': siblings,
}

const packageOf = (specifier: string): string =>
  specifier.split('/', specifier.startsWith('@') ? 2 : 1).join('/')

describe.each(workspacePackages())('$name', ({ name, folder, manifest }) => {
  const sources = typescriptFiles(`${folder}/src`).map((file) => ({
    file,
    text: readRepositoryFile(file),
    imports: importsOf(file, readRepositoryFile(file)),
  }))

  test('has sources and a place in the import order', () => {
    expect(sources.length).toBeGreaterThan(0)
    expect(Object.keys(allowedInSources)).toContain(name)
  })

  test('its sources import only the packages below it', () => {
    const found = sources.flatMap(({ file, imports }) =>
      imports
        .map(({ specifier }) => packageOf(specifier))
        .filter((imported) => siblings.includes(imported))
        .filter((imported) => !allowedInSources[name]!.includes(imported))
        .map((imported) => `${file} imports ${imported}`),
    )
    expect(found).toEqual([])
  })

  test('its tests import only itself and what it depends on', () => {
    const allowed = [name, '@attn/core', ...allowedInSources[name]!]
    const tests = ['test', 'test-gpu', 'test-browser'].flatMap((place) =>
      typescriptFiles(`${folder}/${place}`),
    )
    const found = tests.flatMap((file) =>
      importsOf(file, readRepositoryFile(file))
        .map(({ specifier }) => packageOf(specifier))
        .filter((imported) => siblings.includes(imported) && !allowed.includes(imported))
        .map((imported) => `${file} imports ${imported}`),
    )
    expect(found).toEqual([])
  })

  test('no import reaches into the folder of another package', () => {
    const found = sources.flatMap(({ file, imports }) =>
      imports
        .filter(({ specifier }) => specifier.startsWith('.'))
        .filter(({ specifier }) => {
          const target = posix.join(posix.dirname(file), specifier)
          return !target.startsWith(`${folder}/src/`)
        })
        .map(({ specifier }) => `${file} imports ${specifier}`),
    )
    expect(found).toEqual([])
  })

  test('whatever it imports at run time is declared in its manifest', () => {
    const declared = Object.keys({ ...manifest.dependencies, ...manifest.peerDependencies })
    const found = sources.flatMap(({ file, imports }) =>
      imports
        .filter(({ specifier }) => !/^(\.|node:)/.test(specifier))
        .filter(({ specifier }) => !declared.includes(packageOf(specifier)))
        .map(({ specifier }) => `${file} imports ${specifier}`),
    )
    expect(found).toEqual([])
  })

  test('has no circular import', () => {
    expect(findCircle(graphOf(sources, ({ atRuntime }) => atRuntime))).toBeUndefined()
  })

  test(`has no source file of more than ${longestFile} lines`, () => {
    const long = sources
      .map(({ file, text }) => ({ file, lines: text.trimEnd().split('\n').length }))
      .filter(({ lines }) => lines > longestFile)
    expect(long).toEqual([])
  })
})

// Where a type stands beside what is made of it, a new kernel has to change files of others.
test('the kernels and plans of webgpu-flash have no circle of types either', () => {
  const sources = typescriptFiles('packages/webgpu-flash/src').map((file) => ({
    file,
    imports: importsOf(file, readRepositoryFile(file)),
  }))
  expect(findCircle(graphOf(sources, () => true))).toBeUndefined()
})

test('the laboratory for pages loads nothing that a page lacks', () => {
  const folder = 'packages/bench/src'
  const reached = new Set([`${folder}/lab/index.ts`])
  const packages = new Set<string>()
  // A set grows while it is gone through.
  for (const file of reached) {
    for (const { specifier, atRuntime } of importsOf(file, readRepositoryFile(file))) {
      if (!atRuntime) continue
      if (specifier.startsWith('.')) reached.add(posix.join(posix.dirname(file), specifier))
      else packages.add(specifier)
    }
  }
  expect(reached).toContain(`${folder}/lab/trainer.ts`)
  expect([...packages].toSorted()).toEqual(['@attn/core', '@attn/masks', '@attn/positions'])
})

test('a circle is found where there is one', () => {
  const graph = new Map([
    ['a', ['b']],
    ['b', ['c', 'd']],
    ['c', []],
    ['d', ['b']],
  ])
  expect(findCircle(graph)).toEqual(['b', 'd', 'b'])
})

/** The files that each imports in a way that counts. */
function graphOf(
  sources: readonly { readonly file: string; readonly imports: readonly Import[] }[],
  counts: (found: Import) => boolean,
): ReadonlyMap<string, readonly string[]> {
  return new Map(
    sources.map(({ file, imports }) => [
      file,
      imports
        .filter((found) => counts(found) && found.specifier.startsWith('.'))
        .map(({ specifier }) => posix.join(posix.dirname(file), specifier)),
    ]),
  )
}

/** The first circle that a depth-first walk meets, its first file repeated at the end. */
function findCircle(graph: ReadonlyMap<string, readonly string[]>): string[] | undefined {
  const finished = new Set<string>()
  const path: string[] = []
  const visit = (file: string): string[] | undefined => {
    if (path.includes(file)) return [...path.slice(path.indexOf(file)), file]
    if (finished.has(file)) return undefined
    path.push(file)
    for (const next of graph.get(file) ?? []) {
      const circle = visit(next)
      if (circle) return circle
    }
    path.pop()
    finished.add(file)
    return undefined
  }
  for (const file of graph.keys()) {
    const circle = visit(file)
    if (circle) return circle
  }
  return undefined
}
