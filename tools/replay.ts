// Process replay from the command line (packages/webgpu-flash/test/replay):
//
//   pnpm replay                   which plans differ from the committed hashes
//   pnpm replay --update          writes the hashes of now; commit them with the change that caused them
//   pnpm replay --write FOLDER    writes every plan's texts, bindings and commands, to compare two commits
//   pnpm replay --compile         compiles every distinct text with Dawn and the driver at hand, as a
//                                 nightly job does; --json FILE keeps what failed
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { compileTexts } from './gpu/compile-texts.ts'
import { hashLine, replayAll, touchedPlans } from '../packages/webgpu-flash/test/replay/replay.ts'

const file = fileURLToPath(
  new URL('../packages/webgpu-flash/test/replay/plans.txt', import.meta.url),
)
const { values } = parseArgs({
  options: {
    update: { type: 'boolean', default: false },
    write: { type: 'string' },
    compile: { type: 'boolean', default: false },
    json: { type: 'string' },
  },
})

const started = performance.now()
const plans = await replayAll()
const seconds = ((performance.now() - started) / 1000).toFixed(1)
const lines = plans.map(hashLine)
const texts = new Set(plans.flatMap(({ recording }) => recording.texts))
console.log(`${plans.length} plans, ${texts.size} texts in ${seconds} s`)

if (values.update) {
  writeFileSync(file, `${lines.join('\n')}\n`)
} else {
  const touched = touchedPlans(readFileSync(file, 'utf8').trimEnd().split('\n'), lines)
  for (const name of touched) console.log(`  changed: ${name}`)
  console.log(`${touched.length} plans differ from the committed hashes`)
  if (touched.length > 0) process.exitCode = 1
}
if (values.write !== undefined) {
  for (const { name, recording } of plans) {
    const folder = join(values.write, name.replaceAll(/[^\w.-]+/g, '-'))
    mkdirSync(folder, { recursive: true })
    recording.texts.forEach((text, index) =>
      writeFileSync(join(folder, `kernel-${index}.wgsl`), text),
    )
    writeFileSync(join(folder, 'bindings.txt'), `${recording.bindings.join('\n')}\n`)
    writeFileSync(join(folder, 'commands.txt'), `${recording.commands.join('\n')}\n`)
  }
}
if (values.compile) {
  const result = await compileTexts(plans)
  if (values.json !== undefined) {
    writeFileSync(values.json, `${JSON.stringify(result, undefined, 2)}\n`)
  }
  const { adapter, compiled, refused, failures } = result
  console.log(
    `${adapter}: ${compiled} texts compiled, ${refused} need what it does not have, ${failures.length} failed`,
  )
  for (const { plan, message } of failures) console.log(`  ${plan}: ${message}`)
  process.exit(failures.length > 0 ? 1 : (process.exitCode ?? 0))
}
