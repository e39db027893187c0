// The table of errors is whole: every code that the sources know has its page, and every page a code that
// something throws, with the class that carries it.
import { describe, expect, test } from 'vitest'
import {
  errorUrl,
  flashAttention,
  rangeError,
  shapeError,
  tensor,
  typeError,
  UnsupportedError,
  zeros,
} from '../../packages/core/src/index.ts'
import { slidingWindow } from '../../packages/masks/src/index.ts'
import { alibi } from '../../packages/positions/src/index.ts'
import {
  createFlashAttention,
  DeviceLostError,
  GpuInternalError,
  GpuOutOfMemoryError,
  GpuValidationError,
} from '../../packages/webgpu-flash/src/index.ts'
import { addressOf, errorPages } from '../error-table.ts'
import { readRepositoryFile, typescriptFiles } from '../workspace.ts'

const packages = ['core', 'masks', 'positions', 'webgpu-flash']
const files = packages.flatMap((name) => typescriptFiles(`packages/${name}/src`))
const sources = files.map(readRepositoryFile).join('\n')
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
    const known = new Set([...declared, 'RangeError', 'TypeError'])
    expect(new Set(errorPages.map(({ type }) => type))).toEqual(known)
  })

  test.each([rangeError('why'), shapeError('why'), typeError('why')])('%s', (error) => {
    expect(errorPages.find(({ code }) => code === error.code)?.type).toBe(error.name)
    expect(error.stack).toMatch(new RegExp(`^${error.name} \\[${error.code}\\]: why\\n`))
    // What catches errors of JavaScript's own goes on to see one of them.
    expect(error).toEqual(new (error.name === 'TypeError' ? TypeError : RangeError)('why'))
  })

  const x = zeros([1, 1, 4, 4])
  const any = (value: unknown): never => value as never
  test.each([
    ['ATTN_SHAPE', () => flashAttention(x, x, zeros([1, 1, 5, 4]))],
    ['ATTN_SHAPE', () => tensor(new Float32Array(3), [4])],
    ['ATTN_VALUE', () => flashAttention(x, x, x, { scale: NaN })],
    ['ATTN_VALUE', () => slidingWindow(-1)],
    ['ATTN_VALUE', () => alibi({ heads: 0 })],
    ['ATTN_TYPE', () => flashAttention(any(null), x, x)],
    ['ATTN_DTYPE', () => flashAttention(any({ ...x, dtype: 'int8' }), x, x)],
    ['ATTN_OPTION', () => flashAttention(x, x, x, any({ isCausal: true }))],
  ])('%s: %s', (code, mistake) => {
    expect(mistake).toThrow(expect.objectContaining({ code, url: errorUrl(code) }))
  })

  test('and the address of their page', () => {
    const site = /ATTN_SITE'\] \?\? '([^']+)'/.exec(readRepositoryFile('docs/.vitepress/config.ts'))
    for (const { code } of errorPages) {
      expect(errorUrl(code)).toBe(`${site![1]}errors/${addressOf(code)}`)
    }
  })
})

test('nothing is thrown without one', () => {
  // Whose messages end inside: a plan that is given up is no failure, what compiles and what is tuned is told again
  // by its caller.
  const inside = [
    'core/src/sparsity/look.ts: Error',
    'webgpu-flash/src/run/pipelines.ts: Error',
    'webgpu-flash/src/tune/contest.ts: Error',
  ]
  const coded = [...classes.map(({ name }) => name), 'UnsupportedError']
  const bare = files
    .filter((file) => file !== 'packages/core/src/errors.ts')
    .flatMap((file) => {
      const code = readRepositoryFile(file).replaceAll(/\/\*\*[^]*?\*\//g, '')
      return [...code.matchAll(/new (\w*Error|DOMException)\(/g)].flatMap(([, name]) =>
        coded.includes(name!) ? [] : [`${file.replace('packages/', '')}: ${name}`],
      )
    })
  // Make them with rangeError, shapeError or typeError of @attn/core, which give them a code.
  expect(bare).toEqual(inside)
  // The command line has failures of its own, and mistakes in arguments as the others have.
  const ofArguments = typescriptFiles('packages/bench/src').filter((file) =>
    /new (RangeError|TypeError)\(/.test(readRepositoryFile(file)),
  )
  expect(ofArguments).toEqual([])
})
