// The dispatches of a pass over the tensors of a call, with their uniform blocks.
import { forwardFields, packParameters, withOptionalFields } from '../../kernels/parameters.ts'
import { exponentFields } from '../../kernels/forward/split/forward-split.wgsl.ts'
import { mergedRows } from '../../kernels/forward/merge-parts.wgsl.ts'
import { addressValues } from '../../kernels/tensor-address.ts'
import type { Dispatch } from '../../plan/dispatch.ts'
import { forwardDispatches } from '../../plan/forward/forward-dispatches.ts'
import type { ForwardAccesses } from '../../plan/forward/pass-text.ts'
import type { PlanHost } from '../plan-host.ts'
import type { BoundPass } from './bound-pass.ts'
import { bindingRanges, boundTensors, parameterFields, parameterWords } from './forward-call.ts'
import { accessOf } from '../../plan/access-of.ts'
import type { ForwardTensorName } from './forward-tensors.ts'
import { forwardText, mergeText, partsText } from './pass-texts.ts'
import type { ForwardTensors, Stage } from './stage.ts'

/** The stages of one pass: its rows, then parts of its long rows, and what merges these. */
export function passStages(
  caller: string,
  { capabilities }: PlanHost,
  { pass, blockMaps, parts: partBuffers }: BoundPass,
  tensors: ForwardTensors,
  halves?: Readonly<Record<string, number>>,
): Stage[] {
  const { call, kernel, longRows } = pass
  const { shape, attention, data } = call
  const bound = boundTensors(tensors)
  const { limits } = capabilities
  const { dispatches, anyRow, parts } = forwardDispatches(
    caller,
    pass,
    Object.values(bound),
    limits,
  )
  const access = (name: ForwardTensorName) => {
    const staged = kernel.readsEights && (name === 'key' || name === 'value')
    return accessOf(tensors[name], capabilities.shaderFloat16, staged)
  }
  const accesses: ForwardAccesses = {
    query: access('query'),
    key: access('key'),
    value: access('value'),
    output: access('output'),
  }
  const fields = withOptionalFields(
    halves ? [...forwardFields, ...exponentFields] : forwardFields,
    {
      sinks: attention.sinks !== undefined,
      dropout: attention.dropout !== undefined,
    },
  )
  const parameters = parameterWords(call, tensors.parameters ?? {})
  // Halves are bound whole.
  const ofHalves = halves && {
    ...halves,
    ...addressValues('query', tensors.query, 4, 0),
    ...addressValues('key', tensors.key, 4, 0),
    ...addressValues('value', tensors.value, 4, 0),
  }
  const prepared = (
    all: readonly Dispatch[],
    columns: (dispatch: Dispatch) => number,
    override: Readonly<Record<string, number>> = {},
    headsFirst = false,
  ): Stage['dispatches'] =>
    all.map((dispatch) => {
      const alignment = limits.minStorageBufferOffsetAlignment
      const ranges = bindingRanges(pass, bound, dispatch, alignment, anyRow)
      const values = {
        ...parameterFields(pass, tensors, accesses, ranges, dispatch),
        ...ofHalves,
        ...override,
      }
      const { heads, batches } = dispatch
      return {
        ranges,
        words: packParameters(fields, values, data.descriptors, parameters),
        workgroups: headsFirst
          ? ([heads.end - heads.start, columns(dispatch), batches.end - batches.start] as const)
          : ([columns(dispatch), heads.end - heads.start, batches.end - batches.start] as const),
      }
    })
  const rowsOf = ({ queryTiles }: Dispatch): number => queryTiles.end - queryTiles.start
  const stages: Stage[] = [
    {
      code: forwardText(pass, accesses),
      blockMap: { buffer: blockMaps.get(anyRow ? 'longest first' : 'ascending') },
      // Where rows differ in length the long ones of all heads are taken first.
      dispatches: prepared(dispatches, rowsOf, {}, pass.blockMap !== undefined),
    },
  ]
  if (longRows && partBuffers && parts.length > 0) {
    const map = { mapQueryTiles: longRows.parts, mapOrderBase: longRows.orderBase }
    const rowVectors = Math.ceil(shape.valueDim / 4)
    const headVectors = longRows.parts * kernel.tile.queries * rowVectors
    const partOutput = {
      outputOffset: 0,
      outputBatch: shape.heads * headVectors,
      outputHead: headVectors,
      outputRow: rowVectors,
      logSumExpOffset: 0,
    }
    const { blockMap, output, logSumExp } = partBuffers
    stages.push(
      {
        code: partsText(pass, accesses),
        blockMap: { buffer: blockMap },
        dispatches: prepared(parts, rowsOf, {
          ...map,
          ...partOutput,
          mapRunsBase: longRows.runsBase,
        }),
        replaced: { output, logSumExp },
      },
      {
        code: mergeText(pass, accesses),
        blockMap: { buffer: blockMap },
        dispatches: prepared(
          parts.filter(({ queryTiles }) => queryTiles.start === 0),
          () => (longRows.rows * kernel.tile.queries) / mergedRows,
          { ...map, mapRunsBase: longRows.firstPartsBase },
        ),
        replaced: { query: output, key: logSumExp, value: logSumExp },
      },
    )
  }
  return stages.filter((stage) => stage.dispatches.length > 0)
}
