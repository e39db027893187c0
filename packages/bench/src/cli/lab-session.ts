// What the commands of the laboratory share: threads, an interruption that loses nothing, a progress bar that
// tells the time left.
import { createHash } from 'node:crypto'
import { rmSync } from 'node:fs'
import { cpus } from 'node:os'
import { join } from 'node:path'
import type { LabText } from '../lab/data/text.ts'
import { JobInterrupted } from '../lab/jobs/job.ts'
import type { JobRunner, LabProgress } from '../lab/jobs/run-jobs.ts'
import { createThreadPool } from '../lab/node/thread-pool.ts'
import { cacheFolder } from '../peers/installed.ts'
import { createProgressBar } from '../report/progress.ts'
import { createTimeLeft } from '../report/time-left.ts'

/** Options that all of them have. */
export interface SessionArguments {
  readonly threads?: number
  readonly folder?: string
  readonly resume?: true
}

/** What an experiment gets. */
export interface LabSession {
  readonly runner: JobRunner
  readonly signal: AbortSignal
  readonly onProgress: LabProgress
  /** Where models and results are kept. */
  readonly folder: string
}

/** Lines on standard output, past the progress bar on standard error. */
export interface LabTerminal {
  readonly print: (text: string) => void
  readonly progress: ReturnType<typeof createProgressBar>
}

/** A terminal with a progress bar. */
export function labTerminal(): LabTerminal {
  const progress = createProgressBar(process.stderr)
  return {
    progress,
    print(text) {
      progress.clear()
      process.stdout.write(`${text}\n`)
    },
  }
}

/**
 * Runs an experiment in threads. SIGINT and SIGTERM interrupt it.
 *
 * @param plan - Whatever decides its numbers, beside the text: names its folder in the cache.
 * @returns What it returns; undefined when it was interrupted.
 */
export async function inSession<Result>(
  options: SessionArguments,
  text: LabText,
  plan: unknown,
  { print, progress }: LabTerminal,
  experiment: (session: LabSession) => Promise<Result>,
): Promise<Result | undefined> {
  const digest = createHash('sha256').update(JSON.stringify({ plan, digest: text.digest }))
  const name = digest.digest('hex').slice(0, 16)
  const folder = options.folder ?? join(cacheFolder('lab'), name)
  if (!options.resume) rmSync(folder, { recursive: true, force: true })
  const pool = createThreadPool(text, folder, options.threads ?? cpus().length)
  const interruption = new AbortController()
  const interrupt = (): void => interruption.abort()
  process.once('SIGINT', interrupt)
  process.once('SIGTERM', interrupt)
  const timeLeft = createTimeLeft()
  try {
    return await experiment({
      runner: pool,
      signal: interruption.signal,
      folder,
      onProgress: ({ done, total, label }) => {
        const left = timeLeft(done, total)
        progress.update({ done, total, label: left === '' ? label : `${left}, ${label}` })
      },
    })
  } catch (error) {
    if (!(error instanceof JobInterrupted)) throw error
    print('interrupted; the same command with --resume goes on')
    return undefined
  } finally {
    progress.clear()
    process.off('SIGINT', interrupt)
    process.off('SIGTERM', interrupt)
    await pool.close()
  }
}
