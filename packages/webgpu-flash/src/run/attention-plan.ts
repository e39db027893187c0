// A plan bound to a device: encodes the dispatches of a forward pass for the tensors it is given.
import { checkParameters } from '@attn/core'
import type { AttentionShape, ResolvedAttention } from '@attn/core'
import type { Access } from '../codegen/access.ts'
import type { BufferPool } from '../device/buffers.ts'
import type { Capabilities } from '../device/capabilities.ts'
import type { ErrorWatch } from '../device/errors.ts'
import { elementBytes } from '../gpu-tensor.ts'
import type { GpuTensor } from '../gpu-tensor.ts'
import {
  floatWord,
  forwardFields,
  packParameters,
  withOptionalFields,
} from '../kernels/parameters.ts'
import { boundRange, splitDispatches, touched } from '../plan/dispatch.ts'
import type { BoundRange, BoundTensors, Dispatch } from '../plan/dispatch.ts'
import { explainPlan } from '../plan/explain.ts'
import type { PlanExplanation } from '../plan/explain.ts'
import { forwardCode, outputStrides } from '../plan/plan.ts'
import type { ForwardAccesses, ForwardPlan } from '../plan/plan.ts'
import { compileForward, forwardLayout, forwardPipeline } from './pipelines.ts'

/** Tensors a forward pass reads, all of the plan's dtype and shape. */
export interface ForwardInputs {
  /** `[B, H, L, D]`, any strides. */
  readonly query: GpuTensor
  /** `[B, Hkv, S, D]`, any strides. */
  readonly key: GpuTensor
  /** `[B, Hkv, S, Dv]`, any strides. */
  readonly value: GpuTensor
  /** Values of the parameters that mask and score modifiers use. */
  readonly parameters?: Readonly<Record<string, number>>
}

/** Tensors a forward pass writes. */
export interface ForwardOutputs {
  /** `[B, H, L, Dv]`. */
  readonly output: GpuTensor
  /** `[B, H, L]`, float32, contiguous. */
  readonly logSumExp: GpuTensor
}

/** A plan on a device. */
export interface AttentionPlan {
  /** What the plan will do and why. */
  explain(): PlanExplanation
  /** The WGSL for contiguous tensors. */
  readonly code: string
  /** Compiles the kernel without blocking; `forward` would compile it on first use. */
  compile(): Promise<void>
  /**
   * Runs the plan. New output tensors are made where none are given; `flash.release` frees them.
   *
   * @throws RangeError or TypeError for tensors that do not fit the plan, DeviceLostError.
   */
  forward(inputs: ForwardInputs & Partial<ForwardOutputs>): ForwardOutputs
  /** Records the plan's dispatches into the caller's encoder. */
  encodeForward(
    encoder: GPUCommandEncoder,
    tensors: ForwardInputs & ForwardOutputs,
    timestampWrites?: GPUComputePassTimestampWrites,
  ): void
  /** New tensors for the results. */
  createOutputs(): ForwardOutputs
  /** Frees the plan's own buffers. Tensors stay. */
  destroy(): void
}

/** What a plan needs of the library it belongs to. */
export interface PlanHost {
  readonly device: GPUDevice
  readonly buffers: BufferPool
  readonly errors: ErrorWatch
  readonly capabilities: Capabilities
}

const storageUsage = 0x80
const uniformUsage = 0x40 | 0x08

