// What WGSL has is said by the entry point; without one, by whether a shader that asks for it compiles.
import { expect, it } from 'vitest'
import { hasPackedIntegerProducts } from '../../src/device/language-features.ts'

const name = 'packed_4x8_integer_dot_product'

/** A device that compiles such a shader, or does not. */
function deviceThat(compiles: boolean): { readonly device: GPUDevice; readonly asked: string[] } {
  const asked: string[] = []
  const device = {
    pushErrorScope: (filter: string) => void asked.push(filter),
    createShaderModule: ({ code }: GPUShaderModuleDescriptor) => void asked.push(code),
    popErrorScope: async () => Promise.resolve(compiles ? null : { message: 'unknown' }),
  }
  return { device: device as unknown as GPUDevice, asked }
}

it.each([true, false])('asks the entry point: %s', async (has) => {
  const { device, asked } = deviceThat(!has)
  const features = new Set(has ? [name] : ['readonly_and_readwrite_storage_textures'])
  expect(await hasPackedIntegerProducts(device, { wgslLanguageFeatures: features })).toBe(has)
  expect(asked).toEqual([])
})

it.each([true, false])('compiles a shader where there is none: %s', async (compiles) => {
  const { device, asked } = deviceThat(compiles)
  expect(await hasPackedIntegerProducts(device, undefined)).toBe(compiles)
  expect(asked).toEqual(['validation', `requires ${name};`])
})
