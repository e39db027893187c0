// The table of errors is whole: every code that the sources know has its page, and every page a code that
// something throws, with the class that carries it.
import { describe, expect, test } from 'vitest'
import { UnsupportedError } from '../../packages/core/src/index.ts'
import {
  createFlashAttention,
  DeviceLostError,
  GpuInternalError,
  GpuOutOfMemoryError,
  GpuValidationError,
} from '../../packages/webgpu-flash/src/index.ts'
import { errorPages } from '../error-table.ts'
import { readRepositoryFile, typescriptFiles } from '../workspace.ts'

const packages = ['core', 'masks', 'positions', 'webgpu-flash']
const sources = packages
  .flatMap((name) => typescriptFiles(`packages/${name}/src`))
  .map(readRepositoryFile)
  .join('\n')
const classes = [DeviceLostError, GpuInternalError, GpuOutOfMemoryError, GpuValidationError]

test('each code has a page, and each page a code', () => {
  const known = new Set(sources.match(/'ATTN_[A-Z_]+'/g)?.map((text) => text.slice(1, -1)))
  expect(errorPages.map(({ code }) => code).toSorted()).toEqual([...known].toSorted())
  for (const { cause, remedies, example } of errorPages) {
    expect(
      Math.min(cause.length, example.length, ...remedies.map((text) => text.length)),
    ).toBeGreaterThan(20)
  }
})

describe('errors carry them', () => {
  test.each(classes)('%o', (Kind) => {
    const error = new Kind('why')
    expect(errorPages.find(({ code }) => code === error.code)?.type).toBe(error.name)
  })

  test('what is not supported says why', async () => {
    expect(new UnsupportedError('why').code).toBe('ATTN_UNSUPPORTED')
    const gpu = { requestAdapter: async () => Promise.resolve(null) } as unknown as GPU
    await expect(createFlashAttention({ gpu })).rejects.toMatchObject({
      name: 'UnsupportedError',
      code: 'ATTN_NO_ADAPTER',
    })
  })

  test('every exported class of errors is in the table', () => {
    const declared = [...sources.matchAll(/export class (\w+Error) extends/g)].map(
      ([, name]) => name,
    )
    expect(new Set(errorPages.map(({ type }) => type))).toEqual(new Set(declared))
  })
})
