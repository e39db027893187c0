// What a diagnosis says of a device.
import type { Capabilities } from '../device/capabilities.ts'

/** A usual call, and the kernel it gets. */
export interface DiagnosedKernel {
  /** The call in words: `float16 forward, headDim 64`. */
  readonly call: string
  /** Name of the kernel, as in `explain().variant`. */
  readonly variant: string
  /** Why this one, and so why not a faster one. */
  readonly reason: string
}

/** A small problem, computed here and by the reference in float64. */
export interface DiagnosedResult {
  /** The problem in words. */
  readonly problem: string
  /** Largest absolute difference; NaN where the result holds NaN. */
  readonly error: number
  /** What is allowed: outputs are averages of values in -1..1. */
  readonly allowed: number
  readonly passed: boolean
}

/** The account of one device. Plain data. */
export interface Diagnosis {
  /** Whether a CPU imitates the GPU. */
  readonly software: boolean
  readonly capabilities: Capabilities
  readonly kernels: readonly DiagnosedKernel[]
  /** What keeps faster kernels away, each with what can be done about it. */
  readonly remedies: readonly string[]
  readonly results: readonly DiagnosedResult[]
}
