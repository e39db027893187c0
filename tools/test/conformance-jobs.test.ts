import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { describe, expect, test } from 'vitest'
import { readOptions } from '../conformance/options.ts'
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

  test('and each case keeps the kernels that computed it', () => {
    const part = (kernels: Record<string, number>, cases: Record<string, number[]>) => {
      const { random: _, ...rest } = result(kernels, 1, [])
      return report({ ...rest, suite: 'backward', cases })
    }
    const merged = mergeReports([
      part({ a: 1, b: 1 }, { first: [1, 0] }),
      part({ c: 1, b: 1 }, { second: [0, 1] }),
    ])
    const [{ kernels, cases }] = merged.results as [SuiteResult]
    const named = Object.entries(cases!).map(([name, places]) => [
      name,
      places.map((place) => Object.keys(kernels)[place]),
    ])
    expect(named).toEqual([
      ['first', ['b', 'a']],
      ['second', ['c', 'b']],
    ])
  })
})

describe('the command line of conformance', () => {
  test('has all suites at both limits unless told otherwise', () => {
    const { suites, limits, part } = readOptions([])
    expect(suites).toEqual([
      'planned',
      'tiles',
      'halves',
      'backward',
      'split',
      'weights',
      'merge',
      'biases',
    ])
    expect(limits).toHaveLength(2)
    expect(part).toEqual({ index: 0, of: 1 })
    expect(readOptions(['--part', '2/3']).part).toEqual({ index: 1, of: 3 })
  })

  test.each([
    [['--suites', 'planned,all'], '--suites|suites are planned, tiles'],
    [['--limits', 'most'], '--limits must be adapter, defaults or both, got most'],
    [['--part', '4/3'], '--part must be 1/4, 2/4 and so on, got 4/3'],
    [['--part', '0/3'], '--part must be 1/4'],
    [['--count', 'many'], '--count must be a whole number, got many'],
  ])('refuses %j', (parameters, message) => {
    expect(() => readOptions(parameters)).toThrow(new RegExp(message))
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
