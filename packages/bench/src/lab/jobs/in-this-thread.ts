// Jobs one after the other in the thread that asks, giving way now and then: what a page has.
import type { LabText } from '../data/text.ts'
import { executeJob } from './execute.ts'
import { memoryStore } from './job.ts'
import type { LabStore } from './job.ts'
import type { JobRunner } from './run-jobs.ts'

/** Does jobs in this thread, one at a time. */
export function inThisThread(text: LabText, store: LabStore = memoryStore()): JobRunner {
  let last: Promise<unknown> = Promise.resolve()
  return {
    device: 'WebAssembly with SIMD, one thread',
    run(job, { onProgress, signal }) {
      const result = last.then(() =>
        executeJob(job, { text, store, onProgress, ...(signal ? { signal } : {}) }),
      )
      last = result.catch(() => {})
      return result
    },
  }
}
