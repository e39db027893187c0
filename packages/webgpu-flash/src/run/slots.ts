// Small words that change from call to call, such as the places that tokens are appended to. A buffer of
// their own each time would leave one a step to the garbage collector: what is recorded in a caller's
// encoder may be submitted at any later time, so that none of them can be destroyed. Slots of one larger
// buffer leave one in hundreds of steps, and none where calls are submitted at once.
import type { GuardedCall } from '../device/errors.ts'
import type { PlanHost } from './plan-host.ts'

/** Hands out places for words. */
export interface Slots {
  /**
   * Writes words to a place of their own; what is submitted from now on sees them.
   *
   * @param recorded - Whether they are for a caller's encoder, which is submitted later.
   */
  write(call: GuardedCall, words: Uint32Array<ArrayBuffer>, recorded: boolean): GPUBufferBinding
  destroy(): void
}

const slotsOfBuffer = 256
/** Of large slots there are fewer. */
const mostBytes = 2 ** 20

/** Slots for so many bytes each, and for more where more is written. */
export function createSlots(
  { device, buffers }: Pick<PlanHost, 'device' | 'buffers'>,
  label: string,
  bytes: number,
): Slots {
  const { minStorageBufferOffsetAlignment: alignment } = device.limits
  const strideOf = (size: number): number => Math.ceil(Math.max(size, 16) / alignment) * alignment
  let stride = strideOf(bytes)
  let held: GPUBuffer | undefined
  let next = 0
  /** Whether an encoder that may not have been submitted reads one of the slots. */
  let awaited = false
  return {
    write: (call, words, recorded) => {
      if (words.byteLength > stride) {
        if (held && awaited) buffers.forget(held)
        else if (held) buffers.release(held)
        held = undefined
        awaited = false
        next = 0
        stride = strideOf(2 ** Math.ceil(Math.log2(words.byteLength)))
      }
      const slots = Math.max(4, Math.min(slotsOfBuffer, Math.floor(mostBytes / stride)))
      if (held && next >= slots) {
        next = 0
        if (awaited) {
          buffers.forget(held)
          held = undefined
          awaited = false
        }
      }
      held ??= buffers.allocate(label, stride * slots)
      awaited ||= recorded
      const offset = stride * next++
      device.queue.writeBuffer(held, offset, words)
      call.writes(held)
      return { buffer: held, offset, size: Math.max(words.byteLength, 16) }
    },
    destroy: () => {
      if (held) buffers.release(held)
      held = undefined
    },
  }
}
