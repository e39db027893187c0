// Compiles the texts of plans with Dawn and the driver it finds: a text that was only looked at may be
// one that no compiler takes.
import type { ReplayedPlan } from '../../packages/webgpu-flash/test/replay/replay.ts'

/** What became of the texts. */
export interface CompiledTexts {
  readonly adapter: string
  readonly compiled: number
  /** Texts of features or limits that the adapter does not have; Dawn reads them all the same. */
  readonly refused: number
  readonly failures: readonly { readonly plan: string; readonly message: string }[]
}

/** Each distinct text of the plans with the first plan that has it. */
function distinct(plans: readonly ReplayedPlan[]): ReadonlyMap<string, string> {
  const texts = new Map<string, string>()
  for (const { name, recording } of plans) {
    for (const text of recording.texts) if (!texts.has(text)) texts.set(text, name)
  }
  return texts
}

/**
 * Compiles every distinct text to a pipeline. What the driver cannot do is counted apart where Dawn
 * says that a limit or a feature is at fault.
 */
export async function compileTexts(plans: readonly ReplayedPlan[]): Promise<CompiledTexts> {
  const { create, globals } = await import('webgpu')
  Object.assign(globalThis, globals)
  const gpu = create(['enable-dawn-features=allow_unsafe_apis,vulkan_enable_f16_on_nvidia'])
  const adapter = await gpu.requestAdapter()
  if (!adapter) throw new Error('compile-texts: WebGPU found no adapter')
  const limits = [
    'maxComputeWorkgroupStorageSize',
    'maxComputeInvocationsPerWorkgroup',
    'maxComputeWorkgroupSizeX',
    'maxStorageBuffersPerShaderStage',
  ] as const
  const device = await adapter.requestDevice({
    requiredFeatures: [...adapter.features] as GPUFeatureName[],
    requiredLimits: Object.fromEntries(limits.map((name) => [name, adapter.limits[name]])),
  })
  const failures: { plan: string; message: string }[] = []
  let [compiled, refused] = [0, 0]
  for (const [code, plan] of distinct(plans)) {
    const message = await compile(device, code)
    if (message === undefined) compiled++
    else if (lacking.test(message)) refused++
    else failures.push({ plan, message })
  }
  const { description, device: name } = adapter.info
  device.destroy()
  return { adapter: description || name, compiled, refused, failures }
}

/** What Dawn says where a device has too little for a text. */
const lacking =
  /exceeds the maximum|larger than the maximum|matrix usage found which is not supported by the device|subgroup_size attribute .* is not in the allowed range/

/** What is wrong with a text; undefined where it becomes a pipeline. */
async function compile(device: GPUDevice, code: string): Promise<string | undefined> {
  device.pushErrorScope('validation')
  const module = device.createShaderModule({ code })
  const pipeline = device.createComputePipelineAsync({
    layout: 'auto',
    compute: { module, entryPoint: 'main' },
  })
  const invalid = device.popErrorScope()
  try {
    await pipeline
    await invalid
    return undefined
  } catch (error) {
    return (await invalid)?.message ?? (error as Error).message
  }
}
