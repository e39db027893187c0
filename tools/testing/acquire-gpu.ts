// The GPU that a test runs on, in a browser page and in Node alike.

/** What is left of the test context of Vitest that `requireFeature` needs. */
interface Skippable {
  skip(note?: string): never
}

let acquired: Promise<GPU | undefined> | undefined

/** What software adapters say of themselves. */
const softwareNames: Readonly<Record<string, RegExp>> = {
  lavapipe: /llvmpipe/i,
  swiftshader: /swiftshader/i,
}

/**
 * The machine's WebGPU entry point, or undefined where no adapter exists; there the caller skips
 * its suite: `describe.skipIf(!gpu)(...)`. One loud line says so, or an error where
 * `ATTN_REQUIRE_GPU=1`. Where ATTN_ADAPTER names an adapter, finding another one is an error.
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
  const wanted = import.meta.env['ATTN_ADAPTER'] || 'default'
  let reason = 'no adapter'
  try {
    // Kept by the module, as Dawn's devices die with the object that `create` returns.
    const gpu = globalThis.navigator?.gpu ?? (await createNodeGpu())
    const adapter = await gpu?.requestAdapter()
    if (gpu && adapter) {
      if (isWanted(wanted, adapter.info)) return gpu
      reason = `the adapter is ${adapter.info.description}, not ${wanted}`
    }
  } catch (error) {
    reason = String(error)
  }
  const message = `NO WEBGPU HERE (${reason}): the GPU tests of this file do not run.`
  if (import.meta.env['ATTN_REQUIRE_GPU'] === '1' || wanted !== 'default') throw new Error(message)
  console.error(`\n*** ${message} ***\n`)
  return undefined
}

function isWanted(wanted: string, { device, description }: GPUAdapterInfo): boolean {
  const software = Object.keys(softwareNames).find((name) =>
    softwareNames[name]!.test(`${device} ${description}`),
  )
  return wanted === 'default' || (software ?? 'gpu') === wanted
}

async function createNodeGpu(): Promise<GPU | undefined> {
  if (globalThis.process?.versions?.node === undefined) return undefined
  const name = 'webgpu'
  const { create, globals } = (await import(/* @vite-ignore */ name)) as typeof import('webgpu')
  Object.assign(globalThis, globals)
  await import('./poll-without-hurry.ts')
  // Without the first two, real adapters hide float16 and subgroup matrices. Without the third,
  // workgroup memory begins as zeros, which SwiftShader compiles so slowly that it takes most of a
  // test run; kernels may not count on those zeros anyway. And what Dawn writes for drivers is Dawn's to test.
  return create([
    'enable-dawn-features=allow_unsafe_apis,vulkan_enable_f16_on_nvidia,disable_workgroup_init',
    'disable-dawn-features=enable_spirv_validation',
  ])
}
