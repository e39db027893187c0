// What Node compiled, and what it made of TypeScript, is kept for the next process: tests start the attn command and
// compilers dozens of times, each of which would read everything anew.
import { join } from 'node:path'
import { repository } from '../workspace.ts'

/** Processes started from now on keep what they compile, unless the environment names another place. */
export function keepCompiled(): void {
  process.env['NODE_COMPILE_CACHE'] ||= join(repository, 'node_modules/.cache/attn/compiled')
}
