// A plan bound to a device: encodes the dispatches of a forward pass for the tensors it is given.
import { checkParameters } from '@attn/core'
import type { ResolvedAttention } from '@attn/core'
import type { Access } from '../codegen/access.ts'
import type { BufferPool } from '../device/buffers.ts'
import type { Capabilities } from '../device/capabilities.ts'
import type { ErrorWatch } from '../device/errors.ts'
import { elementBytes } from '../gpu-tensor.ts'
import type { GpuTensor } from '../gpu-tensor.ts'
import { forwardFields, packParameters, withOptionalFields } from '../kernels/parameters.ts'
import { splitDispatches } from '../plan/dispatch.ts'
import type { BoundTensors } from '../plan/dispatch.ts'
import { explainPlan } from '../plan/explain.ts'
import type { PlanExplanation } from '../plan/explain.ts'
import { forwardCode, outputStrides } from '../plan/plan.ts'
import type { ForwardAccesses, ForwardPlan } from '../plan/plan.ts'
import { bindingRanges, boxWork, parameterFields, parameterWords } from './forward-call.ts'
import { checkTensors, isVector } from './forward-tensors.ts'
import type { ForwardInputs, ForwardOutputs } from './forward-tensors.ts'
import { compileForward, forwardLayout, forwardPipeline } from './pipelines.ts'

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
