// Jobs on several cores: each thread has its own kernels and memory, and does one job after the other.
import { fileURLToPath } from 'node:url'
import { Worker } from 'node:worker_threads'
import type { LabText } from '../data/text.ts'
import { JobInterrupted } from '../jobs/job.ts'
import type { JobProgress, LabJob, LabJobResult } from '../jobs/job.ts'
import type { JobRunner } from '../jobs/run-jobs.ts'
import type { ThreadReply, ThreadRequest, ThreadStart } from './messages.ts'

interface Task {
  readonly id: number
  readonly job: LabJob
  readonly onProgress: (progress: JobProgress) => void
  readonly resolve: (result: LabJobResult) => void
  readonly reject: (error: Error) => void
}

interface Thread {
  readonly worker: Worker
  task: Task | undefined
}

function post({ worker }: Thread, request: ThreadRequest): void {
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread is no window.
  worker.postMessage(request)
}

/** A runner with threads, which have to be ended. */
export interface ThreadPool extends JobRunner {
  close(): Promise<void>
}

/**
 * Threads that share a folder.
 *
 * @param count - How many.
 */
export function createThreadPool(text: LabText, folder: string, count: number): ThreadPool {
  const waiting: Task[] = []
  let next = 0
  let stopped = false
  const start: ThreadStart = { text, folder }
  const file = threadFile()
  const threads = Array.from({ length: count }, (): Thread => {
    const thread: Thread = { worker: new Worker(file, { workerData: start }), task: undefined }
    thread.worker.on('message', (reply: ThreadReply) => receive(thread, reply))
    thread.worker.on('error', (error) => {
      thread.task?.reject(error instanceof Error ? error : new Error(String(error)))
    })
    return thread
  })
  const assign = (): void => {
    for (const thread of threads) {
      if (thread.task || stopped) continue
      thread.task = waiting.shift()
      if (!thread.task) return
      const { id, job } = thread.task
      post(thread, { kind: 'job', id, job })
    }
  }
  const receive = (thread: Thread, reply: ThreadReply): void => {
    const { task } = thread
    if (!task || task.id !== reply.id) return
    if (reply.kind === 'progress') {
      task.onProgress({ done: reply.done, label: reply.label })
      return
    }
    thread.task = undefined
    if (reply.kind === 'result') task.resolve(reply.result)
    else task.reject(reply.interrupted ? new JobInterrupted() : new Error(reply.message))
    assign()
  }
  const interrupt = (): void => {
    if (stopped) return
    stopped = true
    for (const task of waiting.splice(0)) task.reject(new JobInterrupted())
    for (const thread of threads) post(thread, { kind: 'interrupt' })
  }
  return {
    device: `WebAssembly with SIMD, ${count} threads`,
    run(job, { onProgress, signal }) {
      signal?.addEventListener('abort', interrupt, { once: true })
      return new Promise((resolve, reject) => {
        const task = { id: next++, job, onProgress, resolve, reject }
        if (stopped || signal?.aborted) {
          reject(new JobInterrupted())
          return
        }
        waiting.push(task)
        assign()
      })
    },
    async close() {
      await Promise.all(threads.map(({ worker }) => worker.terminate()))
    },
  }
}

/** Beside this file, compiled as this one is. */
function threadFile(): string {
  const ending = import.meta.url.endsWith('.ts') ? 'ts' : 'js'
  return fileURLToPath(new URL(`./thread.${ending}`, import.meta.url))
}
