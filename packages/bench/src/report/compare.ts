// Two reports of the same kind, before and after: rows of the same configuration side by side. Only
// our own implementations can fail a comparison; a peer that got slower is somebody else's matter.
import { rangeError, typeError } from '@attn/core'
import { median } from '../measure/statistics.ts'
import type { ComparableReport } from './comparable.ts'
import { threeDigits } from './format.ts'
import { formatTable } from './table.ts'

/** A pair of rows. */
export interface ComparedRow {
  readonly configuration: string
  readonly before: number
  readonly after: number
  /** `after / before`: above 1 is slower. */
  readonly ratio: number
  readonly ours: boolean
  /** Whether it is ours and slower by more than the tolerance. */
  readonly regressed: boolean
}

/** How two reports compare. */
export interface Comparison {
  readonly rows: readonly ComparedRow[]
  /** Configurations that only one of the two has. */
  readonly unpaired: readonly string[]
  /** What makes the comparison doubtful, for people. */
  readonly warnings: readonly string[]
  readonly tolerance: number
}

/**
 * Pairs the rows of two reports by configuration.
 *
 * @param tolerance - Part by which ours may be slower: 0.1 for 10 %.
 * @throws TypeError when they are of different kinds; RangeError when no row of ours is in both, or
 *   for a tolerance below 0.
 */
export function compareReports(
  before: ComparableReport,
  after: ComparableReport,
  tolerance: number,
): Comparison {
  if (!(tolerance >= 0)) {
    throw rangeError(`attn compare: tolerance must be at least 0, got ${tolerance}`)
  }
  if (before.schema !== after.schema) {
    throw typeError(
      `attn compare: the files must be of the same kind, got ${before.schema} and ${after.schema}`,
    )
  }
  const later = new Map(after.rows.map((row) => [row.configuration, row]))
  const rows = before.rows.flatMap((row): ComparedRow[] => {
    const match = later.get(row.configuration)
    if (!match) return []
    const { configuration, ours, milliseconds } = row
    const ratio = match.milliseconds / milliseconds
    const regressed = ours && ratio > 1 + tolerance
    return [
      { configuration, before: milliseconds, after: match.milliseconds, ratio, ours, regressed },
    ]
  })
  if (!rows.some(({ ours }) => ours)) {
    throw rangeError('attn compare: the files have no configuration of attn in common')
  }
  const paired = new Set(rows.map(({ configuration }) => configuration))
  const unpaired = [...before.rows, ...after.rows]
    .map(({ configuration }) => configuration)
    .filter((configuration) => !paired.has(configuration))
  const warnings =
    before.device === after.device
      ? []
      : [`the devices differ: ${before.device} before, ${after.device} after`]
  return { rows, unpaired: [...new Set(unpaired)], warnings, tolerance }
}

/** The comparison as a table, slowest first, and its verdict. */
export function formatComparison({ rows, unpaired, warnings, tolerance }: Comparison): string {
  const ordered = rows.toSorted((left, right) => right.ratio - left.ratio)
  const widest = Math.max(...rows.map(({ configuration }) => configuration.length))
  const columns = [''.padEnd(widest), 'before ms', 'after ms', 'after / before', ''].map(
    (title) => ({
      group: '',
      title,
    }),
  )
  const cells = ordered.map(({ configuration, before, after, ratio, ours, regressed }) => [
    configuration.padEnd(widest),
    threeDigits(before),
    threeDigits(after),
    threeDigits(ratio),
    regressed ? 'SLOWER' : ours ? '' : '(peer)',
  ])
  const ours = rows.filter((row) => row.ours)
  const slower = ours.filter(({ regressed }) => regressed).length
  return [
    ...warnings.map((warning) => `warning: ${warning}`),
    formatTable(columns, cells).replace(/^\n/, ''),
    ...(unpaired.length > 0 ? [`in one of the files only: ${unpaired.length} configurations`] : []),
    `${slower} of ${ours.length} configurations of attn are slower by more than ` +
      `${threeDigits(100 * tolerance)} %; median ratio ${threeDigits(median(ours.map(({ ratio }) => ratio)))}`,
  ].join('\n')
}
