// What a device needs outlives the library that asked for it: in Node, Dawn's entry point, without which a device that
// anyone still holds crashes the process or hangs it.
import { expect, test } from 'vitest'
import { canRunChild, runChild } from './run-child.ts'

test.runIf(canRunChild)(
  'the device of a destroyed library answers after garbage was collected, and its process ends by itself',
  { timeout: 300_000 },
  async () => {
    expect(await runChild(new URL('outlived-child.ts', import.meta.url), ['--expose-gc'])).toBe(
      'ended by itself',
    )
  },
)
