// Which adapter a command line asks for, where the packages of its driver come from, and what is changed in it.
import { describe, expect, test } from 'vitest'
import { takeAdapter } from '../gpu/adapters.ts'
import { debianMirror } from '../gpu/debian-packages.ts'
import { withoutUnreachableCode } from '../gpu/driver-passes.ts'

describe('--adapter', () => {
  test.each([
    [['vitest', 'run', '--adapter', 'lavapipe', 'a.test.ts'], 'lavapipe'],
    [['--adapter=swiftshader', 'vitest', 'run', 'a.test.ts'], 'swiftshader'],
    [['vitest', 'run', 'a.test.ts'], 'default'],
  ])('%j is %s, and the rest stays', (parameters, adapter) => {
    expect(takeAdapter(parameters, {})).toEqual({
      adapter,
      others: ['vitest', 'run', 'a.test.ts'],
    })
  })

  test('the environment decides where no name is given', () => {
    expect(takeAdapter(['node'], { ATTN_ADAPTER: 'gpu' }).adapter).toBe('gpu')
    expect(takeAdapter(['--adapter', 'lavapipe'], { ATTN_ADAPTER: 'gpu' }).adapter).toBe('lavapipe')
  })

  test.each([[['--adapter', 'metal']], [['node', '--adapter']], [['--adapter=']]])(
    '%j is refused',
    (parameters) => {
      expect(() => takeAdapter(parameters, {})).toThrow('--adapter must be one of default, gpu,')
    },
  )
})

describe('the mirror of Debian', () => {
  const first = 'http://mirror.example/debian'
  const security = 'http://mirror.example/debian-security'

  test.each([
    ['a line', `# a comment\ndeb ${first} bookworm main\n`],
    ['a line with options', `deb [arch=amd64 signed-by=/key.gpg] ${first}/ bookworm main\n`],
    ['lines of others before', `deb ${security} bookworm main\ndeb ${first} bookworm main\n`],
    ['fields', `Types: deb\nURIs: ${first}\nSuites: bookworm\n`],
    ['fields over lines', `Types: deb\nURIs: ${security}\n  ${first}/\nSuites: bookworm\n`],
    [
      'paragraphs, one of them switched off',
      `Enabled: no\nURIs: http://other.example/debian\n\nTypes: deb\nURIs: ${first}\n`,
    ],
  ])('is found in %s', (_name, text) => {
    expect(debianMirror(['', text])).toBe(first)
  })

  test.each([
    ['nothing', ''],
    ['sources alone', `deb-src ${first} bookworm main`],
    ['another archive', 'deb http://mirror.example/ubuntu noble main'],
    ['what is switched off', `Enabled: no\nURIs: ${first}\n`],
  ])('is not found in %s', (_name, text) => {
    expect(debianMirror([text])).toBeUndefined()
  })
})

describe("lavapipe's driver", () => {
  const driver = (text: string): Buffer => Buffer.from(text, 'latin1')

  test('runs another pass of LLVM where it optimizes nothing', () => {
    const changed = withoutUnreachableCode(driver('ab\x48\xb8mem2reg\0cd, mem2reg'))
    expect(changed).toEqual(driver('ab\x48\xb8sccp\0\0\0\0cd, mem2reg'))
  })

  test.each([['ab, mem2reg'], ['\x48\xb8mem2reg\0\x48\xb8mem2reg\0']])(
    'stays as it is where that is not in one place: %j',
    (text) => {
      expect(withoutUnreachableCode(driver(text))).toEqual(driver(text))
    },
  )
})
