// A backward call made ready to be encoded: its kernels compiled, the work of each cut into dispatches,
// and their uniform blocks uploaded. All of it holds for every call with the same strides, offsets and
// parameters.
import type { AttentionShape } from '@attn/core'
import { packParameters } from '../../kernels/parameters.ts'
import { gradientRange, passProblem, splitGradient } from '../../plan/backward/backward-dispatch.ts'
import type { GradientDispatch, GradientProblem } from '../../plan/backward/backward-dispatch.ts'
import { gradientsOf } from '../../plan/backward/gradient-parts.ts'
import { lastPassFinishes, needsTotals } from '../../plan/backward/gradient-totals.ts'
import { measuredPieces } from '../../plan/backward/backward-matrices.ts'
import type { BackwardPlan } from '../../plan/backward/backward-plan.ts'
import type { GradientPass } from '../../plan/backward/gradient-passes.ts'
import type { BoundRange, BoundTensor, DispatchLimits } from '../../plan/dispatch.ts'
import {
  isSplit,
  measuresMagnitudes,
  softmaxRowBytes,
} from '../../plan/backward/explain-backward.ts'
import { gradientInputs } from '../../kernels/backward/backward-frame.ts'
import { rowsPerWorkgroup } from '../../kernels/backward/backward-rows.wgsl.ts'
import { rangePieces } from '../../kernels/backward/split/measure-rows.wgsl.ts'
import { followsKeys, splitTensors } from '../../kernels/backward/split/powers.ts'
import type { SplitTensor } from '../../kernels/backward/split/powers.ts'
import { summedRows } from '../../kernels/backward/sum-parts.wgsl.ts'
import { halvedRowsAtOnce } from '../../kernels/backward/split/halve-rows.wgsl.ts'
import type { PlanHost } from '../plan-host.ts'
import { boundValues, gradientValues, tableValues } from './backward-fields.ts'
import {
  measureKernel,
  rowScales,
  rowsKernel,
  sinkKernel,
  summedLookups,
  tableKernel,
} from './backward-kernels.ts'
import type { BackwardAccesses, BackwardKernel } from './backward-kernels.ts'
import { boundTensorOf } from './backward-tensors.ts'
import type { BackwardInputs, BackwardOutputs, BackwardTensorName } from './backward-tensors.ts'
import { gradientSteps } from './gradient-steps.ts'
import type { GradientStep } from './gradient-steps.ts'
import { halvesKernel, powersKernel, rangeKernel, splitValues } from './split-kernels.ts'
import { parameterWords } from '../forward/forward-call.ts'
import { accessOf } from '../../plan/access-of.ts'
import { kernelLayout, kernelPipeline } from '../pipelines.ts'
import { joinBlocks } from '../join-blocks.ts'

/** One dispatch, ready to be encoded. */
export interface BackwardStep {
  readonly pipeline: GPUComputePipeline
  readonly layout: GPUBindGroupLayout
  /** What is bound after the uniform block; whole buffers where there is no range. */
  readonly bindings: readonly {
    readonly name: BackwardKernel['names'][number]
    readonly range: BoundRange | undefined
  }[]
  readonly block: BoundRange
  readonly workgroups: readonly [x: number, y: number, z: number]
}

/** A call, ready to be encoded. */
export interface PreparedBackward {
  /** Never rewritten, so that what is encoded already keeps its numbers. */
  readonly uniforms: GPUBuffer
  readonly steps: readonly BackwardStep[]
}

/** A step before its uniform block has a place. */
type Draft = Omit<BackwardStep, 'block'> & { readonly words: Uint32Array }

const uniformUsage = 0x40 | 0x08
const length = ({ start, end }: { readonly start: number; readonly end: number }): number =>
  end - start

/**
 * Prepares a call.
 *
 * @throws UnsupportedError when the tensors do not fit the device's bindings.
 */
