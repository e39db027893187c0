// A run that is asked for a core has one: else it takes minutes longer, and nothing fails.
import { afterEach, expect, test, vi } from 'vitest'
import { backwardCases, chosenCases, conformanceCases, onlyCore } from '../conformance/index.ts'

afterEach(() => void vi.unstubAllEnvs())

test('a core is a small part of the cases, with both dtypes and a trainable table', () => {
  vi.stubEnv('ATTN_BREADTH', 'core')
  expect(onlyCore()).toBe(true)
  for (const all of [conformanceCases(), backwardCases()]) {
    const core = chosenCases(all)
    expect(core.length).toBeGreaterThan(0)
    expect(core.length).toBeLessThan(all.length / 3)
    expect(new Set(core.map(({ dtype }) => dtype))).toEqual(new Set(['float32', 'float16']))
  }
  expect(chosenCases(backwardCases()).some(({ name }) => /trainable/.test(name))).toBe(true)
})

test('all else is all of them', () => {
  vi.stubEnv('ATTN_BREADTH', 'all')
  const all = conformanceCases()
  expect(chosenCases(all)).toHaveLength(all.length)
})
