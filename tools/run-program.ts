// Runs a program to its end, quietly: what it printed is the result, or part of the error.
import { spawnSync } from 'node:child_process'

/**
 * What the program printed to its standard output; throws where its exit status is not 0.
 *
 * @param environment - Besides this process's own. Default: nothing.
 */
export function runProgram(
  command: string,
  parameters: readonly string[],
  cwd: string,
  environment: Readonly<Record<string, string>> = {},
): string {
  const run = () => spawn(command, parameters, cwd, environment)
  const first = run()
  // Once in some hundred times a process that used a software adapter is killed in native code as its threads
  // end. Programs get a second chance after that, and only after that; and it is said.
  const killed = first.signal === 'SIGABRT' || first.signal === 'SIGSEGV'
  if (killed) process.stderr.write(`${command} was ended by ${first.signal}; it runs once more\n`)
  const { status, signal, error, stdout, stderr } = killed ? run() : first
  if (status === 0) return stdout
  const reason = error?.message ?? `exit status ${status ?? signal}`
  const invocation = [command, ...parameters].join(' ')
  throw new Error(`${invocation}: ${reason}, in ${cwd}\n${stdout ?? ''}${stderr ?? ''}`)
}

function spawn(
  command: string,
  parameters: readonly string[],
  cwd: string,
  environment: Readonly<Record<string, string>>,
) {
  return spawnSync(command, parameters, {
    cwd,
    env: { ...process.env, ...environment },
    encoding: 'utf8',
    shell: process.platform === 'win32',
    timeout: 600_000,
  })
}
