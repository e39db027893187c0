// Options that are not known are refused wherever options are taken: each exported interface of options has a
// list of its names, of which the compiler knows that it is whole, and a function that asks it.
import { expect, test } from 'vitest'
import { readRepositoryFile, typescriptFiles } from '../workspace.ts'

const packages = ['core', 'masks', 'positions', 'webgpu-flash']

/** Interfaces that are parts of others, or of functions inside a package. */
const parts = new Set([
  'AttentionOptions', // checkAttentionOptions
  'TilingOptions',
  'TileBufferOptions',
  'PlaneOptions',
  'DeepSpeedOptions',
  'CallOptions', // checkAttentionOptions
  'PlanOptions', // checkAttentionOptions
  'RoundOptions',
  'UnsupportedErrorOptions', // An error is made where another is thrown, and throws none of its own.
  'RooflineOptions', // All are required, and counted traffic may be given whole.
])

test.each(packages)('every exported interface of options has its names checked: %s', (name) => {
  const files = typescriptFiles(`packages/${name}/src`).map(readRepositoryFile)
  const declared = files.flatMap((text) =>
    [...text.matchAll(/^export interface (\w+Options)\b/gm)].map(([, found]) => found!),
  )
  const source = files.join('\n')
  const unchecked = declared.filter((found) => {
    const list = new RegExp(`const (\\w+): (?:OptionNames|OwnNames)<${found}>`).exec(source)
    const isAsked = list && new RegExp(`Options\\([^)]*\\b${list[1]}\\b`).test(source)
    return !parts.has(found) && !isAsked
  })
  expect(declared.length).toBeGreaterThan(3)
  expect(unchecked).toEqual([])
})
