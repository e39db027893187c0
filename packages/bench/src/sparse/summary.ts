// The report of `attn sparse` as tables for the terminal.
import { formatLength, threeDigits } from '../report/format.ts'
import { formatFlags } from '../report/summary.ts'
import { formatTable } from '../report/table.ts'
import type { Column } from '../report/table.ts'
import type { SparseReport } from './report.ts'

/** Device, problem, a line for each length and pattern, and what was verified. */
export function formatSparse({
  device,
  problem,
  results,
  skipped,
  environment,
}: SparseReport): string {
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
    { group: '', title: 'error / allowed' },
  ]
  const percent = (ratio: number): string => threeDigits(100 * ratio)
  const rows = results.flatMap(({ length, causal, standard, results: patterns }) =>
    patterns.map((pattern) => [
      formatLength(length),
      pattern.label,
      threeDigits(pattern.time.median),
      threeDigits(causal.median) + (causal.headsMeasured < problem.heads ? '*' : ''),
      `${threeDigits(1 / pattern.timeRatio)}x`,
      standard ? `${threeDigits(standard.median / pattern.time.median)}x` : '',
      percent(pattern.pairRatio),
      percent(pattern.workRatio),
      percent(pattern.timeRatio),
      threeDigits(pattern.timePerPair),
      threeDigits(pattern.timePerWork),
      `${threeDigits(pattern.verification.error / pattern.verification.allowedError)}${pattern.verification.passed ? '' : ' WRONG'}`,
    ]),
  )
  const fewer = results.some(({ causal }) => causal.headsMeasured < problem.heads)
  return [
    'Sparse patterns against causal flash attention',
    '',
    `device     ${device.name}; ${device.description}`,
    `backend    ${device.backend}, ${environment.runtime}`,
    ...formatFlags(device),
    `problem    float32, batch 1, ${problem.heads} heads of dim ${problem.headDim}`,
    '',
    formatTable(columns, rows),
    '',
    'tiles are those of the plan; the last column compares sampled rows with float64',
    ...skipped.map(({ length, reason }) => `skipped ${formatLength(length)}: ${reason}`),
    ...(fewer ? ['* measured on fewer heads and multiplied'] : []),
  ].join('\n')
}
