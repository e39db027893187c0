// Compiling on a device made in the ordinary way, as a page's is: other tests switch off that workgroup
// memory begins as zeros, which software adapters compile slowly. In a process of its own, since a text that
// explodes takes gigabytes.
import { expect, test } from 'vitest'
import { acquireGpu } from '../../../tools/testing/acquire-gpu.ts'

const gpu = await acquireGpu()
const inNode = !('document' in globalThis)

test.runIf(gpu && inNode)(
  'kernels of every family compile in less than 2 GB with memory that begins as zeros',
  { timeout: 300_000 },
  async () => {
    const [{ execFile }, { promisify }, { fileURLToPath }] = await Promise.all([
      import('node:child_process'),
      import('node:util'),
      import('node:url'),
    ])
    const child = fileURLToPath(new URL('compile-child.ts', import.meta.url))
    const { stdout } = await promisify(execFile)(
      process.execPath,
      ['--conditions=attn:source', child],
      { timeout: 280_000 },
    )
    // In kilobytes, of which Node itself takes 100,000.
    expect(Number(stdout)).toBeGreaterThan(10_000)
    expect(Number(stdout)).toBeLessThan(2_000_000)
  },
)
