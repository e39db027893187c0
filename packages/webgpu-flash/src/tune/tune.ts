// `flash.tune`: measures the candidate tiles of some shapes on the device, and returns what a site would
// ship. The estimate of plan/tile-cost.ts is of one device; what it says of others is measured here.
import { checkOptions, rangeError } from '@attn/core'
import type { AttentionShape, OptionNames } from '@attn/core'
import type { Capabilities } from '../device/capabilities.ts'
import type { GpuTensor } from '../gpu-tensor.ts'
import type { GradientRows } from '../plan/backward/backward-tile.ts'
import type { GradientExplanation } from '../plan/backward/explain-backward.ts'
import type { PlanOptions } from '../plan/plan-options.ts'
import { gradientTiles } from '../plan/backward/team-tiles.ts'
import type { PlanExplanation } from '../plan/explanation.ts'
import { possibleMatrixSizes, sizesOf } from '../plan/forward/matrix-tile.ts'
import { forwardTiles } from '../plan/forward/tiled-kernel.ts'
import type { BackwardKernelTile, ForwardKernelTile } from '../plan/tuning.ts'
import { holdContest } from './contest.ts'
import type { Contestant, ContestWork } from './contest.ts'
import { tunedDevice } from './imported-tuning.ts'
import { gradientKernelVersion } from './gradient-kernel-version.ts'
import { kernelVersion } from './kernel-version.ts'
import { randomTensor } from './random-tensor.ts'
import { lengthBucket, tuningSchema } from './record.ts'
import type { TunedKernel, TuningEntry, TuningRecord } from './record.ts'
import { createDeviceStopwatch } from './stopwatch.ts'
import type { DeviceStopwatch } from './stopwatch.ts'
import type { TuneHost } from './tune-host.ts'

/** A shape to tune: as for `plan`, with `training` where its backward pass is to be tuned as well. */
export interface TuneShape extends Omit<PlanOptions, 'tile' | 'backwardTiles'> {
  /** Values of the parameters of mask and modifiers. */
  readonly parameters?: Readonly<Record<string, number>> | undefined
}

/** How far tuning is. */
export interface TuneProgress {
  /** From 0 to 1, over all shapes. */
  readonly done: number
  /** What is measured, for people: `float32, dim 64, 4096 queries, forward`. */
  readonly label: string
}

/** What to tune, and how long. */
export interface TuneOptions {
  /** The calls to tune for, one or several. */
  readonly shapes: TuneShape | readonly TuneShape[]
  /**
   * Milliseconds of measuring for each kernel of each shape: one, and two more with `training`.
   * Compiling comes on top. Default: 3000.
   */
  readonly budgetMilliseconds?: number | undefined
  /** Milliseconds of the budget that go by before anything counts. Default: 1000. */
  readonly warmUpMilliseconds?: number | undefined
  /** Candidates to measure, from the least estimated time; at least 1. Default: all that fit. */
  readonly candidates?: number | undefined
  /** Called before each measurement. */
  readonly onProgress?: ((progress: TuneProgress) => void) | undefined
  /** Ends the tuning; the promise then rejects with its reason. */
  readonly signal?: AbortSignal | undefined
}

const tuneOptions: OptionNames<TuneOptions> = {
  shapes: true,
  budgetMilliseconds: true,
  warmUpMilliseconds: true,
  candidates: true,
  onProgress: true,
  signal: true,
}

/** What all measurements of a call share. */
interface Session {
  readonly host: TuneHost
  readonly stopwatch: DeviceStopwatch
  readonly rounds: {
    readonly budgetMilliseconds: number
    readonly warmUpMilliseconds: number
    readonly sampleMilliseconds: number
  }
  readonly candidates: number
}

