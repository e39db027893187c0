import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { describe, expect, test } from 'vitest'
import { mergeReports, problemSlices } from '../conformance/merge-reports.ts'
import type { ConformanceReport, SuiteResult } from '../conformance/report.ts'
import { repository } from '../workspace.ts'

const result = (
  kernels: Record<string, number>,
  count: number,
  failures: string[],
): SuiteResult => ({
  flags: 'browser',
  limits: 'those of the adapter',
  suite: 'random',
  kernels,
  cases: {},
  passed: count - failures.length,
  failures,
  random: { seed: 1, count, devicesLost: 0 },
})
const report = (...results: SuiteResult[]): ConformanceReport => ({
  schema: 'attn-conformance/2',
  created: '',
  environment: { attn: '0', runtime: 'test', platform: 'test' },
  results,
})

describe('problems dealt to processes', () => {
  test.each([
    [5000, 50, 12],
    [300, 75, 2],
    [7, 20, 3],
    [101, 10, 4],
  ])('%i in themes of %i for %i are all there, in whole themes', (count, theme, jobs) => {
    const slices = problemSlices(count, theme, jobs)
    expect(slices.length).toBeLessThanOrEqual(jobs)
    expect(slices.reduce((sum, slice) => sum + slice.count, 0)).toBe(count)
    let next = 0
    for (const { first, count: own } of slices) {
      expect(first).toBe(next)
      expect(first % theme).toBe(0)
      next = first + own
    }
  })

  test('come back as one record for each suite and device', () => {
    const atDefaults = { ...result({ c: 1 }, 3, []), limits: 'the defaults of WebGPU' } as const
    const merged = mergeReports([
      report(result({ a: 2 }, 10, ['problem 4: wrong']), atDefaults),
      report(result({ a: 1, b: 5 }, 7, [])),
    ])
    expect(merged.results).toEqual([result({ a: 3, b: 5 }, 17, ['problem 4: wrong']), atDefaults])
    expect(() => mergeReports([])).toThrow('at least one report')
  })
})

test('programs without a test runner have all of the cases', async () => {
  const file = './packages/core/test/conformance/breadth.ts'
  const program = `import('${file}').then(({ onlyCore }) => process.stdout.write(String(onlyCore())))`
  const { stdout } = await promisify(execFile)(process.execPath, ['-e', program], {
    cwd: repository,
  })
  expect(stdout).toBe('false')
})
