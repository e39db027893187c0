// The kernels of a backward plan, for tensors that are accessed in given ways.
import type { Table } from '@attn/core'
import type { Access } from '../../codegen/access.ts'
import { gradientFields } from '../../kernels/backward/backward-frame.ts'
import { keyGradientKernel } from '../../kernels/backward/backward-key-value.wgsl.ts'
import { queryGradientKernel } from '../../kernels/backward/backward-query.wgsl.ts'
import { gradientMatrixKernel } from '../../kernels/backward/matrix/backward-matrix.wgsl.ts'
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
import { splitGradientKernel } from '../../kernels/backward/split/gradient-split.wgsl.ts'
import { halvesOf } from '../../kernels/backward/split/halve-rows.wgsl.ts'
import type { NumberedLookup } from '../../kernels/backward/backward-tables.wgsl.ts'
import type { SoftmaxRow } from '../../kernels/tile/pair-gradient.ts'
import { tableFields } from '../../kernels/tile/table-sums.ts'
import type { BackwardPlan } from '../../plan/backward/backward-plan.ts'
import type { GradientPass, TiledPass } from '../../plan/backward/gradient-passes.ts'
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

/** D = rowsum(dO * O) beside the log-sum-exp of every row. */
export function rowsKernel(plan: BackwardPlan, accesses: BackwardAccesses): BackwardKernel {
  const { valueDim } = plan.call.shape
  const scales: RowScales = isSplit(plan)
    ? 'powers'
    : measuresMagnitudes(plan)
      ? 'magnitudes'
      : 'none'
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

function common(plan: BackwardPlan, pass: GradientPass, accesses: BackwardAccesses) {
  const { shape, attention } = plan.call
  const { query, key, value, dOutput } = accesses
  return {
    headDim: shape.headDim,
    valueDim: shape.valueDim,
    query,
    key,
    value,
    dOutput,
    softmaxRow: softmaxRowType(plan),
    rules: pass.rules,
    dropout: attention.dropout !== undefined,
    blockMap: pass.blockMap !== undefined,
    inParts: pass.parts > 1,
    descriptorWords: plan.layout.descriptorWords,
    parameterWords: plan.layout.parameters.length,
  }
}

/** Whose rows a kernel sums, in which tiles. */
const placeOf = <Pass extends { rowTokens: unknown; tile: unknown; memory: unknown }>({
  rowTokens,
  tile,
  memory,
}: Pass): Pick<Pass, 'rowTokens' | 'tile' | 'memory'> => ({ rowTokens, tile, memory })

const splitInputs = inputs.map((name) =>
  name === 'softmaxRows' || name === 'data' ? name : halvesOf(name),
)

/** What a kernel binds and writes, whatever its kind. */
function gradientKernel(
  label: string,
  outputs: readonly SharedGradient[],
  config: { readonly dropout: boolean; readonly inParts: boolean },
  code: string,
  read: BackwardKernel['names'] = inputs,
): BackwardKernel {
  return {
    label,
    names: [...read, ...outputs.map((name) => (config.inParts ? (`${name}Parts` as const) : name))],
    bindings: [...inputs.map(() => false), ...outputs.map(() => true)],
    fields: gradientFields(outputs, config),
    expressions: true,
    code,
  }
}

/** What a kernel writes a gradient to: the tensor, or copies of it. */
function gradientAccess(
  { call }: BackwardPlan,
  { parts }: GradientPass,
  accesses: BackwardAccesses,
  name: SharedGradient,
): Access {
  const { headDim, valueDim } = call.shape
  return parts > 1 ? partsAccess(name === 'dValue' ? valueDim : headDim) : accesses[name]
}

/** DQ, and the tables' gradients summed over each workgroup. */
export function queryKernel(
  plan: BackwardPlan,
  accesses: BackwardAccesses,
  pass: GradientPass = plan.query.passes[0],
): BackwardKernel {
  const config = common(plan, pass, accesses)
  const label = 'attn backward dQ'
  const dQuery = gradientAccess(plan, pass, accesses, 'dQuery')
  if (pass.kind === 'split-matrix') {
    const code = splitGradientKernel({ ...config, ...placeOf(pass), outputs: [dQuery] })
    return gradientKernel(label, ['dQuery'], config, code, splitInputs)
  }
  if (pass.kind === 'subgroup-matrix') {
    const code = gradientMatrixKernel({ ...config, ...placeOf(pass), outputs: [dQuery] })
    return gradientKernel(label, ['dQuery'], config, code)
  }
  return tiledQueryKernel(plan, pass, accesses, false)
}

function tiledQueryKernel(
  plan: BackwardPlan,
  pass: TiledPass,
  accesses: BackwardAccesses,
  unsplitOnly: boolean,
): BackwardKernel {
  const config = { ...common(plan, pass, accesses), ...placeOf(pass), unsplitOnly }
  const { sums } = plan.storage
  const code = queryGradientKernel({
    ...config,
    dQuery: gradientAccess(plan, pass, accesses, 'dQuery'),
    tables: sums,
  })
  const kernel = gradientKernel('attn backward dQ', ['dQuery'], config, code)
  if (sums.length === 0) return kernel
  return {
    ...kernel,
    names: [...kernel.names, 'tableGradients'],
    bindings: [...kernel.bindings, true],
    fields: gradientFields(['dQuery'], config, tableFields(sums)),
  }
}

const keyAccesses = (plan: BackwardPlan, pass: GradientPass, accesses: BackwardAccesses) =>
  [
    gradientAccess(plan, pass, accesses, 'dKey'),
    gradientAccess(plan, pass, accesses, 'dValue'),
  ] as const

/** DK and dV. */
export function keyKernel(
  plan: BackwardPlan,
  accesses: BackwardAccesses,
  pass: GradientPass = plan.key.passes[0],
): BackwardKernel {
  const [dKey, dValue] = keyAccesses(plan, pass, accesses)
  const config = common(plan, pass, accesses)
  const label = 'attn backward dK dV'
  const outputs = [dValue, dKey]
  if (pass.kind === 'split-matrix') {
    const code = splitGradientKernel({ ...config, ...placeOf(pass), outputs })
    return gradientKernel(label, ['dValue', 'dKey'], config, code, splitInputs)
  }
  if (pass.kind === 'subgroup-matrix') {
    const code = gradientMatrixKernel({ ...config, ...placeOf(pass), outputs })
    return gradientKernel(label, ['dValue', 'dKey'], config, code)
  }
  return tiledKeyKernel(plan, pass, accesses, false)
}

function tiledKeyKernel(
  plan: BackwardPlan,
  pass: TiledPass,
  accesses: BackwardAccesses,
  unsplitOnly: boolean,
): BackwardKernel {
  const config = { ...common(plan, pass, accesses), ...placeOf(pass), unsplitOnly }
  const [dKey, dValue] = keyAccesses(plan, pass, accesses)
  const code = keyGradientKernel({ ...config, dKey, dValue })
  return gradientKernel('attn backward dK dV', ['dKey', 'dValue'], config, code)
}

/** The kernel of heads that a kernel on split float32 leaves alone, with its pass. */
export function unsplitKernel(
  plan: BackwardPlan,
  pass: GradientPass,
  accesses: BackwardAccesses,
): { readonly pass: TiledPass; readonly kernel: BackwardKernel } | undefined {
  if (pass.kind !== 'split-matrix' || !pass.unsplit) return undefined
  const kernelOf = pass.rowTokens === 'queries' ? tiledQueryKernel : tiledKeyKernel
  return { pass: pass.unsplit, kernel: kernelOf(plan, pass.unsplit, accesses, true) }
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