/** Measures; see {@link FlashAttention.tune}. */
export async function tune(host: TuneHost, options: TuneOptions): Promise<TuningRecord> {
  checkOptions('flash.tune', options, tuneOptions)
  const { budgetMilliseconds = 3000, warmUpMilliseconds = 1000, candidates = 100 } = options
  check({ budgetMilliseconds, warmUpMilliseconds, candidates })
  const shapes: readonly TuneShape[] = [options.shapes].flat()
  const stopwatch = createDeviceStopwatch(host.device)
  // Submission and waiting are part of what the wall clock sees: longer samples hide them.
  const sampleMilliseconds = Math.min(
    stopwatch.clock === 'gpu-timestamps' ? 10 : 30,
    budgetMilliseconds / 10,
  )
  const rounds = { budgetMilliseconds, warmUpMilliseconds, sampleMilliseconds }
  const session = { host, stopwatch, rounds, candidates }
  const entries: TuningEntry[] = []
  try {
    for (const [index, shape] of shapes.entries()) {
      const step = (label: string, done: number): void => {
        options.signal?.throwIfAborted()
        options.onProgress?.({ done: (index + done) / shapes.length, label })
      }
      entries.push(await tuneShape(session, shape, step))
    }
  } finally {
    stopwatch.destroy()
  }
  options.onProgress?.({ done: 1, label: 'done' })
  return {
    schema: tuningSchema,
    created: new Date().toISOString(),
    kernels: kernelVersion(),
    device: tunedDevice(host.capabilities),
    clock: stopwatch.clock,
    entries,
  }
}

function check(numbers: Readonly<Record<string, number>>): void {
  for (const [name, value] of Object.entries(numbers)) {
    const fine = name === 'candidates' ? Number.isInteger(value) && value >= 1 : value >= 0
    if (!fine || !Number.isFinite(value)) {
      const rule = name === 'candidates' ? 'a positive integer' : 'a number, at least 0'
      throw rangeError(`flash.tune: ${name} must be ${rule}, got ${value}`)
    }
  }
}

async function tuneShape(
  session: Session,
  { parameters, ...options }: TuneShape,
  onStep: (label: string, done: number) => void,
): Promise<TuningEntry> {
  const { host } = session
  const own = host.plan(options)
  const made: GpuTensor[] = []
  const keep = (tensor: GpuTensor): GpuTensor => {
    made.push(tensor)
    return tensor
  }
  try {
    const { call, backward: planned } = own.explain()
    const { batch, heads, kvHeads, queryLength, keyLength, headDim, valueDim, dtype, mask } = call
    const input = (shape: readonly number[], seed: number): GpuTensor =>
      keep(randomTensor(host, shape, dtype, seed))
    const inputs = {
      query: input([batch, heads, queryLength, headDim], 1),
      key: input([batch, kvHeads, keyLength, headDim], 2),
      value: input([batch, kvHeads, keyLength, valueDim], 3),
      ...(parameters ? { parameters } : {}),
    }
    const outputs = own.createOutputs()
    Object.values(outputs).forEach(keep)
    const label = `${dtype}, dim ${headDim}, ${queryLength} queries${mask === undefined ? '' : `, ${mask}`}`
    const parts = options.training ? 3 : 1
    const stepOf = (name: string, part: number) => (done: number) =>
      onStep(`${label}, ${name}`, (part + done) / parts)

    const forward = await holdContest(
      host,
      session.stopwatch,
      forwardContestants(session, options, call, otherTiles(own.explain(), host.capabilities)),
      {
        encode: (plan) => (encoder, timestampWrites) =>
          plan.encodeForward(encoder, { ...inputs, ...outputs }, timestampWrites),
        results: [lastRows(outputs.output), outputs.logSumExp],
      },
      session.rounds,
      stepOf('forward', 0),
    )
    let backward: TuningEntry['backward']
    if (options.training) {
      const dOutput = input([batch, heads, queryLength, valueDim], 4)
      const gradients = own.createGradients()
      const all = [gradients.dQuery, gradients.dKey, gradients.dValue]
      for (const tensor of [...all, ...gradients.dTables.values()]) keep(tensor)
      if (gradients.dSinks) keep(gradients.dSinks)
      // Gradients are of what the forward pass computed.
      own.forward({ ...inputs, ...outputs })
      await host.finished()
      const work: ContestWork = {
        encode: (plan) => (encoder, timestampWrites) =>
          plan.encodeBackward(
            encoder,
            { ...inputs, ...outputs, dOutput, ...gradients },
            timestampWrites,
          ),
        results: all.map(lastRows),
      }
      const contest = (
        rows: GradientRows,
        part: number,
      ): Promise<TunedKernel<BackwardKernelTile>> =>
        holdContest(
          host,
          session.stopwatch,
          backwardContestants(session, options, call, rows, planned?.[rows]),
          work,
          session.rounds,
          stepOf(`backward by ${rows}`, part),
        )
      backward = {
        kernels: gradientKernelVersion(),
        query: await contest('query', 1),
        key: await contest('key', 2),
      }
    }
    return {
      dtype,
      headDim,
      valueDim,
      queryLengths: lengthBucket(queryLength),
      masked: mask !== undefined,
      call: {
        batch,
        heads,
        kvHeads,
        queryLength,
        keyLength,
        ...(mask === undefined ? {} : { mask }),
      },
      forward,
      ...(backward ? { backward } : {}),
    }
  } finally {
    own.destroy()
    host.release(...made)
  }
}

