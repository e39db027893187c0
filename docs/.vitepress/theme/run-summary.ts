// A report of `attn run` as the benchmarks page shows it: figures without their single samples, and
// the sentences that are drawn from them.
import type { RunReport } from '../../../packages/bench/src/report/run-report.ts'
import type { MeasuredBackward } from '../../../packages/bench/src/gradients/measure.ts'
import { formatLength, threeDigits } from '../../../packages/bench/src/report/format.ts'
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
  /** The kernel that computed it, where the library says so: `subgroup-matrix`. */
  readonly kernel?: string | undefined
  /** Gradients of the same problem, where they were asked for. */
  readonly backward?: BackwardFigure | undefined
}

export interface BackwardFigure {
  /** Milliseconds of one backward pass. */
  readonly median: number
  /** Milliseconds of a forward and a backward pass. */
  readonly both: number
  readonly memoryBytes: number
  readonly error: number
  readonly allowedError: number
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
  const title = [
    `${problem.dtype}, heads of ${problem.headDim}`,
    ...(problem.causal ? ['causal'] : []),
    ...(hasGradients(configurations) ? ['with gradients'] : []),
  ].join(', ')
  const devices = report.configurations.map(({ device }) => describeDevice(device))
  return { name, title, created, environment, devices, problem, configurations }
}

function summarize(outcome: Outcome): Cell {
  if (outcome.status === 'skipped') return outcome
  const { time, teraflops, memoryBytes, verification, explanation, backward } = outcome
  const { variant: kernel } = (explanation ?? {}) as { readonly variant?: string }
  const { median, minimum, maximum, samples, clock } = time
  const { error, allowedError, passed } = verification
  const figures = { median, minimum, maximum, teraflops, memoryBytes, error, allowedError }
  if (!Object.values(figures).every(Number.isFinite)) {
    throw new TypeError(`summarizeRun: figures must be numbers, got ${JSON.stringify(figures)}`)
  }
  const counted = { samples: samples.length, clock, passed }
  return {
    status: 'measured',
    ...figures,
    ...counted,
    kernel,
    backward: backward?.status === 'measured' ? summarizeBackward(backward) : undefined,
  }
}

function summarizeBackward({
  time,
  both,
  memoryBytes,
  verification: { error, allowedError },
}: MeasuredBackward): BackwardFigure {
  return { median: time.median, both: both.median, memoryBytes, error, allowedError }
}

/** What a run comes to, in a line: `flash 0.296 ms, 232 TFLOP/s, 5.1 times as fast as standard`. */
export function headlineOf({ configurations }: RunSummary): string {
  const [first] = configurations
  const row = first?.rows.findLast(({ cells }) => cells.flash.status === 'measured')
  if (!row || row.cells.flash.status !== 'measured') return ''
  const { flash, standard } = row.cells
  const passes = (figure: Figure): number => figure.backward?.both ?? figure.median
  const what = flash.backward ? 'flash, forward and backward' : 'flash'
  const rate = flash.backward ? '' : `, ${threeDigits(flash.teraflops)} TFLOP/s`
  const ratio =
    standard.status === 'measured'
      ? `, ${threeDigits(passes(standard) / passes(flash))} times as fast as standard`
      : ''
  return `${formatLength(row.length)} tokens: ${what} ${threeDigits(passes(flash))} ms${rate}${ratio}`
}

/** Whether backward passes were measured as well. */
export const hasGradients = (configurations: readonly Configuration[]): boolean =>
  figuresIn(configurations).some(({ backward }) => backward)

/** Everything measured, of one method or of all. */
export function figuresOf({ configurations }: RunSummary, method?: Method): readonly Figure[] {
  return figuresIn(configurations, method)
}

function figuresIn(configurations: readonly Configuration[], method?: Method): readonly Figure[] {
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
