// Several records of one run whose problems or cases were dealt to processes, as one record.
import type { ConformanceReport, SuiteResult } from './report.ts'

/**
 * Adds up the results of the same suite on the same device. The first record says what machine it was.
 *
 * @throws RangeError without any record.
 */
export function mergeReports(reports: readonly ConformanceReport[]): ConformanceReport {
  const [first] = reports
  if (!first) throw new RangeError('mergeReports: need at least one report, got none')
  const all = reports.flatMap(({ results }) => results)
  const key = ({ flags, limits, suite }: SuiteResult): string => [flags, limits, suite].join(', ')
  const results = [...new Set(all.map(key))].map((place) =>
    all.filter((result) => key(result) === place).reduce(added),
  )
  return { ...first, results }
}

function added(one: SuiteResult, other: SuiteResult): SuiteResult {
  const kernels: Record<string, number> = { ...one.kernels }
  for (const [kernel, count] of Object.entries(other.kernels)) {
    kernels[kernel] = (kernels[kernel] ?? 0) + count
  }
  const { random, ...rest } = one
  const cases = one.cases && { ...one.cases, ...casesAmong(Object.keys(kernels), other) }
  return {
    ...rest,
    kernels,
    ...(cases && { cases }),
    passed: one.passed + other.passed,
    failures: [...one.failures, ...other.failures],
    ...(random && {
      random: {
        ...random,
        count: random.count + (other.random?.count ?? 0),
        devicesLost: random.devicesLost + (other.random?.devicesLost ?? 0),
      },
    }),
  }
}

/** The cases of a result, whose kernels are places in a longer list. */
function casesAmong(names: readonly string[], result: SuiteResult): SuiteResult['cases'] {
  const own = Object.keys(result.kernels)
  return Object.fromEntries(
    Object.entries(result.cases ?? {}).map(([name, kernels]) => [
      name,
      kernels.map((place) => names.indexOf(own[place]!)),
    ]),
  )
}

/** Slices of so many problems, each of whole themes but for the last, at most `jobs` of them. */
export function problemSlices(
  count: number,
  theme: number,
  jobs: number,
): { readonly first: number; readonly count: number }[] {
  const length = Math.ceil(Math.ceil(count / theme) / jobs) * theme
  return Array.from({ length: Math.ceil(count / length) }, (_, slice) => ({
    first: slice * length,
    count: Math.min(length, count - slice * length),
  }))
}
