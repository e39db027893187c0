import { describe, expect, it } from 'vitest'
import {
  DeviceLostError,
  GpuInternalError,
  GpuOutOfMemoryError,
  GpuValidationError,
  watchErrors,
} from '../../src/device/errors.ts'
import { fakeDevice } from './fake-device.ts'

const buffer = (): GPUBuffer => ({}) as GPUBuffer

describe('watchErrors', () => {
  it.each([
    ['validation', GpuValidationError],
    ['out-of-memory', GpuOutOfMemoryError],
    ['internal', GpuInternalError],
  ] as const)('makes a typed error of a %s error', async (filter, Kind) => {
    const { device, fail } = fakeDevice()
    const errors = watchErrors(device)
    fail({ [filter]: 'what WebGPU says' })
    errors.guard('plan.forward', () => {})
    const promise = errors.settle('flash.finished')
    await expect(promise).rejects.toThrow(Kind)
    await expect(promise).rejects.toThrow('plan.forward: what WebGPU says')
    await expect(errors.settle('flash.finished')).resolves.toBeUndefined()
  })

  it('names want of memory before what follows from it', async () => {
    const { device, fail } = fakeDevice()
    const errors = watchErrors(device)
    fail({ validation: 'invalid buffer', 'out-of-memory': 'no memory' })
    errors.guard('flash.upload', () => {})
    await expect(errors.settle('')).rejects.toThrow(GpuOutOfMemoryError)
  })

  it('hands an error on along the buffers, and tells of it once', async () => {
    const { device, fail } = fakeDevice()
    const errors = watchErrors(device)
    const [source, middle, end, other] = [buffer(), buffer(), buffer(), buffer()]
    fail({ 'out-of-memory': 'no memory' })
    errors.guard('flash.upload', (call) => call.writes(source))
    fail({ validation: 'invalid buffer' })
    errors.guard('plan.forward', (call) => {
      call.reads(source, other)
      call.writes(middle)
    })
    fail({})
    errors.guard('plan.forward', (call) => {
      call.reads(middle)
      call.writes(end)
    })
    errors.guard('plan.forward', (call) => call.writes(other))
    await expect(errors.filled(other)).resolves.toBeUndefined()
    await expect(errors.filled(end)).rejects.toThrow('flash.upload: no memory')
    await expect(errors.filled(end)).resolves.toBeUndefined()
    await expect(errors.settle('')).resolves.toBeUndefined()
  })

  it('keeps an earlier error of a buffer that is written again', async () => {
    const { device, fail } = fakeDevice()
    const errors = watchErrors(device)
    const shared = buffer()
    fail({ validation: 'the first half' })
    errors.guard('plan.forward', (call) => call.writes(shared))
    fail({})
    errors.guard('plan.forward', (call) => call.writes(shared))
    await expect(errors.filled(shared)).rejects.toThrow('the first half')
  })

  it('undoes what a failed call did, and only that', async () => {
    const { device, fail } = fakeDevice()
    const errors = watchErrors(device)
    const undone: string[] = []
    errors.guard('good', (call) => call.onFailure(() => undone.push('good')))
    fail({ validation: 'no' })
    errors.guard('bad', (call) => call.onFailure(() => undone.push('bad')))
    await expect(errors.settle('')).rejects.toThrow(GpuValidationError)
    expect(undone).toEqual(['bad'])
  })

  it('lets exceptions through and forgets the reports that go with them', async () => {
    const { device, fail } = fakeDevice()
    const errors = watchErrors(device)
    fail({ validation: 'no' })
    const call = (): void =>
      errors.guard('plan.forward', () => {
        throw new RangeError('mine')
      })
    expect(call).toThrow(new RangeError('mine'))
    await expect(errors.settle('')).resolves.toBeUndefined()
  })

  it('throws once the device is lost, under the name of each caller', async () => {
    const { device, lose } = fakeDevice()
    const errors = watchErrors(device)
    lose('the driver was reset')
    await device.lost
    const message = 'the GPU device was lost (unknown): the driver was reset'
    expect(() => errors.guard('plan.forward', () => 1)).toThrow(
      new DeviceLostError(`plan.forward: ${message}`),
    )
    expect(() => errors.checkAlive('flash.plan')).toThrow(`flash.plan: ${message}`)
    await expect(errors.settle('flash.finished')).rejects.toThrow(`flash.finished: ${message}`)
  })

  it('tells a loss from other rejections, even if it is announced later', async () => {
    const { device, lose } = fakeDevice()
    const errors = watchErrors(device)
    await expect(errors.outcome('call', Promise.resolve(3))).resolves.toBe(3)
    const cause = new Error('no mapping')
    const failed = errors.outcome('flash.download', Promise.reject(cause))
    await expect(failed).rejects.toMatchObject({
      name: 'GpuValidationError',
      message: 'flash.download: no mapping',
      cause,
    })
    const internal = Object.assign(new Error('the driver crashed'), { reason: 'internal' })
    await expect(errors.outcome('plan.compile', Promise.reject(internal))).rejects.toThrow(
      GpuInternalError,
    )
    const aborted = errors.outcome('flash.download', Promise.reject(new Error('aborted')))
    lose('gone')
    await expect(aborted).rejects.toThrow(DeviceLostError)
  })
})
