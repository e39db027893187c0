// node ../../tools/prepack.ts, before a package is packed or published: builds it and what it depends on,
// and refuses where that left nothing to publish. What is built already is taken from turbo's cache.
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { runProgram } from './run-program.ts'
import { repository } from './workspace.ts'

const { name } = JSON.parse(readFileSync('package.json', 'utf8')) as { name: string }
const turbo = join(repository, 'node_modules/.bin/turbo')
runProgram(turbo, ['run', 'build', `--filter=${name}`, '--output-logs=errors-only'], repository)
for (const file of ['dist/index.js', 'dist/index.d.ts']) {
  if (!existsSync(file)) throw new Error(`prepack: ${name} has no ${file} after its build`)
}
