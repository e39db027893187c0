// `attn run` on a WebGPU device: at each length, fill the inputs, then for each method run once,
// compare with the CPU reference, and only then time.
import { UnsupportedError } from '@attn/core'
import { createFlashAttention, GpuOutOfMemoryError } from '@attn/webgpu-flash'
import type { FlashAttention } from '@attn/webgpu-flash'
import type { FoundGpu } from '../device/find-device.ts'
import { GpuWorkError, withErrorScopes } from '../device/error-scope.ts'
import { createGpuStopwatch } from '../measure/gpu-stopwatch.ts'
import { measure } from '../measure/measure.ts'
import { scoreBytes } from '../peers/standard-webgpu/plan.ts'
import { formatBytes } from '../report/format.ts'
import { expectRows, verifyRows } from '../verify/expectation.ts'
import type { Expectation } from '../verify/expectation.ts'
import { createTrainingRun } from '../gradients/training-run.ts'
import { createGpuInputs } from './gpu-inputs.ts'
import type { GpuInputs } from './gpu-inputs.ts'
import { prepareOnGpu } from './gpu-methods.ts'
import type { LengthResult, Outcome, Skipped } from './outcome.ts'
import { maskOf, usefulOperations } from './problem.ts'
import type { Method, Problem } from './problem.ts'
import { forEachMethod } from './for-each-method.ts'
import type { RunLimits, StepListener } from './for-each-method.ts'

/**
 * Verifies and times every method at every length on a GPU.
 *
 * @throws GpuWorkError and the errors of `@attn/webgpu-flash`, other than those for want of memory.
 */
export async function runOnGpu(
  { device, adapterInfo }: FoundGpu,
  problem: Problem,
  limits: RunLimits,
  onStep: StepListener,
): Promise<LengthResult[]> {
  const flash = await createFlashAttention({ device, adapterInfo, training: true })
  const results: LengthResult[] = []
  try {
    for (const length of problem.lengths) {
      results.push(await runLength(flash, problem, length, limits, results, onStep))
    }
  } finally {
    flash.destroy()
  }
  return results
}

async function runLength(
  flash: FlashAttention,
  problem: Problem,
  length: number,
  limits: RunLimits,
  before: readonly LengthResult[],
  onStep: StepListener,
): Promise<LengthResult> {
  const inputs = await orSkip(() => createGpuInputs(flash.device, problem, length))
  if ('status' in inputs) {
    return forEachMethod(problem, length, limits, before, onStep, async () => inputs)
  }
  // Standard and flash attention have the same mask, hence the same right answer.
  const expectations = new Map<boolean, Expectation>()
  const expectationOf = (method: Method): Expectation => {
    const window = method === 'windowFlash'
    const known =
      expectations.get(window) ??
      expectRows(inputs.blocks, length, maskOf(problem, method), problem.dtype)
    expectations.set(window, known)
    return known
  }
  const training = limits.backward ? createTrainingRun(flash, problem, length, inputs) : undefined
  try {
    return await forEachMethod(problem, length, limits, before, onStep, async (method) => {
      const bytes = scoreBytes({ ...problem, queryLength: length, keyLength: length })
      if (method === 'standard' && bytes > limits.memoryBytes) return needs(bytes)
      const run = (): Promise<Outcome> =>
        measureMethod(flash, problem, method, length, limits, inputs, () => expectationOf(method))
      const forward = await orSkip(run, method === 'standard' ? bytes : undefined)
      if (!training || forward.status === 'skipped') return forward
      // P of the forward pass, and dP which becomes dS.
      const stored = 2 * bytes
      const backward =
        method === 'standard' && stored > limits.memoryBytes
          ? needs(stored)
          : await orSkip(
              () => training.measure(method, limits.measure),
              method === 'standard' ? stored : undefined,
            )
      return { ...forward, backward }
    })
  } finally {
    training?.destroy()
    inputs.destroy()
  }
}

async function measureMethod(
  flash: FlashAttention,
  problem: Problem,
  method: Method,
  length: number,
  limits: RunLimits,
  inputs: GpuInputs,
  expectation: () => Expectation,
): Promise<Outcome> {
  const { device } = flash
  const prepared = await prepareOnGpu(flash, problem, method, length, inputs.buffers)
  const stopwatch = createGpuStopwatch(device, prepared.encode)
  try {
    const rows = await withErrorScopes(device, `${method}, length ${length}`, async () => {
      inputs.clearOutput()
      const encoder = device.createCommandEncoder()
      prepared.encode(encoder)
      device.queue.submit([encoder.finish()])
      await flash.finished()
      return inputs.readOutput()
    })
    const verification = verifyRows(expectation(), rows)
    const time = await measure(stopwatch, limits.measure)
    await flash.finished()
    const operations = usefulOperations(problem, method, length)
    return {
      status: 'measured',
      time,
      operations,
      teraflops: operations / time.median / 1e9,
      memoryBytes: prepared.memoryBytes(),
      verification,
      ...(prepared.explanation === undefined ? {} : { explanation: prepared.explanation }),
    }
  } finally {
    stopwatch.destroy()
    prepared.destroy()
  }
}

const needs = (bytes: number): Skipped => ({
  status: 'skipped',
  reason: `needs ${formatBytes(bytes)}`,
})

/** Turns want of memory, or of a large enough binding, into an outcome that says so. */
async function orSkip<Result>(
  work: () => Promise<Result>,
  bytes?: number,
): Promise<Result | Skipped> {
  try {
    return await work()
  } catch (error) {
    const exhausted =
      error instanceof GpuOutOfMemoryError || (error instanceof GpuWorkError && error.outOfMemory)
    if (exhausted || error instanceof UnsupportedError) {
      return bytes === undefined ? { status: 'skipped', reason: 'out of memory' } : needs(bytes)
    }
    throw error
  }
}
