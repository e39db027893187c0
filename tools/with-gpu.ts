// node tools/with-gpu.ts COMMAND [ARGUMENTS]: runs a command where WebGPU finds at least a software
// device. The library path has to be set before a process starts, hence a launcher.
import { spawn } from 'node:child_process'
import { constants } from 'node:os'
import { softwareGpuEnvironment } from './gpu/swiftshader.ts'

const [command, ...parameters] = process.argv.slice(2)
if (command === undefined) {
  console.error('usage: node tools/with-gpu.ts COMMAND [ARGUMENTS]')
  process.exit(2)
}

const child = spawn(command, parameters, {
  stdio: 'inherit',
  shell: process.platform === 'win32',
  env: { ...process.env, ...softwareGpuEnvironment() },
})
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => child.kill(signal))
child.on('error', (error) => {
  console.error(`with-gpu: ${command} did not start: ${error.message}`)
  process.exitCode = 127
})
child.on('exit', (code, signal) => {
  process.exitCode = code ?? 128 + (signal ? constants.signals[signal] : 0)
})
