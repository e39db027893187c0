// What the benchmarks page says first: a few sentences and the bars of one length, drawn from the files
// that the rest of the page shows in full.
import type { Bars } from '@attn/components/chart'
import { threeDigits } from '../../../packages/bench/src/report/format.ts'
import type {
  MeasuredPeer,
  PeerRow,
  PeersReport,
} from '../../../packages/bench/src/report/peers-report.ts'
import type { RunReport } from '../../../packages/bench/src/report/run-report.ts'
import type { SparseReport } from '../../../packages/bench/src/sparse/report.ts'
import { sparseSentence } from './sparse-sentence.ts'

type Bar = Bars['bars'][number]

export interface Takeaways {
  readonly sentences: readonly string[]
  readonly bars: readonly Bars[]
}

/** The reports that the takeaways draw on. */
export interface TakenReports {
  readonly runs: readonly RunReport[]
  readonly peers: readonly PeersReport[]
  readonly sparse: readonly SparseReport[]
}

const length = 4096

/** Peers of the bars, fastest kinds first; anything else is in the tables below. */
const contestants: Readonly<Record<string, { label: string; color: Bar['color'] }>> = {
  'pytorch cudnn': { label: 'PyTorch, cuDNN', color: 'pink' },
  'pytorch flash': { label: 'PyTorch, FlashAttention-2', color: 'pink' },
  'pytorch efficient': { label: 'PyTorch, memory-efficient', color: 'pink' },
  'onnxruntime-node fused': { label: 'ONNX Runtime, WebGPU', color: 'orange' },
  'tensorflow.js unfused': { label: 'TensorFlow.js, WebGPU', color: 'amber' },
  'attn standard': { label: 'standard, WebGPU', color: 'grey' },
}

export function takeawaysOf(reports: TakenReports): Takeaways {
  return {
    sentences: [
      ...speedSentence(reports),
      ...peerSentence(reports),
      ...sparseSentence(reports.sparse),
    ],
    bars: [
      ...barsOf(reports, 'float16', false),
      ...barsOf(reports, 'float32', false),
      ...barsOf(reports, 'float16', true),
      ...barsOf(reports, 'float32', true),
    ],
  }
}

type Flags = 'stable-browser' | 'browser-equivalent' | 'unchecked'

/** Forward rate of `attn run`, which tells flags apart, in TFLOP/s. */
function rateOf(
  { runs }: TakenReports,
  dtype: string,
  headDim: number,
  flags: Flags,
): number | undefined {
  const rates = runs
    .filter(
      ({ problem }) => problem.dtype === dtype && problem.headDim === headDim && !problem.causal,
    )
    .flatMap(({ configurations }) => configurations)
    .filter(({ device }) => device.flags?.name === flags)
    .flatMap(({ results }) => results.filter((result) => result.length === length))
    .flatMap(({ outcomes: { flash } }) => (flash.status === 'measured' ? [flash.teraflops] : []))
  // Of several runs the fastest: a GPU that idled before computes at a part of its clock.
  return rates.length === 0 ? undefined : Math.max(...rates)
}

function speedSentence(reports: TakenReports): string[] {
  const rates = (dtype: string, flags: Flags): string[] =>
    [64, 128].flatMap((headDim) => {
      const rate = rateOf(reports, dtype, headDim, flags)
      return rate === undefined ? [] : [threeDigits(rate)]
    })
  const [half, thirds, stable, single] = [
    rates('float16', 'browser-equivalent').join(' and '),
    rates('float32', 'browser-equivalent').join(' and '),
    rates('float16', 'stable-browser').join(' and '),
    rates('float32', 'stable-browser').join(' and ') ||
      rates('float32', 'browser-equivalent').join(' and '),
  ]
  if (!half || !single) return []
  return [
    `In a page of a browser that nobody has set up, attention runs at ${single} TFLOP/s in float32 ` +
      `(heads of 64 and 128)${stable ? ` and at ${stable} in float16` : ''}. With subgroup matrices, ` +
      `which browsers keep behind a flag today, float16 runs at ${half}` +
      (thirds && thirds !== single
        ? `, and float32, each product as three of float16 halves, at ${thirds}.`
        : '.'),
  ]
}

function peerSentence({ peers }: TakenReports): string[] {
  const ratio = (dtype: string, headDim: number, name: string): number | undefined => {
    const rows = peers.flatMap((report) => report.rows).filter(isShown(dtype, headDim, false))
    const [ours, theirs] = [find(rows, 'attn flash', 'unchecked'), find(rows, name)]
    return ours && theirs ? theirs.time.median / ours.time.median : undefined
  }
  const part = (dtype: string, name: string): string => {
    const ratios = [64, 128].flatMap((headDim) => ratio(dtype, headDim, name) ?? [])
    return ratios.map((value) => `${Number(value.toPrecision(2))}×`).join(' and ')
  }
  const [efficient, fused, cudnn] = [
    part('float16', 'pytorch efficient'),
    part('float16', 'pytorch flash'),
    part('float16', 'pytorch cudnn'),
  ]
  if (!efficient || !fused || !cudnn) return []
  return [
    `On the same GPU in the same run, float16 is ${efficient} as fast as PyTorch's memory-efficient ` +
      `attention, ${fused} as FlashAttention-2 and ${cudnn} as cuDNN, which use instructions that ` +
      'WebGPU does not have.',
  ]
}

function isShown(dtype: string, headDim: number, backward: boolean): (row: PeerRow) => boolean {
  const mask = backward ? 'causal' : 'full'
  return ({ shape }) =>
    shape.queryLength === length &&
    shape.keyLength === length &&
    shape.dtype === dtype &&
    shape.headDim === headDim &&
    shape.mask === mask &&
    (shape.backward ?? false) === backward
}

function find(
  rows: readonly PeerRow[],
  name: string,
  flags?: PeerRow['flags'],
): MeasuredPeer | undefined {
  const row = rows.find(
    (each) => `${each.peer} ${each.variant}` === name && (!flags || each.flags === flags),
  )
  return row?.outcome.status === 'measured' ? row.outcome : undefined
}

/** Bars of heads of 64 and 128, ours above all by how much a page has of it. */
function barsOf(reports: TakenReports, dtype: string, backward: boolean): Bars[] {
  return [64, 128].flatMap((headDim): Bars[] => {
    const rows = reports.peers
      .flatMap((report) => report.rows)
      .filter(isShown(dtype, headDim, backward))
    const bar = (label: string, value: number | undefined, look: Partial<Bar>): Bar[] =>
      value === undefined
        ? []
        : [{ label, value, text: threeDigits(value), color: 'blue', second: false, ...look }]
    const ours = backward
      ? bar('attn', find(rows, 'attn flash', 'unchecked')?.teraflops, {})
      : [
          ...bar('attn', rateOf(reports, dtype, headDim, 'browser-equivalent'), {}),
          ...bar(
            'attn, no experimental features',
            rateOf(reports, dtype, headDim, 'stable-browser'),
            { second: true },
          ),
        ]
    const theirs = Object.entries(contestants).flatMap(([name, { label, color }]) => {
      const found = find(rows, name, 'browser-equivalent') ?? find(rows, name)
      return bar(label, found?.teraflops, { color })
    })
    if (ours.length === 0 || theirs.length === 0) return []
    return [
      {
        heading: `${backward ? 'Training step' : 'Forward'}, ${dtype}`,
        unit: `D\u00a0=\u00a0${headDim}`, // never broken between lines
        bars: [...ours, ...theirs].toSorted((left, right) => right.value - left.value),
      },
    ]
  })
}
