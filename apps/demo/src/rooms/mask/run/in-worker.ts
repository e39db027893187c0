// Questions to the worker, one at a time, answered as promises.
import type { Tensor } from '@attn/core'
import type { Settings } from '../settings/settings.ts'
import type { Check } from './check.ts'
import type { Inputs } from './inputs.ts'
import type { CpuRun, WorkerReply, WorkerRequest } from './worker.ts'

let worker: Worker | undefined

function ask<Result>(request: WorkerRequest): Promise<Result> {
  worker ??= new Worker(new URL('./worker.ts', import.meta.url), { type: 'module' })
  const asked = worker
  return new Promise((resolve, reject) => {
    const settle = ({ data }: MessageEvent<WorkerReply>): void => {
      stopListening()
      if (data.kind === 'done') resolve(data.result as Result)
      else reject(new Error(data.message))
    }
    const fail = ({ message }: ErrorEvent): void => {
      stopListening()
      reject(new Error(message || 'the worker did not start'))
    }
    const stopListening = (): void => {
      asked.removeEventListener('message', settle)
      asked.removeEventListener('error', fail)
    }
    asked.addEventListener('message', settle)
    asked.addEventListener('error', fail)
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- workers have no origin
    asked.postMessage(request)
  })
}

/** Random query, key and value for these settings. */
export function inputsInWorker(settings: Settings): Promise<Inputs> {
  return ask({ kind: 'inputs', settings })
}

/** Compares an output with the reference. */
export function checkInWorker(settings: Settings, output: Tensor): Promise<Check> {
  return ask({ kind: 'check', settings, output })
}

/** The run on the CPU, for browsers without WebGPU. */
export function cpuRunInWorker(settings: Settings): Promise<CpuRun> {
  return ask({ kind: 'cpu', settings })
}
