// What a page and the laboratory in its worker say to one another.
import type { ReadingOptions, TrainedModel } from '../evaluation.ts'
import type { SideBySideProgress, SideBySideResult, SideBySideSettings } from '../side-by-side.ts'

/** Held-out tokens to be read by a trained model. */
export interface LabReading {
  readonly model: TrainedModel
  readonly tokens: Uint16Array
  /** Without masks, which do not travel between threads: those of the model's pattern are taken. */
  readonly reading: Omit<ReadingOptions, 'masks'>
}

/** To the worker. */
export type LabRequest =
  | { readonly kind: 'train'; readonly id: number; readonly settings: SideBySideSettings }
  | { readonly kind: 'read'; readonly id: number; readonly reading: LabReading }
  | { readonly kind: 'stop'; readonly id: number }

/** From the worker. */
export type LabReply =
  | { readonly kind: 'progress'; readonly id: number; readonly progress: SideBySideProgress }
  | { readonly kind: 'trained'; readonly id: number; readonly models: SideBySideResult[] }
  | { readonly kind: 'read'; readonly id: number; readonly losses: Float32Array }
  | {
      readonly kind: 'failed'
      readonly id: number
      /** Of the error: which constructor to take, where it is one of these. */
      readonly name: 'RangeError' | 'TypeError' | 'JobInterrupted' | 'Error'
      readonly message: string
    }

/** A worker, or what it calls `self`: whatever takes messages and tells of them. */
export interface LabPort {
  postMessage(message: unknown): void
  addEventListener(type: 'message', listener: (event: MessageEvent) => void): void
}
