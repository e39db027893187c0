// The report of `attn positions` as text: what ran where, whether it is right, and the table.
import type { DeviceReport } from '../device/find-device.ts'
import { positionMethods, positionNames } from '../positions/problem.ts'
import type { PositionProblem } from '../positions/problem.ts'
import { formatBytes, formatLength, threeDigits } from './format.ts'
import type { PositionLengthResult, PositionOutcome, PositionsReport } from './positions-report.ts'
import type { Environment } from './run-report.ts'
import { formatFlags } from './summary.ts'
import { formatTable } from './table.ts'

/** The device and the problem, in a few lines. */
export function formatPositionsHeader(
  device: DeviceReport,
  environment: Environment,
  { batch, heads, headDim, dtype }: PositionProblem,
): string {
  const description = device.description ? ` (${device.description})` : ''
  const { commit, uncommittedChanges } = environment
  const source = commit ? `, commit ${commit}${uncommittedChanges ? ' with changes' : ''}` : ''
  return [
    'Causal attention and what position methods add to it',
    '',
    `device     ${device.name}${description}`,
    `backend    ${device.backend}, ${environment.runtime}, ${environment.platform}${source}`,
    ...formatFlags(device),
    `problem    ${dtype}, batch ${batch}, ${heads} heads of dim ${headDim}, causal`,
  ].join('\n')
}

const columns = [
  { group: '', title: 'length' },
  { group: '', title: 'positions' },
  { group: 'one causal layer', title: 'ms' },
  { group: 'one causal layer', title: 'tokens/s' },
  { group: 'one causal layer', title: 'vs none' },
  { group: 'memory', title: 'beside inputs and output' },
]

/** Verification, table and notes. */
export function formatPositions({ results, problem, device }: PositionsReport): string {
  const rows = results.flatMap(({ length, outcomes }) =>
    positionMethods.flatMap((method) => {
      const outcome = outcomes[method]
      if (!outcome) return []
      const { time, tokensPerSecond, overhead, memoryBytes } = outcome
      return [
        [
          formatLength(length),
          positionNames[method],
          threeDigits(time.median),
          formatRate(tokensPerSecond),
          method === 'none' ? '' : formatOverhead(overhead),
          formatBytes(memoryBytes),
        ],
      ]
    }),
  )
  return [
    ...formatVerified(results, problem),
    '',
    formatTable(columns, rows),
    ...formatTraining(results),
    '',
    ...notes(results, device),
  ].join('\n')
}

const trainingColumns = [
  { group: '', title: 'length' },
  { group: '', title: 'positions' },
  { group: 'one training step', title: 'backward ms' },
  { group: 'one training step', title: 'both' },
  { group: 'one training step', title: 'vs none' },
  { group: 'memory', title: 'beside inputs and results' },
]

function formatTraining(results: readonly PositionLengthResult[]): string[] {
  const rows = results.flatMap(({ length, outcomes }) =>
    positionMethods.flatMap((method) => {
      const training = outcomes[method]?.training
      if (!training) return []
      const { backward, both, overhead, memoryBytes, verification } = training
      return [
        [
          formatLength(length),
          `${positionNames[method]}${verification.passed ? '' : ' WRONG'}`,
          threeDigits(backward.median),
          threeDigits(both.median),
          method === 'none' ? '' : formatOverhead(overhead),
          formatBytes(memoryBytes),
        ],
      ]
    }),
  )
  return rows.length === 0 ? [] : ['', formatTable(trainingColumns, rows)]
}

function formatRate(perSecond: number): string {
  return perSecond >= 1e6
    ? `${threeDigits(perSecond / 1e6)}M`
    : perSecond >= 1e3
      ? `${threeDigits(perSecond / 1e3)}k`
      : threeDigits(perSecond)
}

function formatOverhead(overhead: number): string {
  const percent = (100 * overhead).toFixed(1)
  return `${overhead < 0 ? '' : '+'}${percent} %`
}

function formatVerified(
  results: readonly PositionLengthResult[],
  { dtype }: PositionProblem,
): string[] {
  const lines = positionMethods.flatMap((method) => {
    const all = results.flatMap(({ length, outcomes }) => {
      const outcome = outcomes[method]
      return outcome ? [{ length, ...outcome }] : []
    })
    const ratio = ({ verification }: PositionOutcome): number =>
      verification.error / verification.allowedError
    const [worst] = all.toSorted((left, right) => ratio(right) - ratio(left))
    if (!worst) return []
    const { error, allowedError, rows } = worst.verification
    const wrong = all.filter(({ verification }) => !verification.passed)
    const verdict =
      wrong.length === 0
        ? 'ok'
        : `WRONG at length ${wrong.map(({ length }) => formatLength(length)).join(', ')}`
    return [
      `  ${positionNames[method].padEnd(10)} largest error ${error.toExponential(1)} of ${allowedError.toExponential(1)} allowed, in ${rows} rows at length ${formatLength(worst.length)}: ${verdict}`,
    ]
  })
  return [
    `verified against the CPU reference in float64 (allowed is twice the error of plain ${dtype} attention)`,
    ...lines,
  ]
}

function notes(results: readonly PositionLengthResult[], { kind }: DeviceReport): string[] {
  const clock = results[0]?.outcomes.none?.time.clock
  const software =
    kind === 'software' ? ['a software adapter: its overheads say nothing about a GPU'] : []
  return [
    `medians of samples taken in turns, by ${clock === 'gpu-timestamps' ? 'GPU timestamp queries' : 'the wall clock'}`,
    'sinusoidal: the addition to the embeddings is counted in full, though a model adds once and not in each layer',
    'RoPE: rotating queries and keys is included, and so are the rotated copies in memory',
    ...software,
  ]
}