export function prepareBackward(
  caller: string,
  { device, buffers, capabilities }: PlanHost,
  plan: BackwardPlan,
  tensors: BackwardInputs & BackwardOutputs,
): PreparedBackward {
  const { shape, attention, workBudget } = plan.call
  const limits: DispatchLimits = { ...capabilities.limits, workBudget }
  const access = (name: Exclude<BackwardTensorName, 'logSumExp'>) =>
    accessOf(tensors[name], capabilities.shaderFloat16)
  const accesses: BackwardAccesses = {
    query: access('query'),
    key: access('key'),
    value: access('value'),
    output: access('output'),
    dOutput: access('dOutput'),
    dQuery: access('dQuery'),
    dKey: access('dKey'),
    dValue: access('dValue'),
  }
  const expressionWords = [
    plan.data.descriptors,
    parameterWords(plan, tensors.parameters ?? {}),
  ] as const

  const draft = (
    kernel: BackwardKernel,
    values: Readonly<Record<string, number>>,
    rangeOf: (name: BackwardKernel['names'][number]) => BoundRange | undefined,
    workgroups: Draft['workgroups'],
  ): Draft => ({
    pipeline: kernelPipeline(device, kernel),
    layout: kernelLayout(device, kernel.bindings),
    bindings: kernel.names.map((name) => ({ name, range: rangeOf(name) })),
    words: kernel.expressions
      ? packParameters(kernel.fields, values, ...expressionWords)
      : packParameters(kernel.fields, values, new Uint32Array(), new Uint32Array()),
    workgroups,
  })

  const rowBytes = softmaxRowBytes(plan)
  type Part = Omit<GradientProblem, 'shape' | 'tensors' | 'limits'>
  const problemOf = (names: readonly unknown[], part: Part) => {
    const bound = new Map<unknown, BoundTensor>()
    for (const name of names) {
      const tensor = boundTensorOf(name, tensors, shape, rowBytes)
      if (tensor) bound.set(name, tensor)
    }
    const problem: GradientProblem = { ...part, shape, limits, tensors: [...bound.values()] }
    return { bound, problem }
  }
  /** The dispatches of a kernel that walks tiles, or rows. */
  const walk = (
    kernel: BackwardKernel,
    part: Part,
    pass?: GradientPass,
    does: GradientStep['does'] = 'tiles',
  ): Draft[] => {
    const { bound, problem } = problemOf(kernel.names, part)
    return splitGradient(caller, problem).map((box) => {
      const rangeOf = (name: unknown): BoundRange | undefined => {
        const tensor = bound.get(name)
        return tensor && gradientRange(problem, box, tensor)
      }
      const addresses = kernel.names.map((name) =>
        boundValues(
          name,
          tensors,
          accesses,
          rangeOf(name)?.offset ?? 0,
          rowBytes,
          shape,
          kernel.fields,
          pass,
        ),
      )
      const values = Object.assign(
        {},
        ...addresses,
        gradientValues(plan, pass, box, does),
      ) as Record<string, number>
      const [rows, heads, sequences] = workgroupsOf(shape, part.rowTokens, box)
      // The longest rows of all heads begin before shorter ones: those of the last head would be at work alone.
      return pass && does === 'tiles'
        ? draft(kernel, values, rangeOf, [
            heads,
            Math.ceil(rows / pass.rowsInTurn),
            sequences * pass.parts,
          ])
        : draft(kernel, values, rangeOf, [rows, heads, sequences])
    })
  }

  const ofPass = (pass: GradientPass): Part =>
    passProblem(pass, pass.rowTokens === 'queries' && plan.storage.separatePlanes)
  const ofRows = (rows: number, rowTokens: 'queries' | 'keys' = 'queries') => ({
    rowTokens,
    tile: { rows, columns: rowTokens === 'queries' ? shape.keyLength : shape.queryLength },
    separatePlanes: false,
    tileWork: 2 * rows * shape.valueDim,
  })
  const ofPieces = (name: SplitTensor, { rows }: { readonly rows: number }) =>
    ofRows(rows, followsKeys(name) ? 'keys' : 'queries')
  const lengthOf = (name: SplitTensor): number =>
    followsKeys(name) ? shape.keyLength : shape.queryLength
  const measures = measuresMagnitudes(plan)
    ? (['dOutput', 'value'] as const).flatMap((name) =>
        walk(measureKernel(plan, accesses, name), ofPieces(name, measuredPieces(lengthOf(name)))),
      )
    : []
  const splits = (): Draft[] => [
    ...splitTensors.flatMap((name) =>
      walk(rangeKernel(plan, accesses, name), ofPieces(name, rangePieces(lengthOf(name)))),
    ),
    draft(
      powersKernel(plan),
      { heads: shape.heads, headsPerKeyHead: shape.heads / shape.kvHeads, ...splitValues(plan) },
      () => undefined,
      [1, shape.kvHeads, shape.batch],
    ),
    ...splitTensors.flatMap((name) =>
      walk(halvesKernel(plan, accesses, name), ofPieces(name, { rows: halvedRowsAtOnce })),
    ),
  ]
  /** Whether gradients add up in totals, and who rounds them: as planned, or as the strides of these tensors are cut. */
  const totals = (name: 'query' | 'key') => {
    const { passes, ...planned } = plan[name]
    const cut = (pass: GradientPass) => {
      const names = [...gradientInputs, 'softmaxRows', ...gradientsOf(pass.rowTokens)]
      return splitGradient(caller, problemOf(names, ofPass(pass)).problem)
    }
    return {
      totals: planned.totals || needsTotals(plan.call.dtype, passes, cut),
      finishes: planned.finishes && lastPassFinishes(passes, cut, capabilities.limits),
    }
  }
  const gradients = (name: 'query' | 'key'): Draft[][] =>
    gradientSteps(plan, accesses, name, totals(name)).map(({ kernel, pass, does }) => {
      const { rowTokens, orders } = pass
      if (does === 'tiles') return walk(kernel, ofPass(pass), pass)
      // Of copies there is a row for each slot.
      const order = rowTokens === 'queries' ? orders?.queryOrder : orders?.keyOrder
      const slots = does === 'sums' ? order?.slots : undefined
      const rows = {
        ...ofRows(summedRows, rowTokens),
        ...(slots === undefined ? {} : { rowTiles: Math.ceil(slots / summedRows), anyRow: true }),
      }
      return walk(kernel, rows, pass, does)
    })
  // A pass of one kind beside one of the other: what follows on a pass waits for it to end.
  const [ofKeys, ofQueries] = [gradients('key'), gradients('query')]
  const inTurns = Array.from({ length: Math.max(ofKeys.length, ofQueries.length) }, (_, index) => [
    ...(ofKeys[index] ?? []),
    ...(ofQueries[index] ?? []),
  ])
  const steps = [
    ...measures,
    ...(isSplit(plan) ? splits() : []),
    ...walk(rowsKernel(plan, accesses), ofRows(rowsPerWorkgroup(rowScales(plan)))),
    ...inTurns.flat(),
    ...(attention.sinks
      ? walk(sinkKernel(plan), ofRows(shape.queryLength)).map(({ workgroups, ...step }) => ({
          ...step,
          workgroups: [workgroups[1], 1, 1] as const,
        }))
      : []),
    ...plan.tables.flatMap((table) => {
      if (summedLookups(plan, table).length === 0) return []
      const kernel = tableKernel(plan, table)
      const { values, workgroups } = tableValues(plan, table, limits)
      return [draft(kernel, values, () => undefined, workgroups)]
    }),
  ]
  const { words, blocks } = joinBlocks(
    steps.map((step) => step.words),
    device.limits.minUniformBufferOffsetAlignment,
  )
  return {
    uniforms: buffers.upload('parameters', words, uniformUsage),
    steps: steps.map((step, index) => ({ ...step, block: blocks[index]! })),
  }
}

/** A workgroup for each row tile of each head; where rows are keys, of each key head. */
function workgroupsOf(
  { heads, kvHeads }: AttentionShape,
  rowTokens: GradientPass['rowTokens'],
  box: GradientDispatch,
): [number, number, number] {
  const unit = rowTokens === 'keys' ? heads / kvHeads : 1
  const ownHeads = Math.ceil(box.heads.end / unit) - Math.floor(box.heads.start / unit)
  return [length(box.rowTiles), ownHeads, length(box.batches)]
}
