// A plan bound to a device: encodes the dispatches of a forward pass for the tensors it is given.
import { checkParameters, typeError } from '@attn/core'
import type { GuardedCall } from '../device/errors.ts'
import { checkBindable } from '../plan/check-bindable.ts'
import { explainPlan } from '../plan/explain.ts'
import type { ForwardPlan } from '../plan/forward/forward-plan.ts'
import { createBindGroups } from './bind-groups.ts'
import type { AttentionPlan } from './attention-plan-interface.ts'
import type { PlanHost } from './plan-host.ts'
import { createCallCache } from './call-cache.ts'
import type { PreparedCall } from './call-cache.ts'
import { createPlanRope } from './rotate/plan-rope.ts'
import { callLengths, inputsOfCall } from './forward/call-lengths.ts'
import { checkTensors, forwardTensorNames } from './forward/forward-tensors.ts'
import type {
  ForwardInputs,
  ForwardOutputs,
  ForwardRequest,
  ForwardTensorName,
} from './forward/forward-tensors.ts'
import { compileKernels, forgetPipeline, forwardKernel, forwardLayout } from './pipelines.ts'
import { withoutBackward } from './backward/training-on-demand.ts'
import type { PlannedBackward } from './backward/training-interface.ts'
import { createPlanTables } from './tables/table-filler.ts'
import { bindForward } from './forward/bound-forward.ts'
import { createOutputMaker } from './forward/make-outputs.ts'
import { planKernels, planTexts } from './forward/plan-texts.ts'
import { forwardCallKey } from './forward/call-key.ts'
import { bindWeights } from './weights/plan-weights.ts'

const storageUsage = 0x80

