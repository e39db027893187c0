// Every function a package exports has an example in its docstring, which the doctest runs.
import { dirname, join } from 'node:path'
import { expect, test } from 'vitest'
import { readRepositoryFile } from '../workspace.ts'

const packages = ['core', 'masks', 'positions', 'webgpu-flash']

/** Values (not types) that an index exports, with the files they are from. */
function exportedValues(
  index: string,
): readonly { readonly name: string; readonly file: string }[] {
  const folder = dirname(index)
  const text = readRepositoryFile(index)
  return [...text.matchAll(/^export \{([^}]*)\} from '(\.[^']*)'/gm)].flatMap(([, names, from]) =>
    names!
      .split(',')
      .map((name) => name.trim())
      .filter((name) => name !== '')
      .map((name) => ({ name, file: join(folder, from!) })),
  )
}

/** Whether the declaration of a function has an example; undefined where it is no function. */
function hasExample(file: string, name: string): boolean | undefined {
  const text = readRepositoryFile(file)
  const start = new RegExp(`^export (?:async )?function ${name}\\b`, 'm').exec(text)
  if (!start) return undefined
  const before = text.slice(0, start.index).trimEnd()
  if (!before.endsWith('*/')) return false
  return before.slice(before.lastIndexOf('/**')).includes('@example')
}

test.each(packages)('every exported function has an example: %s', (name) => {
  const values = exportedValues(`packages/${name}/src/index.ts`)
  const functions = values.filter(({ name: value, file }) => hasExample(file, value) !== undefined)
  expect(functions.length).toBeGreaterThan(2)
  const without = functions.filter(({ name: value, file }) => !hasExample(file, value))
  expect(without.map(({ name: value, file }) => `${value} of ${file}`)).toEqual([])
})
