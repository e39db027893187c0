// The kernels of a backward plan, for tensors that are accessed in given ways.
import type { Table } from '@attn/core'
import type { Access } from '../../codegen/access.ts'
import { gradientFields } from '../../kernels/backward/backward-frame.ts'
import {
  magnitudeFields,
  magnitudesKernel,
} from '../../kernels/backward/matrix/backward-magnitudes.wgsl.ts'
import type { MeasuredTensor } from '../../kernels/backward/matrix/backward-magnitudes.wgsl.ts'
import { fieldsOfRows, softmaxRowsKernel } from '../../kernels/backward/backward-rows.wgsl.ts'
import type { RowScales } from '../../kernels/backward/backward-rows.wgsl.ts'
import { sinkFields, sinkGradientKernel } from '../../kernels/backward/backward-sinks.wgsl.ts'
import { tableFieldsOf, tableGradientKernel } from '../../kernels/backward/backward-tables.wgsl.ts'
import { partsAccess } from '../../kernels/backward/sum-parts.wgsl.ts'
import type {
  GradientParts,
  GradientTotal,
  SharedGradient,
} from '../../kernels/backward/sum-parts.wgsl.ts'
import { halvesOf } from '../../kernels/backward/split/halve-rows.wgsl.ts'
import type { NumberedLookup } from '../../kernels/backward/backward-tables.wgsl.ts'
import type { SoftmaxRow } from '../../kernels/tile/pair-gradient.ts'
import { tableFields } from '../../kernels/tile/table-sums.ts'
import type { BackwardPlan } from '../../plan/backward/backward-plan.ts'
import type { GradientPass } from '../../plan/backward/gradient-passes.ts'
import { isSplit, measuresMagnitudes } from '../../plan/backward/explain-backward.ts'
import type { BackwardTensorName } from './backward-tensors.ts'
import type { Kernel } from '../pipelines.ts'

/** How each tensor is accessed. */
export type BackwardAccesses = Readonly<Record<Exclude<BackwardTensorName, 'logSumExp'>, Access>>

/** Buffers of a plan's own, beside the tensors of a call. */
export type OwnBuffer =
  | 'softmaxRows'
  | 'magnitudes'
  | 'data'
  | 'tableGradients'
  | 'dSinks'
  | GradientParts
  | GradientTotal
  | 'ranges'
  | 'powers'
  | HalvesName

/** The name of the halves of a tensor. */
export type HalvesName = ReturnType<typeof halvesOf>

/** A kernel with what it binds, in order. */
export interface BackwardKernel extends Kernel {
  readonly names: readonly (BackwardTensorName | OwnBuffer | Table)[]
  /** Scalar fields of its uniform block. */
  readonly fields: readonly string[]
  /** Whether the block goes on with table descriptors and parameters. */
  readonly expressions: boolean
}

/** What is kept of a row. */
export const softmaxRowType = ({ headroom }: BackwardPlan): SoftmaxRow =>
  headroom === undefined ? 'vec2<f32>' : 'vec4<f32>'

/** How large the rows of dO or of V are, where kernels on subgroup matrices scale by it. */
export function measureKernel(
  { call }: BackwardPlan,
  accesses: BackwardAccesses,
  name: MeasuredTensor,
): BackwardKernel {
  return {
    label: `attn backward magnitudes of ${name}`,
    names: [name, 'data', 'magnitudes'],
    bindings: [false, false, true],
    fields: magnitudeFields(name),
    expressions: false,
    code: magnitudesKernel(name, accesses[name], call.shape.valueDim),
  }
}

/** Where rows take what they keep besides. */
export const rowScales = (plan: BackwardPlan): RowScales =>
  isSplit(plan) ? 'powers' : measuresMagnitudes(plan) ? 'magnitudes' : 'none'

/** D = rowsum(dO * O) beside the log-sum-exp of every row. */
export function rowsKernel(plan: BackwardPlan, accesses: BackwardAccesses): BackwardKernel {
  const { valueDim } = plan.call.shape
  const scales = rowScales(plan)
  const read = scales === 'none' ? [] : [scales]
  return {
    label: 'attn backward rows',
    names: ['output', 'dOutput', 'logSumExp', 'softmaxRows', ...read],
    bindings: [false, false, false, true, ...read.map(() => false)],
    fields: fieldsOfRows(scales),
    expressions: false,
    code: softmaxRowsKernel(accesses.output, accesses.dOutput, valueDim, scales),
  }
}

