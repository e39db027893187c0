// Type-checks the code of the guides. The tests run it with its types stripped, so a guide could
// otherwise show a call that readers' compilers refuse.
import { spawnSync } from 'node:child_process'
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { documentedFiles, snippetsOf } from '../tools/doctest/collect.ts'

const docs = fileURLToPath(new URL('.', import.meta.url))
const folder = join(docs, '.vitepress/cache/guides')
rmSync(folder, { recursive: true, force: true })
mkdirSync(folder, { recursive: true })

const guides = documentedFiles().filter((file) => file.startsWith('docs/'))
for (const { file, line, code, run } of guides.flatMap(snippetsOf)) {
  if (!run) continue
  // Blank lines keep the line numbers of the guide in the compiler's messages.
  const text = `${'\n'.repeat(line - 1)}${code}\nexport {}\n`
  writeFileSync(join(folder, `${basename(file, '.md')}-${line}.ts`), text)
}
writeFileSync(
  join(folder, 'tsconfig.json'),
  JSON.stringify({ extends: '../../../tsconfig.json', include: ['*.ts'] }),
)
const compiler = join(docs, '../node_modules/typescript/bin/tsc')
const { status } = spawnSync(process.execPath, [compiler, '-p', folder], { stdio: 'inherit' })
process.exitCode = status ?? 1
