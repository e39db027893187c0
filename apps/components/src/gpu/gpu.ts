// The library on this browser's GPU, one for the whole page, loaded when it is first asked for.
import type { FlashAttention } from '@attn/webgpu-flash'
import { shallowReactive } from 'vue'

export interface GpuState {
  /** Its name; undefined while nobody knows, and where there is none. */
  adapter: string | undefined
  /** Whether a CPU imitates it. */
  software: boolean
  /** Why there is none; undefined while there is one, or nobody knows yet. */
  none: string | undefined
}

export const gpu = shallowReactive<GpuState>({
  adapter: undefined,
  software: false,
  none: undefined,
})

let library: Promise<FlashAttention> | undefined

/** The library, made once; anew after the device was lost. */
export function openGpu(): Promise<FlashAttention> {
  library ??= import('@attn/webgpu-flash')
    .then(async ({ createFlashAttention, isSoftware }) => {
      const flash = await createFlashAttention()
      const { adapter } = flash.capabilities
      const named = [adapter.description, adapter.device].find((name) => name !== '')
      gpu.adapter = named ?? ([adapter.vendor, adapter.architecture].join(' ').trim() || 'a GPU')
      gpu.software = isSoftware(flash.capabilities)
      gpu.none = undefined
      void flash.device.lost.then(() => (library = undefined))
      return flash
    })
    .catch((error: unknown) => {
      library = undefined
      gpu.adapter = undefined
      gpu.none = messageOf(error)
      throw error
    })
  return library
}

/** The library, or undefined where there is no GPU. */
export function findGpu(): Promise<FlashAttention | undefined> {
  return openGpu().catch(() => undefined)
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
