// Runs before each test file of the GPU project: writes down which kernels the file dispatched, one
// line of JSON a file, for tools/check-kernels.ts to compare with those that plans can ask for.
import { appendFileSync, mkdirSync } from 'node:fs'
import { dirname } from 'node:path'
import { afterAll, expect } from 'vitest'
import { observeKernels } from '../kernels/observe.ts'
import type { KernelObserver } from '../kernels/observe.ts'
import type { ObservedFile } from '../kernels/coverage.ts'

const target = process.env['ATTN_KERNELS']

/** Files that share a worker share what watches their dispatches: pipelines outlive files. */
const shared = globalThis as { attnKernelObserver?: KernelObserver }

if (target) {
  const { globals } = await import('webgpu')
  const observer = (shared.attnKernelObserver ??= observeKernels(globals as typeof globalThis))
  afterAll(() => {
    const kernels = Object.fromEntries(observer.take())
    const file = expect.getState().testPath ?? ''
    const line: ObservedFile = { file, kernels }
    mkdirSync(dirname(target), { recursive: true })
    appendFileSync(target, `${JSON.stringify(line)}\n`)
  })
}
