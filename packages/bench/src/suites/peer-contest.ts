// One problem of `attn peers`: every implementation is made ready and compared, then all take turns
// round by round, so that a clock rate that drifts drifts for all of them.
import { chainDifference, chains } from '../measure/chain-difference.ts'
import type { ChainPair } from '../measure/chain-difference.ts'
import { summarize } from '../measure/statistics.ts'
import type { PeerProcess } from '../peers/peer-process.ts'
import type { PeerShape } from '../peers/peer.ts'
import type { Agreement, MeasuredPeer, PeerFlags, PeerRow } from '../report/peers-report.ts'
import type { Skipped } from './outcome.ts'
import type { PeerCase } from './peer-inputs.ts'
import { peerBytes, peerOperations } from './peer-shapes.ts'

/** One way of one peer under one set of flags. */
export interface Contestant {
  readonly peer: string
  readonly variant: string
  readonly flags: PeerFlags
  readonly process: PeerProcess
  /** Why it is not to be tried on a problem. */
  readonly reasonAgainst: (shape: PeerShape) => string | undefined
}

/** How long and how often to measure. */
export interface ContestOptions {
  readonly rounds: number
  /** All together; a GPU at rest takes about a second of work to reach its full clock rate. */
  readonly warmUpMilliseconds: number
  /** That the rounds of one contestant may take; one pair of chains is timed in any case. */
  readonly budgetMilliseconds: number
  /** By `performance.now()`: nobody is made ready and no round begun after it. Default: never. */
  readonly deadline?: number
}

/** A contestant that is ready, and its times so far. */
interface Ready {
  readonly contestant: Contestant
  readonly agreement: Agreement
  readonly pairs: number
  readonly rounds: number
  readonly times: ChainPair[][]
  readonly gpuTimes: number[]
}

/** One round goes on for so long, as far as one pair takes less. */
const roundMilliseconds = 20
const mostPairs = 10
/** Largest difference from ours that passes, as a part of the largest number compared. */
const tolerance = { float32: 2 ** -10, float16: 2 ** -5, bfloat16: 2 ** -2 } as const

/** Runs one problem. The first contestant is ours, and what the others are compared with. */
export async function contest(
  contestants: readonly Contestant[],
  shape: PeerShape,
  peerCase: PeerCase,
  options: ContestOptions,
): Promise<PeerRow[]> {
  const skipped = new Map<Contestant, Skipped>()
  const attempt = async <Result>(
    contestant: Contestant,
    work: () => Promise<Result>,
  ): Promise<Result | undefined> => {
    try {
      return await work()
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error)
      skipped.set(contestant, { status: 'skipped', reason })
      return undefined
    }
  }
  const compare = createComparison(shape, peerCase)
  const ready: Ready[] = []
  const { deadline = Infinity } = options
  for (const contestant of contestants) {
    const made = await attempt(contestant, async () => {
      if (performance.now() > deadline) throw new Error('left out: the time was over')
      const reason = contestant.reasonAgainst(shape)
      if (reason !== undefined) throw new Error(reason)
      const { process, variant } = contestant
      await process.ask('prepare', { variant, shape, files: peerCase.files })
      const { rows } = await process.ask('rows', { variant, blocks: peerCase.blocks })
      return { contestant, agreement: compare(contestant, rows), gpuTimes: [] }
    })
    const share = options.warmUpMilliseconds / contestants.length
    const warm = made && (await attempt(contestant, () => warmUp(contestant, share, options)))
    if (made && warm) ready.push({ ...made, ...warm })
  }
  for (let round = 0; round < options.rounds; round++) {
    // One round has to be, for those who are ready.
    if (round > 0 && performance.now() > deadline) break
    for (const each of ready) {
      if (round < each.rounds && !skipped.has(each.contestant)) {
        await attempt(each.contestant, () => takeTurn(each))
      }
    }
  }
  for (const { contestant } of ready) {
    // Whoever fails here has failed before, or will at the next problem.
    await contestant.process.ask('release', { variant: contestant.variant }).catch(() => {})
  }
  return contestants.map((contestant) => {
    const found = ready.find((each) => each.contestant === contestant)
    const outcome = skipped.get(contestant) ?? conclude(found!, shape)
    const { peer, variant, flags } = contestant
    return { shape, peer, variant, flags, outcome }
  })
}

