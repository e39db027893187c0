// What a user waits for: from a device that is ready to the first result on the CPU, shader compilation
// included; and how long a plan takes where its kernel is known.
import { cast, tensor, UnsupportedError } from '@attn/core'
import { createFlashAttention, GpuOutOfMemoryError } from '@attn/webgpu-flash'
import type { FoundGpu } from '../device/find-device.ts'
import { median } from '../measure/statistics.ts'
import { normalArray } from '../inputs/normal.ts'
import { watchCompilation } from './compile-clock.ts'
import { maskOf } from './problem.ts'
import type { Problem } from './problem.ts'

/** Parts of a first call, in milliseconds. */
export interface FirstCallStages {
  /** Until the first shader: the plan, the copies to the GPU, the text of the kernels. */
  readonly plan: number
  /** WGSL read and checked (in a browser this is done elsewhere, and part of the next). */
  readonly frontEnd: number
  /** Pipelines made: translation of the WGSL and the driver's compiler. Several are made at once. */
  readonly compile: number
  /** The dispatches, and the results on the CPU. */
  readonly run: number
  /** Kernels that were compiled. */
  readonly kernels: number
}

/** Times of one call, in milliseconds by the wall clock. */
export interface FirstCall {
  /** Length of the call. */
  readonly length: number
  /** From a device to the output of `flash.attention` on the CPU: plan, copies, compilation, run. */
  readonly firstMilliseconds: number
  /** What the first call's time went to, one after the other; they add up to it. */
  readonly stages?: FirstCallStages | undefined
  /** The same call again. */
  readonly secondMilliseconds: number
  /** A plan of the same call, its kernel compiled: the median of several. */
  readonly planMilliseconds: number
}

/** Plans to time. */
const plans = 50

/** Long calls would measure the device's arithmetic, or the bus. */
const longest = 1024

/**
 * Measures on a device that has compiled nothing yet: drivers keep what they have compiled. Undefined
 * where there is no memory for the call.
 */
export async function measureFirstCall(
  { device, adapterInfo }: FoundGpu,
  problem: Problem,
): Promise<FirstCall | undefined> {
  const { batch, heads, headDim, dtype, lengths } = problem
  const length = Math.min(longest, ...lengths)
  const shape = [batch, heads, length, headDim]
  const count = batch * heads * length * headDim
  const input = (seed: number) => cast(tensor(normalArray(seed, count), shape), dtype)
  const [query, key, value] = [input(1), input(2), input(3)]
  const mask = maskOf(problem, 'flash')
  const masked = mask ? { mask } : {}

  const clock = watchCompilation(device)
  const started = performance.now()
  const flash = await createFlashAttention({ device, adapterInfo })
  try {
    await flash.attention(query, key, value, masked)
    const first = performance.now()
    const { began, ended, frontEndMilliseconds, pipelines } = clock.times
    clock.stop()
    await flash.attention(query, key, value, masked)
    const second = performance.now()
    const times = Array.from({ length: plans }, () => {
      const before = performance.now()
      const plan = flash.plan({ batch, heads, queryLength: length, headDim, dtype, ...masked })
      const elapsed = performance.now() - before
      plan.destroy()
      return elapsed
    })
    return {
      length,
      firstMilliseconds: first - started,
      stages: {
        plan: began - started,
        frontEnd: frontEndMilliseconds,
        compile: ended - began - frontEndMilliseconds,
        run: first - ended,
        kernels: pipelines,
      },
      secondMilliseconds: second - first,
      planMilliseconds: median(times),
    }
  } catch (error) {
    if (error instanceof UnsupportedError || error instanceof GpuOutOfMemoryError) return undefined
    throw error
  } finally {
    clock.stop()
    flash.destroy()
  }
}
