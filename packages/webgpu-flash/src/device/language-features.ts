// What WGSL has here beyond its first version: a browser's, and so of the entry point and not of a device.

/** Where it may be said; not all types of WebGPU know it. */
interface EntryPoint {
  readonly wgslLanguageFeatures?: { has(feature: string): boolean }
}

const packedProducts = 'packed_4x8_integer_dot_product'

/**
 * Whether WGSL has products of four bytes at a time. Of a device that came from elsewhere the entry point may not be at
 * hand: then a shader that asks for them is compiled.
 */
export async function hasPackedIntegerProducts(
  device: GPUDevice,
  gpu: object | undefined,
): Promise<boolean> {
  const { wgslLanguageFeatures: features } = (gpu ?? {}) as EntryPoint
  if (features) return features.has(packedProducts)
  device.pushErrorScope('validation')
  device.createShaderModule({ code: `requires ${packedProducts};` })
  return (await device.popErrorScope()) === null
}
