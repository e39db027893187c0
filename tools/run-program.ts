// Runs a program to its end, quietly: what it printed is the result, or part of the error.
import { spawnSync } from 'node:child_process'

/** What the program printed to its standard output; throws where its exit status is not 0. */
export function runProgram(command: string, parameters: readonly string[], cwd: string): string {
  const { status, signal, error, stdout, stderr } = spawnSync(command, parameters, {
    cwd,
    encoding: 'utf8',
    shell: process.platform === 'win32',
    timeout: 600_000,
  })
  if (status === 0) return stdout
  const reason = error?.message ?? `exit status ${status ?? signal}`
  const invocation = [command, ...parameters].join(' ')
  throw new Error(`${invocation}: ${reason}, in ${cwd}\n${stdout ?? ''}${stderr ?? ''}`)
}
