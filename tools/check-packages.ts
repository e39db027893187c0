// node tools/check-packages.ts: packs every package and asks publint and "are the types wrong"
// whether it can be consumed, and size-limit whether it grew past its budget (.size-limit.json).
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { packAll } from './packed-project.ts'
import { runProgram } from './run-program.ts'
import { repository } from './workspace.ts'

const folder = mkdtempSync(join(tmpdir(), 'attn-check-'))
const tarballs = packAll(folder)

for (const [name, tarball] of tarballs) {
  check(`publint ${name}`, 'publint', ['run', '--strict', tarball])
  check(`attw ${name}`, 'attw', [tarball, '--profile', 'esm-only', '--format', 'ascii'])
}
check('size-limit', 'size-limit', [])
rmSync(folder, { recursive: true })

function check(what: string, command: string, parameters: readonly string[]): void {
  try {
    const program = join(repository, 'node_modules/.bin', command)
    const printed = runProgram(program, parameters, repository)
    console.log(command === 'size-limit' ? printed : `${what}: good`)
  } catch (error) {
    console.error(`${what}: ${(error as Error).message}`)
    process.exitCode = 1
  }
}
