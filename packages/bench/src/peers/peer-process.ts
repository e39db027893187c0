// The other end of a peer's process, Node's or Python's: starts it, sends requests one at a time, and
// turns its death into an error that says what it died of.
import { fork, spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import type { PeerReply, PeerRequests } from './messages.ts'
import type { PeerEntry } from './registry.ts'

/** A peer's process. */
export interface PeerProcess {
  /** @throws Error with the peer's message; when it ended, or took longer than allowed. */
  readonly ask: <Name extends keyof PeerRequests>(
    name: Name,
    request: PeerRequests[Name]['request'],
  ) => Promise<PeerRequests[Name]['reply']>
  readonly end: () => void
}

/** What the last lines on stderr are kept for: the reason of a crash. */
const keptCharacters = 2000
const sourceSuffix = '.ts'

/**
 * Starts the process of a peer.
 *
 * @param timeoutMilliseconds - For one request; a process that takes longer is ended.
 */
export function startPeer(entry: PeerEntry, timeoutMilliseconds: number): PeerProcess {
  const python = entry.create === undefined
  const child = python ? startPython() : startNode(entry.name)
  let complaints = ''
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    complaints = (complaints + text).slice(-keptCharacters)
  })
  let ended: string | undefined
  let settle: ((reply: PeerReply) => void) | undefined
  const end = (reason: string): void => {
    ended ??= reason
    settle?.({ error: ended })
    settle = undefined
  }
  child.on('error', (error) => end(`its process did not start: ${error.message}`))
  child.on('close', (code, signal) => {
    const last = complaints.trim().split('\n').at(-1)
    end(`its process ended with ${signal ?? code}${last ? `: ${last}` : ''}`)
  })
  const take = (reply: PeerReply): void => {
    settle?.(reply)
    settle = undefined
  }
  if (python) {
    createInterface({ input: child.stdout! }).on('line', (line) => {
      // Libraries print what they like; a reply is a line of JSON.
      const reply = parseReply(line)
      if (reply) take(reply)
    })
    // A write to a process that has ended is reported by its end.
    child.stdin!.on('error', () => {})
  } else {
    child.on('message', (reply) => take(reply as PeerReply))
  }
  return {
    async ask(name, request) {
      if (ended !== undefined) throw new Error(ended)
      const message = { name, ...request }
      const reply = await new Promise<PeerReply>((resolve) => {
        const timer = setTimeout(() => {
          end(`took longer than ${timeoutMilliseconds / 1000} s`)
          child.kill('SIGKILL')
        }, timeoutMilliseconds)
        settle = (value) => {
          clearTimeout(timer)
          resolve(value)
        }
        if (python) child.stdin!.write(`${JSON.stringify(message)}\n`)
        else child.send(message)
      })
      if ('error' in reply) throw new Error(reply.error)
      return reply.result as never
    },
    end() {
      ended ??= 'ended'
      child.kill('SIGKILL')
    },
  }
}

function parseReply(line: string): PeerReply | undefined {
  try {
    const value = JSON.parse(line) as PeerReply | null
    return typeof value === 'object' && value ? value : undefined
  } catch {
    return undefined
  }
}

function startNode(name: string): ChildProcess {
  const fromSource = import.meta.url.endsWith(sourceSuffix)
  const worker = new URL(fromSource ? './worker.ts' : './worker.js', import.meta.url)
  return fork(fileURLToPath(worker), [name], {
    execArgv: fromSource ? ['--conditions=attn:source'] : [],
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
  })
}

function startPython(): ChildProcess {
  // The sources are part of the package; so from the compiled files it is the same way.
  const script = new URL('../../src/peers/torch-sdpa.py', import.meta.url)
  const python = process.env['ATTN_PYTHON'] ?? 'python3'
  return spawn(python, ['-u', fileURLToPath(script)], { stdio: ['pipe', 'pipe', 'pipe'] })
}
