// The kernels of a backward plan, for tensors that are accessed in given ways.
import type { Table } from '@attn/core'
import type { Access } from '../codegen/access.ts'
import { gradientFields } from '../kernels/backward-frame.ts'
import { keyGradientKernel } from '../kernels/backward-key-value.wgsl.ts'
import { queryGradientKernel } from '../kernels/backward-query.wgsl.ts'
import { rowFields, softmaxRowsKernel } from '../kernels/backward-rows.wgsl.ts'
import { sinkFields, sinkGradientKernel } from '../kernels/backward-sinks.wgsl.ts'
import { tableFieldsOf, tableGradientKernel } from '../kernels/backward-tables.wgsl.ts'
import type { NumberedLookup } from '../kernels/backward-tables.wgsl.ts'
import { tableFields } from '../kernels/tile/table-sums.ts'
import type { BackwardPlan, GradientPass } from '../plan/backward-plan.ts'
import type { BackwardTensorName } from './backward-tensors.ts'
import type { Kernel } from './pipelines.ts'

/** How each tensor is accessed. */
export type BackwardAccesses = Readonly<Record<Exclude<BackwardTensorName, 'logSumExp'>, Access>>

/** Buffers of a plan's own, beside the tensors of a call. */
export type OwnBuffer = 'softmaxRows' | 'data' | 'tableGradients' | 'dSinks'

/** A kernel with what it binds, in order. */
export interface BackwardKernel extends Kernel {
  readonly names: readonly (BackwardTensorName | OwnBuffer | Table)[]
  /** Scalar fields of its uniform block. */
  readonly fields: readonly string[]
  /** Whether the block goes on with table descriptors and parameters. */
  readonly expressions: boolean
}

/** D = rowsum(dO * O) beside the log-sum-exp of every row. */
export function rowsKernel({ forward }: BackwardPlan, accesses: BackwardAccesses): BackwardKernel {
  return {
    label: 'attn backward rows',
    names: ['output', 'dOutput', 'logSumExp', 'softmaxRows'],
    bindings: [false, false, false, true],
    fields: rowFields,
    expressions: false,
    code: softmaxRowsKernel(accesses.output, accesses.dOutput, forward.shape.valueDim),
  }
}

const inputs = ['query', 'key', 'value', 'dOutput', 'softmaxRows', 'data'] as const

function common(plan: BackwardPlan, pass: GradientPass, accesses: BackwardAccesses) {
  const { shape, attention } = plan.forward
  const { query, key, value, dOutput } = accesses
  return {
    tile: pass.tile,
    memory: pass.memory,
    headDim: shape.headDim,
    valueDim: shape.valueDim,
    query,
    key,
    value,
    dOutput,
    rules: pass.rules,
    dropout: attention.dropout !== undefined,
    blockMap: pass.blockMap !== undefined,
    descriptorWords: plan.layout.descriptorWords,
    parameterWords: plan.layout.parameters.length,
  }
}

/** DQ, and the tables' gradients summed over each workgroup. */
export function queryKernel(plan: BackwardPlan, accesses: BackwardAccesses): BackwardKernel {
  const { sums } = plan.storage
  const config = common(plan, plan.query, accesses)
  return {
    label: 'attn backward dQ',
    names: [...inputs, 'dQuery', ...(sums.length > 0 ? (['tableGradients'] as const) : [])],
    bindings: [...inputs.map(() => false), true, ...(sums.length > 0 ? [true] : [])],
    fields: gradientFields(['dQuery'], config.dropout, tableFields(sums)),
    expressions: true,
    code: queryGradientKernel({ ...config, dQuery: accesses.dQuery, tables: sums }),
  }
}

/** DK and dV. */
export function keyKernel(plan: BackwardPlan, accesses: BackwardAccesses): BackwardKernel {
  const { dKey, dValue } = accesses
  const config = common(plan, plan.key, accesses)
  return {
    label: 'attn backward dK dV',
    names: [...inputs, 'dKey', 'dValue'],
    bindings: [...inputs.map(() => false), true, true],
    fields: gradientFields(['dKey', 'dValue'], config.dropout),
    expressions: true,
    code: keyGradientKernel({ ...config, dKey, dValue }),
  }
}

/** Gradients of the sinks. */
export function sinkKernel(): BackwardKernel {
  return {
    label: 'attn backward sinks',
    names: ['softmaxRows', 'data', 'dSinks'],
    bindings: [false, false, true],
    fields: sinkFields,
    expressions: false,
    code: sinkGradientKernel(),
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
  const { threadRows, threadColumns } = plan.query.tile
  const lookups = summedLookups(plan, table)
  const direct = plan.storage.directBases.has(table)
  return {
    label: 'attn backward table',
    names: ['tableGradients', 'data', table],
    bindings: [false, false, true],
    fields: tableFieldsOf(lookups, direct),
    expressions: true,
    code: tableGradientKernel(lookups, direct, plan.layout, threadRows * threadColumns),
  }
}
