// The figures of a report that another of its kind can be held against: milliseconds of a configuration
// in words. Each kind of file that a command writes has a reader here.
import { typeError } from '@attn/core'
import type { TuningRecord } from '@attn/webgpu-flash'
import type { DeviceReport } from '../device/find-device.ts'
import { median } from '../measure/statistics.ts'
import type { SparseReport } from '../sparse/report.ts'
import { formatPeerShape } from '../suites/peer-shapes.ts'
import { formatLength } from './format.ts'
import type { PeersReport } from './peers-report.ts'
import type { PositionsReport } from './positions-report.ts'
import type { RunReport } from './run-report.ts'
import type { TrainReport } from './train-report.ts'

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

/** What a reader finds. */
type Figures = Omit<ComparableReport, 'schema'>

/** What each kind of report has to compare. */
const readers: Readonly<Record<string, (report: unknown) => Figures>> = {
  'attn-run/1': (report) => readRun(report as RunReport),
  'attn-peers/1': (report) => readPeers(report as PeersReport),
  'attn-sparse/1': (report) => readSparse(report as SparseReport),
  'attn-positions/1': (report) => readPositions(report as PositionsReport),
  'attn-train/1': (report) => readTraining(report as TrainReport),
  'attn-tuning/1': (report) => readTuning(report as TuningRecord),
}

function readRun({ configurations, problem }: RunReport): Figures {
  const { dtype, batch, heads, headDim, causal, window } = problem
  const rows = configurations.flatMap(({ device, results }) =>
    results.flatMap(({ length, outcomes }) =>
      Object.entries(outcomes).flatMap(([method, outcome]): ComparableRow[] => {
        if (outcome.status === 'skipped') return []
        const kind =
          method === 'windowFlash' ? `window ${formatLength(window)}` : causal ? 'causal' : 'full'
        const sizes = `B=${batch} H=${heads} L=${formatLength(length)} D=${headDim}`
        const name = method === 'standard' ? 'standard' : 'flash'
        const configuration = `${name}, ${flagsOf(device)}, ${dtype}, ${kind}, ${sizes}`
        return [{ configuration, milliseconds: outcome.time.median, ours: true }]
      }),
    ),
  )
  return { device: configurations[0]?.device.name ?? '', rows }
}

function readPeers({ device, rows }: PeersReport): Figures {
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

function readSparse({ device, problem, results, flex }: SparseReport): Figures {
  const { dtype, heads, headDim } = problem
  const row = (name: string, length: number, milliseconds: number, ours = true): ComparableRow => ({
    configuration: `${name}, ${dtype}, B=1 H=${heads} L=${formatLength(length)} D=${headDim}`,
    milliseconds,
    ours,
  })
  const flags = flagsOf(device)
  return {
    device: device.name,
    rows: [
      ...results.flatMap(({ length, causal, standard, results: patterns }) => [
        // What was only extrapolated is no figure.
        ...(causal.extrapolatedFrom === undefined
          ? [row(`flash, ${flags}, causal`, length, causal.median)]
          : []),
        ...(standard ? [row(`standard, ${flags}, causal`, length, standard.median)] : []),
        ...patterns.map(({ label, time }) => row(`flash, ${flags}, ${label}`, length, time.median)),
      ]),
      ...(flex?.times ?? []).map(({ length, name, median: each }) => {
        const pattern = results
          .find((result) => result.length === length)
          ?.results.find((result) => result.name === name)
        return row(`FlexAttention, ${pattern?.label ?? name}`, length, each, false)
      }),
    ],
  }
}

function readPositions({ device, problem, results }: PositionsReport): Figures {
  const { dtype, batch, heads, headDim } = problem
  return {
    device: device.name,
    rows: results.flatMap(({ length, outcomes }) =>
      Object.entries(outcomes).map(([method, { time }]) => ({
        configuration: `positions ${method}, ${flagsOf(device)}, ${dtype}, causal, B=${batch} H=${heads} L=${formatLength(length)} D=${headDim}`,
        milliseconds: time.median,
        ours: true,
      })),
    ),
  }
}

function readTraining({ device, configuration, run, comparison }: TrainReport): Figures {
  const { layers, heads, width, context, batch, mask, positions, dropout } = configuration
  const model = `${layers} layers, B=${batch} H=${heads} L=${context}, width ${width}, ${mask}, ${positions}, dropout ${dropout}`
  const row = (name: string, { milliseconds }: TrainReport['run'], ours: boolean) => ({
    configuration: `a step with ${name}, ${model}`,
    milliseconds: median(milliseconds),
    ours,
  })
  return {
    device: device.name,
    rows: [
      row('flash attention', run, true),
      ...(comparison ? [row('dense attention of jax-js', comparison.dense, false)] : []),
    ],
  }
}

/** Of each kernel its fastest tile, whichever that is. */
function readTuning({ device: { adapter }, entries }: TuningRecord): Figures {
  const name = [adapter.vendor, adapter.architecture, adapter.device].filter(Boolean).join(' ')
  return {
    device: name,
    rows: entries.flatMap(({ dtype, headDim, call, forward, backward }) => {
      const { batch, heads, kvHeads, queryLength, keyLength, mask = 'full' } = call
      const sizes = `B=${batch} H=${heads} Hkv=${kvHeads} L=${queryLength} S=${keyLength} D=${headDim}`
      const kernels = { forward, 'backward dQ': backward?.query, 'backward dK dV': backward?.key }
      return Object.entries(kernels).flatMap(([kernel, tuned]): ComparableRow[] => {
        const times = tuned?.measured.map(({ milliseconds }) => milliseconds) ?? []
        if (times.length === 0) return []
        const configuration = `tuned ${kernel}, ${dtype}, ${mask}, ${sizes}`
        return [{ configuration, milliseconds: Math.min(...times), ours: true }]
      })
    }),
  }
}

function flagsOf({ flags, kind }: DeviceReport): string {
  return flags?.name ?? kind
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
    throw typeError(`attn compare: ${name} must be JSON`, 'ATTN_TYPE', { cause: error })
  }
  const schema = String((report as { schema?: unknown } | null)?.schema)
  const read = Object.hasOwn(readers, schema) ? readers[schema] : undefined
  if (!read) {
    const known = Object.keys(readers).join(', ')
    throw typeError(`attn compare: ${name} must have schema ${known}, got ${schema}`)
  }
  try {
    return { schema, ...read(report) }
  } catch (error) {
    throw typeError(`attn compare: ${name} lacks parts of ${schema}`, 'ATTN_TYPE', { cause: error })
  }
}
