// A contest between tiles for one kernel: each is compiled, run once and compared with the planner's own
// choice, and only then measured. A tile that does not compile or computes something else is out.
import { toFloat64Array } from '@attn/core'
import { DeviceLostError } from '../device/errors.ts'
import type { GpuTensor } from '../gpu-tensor.ts'
import type { AttentionPlan } from '../run/attention-plan-interface.ts'
import { measureRounds } from './measure-rounds.ts'
import type { RoundOptions } from './measure-rounds.ts'
import type { MeasuredTile, SkippedTile, TunedKernel } from './record.ts'
import type { DeviceStopwatch, EncodeRun } from './stopwatch.ts'
import type { TuneHost } from './tune-host.ts'

/** One of the tiles that compete. */
export interface Contestant<Tile> {
  readonly tile: Tile
  /** Makes the plan with this tile. */
  readonly makePlan: () => AttentionPlan
}

/** What is measured of a plan. */
export interface ContestWork {
  encode(plan: AttentionPlan): EncodeRun
  /** Tensors that a run fills, to be compared: enough of them to see that the results are right. */
  readonly results: readonly GpuTensor[]
}

/** Differences that rounding explains, as a part of the largest result. */
const rounding = { float32: 1e-3, float16: 2e-2, bfloat16: 0.16 } as const

/** Measures of less than this are as good as equal: the planner's own choice then stays. */
const worthwhile = 1.02

/**
 * Measures tiles against one another.
 *
 * @param contestants - The planner's own choice first.
 * @param onStep - Called before anything that takes long, with the part that is done; may throw.
 * @throws What the planner's own choice fails with, and DeviceLostError.
 */
export async function holdContest<Tile>(
  host: TuneHost,
  stopwatch: DeviceStopwatch,
  contestants: readonly Contestant<Tile>[],
  work: ContestWork,
  options: Omit<RoundOptions, 'onStep'>,
  onStep: (done: number) => void,
): Promise<TunedKernel<Tile>> {
  const running: { readonly tile: Tile; readonly plan: AttentionPlan }[] = []
  const skipped: SkippedTile<Tile>[] = []
  let expected: readonly Float64Array[] | undefined
  try {
    for (const [index, { tile, makePlan }] of contestants.entries()) {
      onStep((0.5 * index) / contestants.length)
      let plan: AttentionPlan | undefined
      try {
        plan = makePlan()
        await plan.compile()
        const results = await runOnce(host, work, plan)
        expected ??= results
        checkResults(results, expected, work.results)
        running.push({ tile, plan })
      } catch (error) {
        plan?.destroy()
        // Without the planner's own choice there is nothing to compare with.
        if (error instanceof DeviceLostError || index === 0) throw error
        skipped.push({ tile, reason: error instanceof Error ? error.message : String(error) })
      }
    }
    const timers = running.map(({ plan }) => {
      const encode = work.encode(plan)
      return (runs: number) => stopwatch.time(encode, runs)
    })
    const times = await measureRounds(timers, {
      ...options,
      onStep: (share) => onStep(0.5 + 0.5 * share),
    })
    await host.finished()
    return { ...winner(running.map(({ tile }, index) => ({ tile, ...times[index]! }))), skipped }
  } finally {
    running.forEach(({ plan }) => plan.destroy())
  }
}

/** The fastest, unless it is hardly faster than the first. */
export function winner<Tile>(
  measured: readonly MeasuredTile<Tile>[],
): Omit<TunedKernel<Tile>, 'skipped'> {
  const own = measured[0]!
  const fastest = measured.reduce((best, next) =>
    next.milliseconds < best.milliseconds ? next : best,
  )
  const speedUp = own.milliseconds / fastest.milliseconds
  return speedUp >= worthwhile
    ? { best: fastest.tile, speedUp, measured }
    : { best: own.tile, speedUp: 1, measured }
}

async function runOnce(
  host: TuneHost,
  work: ContestWork,
  plan: AttentionPlan,
): Promise<Float64Array[]> {
  const encoder = host.device.createCommandEncoder({ label: 'attn tune' })
  for (const { storage } of work.results) encoder.clearBuffer(storage)
  work.encode(plan)(encoder)
  host.device.queue.submit([encoder.finish()])
  await host.finished()
  return Promise.all(
    work.results.map(async (result) => toFloat64Array(await host.download(result))),
  )
}

function checkResults(
  results: readonly Float64Array[],
  expected: readonly Float64Array[],
  tensors: readonly GpuTensor[],
): void {
  results.forEach((values, index) => {
    const wanted = expected[index]!
    const largest = wanted
      .filter(Number.isFinite)
      .reduce((most, value) => Math.max(most, Math.abs(value)), 1e-6)
    const allowed = rounding[tensors[index]!.dtype] * largest
    values.forEach((value, place) => {
      // Rows that see nothing have -Infinity; NaN is equal to nothing, and out.
      if (value !== wanted[place] && !(Math.abs(value - wanted[place]!) <= allowed)) {
        throw new Error(`computes ${value} where the planner's choice computes ${wanted[place]}`)
      }
    })
  })
}
