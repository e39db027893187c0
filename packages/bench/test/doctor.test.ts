import { describe, expect, test } from 'vitest'
import { defaultCapabilities } from '@attn/webgpu-flash'
import { examine, formatDoctor, isHealthy } from '../src/index.ts'
import type { DoctorReport } from '../src/index.ts'

const environment = { attn: '0.1.0', runtime: 'Node 24', platform: 'Linux', webgpu: '0.6.2' }

describe('the doctor', () => {
  test('where there is no WebGPU, says so and what to do', async () => {
    const report = await examine({ device: 'cpu', environment })
    expect(report).toMatchObject({ schema: 'attn-doctor/1', environment, diagnosis: undefined })
    expect(isHealthy(report)).toBe(true)
    expect(formatDoctor(report)).toMatch(/No WebGPU device.*install the package webgpu/s)
  })

  test('writes findings in 96 columns, wrong results first to be seen', async () => {
    const bare = await examine({ device: 'cpu', environment })
    const result = { problem: 'float32 forward', error: 0.5, allowed: 1e-5, passed: false }
    const report: DoctorReport = {
      ...bare,
      device: { ...bare.device, name: 'Some GPU', description: 'driver 1', backend: 'Dawn' },
      diagnosis: {
        software: false,
        capabilities: defaultCapabilities,
        kernels: [{ call: 'float32 forward', variant: 'tiled', reason: 'plain WGSL '.repeat(20) }],
        remedies: ['shader-f16 is missing '.repeat(20)],
        results: [result, { ...result, passed: true }],
      },
    }
    const text = formatDoctor(report)
    expect(Math.max(...text.split('\n').map((line) => line.length))).toBeLessThanOrEqual(96)
    expect(text).toContain('device: Some GPU (driver 1), Dawn')
    expect(text).toContain('  WRONG  float32 forward: error 5.0e-1, 1e-5 allowed')
    expect(text).toContain('  right  float32 forward')
    expect(isHealthy(report)).toBe(false)
  })
})
