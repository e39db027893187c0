// What calls with the same strides, offsets and parameters have in common, kept from one to the next.
// The number kept is bounded: strides change with every step where a cache of keys grows.
import type { BufferPool } from '../device/buffers.ts'
import type { GpuTensor } from '../gpu-tensor.ts'
import type { BoundRange } from '../plan/dispatch.ts'

/** One dispatch, ready to be encoded. */
export interface PreparedDispatch<Name extends string> {
  /** The part of each tensor's buffer that it binds. */
  readonly ranges: Readonly<Record<Name, BoundRange>>
  /** The part of the call's uniform buffer that is its block. */
  readonly block: BoundRange
  readonly workgroups: readonly [x: number, y: number, z: number]
  /** Where the GPU finds how many it runs, if that is not decided yet. */
  readonly indirect?: { readonly buffer: GPUBuffer; readonly offset: number }
}

/** Dispatches of one kernel. */
export interface PreparedStage<Name extends string> {
  readonly pipeline: GPUComputePipeline
  /** Of decode kernels the lengths of the call. */
  readonly blockMap: GPUBufferBinding
  readonly dispatches: readonly PreparedDispatch<Name>[]
  /** Buffers of the plan's own that are bound in place of tensors, in the ranges of dispatches. Default: none. */
  readonly moved?: Readonly<Partial<Record<Name, GPUBuffer>>>
  /** The same bound whole, which come before these. Default: none. */
  readonly replaced?: Readonly<Partial<Record<Name, GPUBuffer>>>
}

/** A call, ready to be encoded. */
export interface PreparedCall<Name extends string> {
  /** Never rewritten, so that what is encoded already keeps its numbers. */
  readonly uniforms: GPUBuffer
  /** In the order they run in. */
  readonly stages: readonly PreparedStage<Name>[]
  /** What runs before them, with buffers of its own. Default: nothing. */
  readonly before?: PreparedSteps<Name> | undefined
}

/** Dispatches with bindings of their own. */
export interface PreparedSteps<Name extends string> {
  readonly steps: readonly PreparedStep<Name>[]
  /** Buffers that are freed with the call. */
  readonly buffers: readonly GPUBuffer[]
}

/** One dispatch of a kernel with bindings of its own. */
export interface PreparedStep<Name extends string> {
  readonly pipeline: GPUComputePipeline
  readonly layout: GPUBindGroupLayout
  readonly resources: (tensors: Readonly<Record<Name, GpuTensor>>) => readonly GPUBufferBinding[]
  readonly workgroups: readonly [x: number, y: number, z: number]
}

/** What every prepared call has. */
interface Prepared {
  readonly uniforms: GPUBuffer
  readonly before?: { readonly buffers: readonly GPUBuffer[] } | undefined
}

/** Calls by what they depend on. */
export interface CallCache<Call extends Prepared> {
  get(key: string, prepare: () => Call): Call
  delete(key: string): void
  /** Frees all uniform buffers. */
  destroy(): void
}

/** Calls kept, and the bytes of their uniform buffers. */
const mostCalls = 64
const mostBytes = 2 ** 20

/** An empty cache; the call used longest ago makes room first. */
export function createCallCache<Call extends Prepared>(buffers: BufferPool): CallCache<Call> {
  // A Map lists its keys in order of insertion.
  const calls = new Map<string, Call>()
  let bytes = 0
  const remove = (key: string, free: (buffer: GPUBuffer) => void): void => {
    const call = calls.get(key)
    if (!call) return
    calls.delete(key)
    bytes -= call.uniforms.size
    free(call.uniforms)
    call.before?.buffers.forEach(free)
  }
  // Not destroyed: a call that is encoded but not submitted may need it still.
  const forget = (buffer: GPUBuffer): void => buffers.forget(buffer)
  const release = (buffer: GPUBuffer): void => buffers.release(buffer)
  return {
    get: (key, prepare) => {
      const known = calls.get(key)
      if (known) {
        calls.delete(key)
        calls.set(key, known)
        return known
      }
      const call = prepare()
      calls.set(key, call)
      bytes += call.uniforms.size
      for (const oldest of calls.keys()) {
        if (calls.size === 1 || (calls.size <= mostCalls && bytes <= mostBytes)) break
        remove(oldest, forget)
      }
      return call
    },
    delete: (key) => remove(key, forget),
    destroy: () => [...calls.keys()].forEach((key) => remove(key, release)),
  }
}