const ask = async (contestant: Contestant, chain: number): Promise<number> => {
  const { process, variant } = contestant
  return (await process.ask('time', { variant, chain })).milliseconds
}

const askPair = async (contestant: Contestant): Promise<ChainPair> => ({
  short: await ask(contestant, chains.short),
  long: await ask(contestant, chains.long),
})

/** Runs both chains until they are warm, and decides how often they can be repeated. */
async function warmUp(
  contestant: Contestant,
  milliseconds: number,
  { rounds, budgetMilliseconds }: ContestOptions,
): Promise<Pick<Ready, 'pairs' | 'rounds' | 'times'>> {
  // The first call compiles.
  await ask(contestant, chains.short)
  const started = performance.now()
  let pair: ChainPair
  do pair = await askPair(contestant)
  while (performance.now() - started < milliseconds)
  const each = Math.max(pair.short + pair.long, 0.01)
  // So slow that once is enough: clock rates and the like are lost in it.
  if (each > budgetMilliseconds) return { pairs: 1, rounds: 0, times: [[pair]] }
  const pairs = Math.min(Math.max(Math.ceil(roundMilliseconds / each), 1), mostPairs)
  const affordable = Math.max(Math.floor(budgetMilliseconds / (each * pairs)), 1)
  return { pairs, rounds: Math.min(rounds, affordable), times: [] }
}

async function takeTurn({ contestant, pairs, times, gpuTimes }: Ready): Promise<void> {
  const taken: ChainPair[] = []
  for (let pair = 0; pair < pairs; pair++) taken.push(await askPair(contestant))
  times.push(taken)
  const { process, variant } = contestant
  const { milliseconds } = await process.ask('timeOnGpu', { variant })
  if (milliseconds > 0) gpuTimes.push(milliseconds)
}

function conclude({ agreement, times, gpuTimes }: Ready, shape: PeerShape): MeasuredPeer | Skipped {
  const time = chainDifference(times)
  if (!time) return { status: 'skipped', reason: 'too short to be timed by chains' }
  return {
    status: 'measured',
    time,
    ...(gpuTimes.length > 0 ? { gpuTime: { ...summarize(gpuTimes), samples: gpuTimes } } : {}),
    teraflops: peerOperations(shape) / time.median / 1e9,
    gigabytes: peerBytes(shape) / time.median / 1e6,
    agreement,
  }
}

/** Ours is held against the CPU reference, everyone else against the first of ours. */
function createComparison(
  { dtype }: PeerShape,
  { verify }: PeerCase,
): (contestant: Contestant, rows: readonly (readonly number[])[]) => Agreement {
  let ours: readonly (readonly number[])[] | undefined
  return ({ peer }, rows) => {
    if (peer === 'attn' || !ours) {
      const { error, allowedError, passed } = verify(rows)
      if (peer === 'attn' && passed) ours ??= rows
      return {
        with: 'reference',
        difference: error,
        allowedDifference: allowedError,
        agrees: passed,
      }
    }
    let [difference, largest] = [0, 0]
    for (const [block, expected] of ours.entries()) {
      for (const [index, value] of expected.entries()) {
        const off = Math.abs((rows[block]?.[index] ?? Number.NaN) - value)
        // Not Math.max: what is no number has to count as infinitely far off.
        if (!(off <= difference)) difference = Number.isNaN(off) ? Infinity : off
        largest = Math.max(largest, Math.abs(value))
      }
    }
    const allowedDifference = tolerance[dtype] * largest
    return { with: 'attn', difference, allowedDifference, agrees: difference <= allowedDifference }
  }
}
