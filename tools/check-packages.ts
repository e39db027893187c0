// node tools/check-packages.ts: packs every package and asks publint and "are the types wrong"
// whether it can be consumed, and size-limit whether it grew past its budget (.size-limit.json).
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { packAll } from './packed-project.ts'
import { repository } from './workspace.ts'

const folder = mkdtempSync(join(tmpdir(), 'attn-check-'))
const tarballs = packAll(folder)
const failures: string[] = []

for (const [name, tarball] of tarballs) {
  check(`publint ${name}`, 'publint', ['run', '--strict', tarball])
  check(`attw ${name}`, 'attw', [tarball, '--profile', 'esm-only', '--format', 'ascii'])
}
check('size-limit', 'size-limit', [])
rmSync(folder, { recursive: true })

for (const failure of failures) console.error(`failed: ${failure}`)
process.exitCode = failures.length > 0 ? 1 : 0

function check(what: string, command: string, parameters: readonly string[]): void {
  console.log(`\n${what}`)
  const program = join(repository, 'node_modules/.bin', command)
  const shell = process.platform === 'win32'
  const { status } = spawnSync(program, parameters, { cwd: repository, shell, stdio: 'inherit' })
  if (status !== 0) failures.push(what)
}
