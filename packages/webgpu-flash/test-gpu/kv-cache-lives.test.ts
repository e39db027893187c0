// Random lives of caches by a fixed seed: appended, padded, cut back, chosen from, shared, grown, saved and
// restored; `pnpm conformance --suites cache --count 2000` runs more of them.
import { describe, expect, test } from 'vitest'
import { acquireGpu } from '../../../tools/testing/acquire-gpu.ts'
import { runCacheLives } from '../../../tools/random/cache-lives.ts'
import { createFlashAttention } from '../src/index.ts'

const gpu = await acquireGpu()
// What a browser adds, the conformance suites try there.
const inBrowser = 'document' in globalThis

describe.skipIf(!gpu || inBrowser)('lives of caches', () => {
  test('come out as a list of tokens', { timeout: 600_000 }, async () => {
    const flash = await createFlashAttention({ gpu: gpu! })
    // Where fewer random problems are asked for, fewer lives too.
    const count = Math.ceil(Number(import.meta.env['ATTN_RANDOM'] || 300) / 15)
    const { failures, passed } = await runCacheLives(flash, { seed: 7, count })
    expect(failures).toEqual([])
    expect(passed).toBe(count)
    flash.destroy()
  })
})