const inputs = ['query', 'key', 'value', 'dOutput', 'softmaxRows', 'data'] as const

const halves = inputs.map((name) =>
  name === 'softmaxRows' || name === 'data' ? name : halvesOf(name),
)

/**
 * A pass of dQ, with the tables' gradients summed over each workgroup, or of dK and dV.
 *
 * @param unsplitOnly - Whether only those heads are its whose rows cannot be split. Default: false.
 * @param finishes - Whether it goes on with totals and writes the gradients. Default: false.
 */
export function passKernel(
  plan: BackwardPlan,
  pass: GradientPass,
  accesses: BackwardAccesses,
  unsplitOnly = false,
  finishes = false,
): BackwardKernel {
  const { shape, attention } = plan.call
  const { headDim, valueDim } = shape
  const { kernel, rowTokens } = pass
  const inParts = pass.parts > 1
  const dropout = attention.dropout !== undefined
  const sums = rowTokens === 'queries' ? plan.storage.sums : []
  // Of shared rows each workgroup writes copies of its own.
  const written = (name: SharedGradient): Access =>
    inParts ? partsAccess(name === 'dValue' ? valueDim : headDim) : accesses[name]
  const outputs = kernel.writes.map((name) => (inParts ? (`${name}Parts` as const) : name))
  const totals = finishes ? kernel.writes.map((name) => `${name}Total` as const) : []
  const ofTables = sums.length > 0 ? (['tableGradients'] as const) : []
  const { query, key, value, dOutput } = accesses
  return {
    label: rowTokens === 'queries' ? 'attn backward dQ' : 'attn backward dK dV',
    names: [...(kernel.readsHalves ? halves : inputs), ...outputs, ...totals, ...ofTables],
    bindings: [
      ...inputs.map(() => false),
      ...outputs.map(() => true),
      ...totals.map(() => false),
      ...ofTables.map(() => true),
    ],
    fields: gradientFields(
      [...kernel.writes, ...totals],
      { dropout, inParts, unsplitOnly },
      tableFields(sums),
    ),
    expressions: true,
    code: kernel.text({
      headDim,
      valueDim,
      query,
      key,
      value,
      dOutput,
      softmaxRow: softmaxRowType(plan),
      rules: pass.rules,
      dropout,
      blockMap: pass.blockMap !== undefined,
      inParts,
      grouped: shape.heads !== shape.kvHeads,
      unsplitOnly,
      continues: pass.continues,
      finishes,
      descriptorWords: plan.layout.descriptorWords,
      parameterWords: plan.layout.parameters.length,
      gradients: { dQuery: written('dQuery'), dKey: written('dKey'), dValue: written('dValue') },
      tables: sums,
    }),
  }
}

/** Gradients of the sinks. */
export function sinkKernel(plan: BackwardPlan): BackwardKernel {
  return {
    label: 'attn backward sinks',
    names: ['softmaxRows', 'data', 'dSinks'],
    bindings: [false, false, true],
    fields: sinkFields,
    expressions: false,
    code: sinkGradientKernel(softmaxRowType(plan)),
  }
}

/** The look-ups in a table that workgroups have summed. */
export function summedLookups({ storage }: BackwardPlan, table: Table): NumberedLookup[] {
  return storage.lookups
    .map((lookup, number) => ({ ...lookup, number }))
    .filter((lookup) => lookup.table === table && !lookup.direct)
}

/** The gradient of a table from its look-ups' sums. */
export function tableKernel(plan: BackwardPlan, table: Table): BackwardKernel {
  const lookups = summedLookups(plan, table)
  const direct = plan.storage.directBases.has(table)
  return {
    label: 'attn backward table',
    names: ['tableGradients', 'data', table],
    bindings: [false, false, true],
    fields: tableFieldsOf(lookups, direct),
    expressions: true,
    code: tableGradientKernel(lookups, direct, plan.layout, plan.storage.threads),
  }
}
