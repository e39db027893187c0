// What `attn peers` prints: the device and its ceilings, then a table per problem with what a browser
// would run on the left and what is to be had outside of one on the right.
import type { PeerShape } from '../peers/peer.ts'
import { formatPeerShape } from '../suites/peer-shapes.ts'
import { threeDigits } from './format.ts'
import type { MeasuredPeer, PeerFlags, PeerRow, PeersReport } from './peers-report.ts'
import { formatFlags } from './summary.ts'
import { formatTable } from './table.ts'
import type { Column } from './table.ts'

type Ceilings = PeersReport['ceilings']

const headings: Readonly<Record<Exclude<PeerFlags, 'native'>, string>> = {
  'browser-equivalent': 'as a browser runs it',
  unchecked: 'without safety checks, or native',
}

/** Runtimes say where in their sources they gave up; the JSON file has it all. */
const longestReason = 160

/** Device, ceilings, versions, and who is missing. */
export function formatPeersHeader(report: Omit<PeersReport, 'rows'>): string {
  const { device, environment, ceilings, versions, missing } = report
  const description = device.description ? ` (${device.description})` : ''
  return [
    'Attention and its peers: times of one call, ratios to attn flash',
    '',
    `device     ${device.name}${description}`,
    `backend    ${device.backend}, ${environment.runtime}, ${environment.platform}`,
    ...formatFlags(device),
    ...Object.entries(ceilings).map(([flags, { copyGigabytes, productTeraflops, productSize }]) => {
      const products = Object.entries(productTeraflops).map(
        ([dtype, teraflops]) => `${threeDigits(1000 * teraflops)} GFLOP/s in ${dtype}`,
      )
      return (
        `ceilings   ${flags}: copy ${threeDigits(copyGigabytes)} GB/s, ` +
        `matrix product of size ${productSize} ${products.join(', ')}`
      )
    }),
    ...Object.entries(versions).map(([peer, version]) => `peer       ${peer} ${version}`),
    ...missing.map(({ peer, reason }) => `missing    ${peer}: ${reason}`),
  ].join('\n')
}

/** One problem: its table, what was skipped, what disagreed, and how near the ceilings ours came. */
export function formatPeerRows(rows: readonly PeerRow[], ceilings: Ceilings): string {
  const [first] = rows
  if (!first) return ''
  const shown = (['browser-equivalent', 'unchecked'] as const).filter((flags) =>
    rows.some((row) => columnOf(row) === flags),
  )
  const names = [...new Set(rows.map(nameOf))]
  const speeds = rows.map(({ outcome }) => (outcome.status === 'measured' ? outcome.teraflops : 0))
  const inTera = Math.max(...speeds) >= 0.1
  const columns: Column[] = [
    { group: '', title: ''.padEnd(Math.max(...names.map(({ length }) => length))) },
    ...shown.flatMap((flags) =>
      ['ms', inTera ? 'TFLOP/s' : 'GFLOP/s', 'attn is'].map((title) => ({
        group: headings[flags],
        title,
      })),
    ),
  ]
  const cells = names.map((name) => [
    name.padEnd(columns[0]!.title.length),
    ...shown.flatMap((flags) => {
      const row = rows.find((each) => nameOf(each) === name && columnOf(each) === flags)
      if (row?.outcome.status !== 'measured') return [row ? '-' : '', '', '']
      const { time, teraflops } = row.outcome
      return [
        threeDigits(time.median),
        threeDigits(teraflops * (inTera ? 1 : 1000)),
        ratioOf(row, rows),
      ]
    }),
  ])
  return [
    formatPeerShape(first.shape),
    formatTable(columns, cells),
    ...shown.flatMap((flags) => formatCeiling(rows, flags, ceilings)),
    ...formatRemarks(rows),
  ].join('\n')
}

/** `3.2x`: how many times less ours takes, under the same flags or the nearest to them. */
function ratioOf(row: PeerRow, rows: readonly PeerRow[]): string {
  if (row.outcome.status !== 'measured' || (row.peer === 'attn' && row.variant === 'flash')) {
    return ''
  }
  const ours = measuredFlash(rows, columnOf(row)) ?? measuredFlash(rows, 'browser-equivalent')
  return ours ? `${threeDigits(row.outcome.time.median / ours.time.median)}x` : ''
}

function measuredFlash(rows: readonly PeerRow[], flags: PeerFlags): MeasuredPeer | undefined {
  const outcome = rows.find(
    (row) => row.peer === 'attn' && row.variant === 'flash' && row.flags === flags,
  )?.outcome
  return outcome?.status === 'measured' ? outcome : undefined
}

function formatCeiling(
  rows: readonly PeerRow[],
  flags: 'browser-equivalent' | 'unchecked',
  ceilings: Ceilings,
): string[] {
  const ceiling = ceilings[flags]
  const ours = measuredFlash(rows, flags)
  if (!ceiling || !ours) return []
  const { dtype }: PeerShape = rows[0]!.shape
  const most = ceiling.productTeraflops[dtype]
  const part = (value: number, of: number): string => `${threeDigits((100 * value) / of)} %`
  const parts = [
    ...(most === undefined ? [] : [`${part(ours.teraflops, most)} of the matrix product`]),
    `${part(ours.gigabytes, ceiling.copyGigabytes)} of the copy`,
    ...(ours.gpuTime ? [`${threeDigits(ours.gpuTime.median)} ms by timestamps`] : []),
  ]
  return [`  attn flash, ${flags}: ${parts.join(', ')}`]
}

/** Reasons and disagreements, each once. */
function formatRemarks(rows: readonly PeerRow[]): string[] {
  const remarks = rows.flatMap((row) => {
    const { outcome } = row
    if (outcome.status === 'skipped')
      return [`  ${nameOf(row)}: ${outcome.reason.slice(0, longestReason)}`]
    const { agreement } = outcome
    if (agreement.agrees) return []
    const other = agreement.with === 'attn' ? 'attn' : 'the CPU reference'
    return [
      `  ${nameOf(row)}: WRONG here, differs from ${other} by ` +
        `${agreement.difference.toExponential(1)} (${agreement.allowedDifference.toExponential(1)} allowed)`,
    ]
  })
  return [...new Set(remarks)]
}

const nameOf = ({ peer, variant }: PeerRow): string => `${peer} ${variant}`
const columnOf = ({ flags }: PeerRow): 'browser-equivalent' | 'unchecked' =>
  flags === 'native' ? 'unchecked' : flags
