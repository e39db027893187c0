// The report as text: what ran where, whether it is right, how long it took, what memory it needed.
import type { DeviceReport } from '../device/find-device.ts'
import type { FirstCall } from '../suites/first-call.ts'
import type { LengthResult, Measured, Outcome } from '../suites/outcome.ts'
import { methods } from '../suites/problem.ts'
import type { Method, Problem } from '../suites/problem.ts'
import { formatBytes, formatLength, threeDigits } from './format.ts'
import type { ConfigurationResult, Environment } from './run-report.ts'
import { formatBackward } from './backward-summary.ts'
import { methodNames } from './method-names.ts'
import { formatTable } from './table.ts'
import type { Column } from './table.ts'

/** The device, the environment and the problem, in a few lines. */
export function formatHeader(
  device: DeviceReport,
  environment: Environment,
  problem: Problem,
): string {
  const { commit, uncommittedChanges } = environment
  const source = commit ? `, commit ${commit}${uncommittedChanges ? ' with changes' : ''}` : ''
  const webgpu = environment.webgpu ? `, webgpu ${environment.webgpu}` : ''
  const kinds = { gpu: 'GPU', software: 'software adapter, no GPU found', cpu: 'CPU, no WebGPU' }
  const description = device.description ? `; ${device.description}` : ''
  const { batch, heads, headDim, dtype, causal, window } = problem
  return [
    'Exact attention three ways: standard, flash, block-sparse flash',
    '',
    `device     ${device.name} (${kinds[device.kind]}${description})`,
    ...(device.kind !== 'gpu' && environment.processor
      ? [`processor  ${environment.processor}`]
      : []),
    `backend    ${device.backend}${webgpu}, ${environment.runtime}, ${environment.platform}${source}`,
    ...formatFlags(device),
    `problem    ${dtype}, batch ${batch}, ${heads} heads of dim ${headDim}, ` +
      `${causal ? 'causal' : 'every query sees every key'}; ` +
      `window: the last ${window} keys, block-sparse`,
  ].join('\n')
}

/** Dawn's flags, where it has any, in a line. */
export function formatFlags({ flags }: DeviceReport): string[] {
  if (!flags) return []
  const on = `on: ${flags.enabled.join(', ')}`
  const off = `off: ${flags.disabled.join(', ')}`
  return [`flags      ${flags.name} (${flags.meaning})`, `           ${on}; ${off}`]
}

/** Verification, table and clock of one configuration. */
export function formatConfiguration(
  { device, firstCall, results }: ConfigurationResult,
  problem: Problem,
): string {
  return [
    ...formatVerification(results, problem),
    '',
    formatResults(results, problem),
    ...formatBackward(results),
    '',
    ...formatClock(device, results),
    ...formatFirstCall(firstCall),
  ].join('\n')
}

interface Found {
  readonly length: number
  readonly outcome: Measured
}

function measuredBy(results: readonly LengthResult[], method: Method): Found[] {
  return results.flatMap(({ length, outcomes }) => {
    const outcome = outcomes[method]
    return outcome.status === 'measured' ? [{ length, outcome }] : []
  })
}

function formatVerification(results: readonly LengthResult[], { dtype }: Problem): string[] {
  const lines = methods.flatMap((method) => {
    const found = measuredBy(results, method)
    const ratio = ({ outcome: { verification } }: Found): number =>
      verification.error / verification.allowedError
    const [worst] = found.toSorted((left, right) => ratio(right) - ratio(left))
    if (!worst) return []
    const failed = found.filter(({ outcome }) => !outcome.verification.passed)
    const { error, allowedError, rows } = worst.outcome.verification
    const verdict =
      failed.length === 0
        ? 'ok'
        : `WRONG at length ${failed.map(({ length }) => formatLength(length)).join(', ')}`
    return [
      `  ${methodNames[method].padEnd(9)} largest error ${error.toExponential(1)} of ` +
        `${allowedError.toExponential(1)} allowed, in ${rows} rows at length ` +
        `${formatLength(worst.length)}: ${verdict}`,
    ]
  })
  const rule = `allowed is twice the error of plain ${dtype} attention`
  return [`verified against the CPU reference in float64 (${rule})`, ...lines]
}

