// The lecture's experiments on whatever adapter there is: what they measure is right first.
import { describe, expect, test } from 'vitest'
import { acquireGpu } from '../../../tools/testing/acquire-gpu.ts'
import { drawHierarchy } from '../src/hierarchy/figure.ts'
import { formatHierarchy, runHierarchy } from '../src/hierarchy/report.ts'
import { drawPartition } from '../src/partition/figure.ts'
import { partitionsVerified } from '../src/partition/report.ts'
import { runPartition } from '../src/partition/run-partition.ts'
import { formatPartition } from '../src/partition/summary.ts'
import { positionsVerified } from '../src/report/positions-report.ts'
import { comparePositions } from '../src/suites/positions.ts'

const gpu = await acquireGpu()
const environment = { attn: '0', runtime: 'test', platform: 'test' }
const measure = { samples: 1, sampleMilliseconds: 1, warmUps: 2 }

// Each compiles a dozen kernels, which takes an adapter in software a second each and more.
describe.skipIf(!gpu)('experiments of the lecture', { timeout: 180_000 }, () => {
  test('attn partition: the same result in every partition, also where tiles are not full', async () => {
    const report = await runPartition({
      heads: [1, 3],
      lengths: [200],
      headDim: 16,
      seconds: 60,
      measure,
      environment,
    })
    expect(partitionsVerified(report)).toBe(true)
    const { keysOutside, wholeHeads, queryTiles } = report.results[1]!.outcomes
    expect([keysOutside, wholeHeads, queryTiles]).toMatchObject([
      { status: 'measured', workgroups: 3 },
      { status: 'measured', workgroups: 3 },
      { status: 'measured', workgroups: 6 },
    ])
    // Partial outputs come and go for each of seven key tiles.
    const traffic = [keysOutside, queryTiles].map((outcome) =>
      outcome.status === 'measured' ? outcome.trafficBytes : 0,
    )
    expect(traffic[0]).toBeGreaterThan(3 * traffic[1]!)
    expect(formatPartition(report)).toContain('every result compared with the CPU reference: ok')
    expect(drawPartition(report)).not.toMatch(/NaN|undefined|Infinity/)
  })

  test('attn partition refuses what its tiles do not hold', async () => {
    await expect(runPartition({ headDim: 128, environment })).rejects.toThrow(
      'attn partition: headDim must be at most 64, got 128',
    )
    await expect(runPartition({ lengths: [], environment })).rejects.toThrow('at least one length')
  })

  test('attn positions --backward: steps of every kind of method, gradients summed up', async () => {
    const report = await comparePositions({
      backward: true,
      problem: { lengths: [70], heads: 2, headDim: 16 },
      methods: ['t5', 'rope'],
      measure,
      environment,
    })
    expect(positionsVerified(report)).toBe(true)
    const { none, t5, rope } = report.results[0]!.outcomes
    for (const outcome of [none, t5, rope]) {
      expect(outcome!.training!.both.median).toBeGreaterThan(0)
      expect(outcome!.training!.memoryBytes).toBeGreaterThan(0)
    }
    const [first] = report.results
    const wrong = {
      ...none!,
      training: { ...none!.training!, verification: { ...none!.verification, passed: false } },
    }
    const results = [{ ...first!, outcomes: { none: wrong } }]
    expect(positionsVerified({ ...report, results })).toBe(false)
  })

  test('attn device: rates of every kind, and kernels under the roofline', async () => {
    const report = await runHierarchy({ environment })
    expect(report.copy.length).toBeGreaterThan(3)
    const rates = [
      ...report.copy.map(({ bytesPerSecond }) => bytesPerSecond),
      report.workgroupBytesPerSecond,
      report.operationsPerSecond.float32,
    ]
    expect(rates.every((rate) => rate > 0 && Number.isFinite(rate))).toBe(true)
    expect(report.kernels.map(({ label }) => label)).toEqual(['standard', 'flash', 'decoding'])
    const [standard, flash] = report.kernels
    expect(flash!.bytes).toBeLessThan(standard!.bytes)
    expect(formatHierarchy(report)).toMatch(/ridge +[\d.]+ operations a byte/)
    expect(drawHierarchy(report)).not.toMatch(/NaN|undefined|Infinity/)
  })
})
