// Jobs of an experiment, given to a runner, with one account of how far they are.
import { workOf } from './execute.ts'
import type { JobProgress, LabJob, LabJobResult } from './job.ts'

/** How one job is done. */
export interface JobRunOptions {
  /** Told how far it is. */
  readonly onProgress: (progress: JobProgress) => void
  /** Ends it; what was done is kept where the runner has a store. */
  readonly signal?: AbortSignal | undefined
}

/** Does jobs, several at once where it can. */
export interface JobRunner {
  /** For people: what computes. */
  readonly device: string
  run(job: LabJob, options: JobRunOptions): Promise<LabJobResult>
}

/** Told how far an experiment is, in units of training steps. */
export type LabProgress = (progress: {
  readonly done: number
  readonly total: number
  readonly label: string
}) => void

/** Does a job, once the one it follows is done. */
export type JobStarter = (job: LabJob, after?: Promise<unknown>) => Promise<LabJobResult>

/**
 * A function that starts jobs and adds up their progress.
 *
 * @param all - All that will be started.
 */
export function jobStarter(
  all: readonly LabJob[],
  runner: JobRunner,
  {
    onProgress,
    signal,
  }: { onProgress?: LabProgress | undefined; signal?: AbortSignal | undefined },
): JobStarter {
  const total = Math.ceil(all.reduce((sum, job) => sum + workOf(job), 0))
  const done = new Map<string, number>()
  const tell = (job: LabJob, part: number, label: string): void => {
    done.set(job.name, part)
    const sum = [...done.values()].reduce((made, each) => made + each, 0)
    onProgress?.({ done: Math.floor(sum), total, label })
  }
  return async (job, after) => {
    await after
    const result = await runner.run(job, {
      onProgress: (progress) => tell(job, progress.done, progress.label),
      signal,
    })
    tell(job, workOf(job), job.name)
    return result
  }
}

/** Waits for all, so that nothing goes on behind the caller's back; then the first error counts. */
export async function allOrFirstError<Value>(
  promises: readonly Promise<Value>[],
): Promise<Value[]> {
  const settled = await Promise.allSettled(promises)
  return settled.map((each) => {
    if (each.status === 'rejected') throw each.reason
    return each.value
  })
}