function formatResults(results: readonly LengthResult[], { window }: Problem): string {
  const fastest = methods.flatMap((method) =>
    measuredBy(results, method).map(({ outcome }) => outcome.teraflops),
  )
  const inTera = Math.max(0, ...fastest) >= 0.1
  const rate = inTera ? 'TFLOP/s' : 'GFLOP/s'
  const windowGroup = `flash, window ${window}`
  const memoryGroup = 'memory beside inputs and output'
  const columns: Column[] = [
    { group: '', title: 'length' },
    { group: 'standard', title: 'ms' },
    { group: 'standard', title: rate },
    { group: 'flash', title: 'ms' },
    { group: 'flash', title: rate },
    { group: 'flash', title: 'vs standard' },
    { group: windowGroup, title: 'ms' },
    { group: windowGroup, title: 'vs flash' },
    ...methods.map((method) => ({ group: memoryGroup, title: methodNames[method] })),
  ]
  const time = (outcome: Outcome): string =>
    outcome.status === 'measured' ? threeDigits(outcome.time.median) : outcome.reason
  const speed = (outcome: Outcome): string =>
    outcome.status === 'measured' ? threeDigits(outcome.teraflops * (inTera ? 1 : 1000)) : ''
  const memory = (outcome: Outcome): string =>
    outcome.status === 'measured' ? formatBytes(outcome.memoryBytes) : ''
  const rows = results.map(({ length, outcomes }) => {
    const { standard, flash, windowFlash } = outcomes
    return [
      formatLength(length),
      time(standard),
      speed(standard),
      time(flash),
      speed(flash),
      formatSpeedUp(standard, flash),
      time(windowFlash),
      formatSpeedUp(flash, windowFlash),
      ...methods.map((method) => memory(outcomes[method])),
    ]
  })
  return formatTable(columns, rows)
}

/** How many times less time the second takes: `1.65x`; empty where either was skipped. */
function formatSpeedUp(before: Outcome, after: Outcome): string {
  if (before.status === 'skipped' || after.status === 'skipped') return ''
  return `${threeDigits(before.time.median / after.time.median)}x`
}

function formatFirstCall(call: FirstCall | undefined): string[] {
  if (!call) return []
  const { length, firstMilliseconds, secondMilliseconds, planMilliseconds, stages } = call
  const parts = stages
    ? [
        `of the first ${threeDigits(stages.plan)} ms are plan, copies and text, ${threeDigits(stages.frontEnd)} ms reading ` +
          `WGSL, ${threeDigits(stages.compile)} ms compiling ${stages.kernels} ${stages.kernels === 1 ? 'kernel' : 'kernels'}, ` +
          `${threeDigits(stages.run)} ms running and reading back`,
      ]
    : []
  return [
    `first call at length ${formatLength(length)}, from tensors to tensors on the CPU: ` +
      `${threeDigits(firstMilliseconds)} ms with compilation, then ` +
      `${threeDigits(secondMilliseconds)} ms; a plan takes ${threeDigits(planMilliseconds)} ms`,
    ...parts,
  ]
}

function formatClock(device: DeviceReport, results: readonly LengthResult[]): string[] {
  const all = methods.flatMap((method) => measuredBy(results, method))
  if (all.length === 0) return []
  const samples = all.map(({ outcome }) => outcome.time.samples.length)
  const clock =
    all[0]!.outcome.time.clock === 'gpu-timestamps'
      ? 'GPU timestamp queries'
      : device.kind === 'cpu'
        ? 'the wall clock'
        : 'the wall clock (no timestamp queries here: submission and waiting count too)'
  const [fewest, most] = [Math.min(...samples), Math.max(...samples)]
  return [
    `times are medians of ${fewest === most ? most : `${fewest} to ${most}`} samples after warm-up, ` +
      `by ${clock}`,
  ]
}
