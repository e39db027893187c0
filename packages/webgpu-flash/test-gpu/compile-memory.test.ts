// Compiling on a device made in the ordinary way, as a page's is: other tests switch off that workgroup
// memory begins as zeros, which software adapters compile slowly. In a process of its own, since a text that
// explodes takes gigabytes.
import { expect, test } from 'vitest'
import { canRunChild, runChild } from './run-child.ts'

test.runIf(canRunChild)(
  'kernels of every family compile in less than 2 GB with memory that begins as zeros',
  { timeout: 300_000 },
  async () => {
    const withoutHurry = new URL('../../../tools/testing/poll-without-hurry.ts', import.meta.url)
    const program = new URL('compile-child.ts', import.meta.url)
    const kilobytes = Number(await runChild(program, ['--import', withoutHurry.href]))
    // Node itself takes 100,000.
    expect(kilobytes).toBeGreaterThan(10_000)
    expect(kilobytes).toBeLessThan(2_000_000)
  },
)
