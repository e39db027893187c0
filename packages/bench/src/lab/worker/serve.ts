// The laboratory in a worker: does what a page asks for, so that the page's own thread stays free.
import { readWindows } from '../evaluation.ts'
import { JobInterrupted } from '../jobs/job.ts'
import { trainSideBySide } from '../side-by-side.ts'
import type { LabPort, LabReply, LabRequest } from './messages.ts'

/**
 * Answers what `connectLab` asks on the other side. A call is the whole of a worker's
 * module.
 *
 * @param port - Default: `self`, of a dedicated worker.
 *
 * @example
 * ```ts no-run
 * import { serveLab } from '@attn/bench/lab'
 * serveLab()
 * ```
 */
export function serveLab(port: LabPort = globalThis): void {
  const running = new Map<number, AbortController>()
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a worker has no origin.
  const reply = (message: LabReply): void => port.postMessage(message)
  const perform = async (request: Exclude<LabRequest, { kind: 'stop' }>): Promise<LabReply> => {
    const { id } = request
    if (request.kind === 'read') {
      const { model, tokens, reading } = request.reading
      return { kind: 'read', id, losses: (await readWindows(model, tokens, reading)).losses }
    }
    const stop = new AbortController()
    running.set(id, stop)
    const models = await trainSideBySide({
      ...request.settings,
      signal: stop.signal,
      onProgress: (progress) => reply({ kind: 'progress', id, progress }),
    })
    return { kind: 'trained', id, models }
  }
  const answer = async (request: LabRequest): Promise<void> => {
    const { id } = request
    if (request.kind === 'stop') {
      running.get(id)?.abort()
      return
    }
    try {
      reply(await perform(request))
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error)
      reply({ kind: 'failed', id, name: nameOf(error), message })
    } finally {
      running.delete(id)
    }
  }
  port.addEventListener('message', ({ data }) => void answer(data as LabRequest))
}

function nameOf(error: unknown): Extract<LabReply, { kind: 'failed' }>['name'] {
  if (error instanceof JobInterrupted) return 'JobInterrupted'
  if (error instanceof RangeError) return 'RangeError'
  return error instanceof TypeError ? 'TypeError' : 'Error'
}
