// What a device needs outlives the library that asked for it: in Node, Dawn's entry point, without which a device that
// anyone still holds crashes the process or hangs it.
import { expect, test } from 'vitest'
import { acquireGpu } from '../../../tools/testing/acquire-gpu.ts'

const gpu = await acquireGpu()
const inNode = !('document' in globalThis)

test.runIf(gpu && inNode)(
  'the device of a destroyed library answers after garbage was collected, and its process ends by itself',
  { timeout: 300_000 },
  async () => {
    const [{ execFile }, { promisify }, { fileURLToPath }] = await Promise.all([
      import('node:child_process'),
      import('node:util'),
      import('node:url'),
    ])
    const child = fileURLToPath(new URL('outlived-child.ts', import.meta.url))
    const { stdout } = await promisify(execFile)(
      process.execPath,
      ['--expose-gc', '--conditions=attn:source', child],
      { timeout: 280_000 },
    )
    expect(stdout).toBe('ended by itself')
  },
)