/** Binds a plan to a device. */
export function bindPlan(host: PlanHost, plan: ForwardPlan): AttentionPlan {
  const { device, buffers, errors, capabilities } = host
  const { shape, dtype, attention, tile, packedMap } = plan
  const nativeFloat16 = capabilities.shaderFloat16
  const upload = (label: string, words: Uint32Array): GPUBuffer =>
    errors.guard('flash.plan', () => buffers.upload(label, words, storageUsage))
  const mapBuffer = upload('block map', packedMap?.words ?? new Uint32Array(4))
  const dataBuffer = upload('tables', plan.data.words)
  // Uniform blocks are never rewritten, so that calls already encoded keep theirs.
  const uniforms = new Map<string, GPUBuffer>()
  let destroyed = false

  const access = (view: GpuTensor): Access => ({ dtype, nativeFloat16, vector: isVector(view) })
  const contiguousAccess = (dims: number): Access => ({
    dtype,
    nativeFloat16,
    vector: dims % 4 === 0,
  })
  const contiguousCode = (): string =>
    forwardCode(plan, {
      query: contiguousAccess(shape.headDim),
      key: contiguousAccess(shape.headDim),
      value: contiguousAccess(shape.valueDim),
      output: contiguousAccess(shape.valueDim),
    })

  const createOutputs = (): ForwardOutputs => {
    const { batch, heads, queryLength, valueDim } = shape
    const strides = outputStrides(shape, dtype, nativeFloat16)
    return errors.guard('plan.createOutputs', () => ({
      output: {
        dtype,
        shape: [batch, heads, queryLength, valueDim],
        strides,
        offset: 0,
        storage: buffers.allocate('output', batch * strides[0]! * elementBytes(dtype)),
      },
      logSumExp: {
        dtype: 'float32',
        shape: [batch, heads, queryLength],
        strides: [heads * queryLength, queryLength, 1],
        offset: 0,
        storage: buffers.allocate('log-sum-exp', batch * heads * queryLength * 4),
      },
    }))
  }

  const uniformBuffer = (words: Uint32Array): GPUBuffer => {
    const key = words.join()
    const known = uniforms.get(key)
    if (known) return known
    const created = buffers.upload('parameters', words, uniformUsage)
    uniforms.set(key, created)
    return created
  }

  const encodeForward: AttentionPlan['encodeForward'] = (encoder, tensors, timestampWrites) => {
    if (destroyed) throw new TypeError('plan.encodeForward: the plan was destroyed')
    checkTensors(plan, tensors, nativeFloat16)
    const { query, key, value, output, logSumExp } = tensors
    const parameters = tensors.parameters ?? {}
    const withParameters: ResolvedAttention = { ...attention, parameters }
    checkParameters('plan.forward', withParameters)
    const accesses: ForwardAccesses = {
      query: access(query),
      key: access(key),
      value: access(value),
      output: access(output),
    }
    const bound: BoundTensors = { query, key, value, output, elementBytes: elementBytes(dtype) }
    errors.guard('plan.forward', () => {
      const pipeline = forwardPipeline(device, forwardCode(plan, accesses))
      const pass = encoder.beginComputePass({
        label: 'attn forward',
        ...(timestampWrites ? { timestampWrites } : {}),
      })
      pass.setPipeline(pipeline)
      for (const dispatch of splitDispatches(
        shape,
        tile,
        bound,
        { ...capabilities.limits, workBudget: plan.workBudget },
        (box) => boxWork(plan, box),
      )) {
        const ranges = bindingRanges(plan, bound, dispatch, capabilities)
        const words = packParameters(
          withOptionalFields(forwardFields, {
            sinks: attention.sinks !== undefined,
            dropout: attention.dropout !== undefined,
          }),
          parameterFields(plan, tensors, accesses, ranges, dispatch),
          plan.data.descriptors,
          parameterWords(plan, parameters),
        )
        const resources = [
          { buffer: uniformBuffer(words) },
          ...(['query', 'key', 'value', 'output'] as const).map((name) => ({
            buffer: tensors[name].storage,
            offset: ranges[name].offset,
            size: Math.min(ranges[name].size, tensors[name].storage.size - ranges[name].offset),
          })),
          { buffer: logSumExp.storage },
          { buffer: mapBuffer },
          { buffer: dataBuffer },
        ]
        pass.setBindGroup(
          0,
          device.createBindGroup({
            layout: forwardLayout(device),
            entries: resources.map((resource, binding) => ({ binding, resource })),
          }),
        )
        const { queryTiles, heads, batches } = dispatch
        pass.dispatchWorkgroups(
          queryTiles.end - queryTiles.start,
          heads.end - heads.start,
          batches.end - batches.start,
        )
      }
      pass.end()
    })
  }

  return {
    explain: () => explainPlan(plan, capabilities),
    get code() {
      return contiguousCode()
    },
    compile: () => compileForward(device, contiguousCode()),
    createOutputs,
    encodeForward,
    forward: (inputs) => {
      errors.checkAlive('plan.forward')
      checkTensors(plan, inputs, nativeFloat16)
      const made = inputs.output && inputs.logSumExp ? undefined : createOutputs()
      const output = inputs.output ?? made!.output
      const logSumExp = inputs.logSumExp ?? made!.logSumExp
      if (made && inputs.output) buffers.release(made.output.storage)
      if (made && inputs.logSumExp) buffers.release(made.logSumExp.storage)
      const encoder = device.createCommandEncoder({ label: 'attn forward' })
      encodeForward(encoder, { ...inputs, output, logSumExp })
      errors.guard('plan.forward', () => device.queue.submit([encoder.finish()]))
      return { output, logSumExp }
    },
    destroy: () => {
      destroyed = true
      for (const buffer of [mapBuffer, dataBuffer, ...uniforms.values()]) buffers.release(buffer)
      uniforms.clear()
    },
  }
}

