// A forward call made ready to be encoded: cut into dispatches, its kernel compiled, its uniform
// blocks uploaded. All of it holds for every call with the same strides, offsets and parameters.
import { numbersOf } from '@attn/core'
import type { GpuTensor } from '../../gpu-tensor.ts'
import { forwardFields, packParameters, withOptionalFields } from '../../kernels/parameters.ts'
import { exponentFields } from '../../kernels/forward/split/forward-split.wgsl.ts'
import { addressValues } from '../../kernels/tensor-address.ts'
import { mergedRows } from '../../kernels/forward/merge-parts.wgsl.ts'
import { placesKey } from '../../plan/decode/key-places.ts'
import type { Dispatch } from '../../plan/dispatch.ts'
import { forwardDispatches } from '../../plan/forward/forward-dispatches.ts'
import type { ForwardAccesses } from '../../plan/plan.ts'
import type { PlanHost } from '../attention-plan.ts'
import type { BoundPass, BoundSplit } from './bound-pass.ts'
import type { PreparedCall, PreparedDispatch, PreparedStage } from '../call-cache.ts'
import { bindingRanges, boundTensors, parameterFields, parameterWords } from './forward-call.ts'
import type { BindingRanges } from './forward-call.ts'
import { accessOf, forwardTensorNames } from './forward-tensors.ts'
import type { ForwardInputs, ForwardOutputs, ForwardTensorName } from './forward-tensors.ts'
import { forwardText, mergeText, partsText } from './forward-text.ts'
import { bindsWholeTensors, exponentPlaces, halvesOf, prepareSplitSteps } from './split-steps.ts'
import { keepsWideOutput, wideView } from '../../plan/forward/wide-output.ts'
import { narrowStage } from './wide-output.ts'
import type { WideOutput } from './wide-output.ts'
import { forwardPipeline } from '../pipelines.ts'
import { joinBlocks } from '../join-blocks.ts'
import { prepareDecode } from '../decode/prepare-decode.ts'

const uniformUsage = 0x40 | 0x08
const storageUsage = 0x80

/** All that calls to one plan may differ in. */
export function forwardCallKey(tensors: ForwardInputs & ForwardOutputs): string {
  const views = forwardTensorNames.map((name) => {
    const { offset, strides }: GpuTensor = tensors[name]
    return `${offset}:${strides.join()}`
  })
  const values = Object.entries(tensors.parameters ?? {}).map((entry) => entry.join('='))
  const lengths = [tensors.keyLengths, tensors.queryOffset].map((given) =>
    typeof given === 'object' ? Array.from(numbersOf(given)).join() : given,
  )
  const { key, value } = tensors.quantized ?? {}
  return [...views, ...values, ...lengths, placesKey(tensors.places), key, value].join(';')
}

/**
 * Prepares a call.
 *
 * @throws UnsupportedError when the tensors do not fit the device's bindings.
 */
export function prepareForward(
  caller: string,
  host: PlanHost,
  passes: readonly BoundPass[],
  tensors: ForwardInputs & ForwardOutputs,
  wide: WideOutput,
  bySplitting?: { readonly split: BoundSplit; readonly data: GPUBuffer },
): PreparedCall<ForwardTensorName> {
  const { device, buffers } = host
  const { minUniformBufferOffsetAlignment, minStorageBufferOffsetAlignment } = device.limits
  const decoded = passes[0]?.plan.decode
    ? prepareDecode(caller, host, passes[0], tensors)
    : undefined
  const plain = decoded?.stages ?? preparePasses(caller, host, passes, tensors, wide)
  const { halves, before } = prepareHalves(caller, host, plain, tensors, bySplitting)
  const stages = [...halves, ...plain]
  const indirect = (place: number): Pick<PreparedDispatch<ForwardTensorName>, 'indirect'> =>
    before ? { indirect: { buffer: before.chosen, offset: 12 * place } } : {}
  // The lengths of a call, if it has any, come first.
  const { words, blocks } = joinBlocks(
    [
      decoded?.lengths ?? new Uint32Array(0),
      ...stages.flatMap((stage) => stage.dispatches.map((dispatch) => dispatch.words)),
    ],
    Math.max(minUniformBufferOffsetAlignment, minStorageBufferOffsetAlignment),
  )
  const uniforms = buffers.upload(
    'parameters',
    words,
    decoded ? uniformUsage | storageUsage : uniformUsage,
  )
  let next = 1
  return {
    uniforms,
    stages: stages.map(({ code, dispatches, blockMap, ...stage }) => ({
      ...stage,
      blockMap: blockMap ?? { buffer: uniforms, ...blocks[0]! },
      pipeline: forwardPipeline(device, code),
      dispatches: dispatches.map(({ ranges, workgroups }) => ({
        ranges,
        workgroups,
        ...indirect(next - 1),
        block: blocks[next++]!,
      })),
    })),
    before,
  }
}

