// The JSON file of `attn run`: everything that went into its table and every sample beside it. The
// README describes the fields; `schema` changes whenever one of them changes its meaning.
import { typeError } from '@attn/core'
import type { DeviceReport } from '../device/find-device.ts'
import type { FirstCall } from '../suites/first-call.ts'
import type { LengthResult } from '../suites/outcome.ts'
import type { Problem } from '../suites/problem.ts'

/** Version of the file's layout. */
export type RunReportSchema = 'attn-run/1'

/** What ran the benchmark, apart from the device. */
export interface Environment {
  /** Version of @attn/bench. */
  readonly attn: string
  /** `Node 24.21.0`, or the browser's user agent. */
  readonly runtime: string
  /** Operating system and processor architecture. */
  readonly platform: string
  /** Processor model and number of cores. */
  readonly processor?: string | undefined
  /** Version of the npm package `webgpu`, which brings Dawn. */
  readonly webgpu?: string | undefined
  /** Commit of the repository it ran from. */
  readonly commit?: string | undefined
  /** Whether that repository had uncommitted changes. */
  readonly uncommittedChanges?: boolean | undefined
}

/** All results under one configuration of one device. */
export interface ConfigurationResult {
  readonly device: DeviceReport
  /** Of WebGPU devices. */
  readonly firstCall?: FirstCall | undefined
  readonly results: readonly LengthResult[]
}

/** Everything `attn run` found out. Plain data. */
export interface RunReport {
  readonly schema: RunReportSchema
  /** Time of the run, ISO 8601. */
  readonly created: string
  readonly environment: Environment
  readonly problem: Problem
  /** Browser-equivalent flags first. */
  readonly configurations: readonly ConfigurationResult[]
}

/** Whether every result that was compared with the CPU reference passed. */
export function allVerified(report: RunReport): boolean {
  return report.configurations.every(({ results }) =>
    results.every(({ outcomes }) =>
      Object.values(outcomes).every(
        (outcome) =>
          outcome.status === 'skipped' ||
          (outcome.verification.passed &&
            (outcome.backward?.status !== 'measured' || outcome.backward.verification.passed)),
      ),
    ),
  )
}

/** The report as the text of a JSON file. */
export function toJson(report: RunReport): string {
  return `${JSON.stringify(report, null, 2)}\n`
}

/**
 * Reads the text of a JSON file written by `attn run`.
 *
 * @throws TypeError when it is not JSON, of another schema, or lacks one of its parts.
 *
 * @example
 * ```ts
 * import { parseRunReport } from '@attn/bench'
 * parseRunReport('{ "schema": "attn-run/0" }') // => throws TypeError: parseRunReport: schema must be attn-run/1
 * ```
 */
export function parseRunReport(text: string): RunReport {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (error) {
    throw typeError('parseRunReport: the text must be JSON', 'ATTN_TYPE', { cause: error })
  }
  const report = value as Partial<RunReport> | null
  if (report?.schema !== 'attn-run/1') {
    throw typeError(`parseRunReport: schema must be attn-run/1, got ${String(report?.schema)}`)
  }
  const { created, environment, problem, configurations } = report
  const missing = Object.entries({ created, environment, problem, configurations })
    .filter(([, part]) => part === undefined)
    .map(([name]) => name)
  if (missing.length > 0 || !Array.isArray(configurations)) {
    throw typeError(`parseRunReport: the report lacks ${missing.join(', ') || 'configurations'}`)
  }
  return report as RunReport
}
