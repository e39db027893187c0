// The report of `attn sparse` as tables for the terminal.
import { formatLength, threeDigits } from '../report/format.ts'
import { formatFlags } from '../report/summary.ts'
import { formatTable } from '../report/table.ts'
import type { Column } from '../report/table.ts'
import type { CausalTime, FlexTime, SparseReport } from './report.ts'

/** Device, problem, a line for each length and pattern, and what was verified. */
export function formatSparse({
  device,
  problem,
  results,
  skipped,
  environment,
  flex,
}: SparseReport): string {
  const hasFlex = flex !== undefined && flex.times.length > 0
  const flexAt = (length: number, name: FlexTime['name']): FlexTime | undefined =>
    flex?.times.find((time) => time.length === length && time.name === name)
  const columns: Column[] = [
    { group: '', title: 'length' },
    { group: '', title: 'pattern' },
    { group: '', title: 'ms' },
    { group: 'causal flash', title: 'ms' },
    { group: 'causal flash', title: 'times faster' },
    { group: 'standard causal', title: 'times faster' },
    { group: 'share of causal, %', title: 'pairs' },
    { group: 'share of causal, %', title: 'tiles' },
    { group: 'share of causal, %', title: 'time' },
    { group: 'time for its share of', title: 'pairs' },
    { group: 'time for its share of', title: 'tiles' },
    ...(hasFlex
      ? [
          { group: 'FlexAttention', title: 'ms' },
          { group: 'FlexAttention', title: 'times faster' },
        ]
      : []),
    { group: '', title: 'error / allowed' },
  ]
  const percent = (ratio: number): string => threeDigits(100 * ratio)
  const rows = results.flatMap(({ length, causal, standard, results: patterns }) =>
    patterns.map((pattern) => {
      const other = flexAt(length, pattern.name)
      return [
        formatLength(length),
        pattern.label,
        threeDigits(pattern.time.median),
        threeDigits(causal.median) + markOf(causal, problem.heads),
        `${threeDigits(1 / pattern.timeRatio)}x`,
        standard ? `${threeDigits(standard.median / pattern.time.median)}x` : '',
        percent(pattern.pairRatio),
        percent(pattern.workRatio),
        percent(pattern.timeRatio),
        threeDigits(pattern.timePerPair),
        threeDigits(pattern.timePerWork),
        ...(hasFlex
          ? [
              other ? threeDigits(other.median) : '-',
              other ? `${threeDigits(other.median / pattern.time.median)}x` : '',
            ]
          : []),
        `${threeDigits(pattern.verification.error / pattern.verification.allowedError)}${pattern.verification.passed ? '' : ' WRONG'}`,
      ]
    }),
  )
  const marks = new Set(results.map(({ causal }) => markOf(causal, problem.heads)))
  const far = results.find(({ causal }) => causal.extrapolatedFrom !== undefined)?.causal
  const both = results.flatMap(({ length, causal }) => {
    const other = flexAt(length, 'causal')
    return other
      ? [
          `causal at ${formatLength(length)}: ${threeDigits(causal.median)} ms, FlexAttention ` +
            `${threeDigits(other.median)} ms: ${threeDigits(other.median / causal.median)}x`,
        ]
      : []
  })
  return [
    'Sparse patterns against causal flash attention',
    '',
    `device     ${device.name}; ${device.description}`,
    `backend    ${device.backend}, ${environment.runtime}`,
    ...formatFlags(device),
    `problem    ${problem.dtype}, batch 1, ${problem.heads} heads of dim ${problem.headDim}`,
    '',
    formatTable(columns, rows),
    '',
    'tiles are those of the plan; the last column compares sampled rows with float64',
    ...formatBackward(results),
    ...skipped.map(({ length, reason }) => `skipped ${formatLength(length)}: ${reason}`),
    ...(marks.has('*') ? ['* measured on fewer heads and multiplied'] : []),
    ...(marks.has('~')
      ? [
          `~ not run: extrapolated by pairs from length ${formatLength(far!.extrapolatedFrom!)}; so are the ratios`,
        ]
      : []),
    ...(hasFlex ? [`FlexAttention: PyTorch ${flex.version} on ${flex.device}, after ours`] : []),
    ...both,
    ...(flex?.notes ?? []).map((note) => `FlexAttention: ${note}`),
  ].join('\n')
}

/** The backward passes as a table of their own. */
function formatBackward(results: SparseReport['results']): string[] {
  const columns: Column[] = [
    { group: '', title: 'length' },
    { group: '', title: 'pattern' },
    { group: '', title: 'ms' },
    { group: '', title: 'TFLOP/s' },
    { group: 'causal flash', title: 'ms' },
    { group: 'causal flash', title: 'times faster' },
    { group: 'share of causal, %', title: 'pairs' },
    { group: 'share of causal, %', title: 'tiles' },
    { group: '', title: 'error / allowed' },
  ]
  const part = (ratio: number | undefined): string =>
    ratio === undefined ? '' : threeDigits(100 * ratio)
  const rows = results.flatMap(({ length, backward }) =>
    (backward?.results ?? []).map((one) => [
      formatLength(length),
      one.label,
      threeDigits(one.time.median),
      threeDigits(one.teraflops),
      backward?.causal ? threeDigits(backward.causal.median) : '',
      one.timeRatio === undefined ? '' : `${threeDigits(1 / one.timeRatio)}x`,
      part(one.pairRatio),
      part(one.workRatio),
      `${threeDigits(one.verification.error / one.verification.allowedError)}${one.verification.passed ? '' : ' WRONG'}`,
    ]),
  )
  if (rows.length === 0) return []
  return ['', 'Their backward passes', '', formatTable(columns, rows), '']
}

/** `~` for what was not measured, `*` for what was measured in part. */
function markOf({ extrapolatedFrom, headsMeasured }: CausalTime, heads: number): string {
  if (extrapolatedFrom !== undefined) return '~'
  return headsMeasured < heads ? '*' : ''
}