/** The stages of all passes, and where they merge halves the one that rounds what they keep in float32. */
function preparePasses(
  caller: string,
  host: PlanHost,
  passes: readonly BoundPass[],
  tensors: ForwardInputs & ForwardOutputs,
  wide: WideOutput,
): Stage[] {
  const { plan } = passes[0]!
  const { call } = plan
  const bound = boundTensors(tensors)
  const stages = (given: ForwardInputs & ForwardOutputs): Stage[] =>
    passes.flatMap((pass) => prepareStages(caller, host, pass, given))
  const { limits } = host.capabilities
  const plans = passes.map((pass) => pass.plan)
  if (!keepsWideOutput(caller, plans, Object.values(bound), limits)) return stages(tensors)
  const buffer = wide.get()
  const output = { ...wideView(call), storage: buffer }
  const blockMap = passes[0]!.blockMaps.get('longest first')
  return [
    ...stages({ ...tensors, output }).map((stage) => ({ ...stage, moved: { output: buffer } })),
    narrowStage(caller, host, call, tensors.output, bound.output, buffer, blockMap),
  ]
}

/** The stages by halves, and what comes before them; none where they are not for the tensors of the call. */
function prepareHalves(
  caller: string,
  host: PlanHost,
  plain: readonly Stage[],
  tensors: ForwardInputs & ForwardOutputs,
  bySplitting: { readonly split: BoundSplit; readonly data: GPUBuffer } | undefined,
): {
  readonly halves: readonly Stage[]
  readonly before: ReturnType<typeof prepareSplitSteps> | undefined
} {
  const { maxStorageBufferBindingSize: most, minStorageBufferOffsetAlignment: alignment } =
    host.capabilities.limits
  if (!bySplitting) return { halves: [], before: undefined }
  const { split, data } = bySplitting
  const { call } = split.split.plan
  const { query, key, value } = split.buffers
  if (!bindsWholeTensors(call, tensors, most, alignment)) return { halves: [], before: undefined }
  const given = { ...tensors, ...halvesOf(call, split) }
  const halves = prepareStages(caller, host, split.pass, given, exponentPlaces(call)).map(
    (stage) => ({ ...stage, replaced: { query, key, value } }),
  )
  const dispatches = (stages: readonly Stage[]) => stages.flatMap((stage) => stage.dispatches)
  const chosen = { halves: dispatches(halves), plain: dispatches(plain) }
  return { halves, before: prepareSplitSteps(host, split, data, tensors, chosen) }
}

/** A stage before its kernel is compiled and its uniform blocks are uploaded. */
export interface Stage extends Omit<
  PreparedStage<ForwardTensorName>,
  'pipeline' | 'dispatches' | 'blockMap'
> {
  /** Undefined where the kernel reads the call's lengths instead. */
  readonly blockMap: GPUBufferBinding | undefined
  readonly code: string
  readonly dispatches: readonly {
    readonly ranges: BindingRanges
    readonly words: Uint32Array
    readonly workgroups: readonly [x: number, y: number, z: number]
  }[]
}

/** The stages of one pass: its rows, then parts of its long rows, and what merges these. */
function prepareStages(
  caller: string,
  { capabilities }: PlanHost,
  { plan, blockMaps, parts: partBuffers }: BoundPass,
  tensors: ForwardInputs & ForwardOutputs,
  halves?: Readonly<Record<string, number>>,
): Stage[] {
  const { call, splitRows } = plan
  const { shape, attention, data } = call
  const bound = boundTensors(tensors)
  const { limits } = capabilities
  const { dispatches, anyRow, parts } = forwardDispatches(
    caller,
    plan,
    Object.values(bound),
    limits,
  )
  const access = (name: ForwardTensorName) => {
    const staged = plan.matrix !== undefined && (name === 'key' || name === 'value')
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
      const ranges = bindingRanges(plan, bound, dispatch, alignment, anyRow)
      const values = {
        ...parameterFields(plan, tensors, accesses, ranges, dispatch),
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
      code: forwardText(plan, accesses),
      blockMap: { buffer: blockMaps.get(anyRow ? 'longest first' : 'ascending') },
      // Where rows differ in length the long ones of all heads are taken first.
      dispatches: prepared(dispatches, rowsOf, {}, plan.blockMap !== undefined),
    },
  ]
  if (splitRows && partBuffers && parts.length > 0) {
    const map = { mapQueryTiles: splitRows.parts, mapOrderBase: splitRows.orderBase }
    const rowVectors = Math.ceil(shape.valueDim / 4)
    const headVectors = splitRows.parts * plan.tile.queries * rowVectors
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
        code: partsText(plan, accesses),
        blockMap: { buffer: blockMap! },
        dispatches: prepared(parts, rowsOf, {
          ...map,
          ...partOutput,
          mapRunsBase: splitRows.runsBase,
        }),
        replaced: { output, logSumExp },
      },
      {
        code: mergeText(plan, accesses),
        blockMap: { buffer: blockMap! },
        dispatches: prepared(
          parts.filter(({ queryTiles }) => queryTiles.start === 0),
          () => (splitRows.rows * plan.tile.queries) / mergedRows,
          { ...map, mapRunsBase: splitRows.firstPartsBase },
        ),
        replaced: { query: output, key: logSumExp, value: logSumExp },
      },
    )
  }
  return stages.filter((stage) => stage.dispatches.length > 0)
}