/** The kernel that was planned, where it is not the tiled one, and other tiles on the matrices that it multiplies with. */
function otherTiles(
  { call, variant, tile, products }: PlanExplanation,
  capabilities: Capabilities,
): ForwardKernelTile[] {
  if (variant === 'tiled') return []
  if (!('rowBlocks' in tile)) return [variant]
  const planned = JSON.stringify(sizesOf(tile))
  const sizes = possibleMatrixSizes(call, capabilities, products ? 'halves' : call.dtype)
  return [variant, ...sizes.filter((one) => JSON.stringify(one) !== planned)]
}

function forwardContestants(
  { host, candidates }: Session,
  options: PlanOptions,
  shape: AttentionShape,
  others: readonly ForwardKernelTile[],
): Contestant<ForwardKernelTile>[] {
  // One of the two kernels is enough for the backward pass, which has a contest of its own.
  const forwardOnly = { ...options, training: false }
  const tiles = forwardTiles(shape, host.capabilities)
  return [...others, ...tiles].slice(0, candidates).map((tile, index) => ({
    tile,
    // The planner's own choice is made by the planner.
    makePlan: () =>
      host.plan(index === 0 || typeof tile === 'string' ? forwardOnly : { ...forwardOnly, tile }),
  }))
}

function backwardContestants(
  { host, candidates }: Session,
  options: PlanOptions,
  shape: AttentionShape,
  rows: GradientRows,
  planned: GradientExplanation | undefined,
): Contestant<BackwardKernelTile>[] {
  const others = planned?.variant === 'subgroup-matrix' ? (['subgroup-matrix'] as const) : []
  const tiles = gradientTiles(rows, shape, host.capabilities, planned?.teams ?? false)
  return [...others, ...tiles].slice(0, candidates).map((tile) => ({
    tile,
    makePlan: () =>
      // On subgroup matrices the planner's own tile is the only one.
      host.plan(
        typeof tile === 'string' ? options : { ...options, backwardTiles: { [rows]: tile } },
      ),
  }))
}

/** Rows of the last head of a tensor, where tiles have their edges: enough to see that it is right. */
function lastRows(tensor: GpuTensor): GpuTensor {
  const [batch, heads, length, dims] = tensor.shape as [number, number, number, number]
  const [batchStride, headStride, rowStride] = tensor.strides as [number, number, number]
  const rows = Math.min(length, 256)
  const offset =
    tensor.offset +
    (batch - 1) * batchStride +
    (heads - 1) * headStride +
    (length - rows) * rowStride
  return { ...tensor, shape: [1, 1, rows, dims], offset }
}
