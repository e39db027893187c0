// The numbers in the uniform blocks of the backward kernels.
import { elementCount } from '@attn/core'
import type { AttentionShape, Table } from '@attn/core'
import { floatWord } from '../../kernels/parameters.ts'
import { splitTensors } from '../../kernels/backward/split/powers.ts'
import { exponentOf, halvesOf } from '../../kernels/backward/split/halve-rows.wgsl.ts'
import { partsAccess } from '../../kernels/backward/sum-parts.wgsl.ts'
import { gradientsOf } from '../../plan/backward/gradient-parts.ts'
import { addressValues } from '../../kernels/tensor-address.ts'
import type { GradientDispatch } from '../../plan/backward/backward-dispatch.ts'
import { magnitudeStorage, measuredPieces } from '../../plan/backward/backward-matrices.ts'
import type { BackwardPlan } from '../../plan/backward/backward-plan.ts'
import type { GradientPass } from '../../plan/backward/gradient-passes.ts'
import { isSplit } from '../../plan/backward/explain-backward.ts'
import type { DispatchLimits } from '../../plan/dispatch.ts'
import type { BackwardAccesses, BackwardKernel } from './backward-kernels.ts'
import type { GradientStep } from './gradient-steps.ts'
import { halvesView, partsView, totalledGradient, totalView } from './backward-tensors.ts'
import type { BackwardInputs, BackwardOutputs } from './backward-tensors.ts'
import { splitValues } from './split-kernels.ts'
import { dropoutValues } from '../forward/forward-call.ts'

const sharedGradients = [...gradientsOf('queries'), ...gradientsOf('keys')]

type Values = Readonly<Record<string, number>>

/**
 * Where a tensor lies, counted from the start of its binding.
 *
 * @param start - First byte of the binding.
 * @param rowBytes - Bytes that are kept of a row.
 * @param fields - Those of the kernel.
 */
export function boundValues(
  name: BackwardKernel['names'][number],
  tensors: BackwardInputs & BackwardOutputs,
  accesses: BackwardAccesses,
  start: number,
  rowBytes: number,
  shape: AttentionShape,
  fields: readonly string[],
  pass: GradientPass | undefined,
): Values {
  const split = splitTensors.find((one) => halvesOf(one) === name)
  if (split) {
    // What splits a tensor addresses both, others the halves in its place.
    const prefix = fields.includes(`${name as string}Offset`) ? (name as string) : split
    const halves = addressValues(prefix, halvesView(shape, split), 4, start)
    return { ...halves, exponent: exponentOf(split) }
  }
  const shared = sharedGradients.find((gradient) => `${gradient}Parts` === name)
  if (shared) {
    // The kernel that adds them up addresses both, the other writes them in the place of the gradient.
    const prefix = fields.includes(`${shared}PartsOffset`) ? `${shared}Parts` : shared
    const view = partsView(shape, pass!, shared)
    return addressValues(prefix, view, partsAccess(view.shape[3]!).vector ? 4 : 1, 0)
  }
  const total = totalledGradient(name)
  if (total) {
    // The kernel that rounds them addresses both, others the total in the place of the gradient.
    const prefix = fields.includes(`${total}TotalOffset`) ? `${total}Total` : total
    const view = totalView(shape, total)
    return addressValues(prefix, view, partsAccess(view.shape[3]!).vector ? 4 : 1, start)
  }
  if (name === 'softmaxRows') return { softmaxRowsOffset: -start / rowBytes }
  if (name === 'logSumExp') return { logSumExpOffset: tensors.logSumExp.offset - start / 4 }
  if (typeof name !== 'string' || !(name in accesses)) return {}
  const { [name as keyof BackwardAccesses]: access } = accesses
  const view = tensors[name as keyof BackwardAccesses]
  return addressValues(name, view, access.vector ? 4 : 1, start)
}

