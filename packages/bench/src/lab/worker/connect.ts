// The page's side of the laboratory in a worker: questions to it, answered as promises.
import { rangeError, typeError } from '@attn/core'
import type { ReadingOptions, TrainedModel, WindowLosses } from '../evaluation.ts'
import { JobInterrupted } from '../jobs/job.ts'
import type { SideBySideOptions, SideBySideResult } from '../side-by-side.ts'
import type { LabPort, LabReply, LabRequest } from './messages.ts'

/** A laboratory in another thread. */
export interface LabConnection {
  /** {@link trainSideBySide} there; an abort of `signal` stops it. */
  train(options: SideBySideOptions): Promise<SideBySideResult[]>
  /** {@link readWindows} there, with the masks of the model's own pattern. */
  read(
    model: TrainedModel,
    tokens: Uint16Array,
    reading: Omit<ReadingOptions, 'masks'>,
  ): Promise<WindowLosses>
}

/** What waits for an answer. */
interface Waiting {
  readonly resolve: (reply: LabReply) => void
  readonly reject: (error: Error) => void
  readonly onProgress?: SideBySideOptions['onProgress']
}

/**
 * Speaks with a worker that runs {@link serveLab}.
 *
 * @param worker - Ending it is the caller's; what waits for it then waits for ever.
 * @returns Its promises reject as the functions they stand for do, and with an Error where the worker does
 *   not start or breaks down.
 *
 * @example
 * ```ts no-run
 * import { connectLab, labText } from '@attn/bench/lab'
 * const worker = new Worker(new URL('./lab-worker.ts', import.meta.url), { type: 'module' })
 * const lab = connectLab(worker)
 * const models = await lab.train({
 *   text: await labText('a book', await (await fetch('book.txt')).text()),
 *   models: [{ positions: 'sinusoidal' }, { positions: 'alibi' }],
 *   configuration: { steps: 300 },
 *   onProgress: ({ model, step, losses, perplexities }) => draw(model, step, losses, perplexities),
 * })
 * ```
 */
export function connectLab(worker: LabPort): LabConnection {
  const waiting = new Map<number, Waiting>()
  let next = 0
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a worker has no origin.
  const post = (request: LabRequest): void => worker.postMessage(request)
  worker.addEventListener('message', ({ data }) => {
    const reply = data as LabReply
    const asked = waiting.get(reply.id)
    if (reply.kind === 'progress') {
      asked?.onProgress?.(reply.progress)
      return
    }
    waiting.delete(reply.id)
    if (reply.kind === 'failed') asked?.reject(errorOf(reply))
    else asked?.resolve(reply)
  })
  const listenForErrors = worker.addEventListener.bind(worker) as unknown as (
    type: 'error',
    listener: (event: { readonly message?: string }) => void,
  ) => void
  listenForErrors('error', ({ message }) => {
    for (const { reject } of waiting.values()) {
      reject(new Error(`connectLab: the worker failed: ${message || 'it did not start'}`))
    }
    waiting.clear()
  })
  const ask = <Kind extends LabReply['kind']>(
    request: LabRequest,
    onProgress?: SideBySideOptions['onProgress'],
  ): Promise<Extract<LabReply, { kind: Kind }>> =>
    new Promise((resolve, reject) => {
      waiting.set(request.id, {
        resolve: resolve as (reply: LabReply) => void,
        reject,
        ...(onProgress ? { onProgress } : {}),
      })
      post(request)
    })
  return {
    async train({ signal, onProgress, ...settings }) {
      if (signal?.aborted) throw new JobInterrupted()
      const id = next++
      const stop = (): void => post({ kind: 'stop', id })
      signal?.addEventListener('abort', stop, { once: true })
      try {
        return (await ask<'trained'>({ kind: 'train', id, settings }, onProgress)).models
      } finally {
        signal?.removeEventListener('abort', stop)
      }
    },
    async read(model, tokens, reading) {
      const { length, stride, rope } = reading
      const own = {
        length,
        ...(stride === undefined ? {} : { stride }),
        ...(rope === undefined ? {} : { rope }),
      }
      const id = next++
      const { losses } = await ask<'read'>({
        kind: 'read',
        id,
        reading: { model, tokens, reading: own },
      })
      return { length, losses }
    },
  }
}

function errorOf({ name, message }: Extract<LabReply, { kind: 'failed' }>): Error {
  switch (name) {
    case 'JobInterrupted':
      return new JobInterrupted()
    case 'RangeError':
      return rangeError(message)
    case 'TypeError':
      return typeError(message)
    case 'Error':
      return new Error(message)
  }
}