/** Binds a plan to a device. */
export function bindPlan(
  host: PlanHost,
  plan: ForwardPlan,
  backward?: PlannedBackward,
): AttentionPlan {
  const { device, buffers, errors, capabilities } = host
  const { call: planned } = plan
  const { attention, data } = planned
  const nativeFloat16 = capabilities.shaderFloat16
  const upload = (label: string, words: Uint32Array): GPUBuffer =>
    errors.guard('flash.plan', (call) => {
      checkBindable('flash.plan', label, words.byteLength, capabilities.limits)
      const buffer = buffers.upload(label, words, storageUsage)
      call.writes(buffer)
      return buffer
    })
  const tables = createPlanTables(host, 'tables', data)
  const forward = bindForward(host, plan, upload, tables.buffer)
  const calls = createCallCache<PreparedCall<ForwardTensorName>>(buffers)
  const groups = createBindGroups(device)
  const rope = createPlanRope(host, planned)
  let destroyed = false

  const withOutputs = createOutputMaker(planned, buffers, nativeFloat16)
  const checkUsable = (caller: string): void => {
    errors.checkAlive(caller)
    if (destroyed) throw typeError(`${caller}: the plan was destroyed`, 'ATTN_DESTROYED')
  }
  const training = backward?.bind(host, rope, checkUsable) ?? withoutBackward()
  const weights = bindWeights(host, planned, rope, tables, checkUsable)
  const check = (caller: string, { rowMaximum, ...tensors }: ForwardRequest): void => {
    checkUsable(caller)
    const asked = rowMaximum === undefined || typeof rowMaximum === 'boolean'
    checkTensors(caller, plan, asked ? tensors : { ...tensors, rowMaximum }, nativeFloat16)
    checkParameters(caller, { ...attention, parameters: tensors.parameters ?? {} })
    callLengths(caller, planned, tensors)
    tables.check(caller, tensors.tables)
  }

  const encode = (
    caller: string,
    call: GuardedCall,
    encoder: GPUCommandEncoder,
    given: ForwardInputs & ForwardOutputs,
    timestampWrites?: GPUComputePassTimestampWrites,
  ): void => {
    const tensors = { ...given, ...rope?.inputs(call, given) }
    const key = forwardCallKey(tensors)
    const prepared = calls.get(key, () => forward.prepare(caller, tensors))
    call.reads(...forwardTensorNames.slice(0, 3).map((name) => tensors[name].storage))
    call.reads(...prepared.stages.map(({ blockMap }) => blockMap.buffer), tables.buffer)
    call.writes(tensors.output.storage, tensors.logSumExp.storage)
    call.onFailure(() => {
      const compiled = [...(prepared.before?.steps ?? []), ...prepared.stages]
      compiled.forEach(({ pipeline }) => forgetPipeline(device, pipeline))
      calls.delete(key)
    })
    const pass = encoder.beginComputePass({
      label: 'attn forward',
      ...(timestampWrites ? { timestampWrites } : {}),
    })
    tables.fill(caller, call, pass, given.tables)
    rope?.encode(caller, call, pass, given, callLengths(caller, planned, given))
    for (const { pipeline, layout, resources, workgroups } of prepared.before?.steps ?? []) {
      const entries = resources(tensors).map((resource, binding) => ({ binding, resource }))
      pass.setPipeline(pipeline)
      pass.setBindGroup(0, device.createBindGroup({ layout, entries }))
      pass.dispatchWorkgroups(...workgroups)
    }
    for (const { pipeline, blockMap, dispatches, replaced, moved } of prepared.stages) {
      pass.setPipeline(pipeline)
      for (const dispatch of dispatches) {
        const { ranges, block, workgroups, indirect } = dispatch
        const resources = [
          { buffer: prepared.uniforms, ...block },
          ...forwardTensorNames.map((name) => {
            const own = replaced?.[name]
            if (own) return { buffer: own }
            const { offset, size } = ranges[name]
            const storage = moved?.[name] ?? tensors[name].storage
            return { buffer: storage, offset, size: Math.min(size, storage.size - offset) }
          }),
          blockMap,
          { buffer: tables.buffer },
        ]
        pass.setBindGroup(0, groups.get(dispatch, forwardLayout(device), resources))
        if (indirect) pass.dispatchWorkgroupsIndirect(indirect.buffer, indirect.offset)
        else pass.dispatchWorkgroups(...workgroups)
      }
    }
    pass.end()
    const { rowMaximum } = given
    if (rowMaximum) weights.encodeRowMaximum(caller, call, encoder, given, rowMaximum)
  }

  return {
    backward: (inputs) => training.backward(inputs),
    encodeBackward: (...call) => training.encodeBackward(...call),
    createGradients: () => training.createGradients(),
    get backwardCode() {
      return training.backwardCode
    },
    weights: (inputs) => weights.weights(inputs),
    encodeWeights: (...call) => weights.encodeWeights(...call),
    explain: () => explainPlan(plan, capabilities, backward?.explain()),
    get code() {
      return planTexts(plan, capabilities).join('\n')
    },
    compile: async () => {
      checkUsable('plan.compile')
      const kernels = [
        ...planTexts(plan, capabilities).map(forwardKernel),
        ...planKernels(plan),
        ...training.kernels(),
      ]
      await errors.outcome('plan.compile', compileKernels(device, kernels))
      // A lost device compiles anything.
      await errors.stillAlive('plan.compile')
    },
    createOutputs: () => {
      checkUsable('plan.createOutputs')
      return errors.guard('plan.createOutputs', (call) =>
        withOutputs({}, ({ output, logSumExp }) => call.writes(output.storage, logSumExp.storage)),
      )
    },
    encodeForward: (encoder, given, timestampWrites) => {
      const tensors = inputsOfCall('plan.encodeForward', planned, given)
      check('plan.encodeForward', tensors)
      errors.guard('plan.encodeForward', (call) =>
        encode('plan.encodeForward', call, encoder, tensors, timestampWrites),
      )
    },
    forward: (given) => {
      const inputs = inputsOfCall('plan.forward', planned, given)
      check('plan.forward', inputs)
      const { rowMaximum: _, ...tensors } = inputs
      return errors.guard('plan.forward', (call) =>
        withOutputs(inputs, (outputs) => {
          const encoder = device.createCommandEncoder({ label: 'attn forward' })
          encode('plan.forward', call, encoder, { ...tensors, ...outputs })
          device.queue.submit([encoder.finish()])
        }),
      )
    },
    destroy: () => {
      destroyed = true
      forward.destroy()
      tables.destroy()
      calls.destroy()
      training.destroy()
      weights.destroy()
      rope?.destroy()
    },
  }
}
