import { describe, expect, it } from 'vitest'
import { compileKernels, forgetPipeline, kernelPipeline } from '../../src/run/pipelines.ts'
import type { Kernel } from '../../src/run/pipelines.ts'
import { fakeDevice } from '../device/fake-device.ts'

const kernel = (code: string): Kernel => ({ label: 'test', bindings: [false, true], code })

describe('pipelines', () => {
  it('are compiled once for a text and a device', async () => {
    const { device, pipelines } = fakeDevice()
    const first = kernelPipeline(device, kernel('a'))
    expect(kernelPipeline(device, kernel('a'))).toBe(first)
    await compileKernels(device, [kernel('a'), kernel('b'), kernel('b')])
    expect(kernelPipeline(device, kernel('b'))).not.toBe(first)
    expect(pipelines()).toBe(2)
    expect(kernelPipeline(fakeDevice().device, kernel('a'))).not.toBe(first)
  })

  it('begin to compile with the longest text', async () => {
    const { device } = fakeDevice()
    const texts: (string | undefined)[] = []
    const createShaderModule = ({ code }: GPUShaderModuleDescriptor) => {
      texts.push(code)
      return {}
    }
    Object.assign(device, { createShaderModule })
    await compileKernels(device, [kernel('ab'), kernel('abcd'), kernel('abc')])
    expect(texts).toEqual(['abcd', 'abc', 'ab'])
  })

  it('are not kept once they proved invalid', () => {
    const { device } = fakeDevice()
    const invalid = kernelPipeline(device, kernel('a'))
    const valid = kernelPipeline(device, kernel('b'))
    forgetPipeline(device, invalid)
    expect(kernelPipeline(device, kernel('a'))).not.toBe(invalid)
    expect(kernelPipeline(device, kernel('b'))).toBe(valid)
  })

  it('that do not compile are rejected with what is wrong in the text, each time', async () => {
    const { device, fail } = fakeDevice()
    fail({ validation: ':3:7 error: unresolved value' })
    await expect(compileKernels(device, [kernel('a')])).rejects.toThrow('unresolved value')
    fail({})
    await expect(compileKernels(device, [kernel('a')])).resolves.toBeUndefined()
  })

  it('are bounded in number', () => {
    const { device, pipelines } = fakeDevice()
    for (let i = 0; i < 1000; i++) {
      kernelPipeline(device, kernel(`text ${i}`))
      kernelPipeline(device, kernel('in use'))
    }
    expect(pipelines()).toBe(1001)
    kernelPipeline(device, kernel('text 0'))
    expect(pipelines()).toBe(1002)
  })
})
