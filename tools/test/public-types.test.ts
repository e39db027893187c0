// `mask: long ? window : undefined` compiles whatever the user's compiler options: what may be left out may
// be undefined.
import { expect, test } from 'vitest'
import { optionalProperties, takesUndefined } from '../public-types.ts'

const packages = ['core', 'masks', 'positions', 'webgpu-flash', 'bench']

test('every optional property of a public type takes undefined', () => {
  const properties = optionalProperties(packages.map((name) => `packages/${name}/src/index.ts`))
  const strict = properties.filter(({ type }) => !takesUndefined(type)).map(({ name }) => name)
  expect(properties.length).toBeGreaterThan(300)
  expect(strict).toEqual([])
})
