// A process of its own in which the garbage of a destroyed library is collected while its device is still asked; see
// outlived.test.ts.
import { setTimeout } from 'node:timers/promises'
import { createFlashAttention } from '../src/index.ts'

/** A library that was made and destroyed, of which nothing is left but its device. */
async function destroyedDevice(): Promise<GPUDevice> {
  const flash = await createFlashAttention()
  flash.destroy()
  return flash.device
}

const device = await destroyedDevice()
for (let round = 0; round < 20; round++) {
  globalThis.gc!()
  await setTimeout(2)
  device.pushErrorScope('validation')
  await device.popErrorScope().catch(() => undefined)
}
process.stdout.write('ended by itself')