/** Whether four neighbours along dim can be moved as one. */
function isVector({ shape, strides, offset }: GpuTensor): boolean {
  const outer = strides.slice(0, 3)
  return (
    shape[3]! % 4 === 0 &&
    strides[3] === 1 &&
    offset % 4 === 0 &&
    outer.every((stride, axis) => stride % 4 === 0 || shape[axis] === 1)
  )
}

function checkTensors(
  { shape, dtype }: ForwardPlan,
  tensors: ForwardInputs & Partial<ForwardOutputs>,
  nativeFloat16: boolean,
): void {
  const { batch, heads, kvHeads, queryLength, keyLength, headDim, valueDim } = shape
  const expected = {
    query: [batch, heads, queryLength, headDim],
    key: [batch, kvHeads, keyLength, headDim],
    value: [batch, kvHeads, keyLength, valueDim],
    output: [batch, heads, queryLength, valueDim],
    logSumExp: [batch, heads, queryLength],
  }
  for (const [name, wanted] of Object.entries(expected)) {
    const view = tensors[name as keyof typeof expected]
    if (view === undefined && (name === 'output' || name === 'logSumExp')) continue
    if (view?.shape?.join() !== wanted.join()) {
      throw new RangeError(
        `plan.forward: ${name} must have shape [${wanted.join(', ')}], got [${view?.shape?.join(', ')}]`,
      )
    }
    const wantedType = name === 'logSumExp' ? 'float32' : dtype
    if (view.dtype !== wantedType) {
      throw new TypeError(`plan.forward: ${name} must be ${wantedType}, got ${view.dtype}`)
    }
  }
  const { output, logSumExp } = tensors
  const odd = (value: number): boolean => value % 2 !== 0
  if (output && dtype === 'float16' && !nativeFloat16) {
    const [batchStride, headStride, rowStride, dimStride] = output.strides as number[]
    if (
      dimStride !== 1 ||
      odd(output.offset) ||
      [batchStride, headStride, rowStride].some((s) => odd(s!))
    ) {
      throw new RangeError(
        'plan.forward: without shader-f16 a float16 output needs dim stride 1 and even other strides and offset; use plan.createOutputs()',
      )
    }
  }
  if (logSumExp && logSumExp.strides.join() !== [heads * queryLength, queryLength, 1].join()) {
    throw new RangeError('plan.forward: logSumExp must be contiguous')
  }
}

/** Floating-point operations in a box of tiles. */
function boxWork(
  { shape, tile, packedMap, blockMap }: ForwardPlan,
  box: Omit<Dispatch, 'merge'>,
): number {
  const count = ({ start, end }: { start: number; end: number }): number => end - start
  const keyTiles = count(box.keyTiles)
  const allKeyTiles = Math.ceil(shape.keyLength / tile.keys)
  const perTile = tile.queries * tile.keys * 2 * (shape.headDim + shape.valueDim)
  let tiles = count(box.queryTiles) * keyTiles
  if (packedMap && blockMap) {
    // Rows are taken by their order; the mean over all maps is close enough for a budget.
    const mean = packedMap.visited / packedMap.rowTiles.length / allKeyTiles
    tiles = Math.ceil(tiles * mean)
  }
  return count(box.batches) * count(box.heads) * tiles * perTile
}

