// A report of `attn run` as the benchmarks page shows it: figures without their single samples, and
// the sentences that are drawn from them.
import type { RunReport } from '../../../packages/bench/src/report/run-report.ts'
import type { Outcome } from '../../../packages/bench/src/suites/outcome.ts'
import type { Method, Problem } from '../../../packages/bench/src/suites/problem.ts'
import { describeDevice, type Origin } from './benchmark-setting.ts'

export interface Figure {
  readonly status: 'measured'
  /** Milliseconds of one run. */
  readonly median: number
  readonly minimum: number
  readonly maximum: number
  readonly samples: number
  readonly clock: string
  readonly teraflops: number
  readonly memoryBytes: number
  readonly error: number
  readonly allowedError: number
  readonly passed: boolean
}

/** A figure, or why there is none. */
export type Cell = Figure | { readonly status: 'skipped'; readonly reason: string }

export interface Row {
  readonly length: number
  readonly cells: Readonly<Record<Method, Cell>>
}

export interface Configuration {
  /** Name of its flags; empty where there are none to set. */
  readonly flags: string
  readonly rows: readonly Row[]
}

export interface RunSummary extends Origin {
  /** Of the file, without its ending. */
  readonly name: string
  readonly problem: Problem
  readonly configurations: readonly Configuration[]
}

export const methodNames: Readonly<Record<Method, string>> = {
  standard: 'standard',
  flash: 'flash',
  windowFlash: 'window',
}

export const methods: readonly Method[] = ['standard', 'flash', 'windowFlash']

export function summarizeRun(name: string, report: RunReport): RunSummary {
  const { created, environment, problem } = report
  const configurations = report.configurations.map(({ device, results }): Configuration => {
    return {
      flags: device.flags?.name ?? '',
      rows: results.map(({ length, outcomes }) => ({
        length,
        cells: {
          standard: summarize(outcomes.standard),
          flash: summarize(outcomes.flash),
          windowFlash: summarize(outcomes.windowFlash),
        },
      })),
    }
  })
  const title = `${problem.dtype}, heads of ${problem.headDim}${problem.causal ? ', causal' : ''}`
  const devices = report.configurations.map(({ device }) => describeDevice(device))
  return { name, title, created, environment, devices, problem, configurations }
}

function summarize(outcome: Outcome): Cell {
  if (outcome.status === 'skipped') return outcome
  const { time, teraflops, memoryBytes, verification } = outcome
  const { median, minimum, maximum, samples, clock } = time
  const { error, allowedError, passed } = verification
  const figures = { median, minimum, maximum, teraflops, memoryBytes, error, allowedError }
  if (!Object.values(figures).every(Number.isFinite)) {
    throw new TypeError(`summarizeRun: figures must be numbers, got ${JSON.stringify(figures)}`)
  }
  return { status: 'measured', ...figures, samples: samples.length, clock, passed }
}

/** Everything measured, of one method or of all. */
export function figuresOf({ configurations }: RunSummary, method?: Method): readonly Figure[] {
  return configurations.flatMap(({ rows }) =>
    rows.flatMap(({ cells }) =>
      (method ? [cells[method]] : Object.values(cells)).filter(
        (cell) => cell.status === 'measured',
      ),
    ),
  )
}

export interface MemoryUse {
  /** The configurations in which it is so. */
  readonly flags: readonly string[]
  readonly rows: readonly Row[]
}

/** What each method allocates; one entry where the flags change nothing about it. */
export function memoryUses({ configurations }: RunSummary): readonly MemoryUse[] {
  const found = new Map<string, MemoryUse>()
  for (const { flags, rows } of configurations) {
    const bytes = JSON.stringify(
      rows.map(({ cells }) =>
        Object.values(cells).map((cell) => cell.status === 'measured' && cell.memoryBytes),
      ),
    )
    const before = found.get(bytes)
    found.set(bytes, { flags: [...(before?.flags ?? []), flags], rows: before?.rows ?? rows })
  }
  return [...found.values()]
}
