// What a call by halves does before its products: the tensors are measured, the choice is made, and halves are
// written. See plan/forward/halves-plan.ts.
import type { Access } from '../../codegen/access.ts'
import type { GpuTensor } from '../../gpu-tensor.ts'
import { choiceFields, splitChoiceKernel } from '../../kernels/forward/split/forward-choice.wgsl.ts'
import { splitRowVectors } from '../../kernels/forward/split/halves.ts'
import { splitInputFields, splitTensors } from '../../kernels/forward/split/inputs.ts'
import type { SplitInputs, SplitTensor } from '../../kernels/forward/split/inputs.ts'
import { splitMagnitudesKernel } from '../../kernels/forward/split/forward-magnitudes.wgsl.ts'
import {
  splitFields,
  splitRowsAtOnce,
  splitRowsKernel,
} from '../../kernels/forward/split/forward-halves.wgsl.ts'
import { floatWord, packParameters } from '../../kernels/parameters.ts'
import { addressValues } from '../../kernels/tensor-address.ts'
import { boundRange } from '../../plan/dispatch.ts'
import type { BoundRange } from '../../plan/dispatch.ts'
import { mostSplitProduct } from '../../plan/forward/halves-plan.ts'
import type { Call } from '../../plan/call.ts'
import type { PlanHost } from '../plan-host.ts'
import type { PreparedStep } from '../call-cache.ts'
import { kernelLayout, kernelPipeline } from '../pipelines.ts'
import type { Kernel } from '../pipelines.ts'
import type { BoundHalves } from './bound-halves.ts'
import type { ChoosingSteps } from './finish-call.ts'
import { boundTensors } from './forward-call.ts'
import { accessOf } from '../../plan/access-of.ts'
import type { ForwardInputs, ForwardOutputs, ForwardTensorName } from './forward-tensors.ts'
import { joinBlocks } from '../join-blocks.ts'

const uniformUsage = 0x40
const storageUsage = 0x80
const indirectUsage = 0x100

type Sizes = readonly [x: number, y: number, z: number]

/** A dispatch of one of the two kernels, whose size the choice decides. */
export interface ChosenDispatch {
  readonly workgroups: Sizes
}

/** The tensors of a call as their halves: rows of twice as many elements. */
export function halvesOf(
  { shape }: Call,
  { buffers }: BoundHalves,
): Readonly<Record<SplitTensor, GpuTensor>> {
  const { batch, heads, kvHeads, queryLength, keyLength, headDim, valueDim } = shape
  const halves = (name: SplitTensor, planes: number, rows: number, dims: number): GpuTensor => ({
    dtype: 'float16',
    shape: [batch, planes, rows, 2 * dims],
    strides: [planes * rows * 2 * dims, rows * 2 * dims, 2 * dims, 1],
    offset: 0,
    storage: buffers[name],
  })
  return {
    query: halves('query', heads, queryLength, headDim),
    key: halves('key', kvHeads, keyLength, headDim),
    value: halves('value', kvHeads, keyLength, valueDim),
  }
}

/** Where the exponents lie in the bindings of the kernel of halves, in the units it reads. */
export function exponentPlaces({ shape }: Call): Record<string, number> {
  const { batch, heads, kvHeads, queryLength, keyLength, headDim, valueDim } = shape
  return {
    queryExponents: batch * heads * queryLength * splitRowVectors(headDim),
    keyExponents: (batch * kvHeads * keyLength * splitRowVectors(headDim)) / 2,
    valueExponents: (batch * kvHeads * keyLength * splitRowVectors(valueDim)) / 2,
  }
}

/** Whether every tensor can be bound whole, as measuring and splitting want it. */
export function bindsWholeTensors(
  { shape }: Call,
  tensors: ForwardInputs & ForwardOutputs,
  limit: number,
  alignment: number,
): boolean {
  return splitTensors.every((name) => wholeRange(shape, tensors, name, alignment).size <= limit)
}

function wholeRange(
  { batch, heads, kvHeads, queryLength, keyLength }: Call['shape'],
  tensors: ForwardInputs & ForwardOutputs,
  name: SplitTensor,
  alignment: number,
): BoundRange {
  const [planes, rows] = name === 'query' ? [heads, queryLength] : [kvHeads, keyLength]
  const all = (end: number) => ({ start: 0, end })
  const tensor = boundTensors(tensors)[name]
  return boundRange(tensor, alignment, all(batch), all(planes), all(rows))
}

const inputBindings = [false, false, false, false]

