// A plan's rotation: queries and keys are turned into tensors of the plan's own before the attention
// kernel reads them, and gradients of those are turned back.
//
// A kernel of its own, and not a part of the attention kernel's loads: each key is loaded by every tile
// of queries, and would be turned as often. Turned once, it costs one more trip through memory, which
// for a row is 2 D numbers against the L D that attention multiplies.
import type { GuardedCall } from '../../device/errors.ts'
import type { GpuTensor } from '../../gpu-tensor.ts'
import type { ForwardPlan } from '../../plan/plan.ts'
import type { PlanHost } from '../attention-plan.ts'
import { offsetWords } from '../../plan/rotate/rotary-words.ts'
import type { CallLengths } from '../forward/forward-tensors.ts'
import { createRotated } from './rotate-tensor.ts'
import { createRotation } from './rotation.ts'
import { createSlots } from '../slots.ts'
import type { Slots } from '../slots.ts'
import type { CallPositions, Rotation } from './rotation.ts'

/** The tensors that rotation concerns, or those of them that it does. */
type Turned<Name extends string> = Partial<Readonly<Record<Name, GpuTensor>>>

/** Rotation of a plan's tensors on a device. */
export interface PlanRope {
  /** Where the turned ones will be: to be taken in place of what the call gives. */
  inputs(call: GuardedCall): Turned<'query' | 'key'>
  /** Records the rotation of a call's query and key into `inputs`. */
  encode(
    caller: string,
    call: GuardedCall,
    pass: GPUComputePassEncoder,
    given: { readonly query: GpuTensor; readonly key: GpuTensor },
    lengths?: CallLengths,
  ): void
  /**
   * Where the backward pass is to leave the gradients of the turned ones, since the caller wants those
   * of what he gave.
   */
  gradients(call: GuardedCall): Turned<'dQuery' | 'dKey'>
  /** Records the rotation of `gradients` back into the caller's tensors. */
  encodeBack(
    caller: string,
    call: GuardedCall,
    pass: GPUComputePassEncoder,
    wanted: { readonly dQuery: GpuTensor; readonly dKey: GpuTensor },
  ): void
  destroy(): void
}

const sides = ['query', 'key'] as const
type Side = (typeof sides)[number]
const gradientOf = { query: 'dQuery', key: 'dKey' } as const

/** Makes a plan's rotation; undefined where it turns nothing. Tensors are made when first used. */
export function createPlanRope(host: PlanHost, plan: ForwardPlan): PlanRope | undefined {
  const { rope, shape, dtype } = plan
  if (!rope) return undefined
  const { buffers, capabilities } = host
  const { batch, heads, kvHeads, queryLength, keyLength, headDim } = shape
  const shapes: Readonly<Record<Side, readonly number[]>> = {
    query: [batch, heads, queryLength, headDim],
    key: [batch, kvHeads, keyLength, headDim],
  }
  const turned = sides.filter((side) => rope[side])
  const rotations: Partial<Record<Side, Rotation>> = {}
  for (const side of turned) {
    const { rotary, positions } = rope[side]!
    rotations[side] = createRotation(host, 'flash.plan', rotary, positions)
  }
  const tensors = new Map<string, GpuTensor>()
  const tensor = (name: string, side: Side, call: GuardedCall): GpuTensor => {
    const known = tensors.get(name)
    if (known) return known
    const made = createRotated(
      buffers,
      `rotated ${name}`,
      shapes[side],
      dtype,
      capabilities.shaderFloat16,
    )
    tensors.set(name, made)
    // Memory that could not be had is asked for again by the next call.
    call.onFailure(() => {
      if (tensors.get(name) !== made) return
      tensors.delete(name)
      buffers.release(made.storage)
    })
    return made
  }
  // Kept from call to call, for the layers that a step of decoding has.
  let last: { readonly key: string; readonly words: GPUBufferBinding } | undefined
  let places: Slots | undefined
  const positionsOf = (
    caller: string,
    call: GuardedCall,
    { queryOffsets }: CallLengths,
  ): CallPositions => {
    const key = queryOffsets.join()
    if (last?.key !== key) {
      const { words } = offsetWords(caller, queryOffsets, queryLength)
      places ??= createSlots(host, 'positions', words.byteLength)
      // What reads it may be recorded and submitted later.
      last = { key, words: places.write(call, words, true) }
    }
    return { words: last.words, appends: false }
  }
  return {
    inputs: (call) => Object.fromEntries(turned.map((side) => [side, tensor(side, side, call)])),
    encode: (caller, call, pass, given, lengths) => {
      for (const side of turned) {
        const own = lengths && positionsOf(caller, call, lengths)
        rotations[side]!.encode(caller, call, pass, given[side], tensor(side, side, call), 1, own)
      }
    },
    gradients: (call) =>
      Object.fromEntries(
        turned.map((side) => [gradientOf[side], tensor(gradientOf[side], side, call)]),
      ),
    encodeBack: (caller, call, pass, wanted) => {
      for (const side of turned) {
        const name = gradientOf[side]
        rotations[side]!.encode(caller, call, pass, tensor(name, side, call), wanted[name], -1)
      }
    },
    destroy: () => {
      for (const rotation of Object.values(rotations)) rotation.destroy()
      for (const { storage } of tensors.values()) buffers.release(storage)
      tensors.clear()
      places?.destroy()
    },
  }
}
