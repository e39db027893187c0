// The numbers in the uniform blocks of the backward kernels.
import type { Table } from '@attn/core'
import { floatWord } from '../../kernels/parameters.ts'
import { addressValues } from '../../kernels/tensor-address.ts'
import type { GradientDispatch } from '../../plan/backward/backward-dispatch.ts'
import { magnitudeStorage, measuredPieces } from '../../plan/backward/backward-matrices.ts'
import type { BackwardPlan, GradientPass } from '../../plan/backward/backward-plan.ts'
import type { DispatchLimits } from '../../plan/dispatch.ts'
import type { BackwardAccesses, BackwardKernel } from './backward-kernels.ts'
import type { BackwardInputs, BackwardOutputs } from './backward-tensors.ts'
import { dropoutValues } from '../forward/forward-call.ts'

type Values = Readonly<Record<string, number>>

/**
 * Where a tensor lies, counted from the start of its binding.
 *
 * @param start - First byte of the binding.
 * @param rowBytes - Bytes that are kept of a row.
 */
export function boundValues(
  name: BackwardKernel['names'][number],
  tensors: BackwardInputs & BackwardOutputs,
  accesses: BackwardAccesses,
  start: number,
  rowBytes: number,
): Values {
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
): Values {
  const { shape, attention } = plan.forward
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
    columnTileBegin: columnTiles.start,
    columnTileEnd: columnTiles.end,
    accumulate: accumulate ? 1 : 0,
    mapBase,
    mapRunsBase: mapBase + (packedMap?.runsBase ?? 0),
    mapOrderBase: mapBase + (packedMap?.orderBase ?? 0),
    // Part of the rows is bound alone, so it must be taken as it comes.
    mapOrdered: whole ? 1 : 0,
    mapRows: pass.rowTiles,
    mapHeads: blockMap?.heads ?? 0,
    mapBatches: blockMap?.batch ?? 0,
    ...tableBases(plan),
    ...dropoutValues(attention),
  }
}

/** Where the measures of dO and V lie, and what may make dS larger than their product. */
function measureValues({ forward, headroom }: BackwardPlan): Values {
  if (headroom === undefined) return {}
  const { queryLength, keyLength } = forward.shape
  const [dOutput, value] = [measuredPieces(queryLength), measuredPieces(keyLength)]
  return {
    dOutputPieces: dOutput.count,
    dOutputPieceRows: dOutput.rows,
    dOutputMagnitudes: 0,
    valuePieces: value.count,
    valuePieceRows: value.rows,
    valueMagnitudes: magnitudeStorage(forward).value,
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
  const { shape } = plan.forward
  const entries = table.values.length
  const rowOfEntries = Math.min(entries, maxComputeWorkgroupsPerDimension)
  return {
    values: {
      batches: shape.batch,
      heads: shape.heads,
      queryLength: shape.queryLength,
      keyLength: shape.keyLength,
      rowTiles: plan.query.rowTiles,
      entries,
      rowOfEntries,
      negativeInfinity: floatWord(-Infinity),
      directBase: plan.storage.directBases.get(table) ?? 0,
      ...tableBases(plan),
    },
    workgroups: [rowOfEntries, Math.ceil(entries / rowOfEntries), 1],
  }
}