/** The kernels of the steps. */
function stepKernels(
  inputs: SplitInputs,
): Readonly<Record<'magnitudes' | 'halves' | 'choice', Kernel>> {
  return {
    magnitudes: {
      label: 'attn magnitudes',
      bindings: [...inputBindings, true],
      code: splitMagnitudesKernel(inputs),
    },
    halves: {
      label: 'attn halves',
      bindings: [...inputBindings, false, true, true, true],
      code: splitRowsKernel(inputs),
    },
    choice: {
      label: 'attn choice of products',
      bindings: [false, false, true],
      code: splitChoiceKernel(),
    },
  }
}

/**
 * Prepares the steps before a call by halves.
 *
 * @param chosen - Dispatches of the kernel of halves, and of the plain one.
 * @returns The steps, and the buffer that holds three words for each of these dispatches, in this order.
 */
export function prepareSplitSteps(
  { device, buffers, capabilities }: PlanHost,
  { plan, buffers: own }: BoundHalves,
  data: GPUBuffer,
  tensors: ForwardInputs & ForwardOutputs,
  chosen: Readonly<Record<'halves' | 'plain', readonly ChosenDispatch[]>>,
): ChoosingSteps {
  const { call, pieces } = plan
  const { shape } = call
  const { batch: batches, heads, kvHeads, queryLength, keyLength } = shape
  const alignment = capabilities.limits.minStorageBufferOffsetAlignment
  const access = (name: SplitTensor): Access => accessOf(tensors[name], capabilities.shaderFloat16)
  const accesses = { query: access('query'), key: access('key'), value: access('value') }
  const ranges = splitTensors.map((name) => wholeRange(shape, tensors, name, alignment))
  const addresses = splitTensors.map((name, index) =>
    addressValues(name, tensors[name], accesses[name].vector ? 4 : 1, ranges[index]!.offset),
  )
  const sizes = [...chosen.halves, ...chosen.plain].flatMap(({ workgroups }) => [...workgroups])
  const values: Record<string, number> = {
    ...Object.assign({}, ...addresses),
    batches,
    heads,
    kvHeads,
    queryLength,
    keyLength,
    pieces: pieces.count,
    queryPieceRows: pieces.queryRows,
    keyPieceRows: pieces.keyRows,
    dispatches: sizes.length / 3,
    splitDispatches: chosen.halves.length,
    mostProduct: floatWord(mostSplitProduct(call)),
  }
  const none = new Uint32Array(0)
  const fields = [splitInputFields, choiceFields, splitFields]
  const { words, blocks } = joinBlocks(
    fields.map((names) => packParameters(names, values, none, none)),
    device.limits.minUniformBufferOffsetAlignment,
  )
  const uniforms = buffers.upload('parameters of halves', words, uniformUsage)
  const wanted = buffers.upload('sizes of dispatches', Uint32Array.from(sizes), storageUsage)
  const result = buffers.allocate(
    'chosen dispatches',
    4 * sizes.length,
    storageUsage | indirectUsage,
  )

  const step = (
    kernel: Kernel,
    block: number,
    workgroups: Sizes,
    resources: PreparedStep<ForwardTensorName>['resources'],
  ): PreparedStep<ForwardTensorName> => ({
    pipeline: kernelPipeline(device, kernel),
    layout: kernelLayout(device, kernel.bindings),
    resources: (given) => [{ buffer: uniforms, ...blocks[block]! }, ...resources(given)],
    workgroups,
  })
  const inputs = (given: Readonly<Record<SplitTensor, GpuTensor>>): GPUBufferBinding[] => [
    ...splitTensors.map((name, index) => {
      const { offset, size } = ranges[index]!
      const { storage } = given[name]
      return { buffer: storage, offset, size: Math.min(size, storage.size - offset) }
    }),
    { buffer: data },
  ]
  const kernels = stepKernels({ accesses, ...shape })
  const measures = { buffer: own.measures }
  const planes = heads + 2 * kvHeads
  const rows = Math.ceil(Math.max(queryLength, keyLength) / splitRowsAtOnce)
  return {
    chosen: result,
    buffers: [uniforms, wanted, result],
    steps: [
      step(kernels.magnitudes, 0, [pieces.count, planes, batches], (given) => [
        ...inputs(given),
        measures,
      ]),
      step(kernels.choice, 1, [1, 1, 1], () => [measures, { buffer: wanted }, { buffer: result }]),
      step(kernels.halves, 2, [rows, planes, batches], (given) => [
        ...inputs(given),
        measures,
        ...splitTensors.map((name) => ({ buffer: own[name] })),
      ]),
    ],
  }
}

/** The kernels of the steps for contiguous tensors. */
export function splitStepKernels({ shape }: Call): Kernel[] {
  const access = { dtype: 'float32', vector: true, nativeFloat16: true } as const
  const accesses = { query: access, key: access, value: access }
  return Object.values(stepKernels({ accesses, ...shape }))
}
