// Partial results merged on the device: of a prefix that sequences share and what each has of its own, of
// the branches of a tree, of the blocks of a ring.
import { contiguousStrides, typeError } from '@attn/core'
import { packedRow } from '../../codegen/access.ts'
import type { GuardedCall } from '../../device/errors.ts'
import { elementBytes } from '../../gpu-tensor.ts'
import type { GpuTensor } from '../../gpu-tensor.ts'
import { mostParts } from '../../kernels/merge/merge.wgsl.ts'
import type { PlanHost } from '../plan-host.ts'
import { createCallCache } from '../call-cache.ts'
import { forgetPipeline, kernelLayout } from '../pipelines.ts'
import { checkMerge, continuesIn } from './merge-tensors.ts'
import type { MergeShape, PartialAttention } from './merge-tensors.ts'
import { mergeBindings, prepareStep } from './prepare-merge.ts'
import type { MergeStep, PreparedMerge } from './prepare-merge.ts'

/** Merging, on one device. */
export interface Merger {
  merge(
    parts: readonly PartialAttention[],
    into?: Partial<PartialAttention>,
  ): { readonly output: GpuTensor; readonly logSumExp: GpuTensor }
  encodeMerge(
    encoder: GPUCommandEncoder,
    parts: readonly PartialAttention[],
    into: PartialAttention,
  ): void
}

/** Makes what merges on a device. */
export function createMerger(host: PlanHost): Merger {
  const { device, buffers, errors, capabilities } = host
  const native = capabilities.shaderFloat16
  const calls = createCallCache<PreparedMerge>(buffers)

  const create = (dtype: GpuTensor['dtype'], shape: readonly number[], row: number): GpuTensor => {
    const [batch, heads, length] = shape as [number, number, number]
    return {
      dtype,
      shape,
      strides:
        shape.length === 3
          ? contiguousStrides(shape)
          : [heads * length * row, length * row, row, 1],
      offset: 0,
      storage: buffers.allocate('merged', batch * heads * length * row * elementBytes(dtype)),
    }
  }
  const createOutput = (
    dtype: GpuTensor['dtype'],
    { batch, heads, queryLength, valueDim }: MergeShape,
  ): GpuTensor =>
    create(dtype, [batch, heads, queryLength, valueDim], packedRow(dtype, valueDim, native))
  const createSums = ({ batch, heads, queryLength }: MergeShape): GpuTensor =>
    create('float32', [batch, heads, queryLength], 1)

  const encodeStep = (
    caller: string,
    call: GuardedCall,
    pass: GPUComputePassEncoder,
    sizes: MergeShape,
    step: MergeStep,
  ): void => {
    const tensors = [step.into, ...step.parts].flatMap(({ output, logSumExp }) => [
      output,
      logSumExp,
    ])
    const views = tensors.map(
      ({ dtype, shape, strides, offset }) => `${dtype}${offset}:${strides.join()}:${shape.join()}`,
    )
    const key = `${step.continues} ${views.join(';')}`
    const prepared = calls.get(key, () => prepareStep(caller, host, sizes, step))
    call.onFailure(() => {
      forgetPipeline(device, prepared.pipeline)
      calls.delete(key)
    })
    pass.setPipeline(prepared.pipeline)
    const layout = kernelLayout(device, mergeBindings(step.parts.length))
    for (const { block, ranges, workgroups } of prepared.dispatches) {
      const bound = tensors.map(({ storage }, index) => {
        const { offset, size } = ranges[index]!
        return { buffer: storage, offset, size: Math.min(size, storage.size - offset) }
      })
      const entries = [{ buffer: prepared.uniforms, ...block }, ...bound].map(
        (resource, binding) => ({ binding, resource }),
      )
      pass.setBindGroup(0, device.createBindGroup({ layout, entries }))
      pass.dispatchWorkgroups(...workgroups)
    }
  }

  const encode = (
    caller: string,
    call: GuardedCall,
    encoder: GPUCommandEncoder,
    sizes: MergeShape,
    parts: readonly PartialAttention[],
    into: PartialAttention,
  ): void => {
    call.reads(...parts.flatMap(({ output, logSumExp }) => [output.storage, logSumExp.storage]))
    call.writes(into.output.storage, into.logSumExp.storage)
    const scratch = needsScratch(parts, into)
      ? { output: createOutput('float32', sizes), logSumExp: createSums(sizes) }
      : undefined
    // Kept by what is encoded for as long as that may be submitted.
    for (const { storage } of Object.values(scratch ?? {})) buffers.forget(storage)
    const pass = encoder.beginComputePass({ label: 'attn merge' })
    for (const step of stepsOf(parts, into, scratch)) encodeStep(caller, call, pass, sizes, step)
    pass.end()
  }

  return {
    merge: (parts, into = {}) => {
      errors.checkAlive('flash.merge')
      const sizes = checkMerge('flash.merge', parts, into, native)
      return errors.guard('flash.merge', (call) => {
        const made: GpuTensor[] = []
        const make = (tensor: GpuTensor): GpuTensor => {
          made.push(tensor)
          return tensor
        }
        try {
          const result = {
            output: into.output ?? make(createOutput(parts[0]!.output.dtype, sizes)),
            logSumExp: into.logSumExp ?? make(createSums(sizes)),
          }
          const encoder = device.createCommandEncoder({ label: 'attn merge' })
          encode('flash.merge', call, encoder, sizes, parts, result)
          device.queue.submit([encoder.finish()])
          return result
        } catch (error) {
          made.forEach(({ storage }) => buffers.release(storage))
          throw error
        }
      })
    },
    encodeMerge: (encoder, parts, into) => {
      errors.checkAlive('flash.encodeMerge')
      if (!into?.output || !into.logSumExp) {
        throw typeError('flash.encodeMerge: need output and logSumExp to write, got none')
      }
      const sizes = checkMerge('flash.encodeMerge', parts, into, native)
      errors.guard('flash.encodeMerge', (call) =>
        encode('flash.encodeMerge', call, encoder, sizes, parts, into),
      )
    },
  }
}

/** Whether sums of more than one dispatch would be rounded to half precision on the way. */
function needsScratch(parts: readonly PartialAttention[], into: PartialAttention): boolean {
  const first = continuesIn(parts, into) ? mostParts + 1 : mostParts
  return into.output.dtype !== 'float32' && parts.length > first
}

/** The dispatches that merge any number of parts. */
function stepsOf(
  parts: readonly PartialAttention[],
  into: PartialAttention,
  scratch: PartialAttention | undefined,
): MergeStep[] {
  const inPlace = continuesIn(parts, into) && !scratch
  const target = scratch ?? into
  const left = parts.slice(inPlace ? 1 : 0)
  const steps: MergeStep[] = []
  // With scratch, the last dispatch reads that too.
  while (left.length > (scratch ? mostParts - 1 : 0)) {
    const continues = inPlace || steps.length > 0
    steps.push({ parts: left.splice(0, mostParts), into: target, continues })
  }
  return scratch ? [...steps, { parts: [scratch, ...left], into, continues: false }] : steps
}
