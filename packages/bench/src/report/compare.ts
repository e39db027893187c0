// Two reports of the same kind, before and after: rows of the same configuration side by side. Only
// our own implementations can fail a comparison; a peer that got slower is somebody else's matter.
import type { PeersReport } from './peers-report.ts'
import type { RunReport } from './run-report.ts'
import { median } from '../measure/statistics.ts'
import { formatPeerShape } from '../suites/peer-shapes.ts'
import { formatLength, threeDigits } from './format.ts'
import { formatTable } from './table.ts'

/** One figure of a report. */
export interface ComparableRow {
  /** What was measured, in words; rows of the same words are paired. */
  readonly configuration: string
  /** Of one call or run. */
  readonly milliseconds: number
  /** Whether it is ours. */
  readonly ours: boolean
}

/** A report, as far as a comparison needs it. */
export interface ComparableReport {
  readonly schema: string
  readonly device: string
  readonly rows: readonly ComparableRow[]
}

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

/** Reads each kind of report; reports of other commands are added here. */
const readers: Readonly<Record<string, (report: unknown) => Omit<ComparableReport, 'schema'>>> = {
  'attn-run/1': (report) => readRun(report as RunReport),
  'attn-peers/1': (report) => readPeers(report as PeersReport),
}

function readRun({ configurations, problem }: RunReport): Omit<ComparableReport, 'schema'> {
  const { dtype, batch, heads, headDim, causal, window } = problem
  const rows = configurations.flatMap(({ device, results }) =>
    results.flatMap(({ length, outcomes }) =>
      Object.entries(outcomes).flatMap(([method, outcome]): ComparableRow[] => {
        if (outcome.status === 'skipped') return []
        const kind =
          method === 'windowFlash' ? `window ${formatLength(window)}` : causal ? 'causal' : 'full'
        const sizes = `B=${batch} H=${heads} L=${formatLength(length)} D=${headDim}`
        const name = method === 'standard' ? 'standard' : 'flash'
        const flags = device.flags?.name ?? device.kind
        const configuration = `${name}, ${flags}, ${dtype}, ${kind}, ${sizes}`
        return [{ configuration, milliseconds: outcome.time.median, ours: true }]
      }),
    ),
  )
  return { device: configurations[0]?.device.name ?? '', rows }
}

function readPeers({ device, rows }: PeersReport): Omit<ComparableReport, 'schema'> {
  return {
    device: device.name,
    rows: rows.flatMap(({ shape, peer, variant, flags, outcome }): ComparableRow[] => {
      if (outcome.status === 'skipped') return []
      const configuration = `${peer} ${variant}, ${flags}, ${formatPeerShape(shape)}`
      // The GPU's own clock is the steadier one, where there is one.
      const { median: milliseconds } = outcome.gpuTime ?? outcome.time
      return [{ configuration, milliseconds, ours: peer === 'attn' }]
    }),
  }
}

/**
 * Reads the text of a report that can be compared.
 *
 * @param name - Of the file, for messages.
 * @throws TypeError when it is not JSON, or not a report of a known kind.
 */
export function parseComparable(text: string, name: string): ComparableReport {
  let report: unknown
  try {
    report = JSON.parse(text)
  } catch (error) {
    throw new TypeError(`attn compare: ${name} must be JSON`, { cause: error })
  }
  const schema = String((report as { schema?: unknown } | null)?.schema)
  const read = Object.hasOwn(readers, schema) ? readers[schema] : undefined
  if (!read) {
    const known = Object.keys(readers).join(', ')
    throw new TypeError(`attn compare: ${name} must have schema ${known}, got ${schema}`)
  }
  try {
    return { schema, ...read(report) }
  } catch (error) {
    throw new TypeError(`attn compare: ${name} lacks parts of ${schema}`, { cause: error })
  }
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
    throw new RangeError(`attn compare: tolerance must be at least 0, got ${tolerance}`)
  }
  if (before.schema !== after.schema) {
    throw new TypeError(
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
    throw new RangeError('attn compare: the files have no configuration of attn in common')
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