/** Sizes, the part of the work, and where the map and the tables' sums lie. */
export function gradientValues(
  plan: BackwardPlan,
  pass: GradientPass | undefined,
  { batches, heads, rowTiles, columnTiles, accumulate }: GradientDispatch,
  does: GradientStep['does'] = 'tiles',
): Values {
  const { shape, attention } = plan.call
  const sizes = {
    queryLength: shape.queryLength,
    keyLength: shape.keyLength,
    heads: shape.heads,
    headsPerKeyHead: shape.heads / shape.kvHeads,
    rowTileBase: rowTiles.start,
    headBegin: heads.start,
    headEnd: heads.end,
    batchBase: batches.start,
    scale: floatWord(attention.scale),
    negativeInfinity: floatWord(-Infinity),
  }
  // The kernel of the sinks sums over sequences, of which earlier dispatches had others.
  if (!pass) {
    return {
      ...sizes,
      batchBegin: batches.start,
      batchEnd: batches.end,
      sinkBase: 2 * shape.batch,
      ...measureValues(plan),
      accumulate: batches.start > 0 ? 1 : 0,
    }
  }
  const { blockMap, packedMap, mapBase } = pass
  const whole = rowTiles.end - rowTiles.start === pass.rowTiles
  return {
    ...sizes,
    rowTiles: pass.rowTiles,
    rowTileEnd: rowTiles.end,
    rowTileStep: Math.ceil((rowTiles.end - rowTiles.start) / pass.rowsInTurn),
    columnTileBegin: columnTiles.start,
    columnTileEnd: columnTiles.end,
    // Copies begin anew with each pass, and are added to what earlier ones wrote.
    accumulate: accumulate || (pass.continues && (pass.parts === 1 || does === 'sums')) ? 1 : 0,
    mapBase,
    mapRunsBase: mapBase + (packedMap?.runsBase ?? 0),
    mapOrderBase: mapBase + (packedMap?.orderBase ?? 0),
    // Part of the rows is bound alone, so it must be taken as it comes.
    mapOrdered: whole && pass.longestFirst ? 1 : 0,
    mapRows: pass.rowTiles,
    mapHeads: blockMap?.heads ?? 0,
    mapBatches: blockMap?.batch ?? 0,
    ...partValues(pass, shape, columnTiles),
    ...tableBases(plan),
    ...dropoutValues(attention),
  }
}

/** How workgroups share the columns, and how far their copies are apart. */
function partValues(
  pass: GradientPass,
  shape: AttentionShape,
  { start, end }: GradientDispatch['columnTiles'],
): Values {
  const { parts, rowTokens } = pass
  const sizes = gradientsOf(rowTokens).map((name) => {
    const { shape: copy, strides } = partsView(shape, pass, name)
    const unit = partsAccess(copy[3]!).vector ? 4 : 1
    return [`${name}PartSize`, (copy[0]! * strides[0]!) / unit]
  })
  return { parts, partTiles: Math.ceil((end - start) / parts), ...Object.fromEntries(sizes) }
}

/** Where the measures of dO and V lie, and what may make dS larger than their product. */
function measureValues(plan: BackwardPlan): Values {
  const { call, headroom } = plan
  if (headroom === undefined) return {}
  if (isSplit(plan)) return splitValues(plan)
  const { queryLength, keyLength } = call.shape
  const [dOutput, value] = [measuredPieces(queryLength), measuredPieces(keyLength)]
  return {
    dOutputPieces: dOutput.count,
    dOutputPieceRows: dOutput.rows,
    dOutputMagnitudes: 0,
    valuePieces: value.count,
    valuePieceRows: value.rows,
    valueMagnitudes: magnitudeStorage(call).value,
    headroom: floatWord(headroom),
  }
}

function tableBases({ storage }: BackwardPlan): Values {
  return Object.fromEntries(storage.bases.map((base, number) => [`tableBase${number}`, base]))
}

/** The block and the workgroups of the kernel that sums a table's gradient. */
export function tableValues(
  plan: BackwardPlan,
  table: Table,
  { maxComputeWorkgroupsPerDimension }: DispatchLimits,
): { readonly values: Values; readonly workgroups: readonly [number, number, number] } {
  const { shape } = plan.call
  const entries = elementCount(table.shape)
  const rowOfEntries = Math.min(entries, maxComputeWorkgroupsPerDimension)
  return {
    values: {
      batches: shape.batch,
      heads: shape.heads,
      queryLength: shape.queryLength,
      keyLength: shape.keyLength,
      rowTiles: plan.query.passes[0].rowTiles,
      entries,
      rowOfEntries,
      negativeInfinity: floatWord(-Infinity),
      directBase: plan.storage.directBases.get(table) ?? 0,
      ...tableBases(plan),
    },
    workgroups: [rowOfEntries, Math.ceil(entries / rowOfEntries), 1],
  }
}
