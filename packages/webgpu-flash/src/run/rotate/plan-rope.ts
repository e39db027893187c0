// A plan's rotation: queries and keys are turned into tensors of the plan's own before the attention
// kernel reads them, and gradients of those are turned back.
//
// A kernel of its own, and not a part of the attention kernel's loads: each key is loaded by every tile
// of queries, and would be turned as often. Turned once, it costs one more trip through memory, which
// for a row is 2 D numbers against the L D that attention multiplies.
import type { GuardedCall } from '../../device/errors.ts'
import type { GpuTensor } from '../../gpu-tensor.ts'
import type { Call } from '../../plan/call.ts'
import type { PlanHost } from '../plan-host.ts'
import type { AppendedTokens } from '../cache/appended-tokens.ts'
import type { PositionWords } from '../../plan/rotate/rotary-words.ts'
import type { CallLengths } from '../forward/call-lengths.ts'
import type { ForwardInputs } from '../forward/forward-tensors.ts'
import { keyPositions, queryPositions, rowsLike } from './call-positions.ts'
import { createRotated } from './rotate-tensor.ts'
import { createRotation } from './rotation.ts'
import { createSlots } from '../slots.ts'
import type { Slots } from '../slots.ts'
import type { Rotation } from './rotation.ts'

/** The tensors that rotation concerns, or those of them that it does. */
type Turned<Name extends string> = Partial<Readonly<Record<Name, GpuTensor>>>

/** What a call gives. */
type RopeInputs = Pick<ForwardInputs, 'query' | 'key' | 'places'> & {
  readonly appended?: AppendedTokens | undefined
}

/** Rotation of a plan's tensors on a device. */
export interface PlanRope {
  /** Where the turned ones will be: to be taken in place of what the call gives. */
  inputs(call: GuardedCall, given: { readonly key: GpuTensor }): Turned<'query' | 'key'>
  /** Records the rotation of a call's query and key into `inputs`. */
  encode(
    caller: string,
    call: GuardedCall,
    pass: GPUComputePassEncoder,
    given: RopeInputs,
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
export function createPlanRope(host: PlanHost, planned: Call): PlanRope | undefined {
  const { rope, shape, dtype } = planned
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
  /** Rotations by positions that are laid out in other ways, as some calls have them. */
  const others = new Map<string, Rotation>()
  const rotationFor = (side: Side, { batchStep, rowStep, growth }: PositionWords): Rotation => {
    const { rotary, positions } = rope[side]!
    if (positions.rowStep === rowStep && positions.batchStep === batchStep) return rotations[side]!
    const key = [side, batchStep, rowStep].join()
    const known = others.get(key)
    if (known) return known
    const layout = { words: new Uint32Array(2), batchStep, rowStep, growth }
    const made = createRotation(host, 'flash.plan', rotary, layout)
    others.set(key, made)
    return made
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
  const last: Partial<Record<Side, { readonly key: string; readonly words: GPUBufferBinding }>> = {}
  const slots: Partial<Record<Side, Slots>> = {}
  const bindingOf = (call: GuardedCall, side: Side, { words }: PositionWords): GPUBufferBinding => {
    const key = words.join()
    const known = last[side]
    if (known?.key === key) return known.words
    slots[side] ??= createSlots(host, 'positions', words.byteLength)
    // What reads it may be recorded and submitted later.
    const made = { key, words: slots[side].write(call, words, true) }
    last[side] = made
    return made.words
  }
  const keyOf = (call: GuardedCall, given: { readonly key: GpuTensor }): GpuTensor =>
    rowsLike(tensor('key', 'key', call), given.key)
  return {
    inputs: (call, given) => ({
      ...(rope.query ? { query: tensor('query', 'query', call) } : {}),
      ...(rope.key ? { key: keyOf(call, given) } : {}),
    }),
    encode: (caller, call, pass, given, lengths) => {
      for (const side of turned) {
        const output = side === 'key' ? keyOf(call, given) : tensor(side, side, call)
        if (!lengths) {
          rotations[side]!.encode(caller, call, pass, given[side], output, 1)
          continue
        }
        const positions =
          side === 'query'
            ? queryPositions(caller, lengths, queryLength, given, rope.gap)
            : keyPositions(lengths, given.key, given, rope.gap)
        const own = { words: bindingOf(call, side, positions) }
        rotationFor(side, positions).encode(caller, call, pass, given[side], output, 1, own)
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
      for (const rotation of others.values()) rotation.destroy()
      for (const own of Object.values(slots)) own.destroy()
    },
  }
}
