// node tools/publish-jsr.ts DENO [--dry-run]: publishes the packages on JSR with this program of Deno, all of them as
// one workspace, in which they find one another. Without manifests of npm, which Deno would take for its own.
import { cpSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { jsrPackages } from './jsr.ts'
import { runProgram } from './run-program.ts'
import { repository } from './workspace.ts'

const [deno, ...flags] = process.argv.slice(2)
if (deno === undefined) {
  console.error('usage: node tools/publish-jsr.ts DENO [--dry-run]')
  process.exit(2)
}
const folder = mkdtempSync(join(tmpdir(), 'attn-jsr-'))
try {
  for (const name of jsrPackages) {
    for (const part of ['src', 'README.md', 'LICENSE', 'jsr.json']) {
      cpSync(join(repository, name, part), join(folder, name, part), { recursive: true })
    }
  }
  const workspace = jsrPackages.map((name) => `./${name}`)
  writeFileSync(join(folder, 'deno.json'), JSON.stringify({ workspace }))
  console.log(runProgram(deno, ['publish', '--allow-dirty', ...flags], folder))
} catch (error) {
  console.error((error as Error).message)
  process.exitCode = 1
} finally {
  rmSync(folder, { recursive: true, force: true })
}
