// A plan's backward pass on a device: keeps what the kernels need between forward and backward calls,
// and encodes them in their order.
import type { Optional, Table } from '@attn/core'
import { contiguousStrides, elementCount } from '@attn/core'
import type { Access } from '../../codegen/access.ts'
import type { GuardedCall } from '../../device/errors.ts'
import { elementBytes } from '../../gpu-tensor.ts'
import type { GpuTensor } from '../../gpu-tensor.ts'
import type { BackwardPlan } from '../../plan/backward/backward-plan.ts'
import type { GradientParts, GradientTotal } from '../../kernels/backward/sum-parts.wgsl.ts'
import { splitTensors } from '../../kernels/backward/split/powers.ts'
import { halvesOf } from '../../kernels/backward/split/halve-rows.wgsl.ts'
import {
  backwardWorkspace,
  isSplit,
  measuresMagnitudes,
} from '../../plan/backward/explain-backward.ts'
import { totalBytes } from '../../plan/backward/gradient-totals.ts'
import { outputStrides } from '../../plan/contiguous-tensors.ts'
import type { PlanHost } from '../plan-host.ts'
import { createPlanTables } from '../tables/table-filler.ts'
import type { PlanTables } from '../tables/table-filler.ts'
import { prepareBackward } from './backward-call.ts'
import type { PreparedBackward } from './backward-call.ts'
import { measureKernel, rowsKernel, summedLookups } from './backward-kernels.ts'
import type { BackwardAccesses, BackwardKernel, HalvesName } from './backward-kernels.ts'
import { gradientSteps } from './gradient-steps.ts'
import { splitKernels } from './split-kernels.ts'
import { backwardShapes, backwardTensorNames, totalledGradient } from './backward-tensors.ts'
import type { BackwardInputs, BackwardOutputs } from './backward-tensors.ts'
import { createCallCache } from '../call-cache.ts'
import type { PlanRope } from '../rotate/plan-rope.ts'
import { forgetPipeline } from '../pipelines.ts'

/** A backward pass on a device. */
export interface BoundBackward {
  /** Checks tensors that a call gives in place of others; see ForwardInputs. */
  checkTables: PlanTables['check']
  /** Kernels for contiguous tensors, in the order they run in. */
  kernels(): readonly BackwardKernel[]
  /** Tensors for gradients that are not given; all of them are in `made`. */
  createOutputs(given: Optional<BackwardOutputs>, made: GpuTensor[]): BackwardOutputs
  /** Records the dispatches of a call whose tensors have been checked. */
  encode(
    caller: string,
    call: GuardedCall,
    encoder: GPUCommandEncoder,
    tensors: BackwardInputs & BackwardOutputs,
    timestampWrites?: GPUComputePassTimestampWrites,
  ): void
  destroy(): void
}

/** Buffers by the names under which kernels bind them. */
type OwnBuffers = Readonly<
  Record<'data' | 'softmaxRows' | 'tableGradients', GPUBuffer> &
    Partial<Record<'magnitudes' | 'ranges' | 'powers' | GradientParts | HalvesName, GPUBuffer>>
> &
  Partial<Record<GradientTotal, GPUBuffer>>

