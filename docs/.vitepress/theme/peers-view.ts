// What `attn peers` found out: how fast attention is beside other implementations on one device.
import { threeDigits } from '../../../packages/bench/src/report/format.ts'
import type {
  MeasuredPeer,
  PeerFlags,
  PeerRow,
  PeersReport,
} from '../../../packages/bench/src/report/peers-report.ts'
import { formatPeerShape } from '../../../packages/bench/src/suites/peer-shapes.ts'
import { describeDevice } from './benchmark-setting.ts'
import type { Bars } from '@attn/components/chart'
import type { ReportParts } from './report-view.ts'

type Column = Exclude<PeerFlags, 'native'>

const columns: readonly Column[] = ['browser-equivalent', 'unchecked']
const columnOf = ({ flags }: PeerRow): Column => (flags === 'native' ? 'unchecked' : flags)
const nameOf = ({ peer, variant }: PeerRow): string => `${peer} ${variant}`

const colors: Readonly<Record<string, Bars['bars'][number]['color']>> = {
  attn: 'blue',
  'onnxruntime-node': 'orange',
  'onnxruntime-web': 'orange',
  'jax-js': 'green',
  'tensorflow.js': 'amber',
  pytorch: 'pink',
}

function passOf(decodes: boolean, trains: boolean): string {
  if (decodes) return 'one query over a cache'
  return trains ? 'forward and backward' : 'forward'
}

export function viewPeers(name: string, report: PeersReport): ReportParts {
  const { created, environment, device, ceilings, versions, missing, rows } = report
  const names = [...new Set(rows.map(({ shape }) => formatPeerShape(shape)))]
  const problems = names.map(
    (problem) => [problem, rows.filter(({ shape }) => formatPeerShape(shape) === problem)] as const,
  )
  const decodes = rows.length > 0 && rows.every(({ shape }) => shape.queryLength === 1)
  const trains = rows.some(({ shape }) => shape.backward)
  const dtypes = [...new Set(rows.map(({ shape }) => shape.dtype))].join(' and ')
  const described = Object.entries(ceilings).map(
    ([flags, { copyGigabytes, productTeraflops }]) =>
      `${flags}: it copies ${threeDigits(copyGigabytes)} GB/s and multiplies matrices at ` +
      Object.entries(productTeraflops)
        .map(([dtype, teraflops]) => `${threeDigits(teraflops)} TFLOP/s in ${dtype}`)
        .join(', '),
  )
  return {
    name,
    title: `Beside other implementations, ${dtypes}, ${passOf(decodes, trains)}`,
    created,
    environment,
    devices: [describeDevice(device)],
    paragraphs: [
      'Hollow bars: as a browser runs it. Filled bars: without safety checks, or with a runtime of its own. ' +
        '“attn is” says how many times less flash attention takes under the same flags.',
      `What the device does at best through WebGPU, by flags: ${described.join('; ')}.`,
    ],
    charts: [],
    bars: problems.map(([problem, own]) => barsOf(problem, own)),
    table: {
      caption: 'Times of one call',
      columns: ['', ...columns.flatMap(columnTitles)],
      groups: problems.map(([problem, own]) => ({
        title: problem,
        rows: [...new Set(own.map(nameOf))].map((implementation) => [
          implementation,
          ...columns.flatMap((column) => cellsOf(own, implementation, column)),
        ]),
      })),
    },
    notes: [
      `Versions: ${Object.entries(versions)
        .map((version) => version.join(' '))
        .join(', ')}.`,
      ...(missing.length > 0 ? [`Not there: ${missing.map(({ peer }) => peer).join(', ')}.`] : []),
      'Ours are compared with the float64 reference, all others with ours.',
      ...remarksOf(rows),
    ].join(' '),
  }
}

function columnTitles(column: Column): string[] {
  const heading = column === 'unchecked' ? 'unchecked' : 'browser'
  return [`ms, ${heading}`, 'TFLOP/s', 'attn is']
}

function measured(row: PeerRow | undefined): MeasuredPeer | undefined {
  return row?.outcome.status === 'measured' ? row.outcome : undefined
}

function cellsOf(rows: readonly PeerRow[], implementation: string, column: Column): string[] {
  const find = (name: string, flags: Column): MeasuredPeer | undefined =>
    measured(rows.find((row) => nameOf(row) === name && columnOf(row) === flags))
  const outcome = find(implementation, column)
  if (!outcome) return ['', '', '']
  const ours = find('attn flash', column) ?? find('attn flash', 'browser-equivalent')
  return [
    threeDigits(outcome.time.median),
    threeDigits(outcome.teraflops),
    ours && implementation !== 'attn flash'
      ? `${threeDigits(outcome.time.median / ours.time.median)}×`
      : '',
  ]
}

/** Rates of one problem: operations, or where one query meets many keys, bytes. */
function barsOf(problem: string, rows: readonly PeerRow[]): Bars {
  const decodes = rows[0]?.shape.queryLength === 1
  const inTera = rows.some((row) => (measured(row)?.teraflops ?? 0) >= 0.1)
  const bars = rows.flatMap((row): Bars['bars'][number][] => {
    const outcome = measured(row)
    if (!outcome) return []
    const value = decodes ? outcome.gigabytes : outcome.teraflops * (inTera ? 1 : 1000)
    return [
      {
        label: `${nameOf(row)}${outcome.agreement.agrees ? '' : ' (WRONG)'}`,
        value,
        text: threeDigits(value),
        color: row.variant === 'standard' ? 'grey' : (colors[row.peer] ?? 'grey'),
        second: columnOf(row) === 'browser-equivalent',
      },
    ]
  })
  return {
    heading: problem,
    unit: decodes ? 'GB/s' : inTera ? 'TFLOP/s' : 'GFLOP/s',
    bars: bars.toSorted((left, right) => right.value - left.value),
  }
}

function remarksOf(rows: readonly PeerRow[]): string[] {
  const wrong = rows.filter((row) => measured(row)?.agreement.agrees === false)
  const names = [...new Set(wrong.map(nameOf))]
  return names.map(
    (name) =>
      `${name} was WRONG in ${wrong.filter((row) => nameOf(row) === name).length} of ` +
      `${rows.filter((row) => nameOf(row) === name).length} rows.`,
  )
}