type BindingRanges = Record<'query' | 'key' | 'value' | 'output', BoundRange>

function bindingRanges(
  { shape, tile, packedMap }: ForwardPlan,
  bound: BoundTensors,
  dispatch: Dispatch,
  { limits }: Capabilities,
): BindingRanges {
  const { rows, keys, keyHeads } = touched(shape, tile, dispatch)
  // A block map takes rows in its own order, so that a part of them may lie anywhere.
  const queryRows = packedMap ? { start: 0, end: shape.queryLength } : rows
  const alignment = limits.minStorageBufferOffsetAlignment
  const part = (name: keyof BindingRanges, heads: Dispatch['heads'], range: Dispatch['heads']) =>
    boundRange(bound[name], bound.elementBytes, alignment, dispatch.batches, heads, range)
  return {
    query: part('query', dispatch.heads, queryRows),
    output: part('output', dispatch.heads, queryRows),
    key: part('key', keyHeads, keys),
    value: part('value', keyHeads, keys),
  }
}

/** The uniform block's fields; offsets are from the start of the bound range. */
function parameterFields(
  { shape, attention, packedMap, blockMap }: ForwardPlan,
  tensors: ForwardInputs & ForwardOutputs,
  accesses: ForwardAccesses,
  ranges: BindingRanges,
  dispatch: Dispatch,
): Record<string, number> {
  const fields: Record<string, number> = {
    logSumExpOffset: tensors.logSumExp.offset,
    queryLength: shape.queryLength,
    keyLength: shape.keyLength,
    heads: shape.heads,
    headsPerKeyHead: shape.heads / shape.kvHeads,
    queryTileBase: dispatch.queryTiles.start,
    headBase: dispatch.heads.start,
    batchBase: dispatch.batches.start,
    keyTileBegin: dispatch.keyTiles.start,
    keyTileEnd: dispatch.keyTiles.end,
    mergeWithOutput: dispatch.merge ? 1 : 0,
    mapQueryTiles: blockMap?.queryBlocks ?? 0,
    mapHeads: blockMap?.heads ?? 0,
    mapBatches: blockMap?.batch ?? 0,
    mapRunsBase: packedMap?.runsBase ?? 0,
    mapOrderBase: packedMap?.orderBase ?? 0,
    scale: floatWord(attention.scale),
    ...optionalFields(shape, attention),
    negativeInfinity: floatWord(-Infinity),
  }
  for (const name of ['query', 'key', 'value', 'output'] as const) {
    const view = tensors[name]
    const unit = accesses[name].vector ? 4 : 1
    const [batch, head, row, dim] = view.strides as [number, number, number, number]
    // Wraps below zero where the range begins later; the kernel's u32 sums wrap back.
    fields[`${name}Offset`] = (view.offset - ranges[name].offset / elementBytes(view.dtype)) / unit
    fields[`${name}Batch`] = Math.trunc(batch / unit)
    fields[`${name}Head`] = Math.trunc(head / unit)
    fields[`${name}Row`] = Math.trunc(row / unit)
    fields[`${name}Dim`] = dim
  }
  return fields
}

/** Where the sinks lie in `data`, and dropout's numbers; 0 where there are none. */
function optionalFields(
  { batch }: AttentionShape,
  { dropout }: ResolvedAttention,
): Record<string, number> {
  return {
    sinkBase: 2 * batch,
    dropoutThreshold: dropout?.threshold ?? 0,
    dropoutScale: floatWord(dropout?.scale ?? 1),
    dropoutKeyLow: dropout?.key[0] ?? 0,
    dropoutKeyHigh: dropout?.key[1] ?? 0,
  }
}

function parameterWords(
  { layout }: ForwardPlan,
  values: Readonly<Record<string, number>>,
): Uint32Array {
  return Uint32Array.from(layout.parameters, ({ name, type }) =>
    type === 'float' ? floatWord(values[name]!) : values[name]! >>> 0,
  )
}
