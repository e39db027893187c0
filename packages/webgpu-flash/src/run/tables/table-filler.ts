// The tables of a plan on its device: numbers from the CPU are uploaded once, those that lie in GPU buffers
// are written behind them by each call.
import { rangeError, typeError } from '@attn/core'
import type { Table } from '@attn/core'
import type { PackedData } from '../../codegen/data-layout.ts'
import type { GuardedCall } from '../../device/errors.ts'
import { sourceOfTable } from '../../gpu-bias.ts'
import { elementBytes } from '../../gpu-tensor.ts'
import type { GpuTensor } from '../../gpu-tensor.ts'
import {
  fillColumns,
  fillFields,
  fillTableKernel,
  fillThreads,
} from '../../kernels/tables/fill-table.wgsl.ts'
import { packParameters } from '../../kernels/parameters.ts'
import { addressValues } from '../../kernels/tensor-address.ts'
import { checkBindable } from '../../plan/check-bindable.ts'
import { boundRange } from '../../plan/dispatch.ts'
import type { BoundRange } from '../../plan/dispatch.ts'
import type { PlanHost } from '../plan-host.ts'
import { createCallCache } from '../call-cache.ts'
import { accessOf } from '../../plan/access-of.ts'
import { forgetPipeline, kernelLayout, kernelPipeline } from '../pipelines.ts'

/** Tables on a device. */
export interface PlanTables {
  readonly buffer: GPUBuffer
  /**
   * Checks the tensors of a call.
   *
   * @throws RangeError or TypeError for one that does not fit, or that nothing reads.
   */
  check(caller: string, given: ReadonlyMap<Table, GpuTensor> | undefined): void
  /**
   * Records the writing of those that lie in GPU buffers, if there are any.
   *
   * @param given - Tensors to read in place of those that tables were made of.
   */
  fill(
    caller: string,
    call: GuardedCall,
    pass: GPUComputePassEncoder,
    given: ReadonlyMap<Table, GpuTensor> | undefined,
  ): void
  destroy(): void
}

interface PreparedFill {
  readonly uniforms: GPUBuffer
  readonly pipeline: GPUComputePipeline
  readonly range: BoundRange
  readonly workgroups: readonly [x: number, y: number]
}

const bindings = [false, true]
const storageUsage = 0x80
const copyDestination = 0x08
const uniformUsage = 0x40 | 0x08

/** Uploads what is there, and makes room for the rest. */
export function createPlanTables(
  host: PlanHost,
  label: string,
  { words, remote, length }: Pick<PackedData, 'words' | 'remote' | 'length'>,
): PlanTables {
  const { device, buffers, errors, capabilities } = host
  checkBindable('flash.plan', label, 4 * length, capabilities.limits)
  const buffer = errors.guard('flash.plan', (call) => {
    if (remote.length === 0) {
      const uploaded = buffers.upload(label, words, storageUsage)
      call.writes(uploaded)
      return uploaded
    }
    const made = buffers.allocate(label, 4 * length, storageUsage | copyDestination)
    device.queue.writeBuffer(made, 0, words)
    call.writes(made)
    return made
  })
  const calls = createCallCache<PreparedFill>(buffers)
  return {
    buffer,
    check: (caller, given) => {
      if (given !== undefined && typeof given?.get !== 'function') {
        throw typeError(
          `${caller}: tables must be a Map from tables to tensors, got ${typeof given}`,
        )
      }
      for (const table of given?.keys() ?? []) {
        if (remote.some((each) => each.table === table)) continue
        throw rangeError(
          `${caller}: no score modifier of the plan reads ${table?.name} from a GPU buffer; give the table of a bias that biasFromGpuTensor made`,
        )
      }
      for (const { table } of remote) sourceOfTable(caller, table, given)
    },
    fill: (caller, call, pass, given) => {
      for (const { table, base } of remote) {
        const source = sourceOfTable(caller, table, given)
        const key = `${base} ${source.dtype} ${source.offset}:${source.strides.join()}`
        const prepared = calls.get(key, () => prepareFill(caller, host, table, base, source))
        const { uniforms, pipeline, range, workgroups } = prepared
        call.reads(source.storage)
        call.onFailure(() => {
          forgetPipeline(device, pipeline)
          calls.delete(key)
        })
        const { storage } = source
        const bound = { ...range, size: Math.min(range.size, storage.size - range.offset) }
        const entries = [{ buffer: uniforms }, { buffer: storage, ...bound }, { buffer }].map(
          (resource, binding) => ({ binding, resource }),
        )
        pass.setPipeline(pipeline)
        pass.setBindGroup(
          0,
          device.createBindGroup({ layout: kernelLayout(device, bindings), entries }),
        )
        pass.dispatchWorkgroups(...workgroups)
      }
    },
    destroy: () => {
      buffers.release(buffer)
      calls.destroy()
    },
  }
}

function prepareFill(
  caller: string,
  { device, buffers, capabilities }: PlanHost,
  table: Table,
  base: number,
  source: GpuTensor,
): PreparedFill {
  const [batch, heads, rows, dims] = table.shape as [number, number, number, number]
  const access = accessOf(source, capabilities.shaderFloat16)
  const whole = (end: number) => ({ start: 0, end })
  const range = boundRange(
    { view: source, elementBytes: elementBytes(source.dtype), follows: 'queries' },
    capabilities.limits.minStorageBufferOffsetAlignment,
    whole(batch),
    whole(heads),
    whole(rows),
  )
  checkBindable(caller, `tensor of ${table.name}`, range.size, capabilities.limits)
  const words = packParameters(
    fillFields,
    {
      ...addressValues('source', source, access.vector ? 4 : 1, range.offset),
      heads,
      rows,
      allRows: batch * heads * rows,
      place: base,
    },
    new Uint32Array(0),
    new Uint32Array(0),
  )
  const groups = Math.ceil((batch * heads * rows * Math.ceil(dims / 4)) / fillThreads)
  return {
    uniforms: buffers.upload('place of a table', words, uniformUsage),
    pipeline: kernelPipeline(device, {
      label: 'attn fill table',
      bindings,
      code: fillTableKernel(access, dims),
    }),
    range,
    workgroups: [Math.min(groups, fillColumns), Math.ceil(groups / fillColumns)],
  }
}
