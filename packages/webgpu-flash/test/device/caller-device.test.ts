// The device that a caller hands over: a promise of one as well, and what is none by its name.
import { expect, test } from 'vitest'
import { callersDevice } from '../../src/device/caller-device.ts'
import { createFlashAttention } from '../../src/index.ts'
import { fakeDevice } from './fake-device.ts'

const { device } = fakeDevice()
/** What JavaScript may pass where TypeScript would not. */
const any = (value: unknown): never => value as never

test('a device and a promise of one are that device', async () => {
  expect(await callersDevice('create', device)).toBe(device)
  expect(await callersDevice('create', Promise.resolve(device))).toBe(device)
})

test.each([
  [null, 'got null'],
  [7, 'got a number'],
  [
    Promise.resolve(undefined),
    'got a promise of undefined; onnxruntime-web has one after its first session',
  ],
  [{ requestDevice: () => device }, 'got a GPUAdapter; write device: adapter.requestDevice()'],
  [{ requestAdapter: () => null }, 'got a GPU; write gpu: navigator.gpu'],
  [{ device }, 'got an object that has one; write device: it.device'],
  [new Map(), 'got Map'],
])('%j is none', async (given, message) => {
  const refused = createFlashAttention({ device: any(given) })
  await expect(refused).rejects.toThrow(TypeError)
  await expect(refused).rejects.toThrow(
    `createFlashAttention: device must be a GPUDevice or a promise of one, ${message}`,
  )
})
