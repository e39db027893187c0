// Read when the site is built: the records of conformance runs, as a table of kernels by places.
import { readFileSync } from 'node:fs'
import { basename } from 'node:path'
import type { ConformanceReport, SuiteResult } from '../../../tools/conformance/report.ts'
import { resultFiles } from '../results.ts'

/** A device that suites ran on, under some switches. */
interface Place {
  readonly adapter: string
  readonly flags: string
  readonly limits: string
  /** Suites with what they came to, and the file in docs/results that says so. */
  readonly suites: readonly {
    readonly name: string
    readonly passed: number
    readonly failed: number
    readonly file: string
    readonly commit: string
  }[]
  /** Cases by kernel. */
  readonly kernels: Readonly<Record<string, number>>
}

interface Conformance {
  readonly places: readonly Place[]
  /** Every kernel that ran anywhere, in order. */
  readonly kernels: readonly string[]
}

declare const data: Conformance
export { data }

/** @public VitePress calls it. */
export default {
  watch: ['../../results/conformance-*.json'],
  load(): Conformance {
    const files = resultFiles().filter((file) => basename(file).startsWith('conformance-'))
    const places = placesOf(files.flatMap(readSuites))
    const kernels = [...new Set(places.flatMap((place) => Object.keys(place.kernels)))]
    return { places, kernels: kernels.toSorted((one, other) => one.localeCompare(other)) }
  },
}

interface Suite {
  readonly adapter: string
  readonly file: string
  readonly commit: string
  readonly result: SuiteResult
}

function readSuites(path: string): Suite[] {
  const { adapter, environment, results } = JSON.parse(
    readFileSync(path, 'utf8'),
  ) as ConformanceReport
  const file = basename(path)
  const name = adapter?.description || adapter?.device || file
  const commit = environment.commit ?? 'unknown'
  return results.map((result) => ({ adapter: name, file, commit, result }))
}

/** One place for each device and set of switches, its suites added up. */
function placesOf(suites: readonly Suite[]): Place[] {
  const key = ({ adapter, result }: Suite): string =>
    [adapter, result.flags, result.limits].join(', ')
  return [...new Set(suites.map(key))].map((place) => {
    const own = suites.filter((suite) => key(suite) === place)
    const kernels: Record<string, number> = {}
    for (const [kernel, count] of own.flatMap(({ result }) => Object.entries(result.kernels))) {
      kernels[kernel] = (kernels[kernel] ?? 0) + count
    }
    const [{ adapter, result }] = own as [Suite]
    return {
      adapter,
      flags: result.flags,
      limits: result.limits,
      suites: own.map(({ file, commit, result: { suite, passed, failures, random } }) => ({
        name: random?.draw ? `${suite} ${random.draw}` : suite,
        passed,
        failed: failures.length,
        file,
        commit,
      })),
      kernels,
    }
  })
}
