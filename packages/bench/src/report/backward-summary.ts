// The part of `attn run --backward` in the terminal: times of backward passes and of whole steps.
import type { LengthResult } from '../suites/outcome.ts'
import { methods } from '../suites/problem.ts'
import type { Method } from '../suites/problem.ts'
import { formatBytes, formatLength, threeDigits } from './format.ts'
import { methodNames } from './method-names.ts'
import { formatTable } from './table.ts'
import type { Column } from './table.ts'

/** Table and verification; nothing where no backward pass was run. */
export function formatBackward(results: readonly LengthResult[]): string[] {
  const measured = (method: Method, outcomes: LengthResult['outcomes']) => {
    const outcome = outcomes[method]
    return outcome.status === 'measured' ? outcome.backward : outcome
  }
  const any = results.some(({ outcomes }) =>
    methods.some((method) => measured(method, outcomes)?.status === 'measured'),
  )
  if (!any) return []
  const memoryGroup = 'memory beside inputs and results'
  const columns: Column[] = [
    { group: '', title: 'length' },
    ...methods.flatMap((method) => [
      { group: methodNames[method], title: 'backward ms' },
      { group: methodNames[method], title: 'both' },
    ]),
    { group: 'standard / flash', title: 'backward' },
    { group: 'standard / flash', title: 'both' },
    ...methods.map((method) => ({ group: memoryGroup, title: methodNames[method] })),
  ]
  const rows = results.map(({ length, outcomes }) => {
    const each = methods.map((method) => measured(method, outcomes))
    const [standard, flash] = each
    const comparable = standard?.status === 'measured' && flash?.status === 'measured'
    const ratio = (of: 'time' | 'both'): string =>
      comparable ? `${threeDigits(standard[of].median / flash[of].median)}x` : ''
    return [
      formatLength(length),
      ...each.flatMap((outcome) =>
        outcome?.status === 'measured'
          ? [threeDigits(outcome.time.median), threeDigits(outcome.both.median)]
          : [outcome?.reason ?? '', ''],
      ),
      ratio('time'),
      ratio('both'),
      ...each.map((outcome) =>
        outcome?.status === 'measured' ? formatBytes(outcome.memoryBytes) : '',
      ),
    ]
  })
  const verifications = results.flatMap(({ outcomes }) =>
    methods.flatMap((method) => {
      const outcome = measured(method, outcomes)
      return outcome?.status === 'measured' ? [outcome.verification] : []
    }),
  )
  const wrong = verifications.filter(({ passed }) => !passed).length
  const rowsCompared = verifications.reduce((sum, { rows: count }) => sum + count, 0)
  const verdict = wrong === 0 ? 'ok' : `WRONG in ${wrong} of ${verifications.length} results`
  return [
    '',
    'backward: gradients of query, key and value',
    formatTable(columns, rows),
    `gradients compared with the CPU in float64, ${rowsCompared} rows: ${verdict}`,
  ]
}
