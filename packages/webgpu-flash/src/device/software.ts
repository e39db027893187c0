// GPUs imitated in software: correct, slow, and with costs of their own.
import type { Capabilities } from './capabilities.ts'

/**
 * Whether a CPU does the work, by the names that SwiftShader, Mesa and Windows give such adapters:
 * of `flash.capabilities`, or of `{ adapter: adapter.info }`.
 *
 * @example
 * ```ts
 * import { defaultCapabilities, isSoftware } from '@attn/webgpu-flash'
 * isSoftware(defaultCapabilities) // => false
 * ```
 */
export function isSoftware({ adapter }: Pick<Capabilities, 'adapter'>): boolean {
  const words = `${adapter.architecture} ${adapter.device} ${adapter.description}`
  return /swiftshader|llvmpipe|lavapipe|basic render/i.test(words)
}
