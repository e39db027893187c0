// The GPU that a test runs on, in a browser page and in Node alike.

/** What is left of the test context of Vitest that `requireFeature` needs. */
interface Skippable {
  skip(note?: string): never
}

let acquired: Promise<GPU | undefined> | undefined

/**
 * The machine's WebGPU entry point, or undefined where no adapter exists; there the caller skips
 * its suite: `describe.skipIf(!gpu)(...)`. One loud line says so, or an error where
 * `ATTN_REQUIRE_GPU=1`.
 */
export function acquireGpu(): Promise<GPU | undefined> {
  acquired ??= findGpu()
  return acquired
}

/** Skips the running test where the adapter or device lacks a feature, naming it in the summary. */
export function requireFeature(
  context: Skippable,
  owner: { readonly features: { has(name: string): boolean } },
  feature: string,
): void {
  if (!owner.features.has(feature)) context.skip(`this adapter has no ${feature}`)
}

async function findGpu(): Promise<GPU | undefined> {
  let reason = 'no adapter'
  try {
    // Kept by the module, as Dawn's devices die with the object that `create` returns.
    const gpu = globalThis.navigator?.gpu ?? (await createNodeGpu())
    const adapter = await gpu?.requestAdapter()
    if (gpu && adapter) return gpu
  } catch (error) {
    reason = String(error)
  }
  const message = `NO WEBGPU HERE (${reason}): the GPU tests of this file do not run.`
  if (import.meta.env['ATTN_REQUIRE_GPU'] === '1') throw new Error(message)
  console.error(`\n*** ${message} ***\n`)
  return undefined
}

async function createNodeGpu(): Promise<GPU | undefined> {
  if (globalThis.process?.versions?.node === undefined) return undefined
  const name = 'webgpu'
  const { create, globals } = (await import(/* @vite-ignore */ name)) as typeof import('webgpu')
  Object.assign(globalThis, globals)
  // Without the first two, real adapters hide float16 and subgroup matrices. Without the third,
  // workgroup memory begins as zeros, which SwiftShader compiles so slowly that it takes most of a
  // test run; kernels may not count on those zeros anyway.
  return create([
    'enable-dawn-features=allow_unsafe_apis,vulkan_enable_f16_on_nvidia,disable_workgroup_init',
  ])
}
