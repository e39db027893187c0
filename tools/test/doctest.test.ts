import { runInNewContext } from 'node:vm'
import { transformWithOxc } from 'vite'
import { describe, expect, test } from 'vitest'
import { withAssertions } from '../doctest/assertions.ts'
import * as runtime from '../doctest/expect-value.ts'
import { docCommentSnippets, markdownSnippets } from '../doctest/extract.ts'

/** Runs an example's code, given without imports. */
async function run(code: string): Promise<void> {
  const module = withAssertions({ file: 'guide.md', line: 10, code, run: true }, 'runtime')
  const plain = module.replace(/^import .*?;/, '').replace('export {}', '')
  const { code: body } = await transformWithOxc(`async () => {${plain}}`, 'example.ts')
  await runInNewContext(`(${body.replace(/;\s*$/, '')})()`, {
    __expectThrow: runtime.expectThrow,
    __expectValue: runtime.expectValue,
    __rounded: runtime.rounded,
    console: { log: () => undefined },
  })
}

describe('true comments pass', () => {
  test.each([
    '1 + 2 // => 3',
    'const third: number = 1 / 3 // => 0.333',
    'Float32Array.of(0.1, 2) // => [0.1, 2]',
    '({ left: -0.25, right: [1, -Infinity] }) // => { left: -0.25, right: [1, -Infinity] }',
    "['a', \"b.5\"].join('') // => 'ab.5'",
    'Math.max(\n  1,\n  2,\n) // => 2',
    'const { length } = [1, 2] // => 2',
    'const [, second] = [1, 2] // => 2',
    'console.log(0 / 0) // => NaN',
    'for (const one of [1]) {\n  one + 1 // => 2\n}',
    'await Promise.resolve(7) // => 7',
    'null.field // => throws TypeError: Cannot read',
    "'x .\\nx x' // =>\n// x .\n// x x\n\n1 // => 1",
    '1e-5 // => 1.0e-5',
  ])('%s', async (code) => {
    await expect(run(code)).resolves.toBeUndefined()
  })
})

describe('false comments fail and are named', () => {
  test.each([
    ['1 + 2 // => 4', 'guide.md:10: the comment says 4, the code gives 3'],
    ['\nconst third = 1 / 3 // => 0.334', 'guide.md:11'],
    ['Float32Array.of(1, 2) // => [1]', 'gives [1,2]'],
    ['({ left: 1 }) // => { right: 1 }', 'guide.md:10'],
    ['1 // => throws TypeError', 'it does not'],
    ['null.field // => throws RangeError', 'it throws TypeError'],
    ['// => 4', 'no statement ends before'],
    ['const [a, b] = [1, 2] // => 1', 'more than one new name'],
    ["'x' // =>\n// y", 'says "y", the code gives "x"'],
    ['2e-5 // => 1.0e-5', 'guide.md:10'],
  ])('%s', async (code, message) => {
    await expect(run(code)).rejects.toThrow(message)
  })
})

describe('examples are found', () => {
  test('in Markdown, with their line and their mark', () => {
    const markdown =
      '# Title\n\n```ts\nfirst()\n```\n\n```sh\nls\n```\n\n```ts no-run\nsecond()\n```\n'
    expect(markdownSnippets('guide.md', markdown)).toEqual([
      { file: 'guide.md', line: 4, code: 'first()', run: true },
      { file: 'guide.md', line: 12, code: 'second()', run: false },
    ])
  })

  test('in doc comments, only under @example', () => {
    const source = [
      'const before = 1',
      '/**',
      ' * Says what it does.',
      ' *',
      ' * ```ts',
      ' * notAnExample()',
      ' * ```',
      ' *',
      ' * @example',
      ' * Some words.',
      ' * ```ts',
      ' * if (true) {',
      ' *   run()',
      ' * }',
      ' * ```',
      ' * @throws RangeError',
      ' */',
    ].join('\n')
    expect(docCommentSnippets('a.ts', source)).toEqual([
      { file: 'a.ts', line: 12, code: 'if (true) {\n  run()\n}', run: true },
    ])
  })

  test('an @example without a block is an error', () => {
    expect(() => docCommentSnippets('a.ts', '/** @example run() */')).toThrow('a.ts:1')
  })

  test('a block that never ends is an error', () => {
    expect(() => markdownSnippets('guide.md', '```ts\nfirst()\n')).toThrow('not closed')
  })
})
