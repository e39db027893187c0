// Work that only one process may do at a time, such as packing: it builds into folders that all processes share, and takes
// away for a moment what another is about to read.
import { mkdirSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { repository } from './workspace.ts'

/** After so long a process that holds a lock has ended without giving it back. */
const longest = 5 * 60_000
const pause = new Int32Array(new SharedArrayBuffer(4))

/**
 * Does the work once no other process does work of this name.
 *
 * @param folder - Where the locks lie.
 */
export function oneAtATime<Result>(
  name: string,
  work: () => Result,
  folder: string = join(repository, 'node_modules/.cache/attn/locks'),
): Result {
  mkdirSync(folder, { recursive: true })
  const lock = join(folder, name)
  while (!taken(lock)) Atomics.wait(pause, 0, 0, 100)
  try {
    return work()
  } finally {
    rmSync(lock, { recursive: true, force: true })
  }
}

/** Whether the lock is this process's now. Of two that make a folder only one succeeds. */
function taken(lock: string): boolean {
  try {
    mkdirSync(lock)
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
  }
  const since = statSync(lock, { throwIfNoEntry: false })?.mtimeMs
  if (since !== undefined && Date.now() - since > longest) {
    rmSync(lock, { recursive: true, force: true })
  }
  return false
}
