// Inputs, clock and the whole of `attn run` on a WebGPU device.
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { acquireGpu, requireFeature } from '../../../tools/testing/acquire-gpu.ts'
import { browserEquivalent, stableBrowser } from '../src/device/dawn-flags.ts'
import type { DawnFlags } from '../src/device/dawn-flags.ts'
import { GpuWorkError, withErrorScopes } from '../src/device/error-scope.ts'
import { findDevice } from '../src/device/find-device.ts'
import { bufferBytes, fillNormal } from '../src/inputs/fill-normal.ts'
import { normalArray } from '../src/inputs/normal.ts'
import { readRanges } from '../src/inputs/read-back.ts'
import { createGpuStopwatch } from '../src/measure/gpu-stopwatch.ts'
import type { EncodeWork } from '../src/measure/gpu-stopwatch.ts'
import { formatConfiguration } from '../src/report/summary.ts'
import { run } from '../src/suites/run.ts'
import type { Progress } from '../src/suites/outcome.ts'

const gpu = await acquireGpu()

describe.skipIf(!gpu)('on a WebGPU device', () => {
  let device: GPUDevice
  beforeAll(async () => {
    const adapter = await gpu!.requestAdapter()
    const clock = adapter!.features.has('timestamp-query')
    device = await adapter!.requestDevice({ requiredFeatures: clock ? ['timestamp-query'] : [] })
  })
  afterAll(() => device.destroy())

  const createBuffer = (size: number): GPUBuffer =>
    device.createBuffer({ size, usage: GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC })

  test('inputs are the same numbers as on the CPU, any part of them', async () => {
    const count = 100_000
    const buffer = createBuffer(bufferBytes('float32', count))
    await fillNormal(device, buffer, 'float32', 5)
    const [start, end] = await readRanges(device, buffer, 'float32', [
      { first: 0, count: 1000 },
      { first: count - 1000, count: 1000 },
    ])
    const expected = normalArray(5, count)
    expect(start).toEqual(expected.slice(0, 1000))
    expect(end).toEqual(expected.slice(-1000))
    buffer.destroy()
  })

  test('float16 inputs are those numbers, rounded', async () => {
    const buffer = createBuffer(bufferBytes('float16', 1000))
    await fillNormal(device, buffer, 'float16', 5)
    const [values] = await readRanges(device, buffer, 'float16', [{ first: 0, count: 1000 }])
    const expected = normalArray(5, 1000)
    const off = values!.map((value, index) => Math.abs(value - expected[index]!))
    expect(Math.max(...off)).toBeGreaterThan(0)
    // Half a step between 2 and 4, or a whole one where the GPU rounds towards zero.
    expect(Math.max(...off)).toBeLessThan(2 ** -9)
    buffer.destroy()
  })

  test('timestamps enclose all iterations: more work takes longer, and all of it is done', async (context) => {
    requireFeature(context, device, 'timestamp-query')
    const { encode, buffer, runs } = await countingWork(device)
    const stopwatch = createGpuStopwatch(device, encode)
    expect(stopwatch.clock).toBe('gpu-timestamps')
    await stopwatch.time(1)
    // The least of some: on a software device a reading may hold somebody else's turn on the CPU.
    let [few, many] = [Infinity, Infinity]
    for (let turn = 0; turn < 5; turn++) {
      few = Math.min(few, await stopwatch.time(2))
      many = Math.min(many, await stopwatch.time(200))
    }
    expect(many).toBeGreaterThan(few)
    expect(await runs()).toBe(1 + 5 * 202)
    stopwatch.destroy()
    buffer.destroy()
  })

  test('without timestamp queries the wall clock serves', async () => {
    const adapter = await gpu!.requestAdapter()
    const plain = await adapter!.requestDevice()
    const { encode, runs } = await countingWork(plain)
    const stopwatch = createGpuStopwatch(plain, encode)
    expect(stopwatch.clock).toBe('wall-clock')
    expect(await stopwatch.time(3)).toBeGreaterThan(0)
    expect(await runs()).toBe(3)
    plain.destroy()
  })

  test('errors of the device become exceptions that name the task', async () => {
    const invalid = withErrorScopes(device, 'a test', () =>
      device.createBuffer({ size: 4, usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.STORAGE }),
    )
    await expect(invalid).rejects.toThrow(GpuWorkError)
    await expect(invalid).rejects.toThrow(/^a test: /)
    expect(await withErrorScopes(device, 'a test', () => 7)).toBe(7)
  })

  test('attn run verifies and times three ways, and skips what does not fit', async () => {
    const steps: Progress[] = []
    const report = await run({
      problem: { lengths: [64, 40], heads: 3, headDim: 16, window: 8, causal: true },
      // 3 heads of 40 x 40 scores fit, of 64 x 64 do not.
      memoryBytes: 20_000,
      measure: { samples: 2, sampleMilliseconds: 1, budgetMilliseconds: 100 },
      environment: { attn: '0.0.0', runtime: 'test', platform: 'test' },
      onProgress: (progress) => steps.push(progress),
    })
    expect(steps.map(({ done }) => done)).toEqual([0, 1, 2, 3, 4, 5])
    const [configuration] = report.configurations
    const { firstCall } = configuration!
    expect(firstCall!.length).toBe(40)
    expect(firstCall!.firstMilliseconds).toBeGreaterThan(firstCall!.planMilliseconds)
    expect(firstCall!.planMilliseconds).toBeGreaterThan(0)
    const { kernels, ...parts } = firstCall!.stages!
    expect(kernels).toBeGreaterThan(0)
    const sum = Object.values(parts).reduce((all, part) => all + part, 0)
    expect(sum).toBeCloseTo(firstCall!.firstMilliseconds, 3)
    // A browser's clock has steps of 0.1 ms, in which a plan may be made.
    expect(Math.min(...Object.values(parts))).toBeGreaterThanOrEqual(0)
    expect(parts.compile).toBeGreaterThan(0)
    expect(formatConfiguration(configuration!, report.problem)).toMatch(
      /first call at length 40, .* ms with compilation, then .* ms; a plan takes .* ms/,
    )
    const [short, long] = configuration!.results
    expect(short).toMatchObject({
      length: 40,
      outcomes: {
        standard: { status: 'measured', verification: { passed: true, rows: 24 } },
        flash: { status: 'measured', verification: { passed: true } },
        windowFlash: { status: 'measured', verification: { passed: true } },
      },
    })
    expect(long!.outcomes.standard).toEqual({ status: 'skipped', reason: 'needs 49.2 kB' })
    expect(long!.outcomes.flash).toMatchObject({ verification: { passed: true } })
    const [standard, flash] = [short!.outcomes.standard, short!.outcomes.flash]
    expect(standard).toMatchObject({ memoryBytes: 3 * 40 * 40 * 4 + 3 * 32 })
    // The log-sum-exps are part of it.
    expect(flash.status === 'measured' && flash.memoryBytes).toBeGreaterThanOrEqual(3 * 40 * 4)
    expect(formatConfiguration(configuration!, report.problem)).toContain('needs 49.2 kB')
  })

  test('a device of a browser without flags has what it would have, but subgroup matrices', async () => {
    const featuresWith = async (flags: DawnFlags): Promise<readonly string[]> => {
      const found = await findDevice({ flags })
      found.release()
      return found.report.features
    }
    const all = await featuresWith(browserEquivalent)
    const stable = await featuresWith(stableBrowser)
    const experimental = 'chromium-experimental-subgroup-matrix'
    expect(stable).toEqual(all.filter((feature) => feature !== experimental))
  })

  test('findDevice opens what there is, or says that it is not there', async () => {
    const found = await findDevice({ flags: browserEquivalent })
    expect(found.kind).not.toBe('cpu')
    expect(found.report.limits['maxBufferSize']).toBeGreaterThan(0)
    const other = found.kind === 'gpu' ? 'software' : 'gpu'
    found.release()
    const sought = findDevice({ kind: other, flags: browserEquivalent })
    const outcome = await sought.then(
      (second) => {
        second.release()
        return second.kind
      },
      (error: Error) => error.name,
    )
    expect([other, 'UnsupportedError']).toContain(outcome)
  })
})

/** Work that counts how often it ran. */
async function countingWork(
  device: GPUDevice,
): Promise<{ encode: EncodeWork; buffer: GPUBuffer; runs: () => Promise<number> }> {
  const code = /* wgsl */ `@group(0) @binding(0) var<storage, read_write> runs: f32;
@compute @workgroup_size(1) fn main() { runs += 1.0; }`
  const module = device.createShaderModule({ code })
  const pipeline = await device.createComputePipelineAsync({ layout: 'auto', compute: { module } })
  const buffer = device.createBuffer({
    size: 4,
    usage: GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC,
  })
  const bindGroup = device.createBindGroup({
    layout: pipeline.getBindGroupLayout(0),
    entries: [{ binding: 0, resource: { buffer } }],
  })
  return {
    buffer,
    encode(encoder, timestampWrites) {
      const pass = encoder.beginComputePass(timestampWrites ? { timestampWrites } : {})
      pass.setPipeline(pipeline)
      pass.setBindGroup(0, bindGroup)
      pass.dispatchWorkgroups(1)
      pass.end()
    },
    async runs() {
      const [values] = await readRanges(device, buffer, 'float32', [{ first: 0, count: 1 }])
      return values![0]!
    },
  }
}
