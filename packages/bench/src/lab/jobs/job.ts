// What the laboratory does, in pieces that can be done anywhere and taken up again: each is plain data in
// and plain data out, and keeps what it has in a store.
import type { LabConfiguration } from '../configuration.ts'
import type { RopeScaling } from '../positions/methods.ts'

/** Trains a model, and reads held-out text with it. */
export interface TrainingJob {
  readonly kind: 'training'
  /** Of its files: letters, digits and dashes. */
  readonly name: string
  readonly configuration: LabConfiguration
  readonly evaluation: EvaluationSettings
}

/** How trained models are evaluated. */
export interface EvaluationSettings {
  /** Tokens of a window, for each length. */
  readonly lengths: readonly number[]
  /** Held-out tokens that every length predicts; a multiple of all lengths. */
  readonly tokens: number
  /** Keys that a window mask leaves, evaluated at the same lengths; 0 for none. */
  readonly window: number
  /** Lengths of windows that slide by one token; none to leave it out. */
  readonly slidingLengths: readonly number[]
  /** Tokens that each of these predicts. */
  readonly slidingTokens: number
  /** Tokens of a bucket of the loss by place, at the longest length. */
  readonly bucket: number
}

/** What a training job finds. */
export interface TrainingResult {
  /** Mean losses of the training steps, a number for each twentieth of them. */
  readonly losses: readonly number[]
  /** Wall-clock time of a step in milliseconds, the median. */
  readonly stepMilliseconds: number
  /** Perplexity by length. */
  readonly perplexities: readonly number[]
  /** The same where each query sees the last keys only; empty without. */
  readonly windowed: readonly number[]
  /** Perplexity of the last token of sliding windows; empty without. */
  readonly sliding: readonly number[]
  /** Loss in nats by place in windows of the longest length. */
  readonly byPlace: readonly number[]
}

/** Evaluates a trained model whose rotary embedding is extended, without training. */
export interface ScalingJob {
  readonly kind: 'scaling'
  readonly name: string
  /** Name of the training job. */
  readonly model: string
  readonly lengths: readonly number[]
  readonly tokens: number
  /** One for each length. */
  readonly scalings: readonly RopeScaling[]
}

/** What it finds. */
export interface ScalingResult {
  readonly perplexities: readonly number[]
}

/** Trains a trained model on at a greater length. */
export interface FineTuningJob {
  readonly kind: 'fine-tuning'
  readonly name: string
  /** Name of the training job. */
  readonly model: string
  /** Length, batch, steps and rate of the fine-tuning. */
  readonly configuration: LabConfiguration
  readonly scaling: RopeScaling | undefined
  /** Steps at which it is evaluated, ascending; the last is the end. */
  readonly checkpoints: readonly number[]
  /** Lengths at which it is. */
  readonly lengths: readonly number[]
  readonly tokens: number
}

/** What it finds. */
export interface FineTuningResult {
  /** `[checkpoints][lengths]`. */
  readonly perplexities: readonly (readonly number[])[]
}

/** What an experiment is made of, each done on its own. */
export type LabJob = TrainingJob | ScalingJob | FineTuningJob
/** What a job finds. */
export type LabJobResult = TrainingResult | ScalingResult | FineTuningResult

/** Where jobs keep what they have, by name. */
export interface LabStore {
  read(name: string): Promise<Uint8Array | undefined>
  /** Replaces what there was only when it is complete. */
  write(name: string, bytes: Uint8Array): Promise<void>
  remove(name: string): Promise<void>
}

/** A store in memory. */
export function memoryStore(): LabStore {
  const files = new Map<string, Uint8Array>()
  return {
    read: (name) => Promise.resolve(files.get(name)),
    write: (name, bytes) => {
      files.set(name, bytes)
      return Promise.resolve()
    },
    remove: (name) => {
      files.delete(name)
      return Promise.resolve()
    },
  }
}

/** The part of the time that a job has done, in units of training steps. */
export interface JobProgress {
  readonly done: number
  readonly label: string
}

/** What a job works with. */
export interface JobContext {
  readonly text: LabJobText
  readonly store: LabStore
  readonly onProgress?: ((progress: JobProgress) => void) | undefined
  /** Stops a job soon; what it has done is in the store. */
  readonly signal?: AbortSignal | undefined
}

/** The parts of a text that jobs read. */
export interface LabJobText {
  readonly name: string
  readonly digest: string
  readonly characters: readonly string[]
  readonly training: Uint16Array
  readonly heldOut: Uint16Array
  readonly piece?: number | undefined
}

/** A job that was told to stop. */
export class JobInterrupted extends Error {
  override readonly name = 'JobInterrupted'
  constructor() {
    super('interrupted; what was done is kept')
  }
}