/** Binds a backward plan to a device: uploads its tables and maps, allocates its workspace. */
export function bindBackward(
  host: PlanHost,
  plan: BackwardPlan,
  rope: PlanRope | undefined,
): BoundBackward {
  const { device, buffers, errors, capabilities } = host
  const { storage, tables } = plan
  const { shape, dtype, attention } = plan.call
  const nativeFloat16 = capabilities.shaderFloat16
  const workspace = backwardWorkspace(plan)
  const filled = createPlanTables(host, 'backward tables', plan.data)
  const splitBuffers = (split: typeof workspace.split): Partial<OwnBuffers> =>
    split
      ? {
          ranges: buffers.allocate('ranges of rows', split.ranges),
          powers: buffers.allocate('powers of heads', split.powers),
          ...Object.fromEntries(
            splitTensors.map((name) => [
              halvesOf(name),
              buffers.allocate(`halves of ${name}`, split.halves[name]),
            ]),
          ),
        }
      : {}
  const own = errors.guard('flash.plan', (call) => {
    const made: OwnBuffers = {
      data: filled.buffer,
      softmaxRows: buffers.allocate('softmax rows', workspace.softmaxRows),
      tableGradients: buffers.allocate('sums of table gradients', workspace.tableSums),
      ...(workspace.magnitudes > 0
        ? { magnitudes: buffers.allocate('magnitudes of rows', workspace.magnitudes) }
        : {}),
      ...Object.fromEntries(
        Object.entries(workspace.copies).map(([name, bytes]) => [
          name,
          buffers.allocate(`copies of a gradient, ${name}`, bytes),
        ]),
      ),
      ...splitBuffers(workspace.split),
    }
    call.writes(...Object.values(made))
    return made
  })
  const calls = createCallCache<PreparedBackward>(buffers)
  /** Makes the totals of a call that needs them by its strides alone. */
  const makeTotals = (call: GuardedCall, { steps }: PreparedBackward): void => {
    for (const { name } of steps.flatMap(({ bindings }) => bindings)) {
      const gradient = totalledGradient(name)
      const total = `${gradient}Total` as GradientTotal
      if (!gradient || own[total]) continue
      const made = buffers.allocate(`copies of a gradient, ${total}`, totalBytes(shape, gradient))
      own[total] = made
      call.writes(made)
      call.onFailure(() => {
        delete own[total]
        buffers.release(made)
      })
    }
  }

  const kernels = (): BackwardKernel[] => {
    const access = (dims: number): Access => ({ dtype, nativeFloat16, vector: dims % 4 === 0 })
    const [ofHead, ofValue] = [access(shape.headDim), access(shape.valueDim)]
    const accesses: BackwardAccesses = {
      query: ofHead,
      key: ofHead,
      dQuery: ofHead,
      dKey: ofHead,
      value: ofValue,
      output: ofValue,
      dOutput: ofValue,
      dValue: ofValue,
    }
    const before = [
      ...(measuresMagnitudes(plan)
        ? (['dOutput', 'value'] as const).map((name) => measureKernel(plan, accesses, name))
        : []),
      ...(isSplit(plan) ? splitKernels(plan, accesses) : []),
      rowsKernel(plan, accesses),
    ]
    const gradients = (['key', 'query'] as const).flatMap((name) =>
      gradientSteps(plan, accesses, name),
    )
    return [...before, ...gradients.map(({ kernel }) => kernel)]
  }

  const gradientTensor = (name: 'dQuery' | 'dKey' | 'dValue'): GpuTensor => {
    const gradientShape = backwardShapes(plan.call)[name]
    const [batch, heads, queryLength, valueDim] = gradientShape as [number, number, number, number]
    const layout = { ...shape, heads, queryLength, valueDim }
    const strides = outputStrides(layout, dtype, nativeFloat16)
    const bytes = batch * strides[0]! * elementBytes(dtype)
    return {
      dtype,
      shape: gradientShape,
      strides,
      offset: 0,
      storage: buffers.allocate(name, bytes),
    }
  }
  const floatTensor = (label: string, tensorShape: readonly number[]): GpuTensor => {
    const count = tensorShape.reduce((product, size) => product * size, 1)
    return {
      dtype: 'float32',
      shape: [...tensorShape],
      strides: contiguousStrides(tensorShape),
      offset: 0,
      storage: buffers.allocate(label, 4 * count),
    }
  }

  /** Zeroes what pairs add to in place, in the encoder before the pass. */
  const clearSums = (encoder: GPUCommandEncoder): void => {
    for (const [table, base] of storage.directBases) {
      encoder.clearBuffer(own.tableGradients, 4 * base, 4 * elementCount(table.shape))
    }
  }
  /** Gradients of tables that no kernel sums: copies of what pairs added to, or zeros. */
  const copySums = (encoder: GPUCommandEncoder, dTables: BackwardOutputs['dTables']): void => {
    for (const table of tables) {
      if (summedLookups(plan, table).length > 0) continue
      const { storage: target, offset } = dTables.get(table)!
      const base = storage.directBases.get(table)
      const bytes = 4 * elementCount(table.shape)
      if (base === undefined) encoder.clearBuffer(target, 4 * offset, bytes)
      else encoder.copyBufferToBuffer(own.tableGradients, 4 * base, target, 4 * offset, bytes)
    }
  }

  const bufferOf = (
    name: BackwardKernel['names'][number],
    tensors: BackwardInputs & BackwardOutputs,
  ): GPUBuffer => {
    if (typeof name !== 'string') return tensors.dTables.get(name)!.storage
    if (name === 'dSinks') return tensors.dSinks!.storage
    const { [name as keyof OwnBuffers]: held } = own
    if (held) return held
    return tensors[name as (typeof backwardTensorNames)[number]].storage
  }

  return {
    kernels,
    checkTables: (...given) => filled.check(...given),
    createOutputs: (given, made) => {
      const make = (create: () => GpuTensor): GpuTensor => {
        const view = create()
        made.push(view)
        return view
      }
      const gradient = (name: 'dQuery' | 'dKey' | 'dValue'): GpuTensor =>
        given[name] ?? make(() => gradientTensor(name))
      const ofTable = (table: Table): GpuTensor =>
        given.dTables?.get(table) ?? make(() => floatTensor('table gradient', table.shape))
      return {
        dQuery: gradient('dQuery'),
        dKey: gradient('dKey'),
        dValue: gradient('dValue'),
        dTables: new Map(tables.map((table) => [table, ofTable(table)])),
        ...(attention.sinks
          ? { dSinks: given.dSinks ?? make(() => floatTensor('sink gradient', [shape.heads])) }
          : {}),
      }
    },
    encode: (caller, call, encoder, given, timestampWrites) => {
      const tensors = { ...given, ...rope?.inputs(call, given), ...rope?.gradients(call) }
      const key = callKey(tensors)
      const prepared = calls.get(key, () => prepareBackward(caller, host, plan, tensors))
      makeTotals(call, prepared)
      const { query, key: keys, value, output, logSumExp, dOutput } = tensors
      const read = [query, keys, value, output, logSumExp, dOutput]
      call.reads(own.data, ...read.map((view) => view.storage))
      const { dQuery, dKey, dValue, dTables, dSinks } = tensors
      const written = [dQuery, dKey, dValue, ...dTables.values(), ...(dSinks ? [dSinks] : [])]
      call.writes(...written.map((view) => view.storage))
      call.onFailure(() => {
        prepared.steps.forEach(({ pipeline }) => forgetPipeline(device, pipeline))
        calls.delete(key)
      })
      clearSums(encoder)
      const pass = encoder.beginComputePass({
        label: 'attn backward',
        ...(timestampWrites ? { timestampWrites } : {}),
      })
      filled.fill(caller, call, pass, given.tables)
      rope?.encode(caller, call, pass, given)
      for (const { pipeline, layout, bindings, block, workgroups } of prepared.steps) {
        const bound = bindings.map(({ name, range }) => {
          const buffer = bufferOf(name, tensors)
          if (!range) return { buffer }
          return { buffer, ...range, size: Math.min(range.size, buffer.size - range.offset) }
        })
        const resources = [{ buffer: prepared.uniforms, ...block }, ...bound]
        const entries = resources.map((resource, binding) => ({ binding, resource }))
        pass.setPipeline(pipeline)
        pass.setBindGroup(0, device.createBindGroup({ layout, entries }))
        pass.dispatchWorkgroups(...workgroups)
      }
      rope?.encodeBack(caller, call, pass, given)
      pass.end()
      copySums(encoder, dTables)
    },
    destroy: () => {
      for (const buffer of Object.values(own)) buffers.release(buffer)
      filled.destroy()
      calls.destroy()
    },
  }
}

/** All that calls to one plan may differ in. */
function callKey(tensors: BackwardInputs & BackwardOutputs): string {
  const views = backwardTensorNames.map((name) => {
    const { offset, strides } = tensors[name]
    return `${offset}:${strides.join()}`
  })
  const values = Object.entries(tensors.parameters ?? {}).map((entry) => entry.join('='))
  return [...views, ...values].join(';')
}
