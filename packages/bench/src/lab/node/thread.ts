// A thread that does jobs, one at a time; started by thread-pool.ts.
import { parentPort, workerData } from 'node:worker_threads'
import { executeJob } from '../jobs/execute.ts'
import { JobInterrupted } from '../jobs/job.ts'
import { folderStore } from './folder-store.ts'
import type { ThreadReply, ThreadRequest, ThreadStart } from './messages.ts'

const { text, folder } = workerData as ThreadStart
const store = folderStore(folder)
const interruption = new AbortController()
// oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread is no window.
const reply = (message: ThreadReply): void => parentPort!.postMessage(message)

parentPort!.on('message', (request: ThreadRequest) => {
  if (request.kind === 'interrupt') interruption.abort()
  else void answer(request)
})

async function answer({ id, job }: Extract<ThreadRequest, { kind: 'job' }>): Promise<void> {
  const { signal } = interruption
  const onProgress = ({ done, label }: { done: number; label: string }): void =>
    reply({ kind: 'progress', id, done, label })
  try {
    const result = await executeJob(job, { text, store, signal, onProgress })
    reply({ kind: 'result', id, result })
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error)
    reply({ kind: 'error', id, message, interrupted: error instanceof JobInterrupted })
  }
}
