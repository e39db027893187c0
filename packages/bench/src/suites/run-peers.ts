// `attn peers` without a terminal: opens every peer in a process of its own, measures what the device
// does at best, then goes through the problems.
import { UnsupportedError, withDefaults } from '@attn/core'
import type { DType, Optional } from '@attn/core'
import { browserEquivalent, unchecked } from '../device/dawn-flags.ts'
import type { DawnFlags } from '../device/dawn-flags.ts'
import type { DeviceReport } from '../device/find-device.ts'
import type { Ceilings } from '../peers/ceilings.ts'
import type { OpenedPeer } from '../peers/messages.ts'
import { scoresOf } from '../peers/peer.ts'
import type { PeerShape } from '../peers/peer.ts'
import { startPeer } from '../peers/peer-process.ts'
import type { PeerProcess } from '../peers/peer-process.ts'
import { peerEntry } from '../peers/registry.ts'
import type { PeerEntry, PeerName } from '../peers/registry.ts'
import { formatBytes } from '../report/format.ts'
import type { PeerFlags, PeerRow, PeersReport } from '../report/peers-report.ts'
import type { Environment } from '../report/run-report.ts'
import type { Progress } from './outcome.ts'
import { contest } from './peer-contest.ts'
import type { Contestant, ContestOptions } from './peer-contest.ts'
import { createPeerInputs } from './peer-inputs.ts'
import { defaultPeerProblem, formatPeerShape, peerOperations, peerShapes } from './peer-shapes.ts'
import type { PeerProblem } from './peer-shapes.ts'

/** Peers are timed beside what is fastest on the device, so that none of its features is withheld. */
export type PeerDawnFlags = DawnFlags<'browser-equivalent' | 'unchecked'>

/** What to run. */
export interface PeersOptions {
  /** Default: the best there is. */
  readonly device?: 'auto' | 'gpu' | 'software'
  /** Peers beside ours; all that can run take part. */
  readonly peers: readonly PeerName[]
  /** Under which of Dawn's flags. Default: those of a browser, and without its safety checks. */
  readonly flags?: readonly PeerDawnFlags[]
  /** Sizes other than those that suit the device. */
  readonly problem?: Optional<PeerProblem>
  readonly contest: ContestOptions
  /** Bytes of scores that unfused implementations may write down. */
  readonly memoryBytes: number
  /** Seconds after which nothing further is begun. */
  readonly budgetSeconds: number
  /** Where peers are installed. */
  readonly folder: string
  readonly environment: Environment
  readonly onOpen?: (report: Omit<PeersReport, 'rows'>) => void
  readonly onRows?: (rows: readonly PeerRow[]) => void
  readonly onProgress?: (progress: Progress) => void
  /** A line for people: what was left out and why. */
  readonly onNote?: (line: string) => void
}

interface OpenProcess {
  readonly entry: PeerEntry
  readonly flags: PeerFlags
  readonly process: PeerProcess
  readonly opened: OpenedPeer
}

const openMilliseconds = 120_000
/** A call that is foreseen to use up so many budgets of a contestant is not begun. */
const patience = 3

/**
 * Measures attention and its peers, problem by problem.
 *
 * @throws UnsupportedError where this machine has no WebGPU, or not the device asked for.
 */
export async function runPeers(options: PeersOptions): Promise<PeersReport> {
  const started = performance.now()
  const processes: PeerProcess[] = []
  const open = async (
    entry: PeerEntry,
    flags: PeerDawnFlags,
    software: boolean,
  ): Promise<OpenProcess> => {
    const process = startPeer(entry, openMilliseconds)
    processes.push(process)
    const opened = await process
      .ask('open', { flags, software, folder: options.folder })
      .catch((error: Error) => ({ version: '', variants: [], missing: error.message }))
    return { entry, flags: entry.takesFlags ? flags.name : 'native', process, opened }
  }
  try {
    const { flags: flagSets = [browserEquivalent, unchecked] } = options
    const ours = await open(peerEntry('attn'), flagSets[0]!, options.device === 'software')
    const device = deviceOf(ours, options.device ?? 'auto')
    const problem = withDefaults(defaultPeerProblem(device.kind), options.problem)
    const shapes = peerShapes(problem)
    const software = device.kind === 'software'
    const others = await Promise.all(
      flagSets.flatMap((flags, index) => [
        ...(index > 0 ? [open(ours.entry, flags, software)] : []),
        ...options.peers
          .map(peerEntry)
          .filter(({ takesFlags }) => takesFlags || index === 0)
          .map((entry) => open(entry, flags, software)),
      ]),
    )
    const all = [ours, ...others]
    const running = all.filter(({ opened }) => opened.missing === undefined)
    const report = {
      schema: 'attn-peers/1' as const,
      created: new Date().toISOString(),
      environment: options.environment,
      device,
      ceilings: await ceilingsOf(running, problem.dtypes),
      versions: Object.fromEntries(
        running.map(({ entry, opened }) => [entry.name, opened.version] as const),
      ),
      missing: missingOf(all),
    }
    options.onOpen?.(report)
    return { ...report, rows: await runShapes(running, shapes, options, started) }
  } finally {
    for (const process of processes) process.end()
  }
}

