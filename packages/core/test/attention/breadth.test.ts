// A run that is asked for a core has one: else it takes minutes longer, and nothing fails.
import { afterEach, expect, test, vi } from 'vitest'
import { backwardCases, chosenCases, conformanceCases, onlyCore } from '../conformance/index.ts'

afterEach(() => void vi.unstubAllEnvs())

test.each(['core', 'sample'])(
  'a %s is a small part, with both dtypes and a trainable table',
  (name) => {
    vi.stubEnv('ATTN_BREADTH', name)
    expect(onlyCore()).toBe(true)
    for (const all of [conformanceCases(), backwardCases()]) {
      const core = chosenCases(all)
      expect(core.length).toBeGreaterThan(0)
      expect(core.length).toBeLessThan(all.length / 3)
      const dtypes = new Set(core.map(({ dtype }) => dtype))
      expect([...dtypes]).toEqual(expect.arrayContaining(['float32', 'float16']))
    }
    expect(chosenCases(backwardCases()).some(({ name }) => /trainable/.test(name))).toBe(true)
  },
)

test('all else is all of them', () => {
  vi.stubEnv('ATTN_BREADTH', 'all')
  const all = conformanceCases()
  expect(chosenCases(all)).toHaveLength(all.length)
})
