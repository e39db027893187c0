// Commands of attn as processes: what the lecture is composed of, each with the JSON file that it writes.
import { spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/**
 * A runner of commands, which ends them at a deadline.
 *
 * @param program - Path of the command line's own file.
 * @param seconds - From now on; Infinity for no deadline.
 * @returns A function that runs `attn WORDS` and gives the JSON it writes. It rejects, for people, where the
 *   command fails or the time is over.
 */
export function commandRunner(
  program: string,
  seconds: number,
): (words: readonly string[]) => Promise<unknown> {
  const deadline = performance.now() + 1000 * seconds
  return async (words) => {
    const left = deadline - performance.now()
    const over = `the ${seconds} seconds that --seconds allows were over`
    if (left < 1000) throw new Error(over)
    const folder = mkdtempSync(join(tmpdir(), 'attn-lecture-'))
    const file = join(folder, 'report.json')
    try {
      const { code, errors, timedOut } = await runProcess(program, [...words, '--json', file], left)
      if (timedOut) throw new Error(over)
      // A command ends with 1 where a result is wrong; what it wrote says which.
      if (code !== 0 && code !== 1) throw new Error(errors || `attn ${words[0]} ended with ${code}`)
      try {
        return JSON.parse(readFileSync(file, 'utf8')) as unknown
      } catch {
        throw new Error(errors || `attn ${words[0]} wrote nothing`)
      }
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
  }
}

function runProcess(
  program: string,
  words: readonly string[],
  milliseconds: number,
): Promise<{ readonly code: number | null; readonly errors: string; readonly timedOut: boolean }> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [...process.execArgv, program, ...words], {
      stdio: ['ignore', 'ignore', 'pipe'],
    })
    let errors = ''
    let timedOut = false
    const timer =
      milliseconds === Infinity
        ? undefined
        : setTimeout(() => {
            timedOut = true
            child.kill('SIGKILL')
          }, milliseconds)
    child.stderr.on('data', (text: Buffer) => (errors += text.toString()))
    child.on('error', reject)
    child.on('close', (code) => {
      clearTimeout(timer)
      // Drivers chat; what the command itself says begins with its name.
      const own = errors.split('\n').filter((line) => line.startsWith('attn: '))
      resolve({ code, errors: own.join(' ').replace('attn: ', ''), timedOut })
    })
  })
}
