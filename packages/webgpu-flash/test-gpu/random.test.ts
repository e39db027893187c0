// Random problems of a fixed seed; tools/random draws them, `pnpm conformance --suites random` runs others.
import { describe, expect, test } from 'vitest'
import { acquireGpu } from '../../../tools/testing/acquire-gpu.ts'
import { runRandom } from '../../../tools/random/random-suite.ts'
import { reproduction } from '../../../tools/random/script.ts'
import { deviceKinds } from './devices.ts'

const gpu = await acquireGpu()

// What a browser adds, the conformance suites try there.
const inBrowser = 'document' in globalThis

describe.skipIf(!gpu || inBrowser).each(deviceKinds(gpu))('random problems, %s', (_, create) => {
  // Many share their kernels, which software adapters take a second or two each to compile.
  const options = { seed: 4, count: 300, themeLength: 75, mostFailures: 3 }

  test('come out as on the CPU in float64', { timeout: 900_000 }, async () => {
    const { failures, count, devicesLost } = await runRandom(create, options)
    const programs = failures.map(({ problem, findingsOfSmallest }) =>
      reproduction(problem, findingsOfSmallest),
    )
    expect(programs.join('\n')).toBe('')
    expect({ count, devicesLost }).toEqual({ count: options.count, devicesLost: 0 })
  })
})
