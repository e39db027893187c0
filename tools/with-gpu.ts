// node tools/with-gpu.ts COMMAND [ARGUMENTS] [--adapter NAME]: runs a command where WebGPU finds the
// adapter of that name; by default the machine's GPU, or a software device where it has none. The
// command is `node` or one that a package of this repository brings, such as `vitest`.
import { spawn } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { constants } from 'node:os'
import { join } from 'node:path'
import { nodeOn, takeAdapter } from './gpu/adapters.ts'
import type { AdapterName } from './gpu/adapters.ts'
import { repository } from './workspace.ts'

const { adapter, others } = readArguments()
const [command, ...parameters] = others[0] === 'npx' ? others.slice(1) : others
if (command === undefined) {
  console.error('usage: node tools/with-gpu.ts COMMAND [ARGUMENTS] [--adapter NAME]')
  process.exit(2)
}
const { node, environment } = startOn(adapter)

// pnpm's launchers choose a Node by themselves; what they launch is started here instead.
const child = spawn(node, [...programOf(command), ...parameters], {
  stdio: 'inherit',
  env: { ...process.env, ...environment },
})
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => child.kill(signal))
child.on('error', (error) => {
  console.error(`with-gpu: ${command} did not start: ${error.message}`)
  process.exitCode = 127
})
child.on('exit', (code, signal) => {
  process.exitCode = code ?? 128 + (signal ? constants.signals[signal] : 0)
})

function readArguments(): ReturnType<typeof takeAdapter> {
  try {
    return takeAdapter(process.argv.slice(2))
  } catch (error) {
    console.error(`with-gpu: ${(error as Error).message}`)
    process.exit(2)
  }
}

function startOn(name: AdapterName): ReturnType<typeof nodeOn> {
  try {
    return nodeOn(name)
  } catch (error) {
    console.error(`\n*** NO ${name.toUpperCase()} HERE: ${(error as Error).message} ***\n`)
    process.exit(1)
  }
}

/** What Node is given to run a command: nothing for itself, the file of a package's program. */
function programOf(name: string): string[] {
  if (name === 'node') return []
  const folder = join(repository, 'node_modules', name)
  const manifest = join(folder, 'package.json')
  if (existsSync(manifest)) {
    const { bin } = JSON.parse(readFileSync(manifest, 'utf8')) as {
      readonly bin?: string | Readonly<Record<string, string>>
    }
    const file = typeof bin === 'string' ? bin : bin?.[name]
    if (file !== undefined) return [join(folder, file)]
  }
  console.error(`with-gpu: ${name} is neither node nor a program of a package here`)
  process.exit(127)
}