function deviceOf(ours: OpenProcess, wanted: 'auto' | 'gpu' | 'software'): DeviceReport {
  const { device, missing } = ours.opened
  if (!device || missing !== undefined) {
    throw new UnsupportedError(`attn peers: ${missing ?? 'found no device'}; use attn run instead`)
  }
  if (wanted === 'gpu' && device.kind !== 'gpu') {
    throw new UnsupportedError(`attn peers: found no GPU, only ${device.name}; use --device auto`)
  }
  return device
}

async function ceilingsOf(
  running: readonly OpenProcess[],
  dtypes: readonly DType[],
): Promise<PeersReport['ceilings']> {
  const ceilings: Partial<Record<PeerFlags, Ceilings>> = {}
  for (const { entry, flags, process } of running) {
    if (entry.name === 'attn') ceilings[flags] = await process.ask('ceilings', { dtypes })
  }
  return ceilings
}

function missingOf(all: readonly OpenProcess[]): PeersReport['missing'] {
  const reasons = new Map<string, string>()
  for (const { entry, opened } of all) {
    if (opened.missing !== undefined) reasons.set(entry.name, opened.missing)
  }
  return [...reasons].map(([peer, reason]) => ({ peer, reason }))
}

async function runShapes(
  running: readonly OpenProcess[],
  shapes: readonly PeerShape[],
  options: PeersOptions,
  started: number,
): Promise<PeerRow[]> {
  const rows: PeerRow[] = []
  const contestants = running.flatMap(({ entry, flags, process, opened }) =>
    opened.variants.map((variant): Contestant => {
      const own = { peer: entry.name, variant, flags, process }
      return {
        ...own,
        reasonAgainst: (shape) =>
          (shape.backward && !entry.trains ? 'its backward pass is not measured' : undefined) ??
          needsTooMuch(entry, variant, shape, options.memoryBytes) ??
          takesTooLong(own, shape, rows, options.contest.budgetMilliseconds),
      }
    }),
  )
  const inputs = createPeerInputs(shapes)
  try {
    for (const [done, shape] of shapes.entries()) {
      if (performance.now() - started > options.budgetSeconds * 1000) {
        options.onNote?.(`left out after ${options.budgetSeconds} s: ${formatPeerShape(shape)}`)
        continue
      }
      options.onProgress?.({ done, total: shapes.length, label: formatPeerShape(shape) })
      const deadline = started + options.budgetSeconds * 1000
      const found = await contest(contestants, shape, inputs.caseOf(shape), {
        ...options.contest,
        deadline,
      })
      rows.push(...found)
      options.onRows?.(found)
    }
  } finally {
    inputs.remove()
  }
  return rows
}

function needsTooMuch(
  { unfused }: PeerEntry,
  variant: string,
  shape: PeerShape,
  memoryBytes: number,
): string | undefined {
  // With a backward pass P is kept, and dP comes beside it.
  const bytes = scoresOf(shape) * (shape.backward ? 2 : 1)
  return unfused.includes(variant) && bytes > memoryBytes
    ? `needs ${formatBytes(bytes)}`
    : undefined
}

/** Says so where the last call of its kind, scaled by its operations, would take too long. */
function takesTooLong(
  own: Pick<Contestant, 'peer' | 'variant' | 'flags'>,
  shape: PeerShape,
  rows: readonly PeerRow[],
  budgetMilliseconds: number,
): string | undefined {
  const last = rows.findLast(
    ({ peer, variant, flags, outcome, shape: { dtype, queryLength } }) =>
      // Decoding is bound by memory and says nothing about the others.
      dtype === shape.dtype &&
      (queryLength === 1) === (shape.queryLength === 1) &&
      peer === own.peer &&
      variant === own.variant &&
      flags === own.flags &&
      outcome.status === 'measured',
  )
  if (last?.outcome.status !== 'measured') return undefined
  const scale = peerOperations(shape) / peerOperations(last.shape)
  const milliseconds = last.outcome.time.median * scale
  // One pair of chains of 1 and 9 after one call is the least that is run.
  return 11 * milliseconds > patience * budgetMilliseconds
    ? `would take about ${(milliseconds / 1000).toPrecision(2)} s a call`
    : undefined
}
