// The switches of Dawn, WebGPU's implementation in Chromium and in the npm package `webgpu`. What a
// page cannot have must not flatter a figure, so the first configuration measured is always one that
// a browser has too; the second shows what its safety checks cost.

/** Under which switches a device was made. */
export interface DawnFlags {
  readonly name: 'browser-equivalent' | 'unchecked'
  /** Dawn toggles switched on. */
  readonly enabled: readonly string[]
  /** Dawn toggles switched off. */
  readonly disabled: readonly string[]
  /** What that means for the figures. */
  readonly meaning: string
}

// Dawn in Node hides float16 on NVIDIA and subgroup matrices without these two; neither changes how
// a shader is compiled.
const unlocking = ['allow_unsafe_apis', 'vulkan_enable_f16_on_nvidia']
// Changes what the clock shows, not what it measures.
const exactClock = ['timestamp_quantization']

/** The safety checks of a browser, all on. */
export const browserEquivalent: DawnFlags = {
  name: 'browser-equivalent',
  enabled: unlocking,
  disabled: exactClock,
  meaning: 'index clamping and validation as in a browser; timestamps unrounded',
}

/** Without the safety checks, for programs in Node that trust their shaders. */
export const unchecked: DawnFlags = {
  name: 'unchecked',
  enabled: [
    ...unlocking,
    'skip_validation',
    'disable_robustness',
    'disable_workgroup_init',
    'disable_polyfills_on_integer_div_and_mod',
  ],
  disabled: exactClock,
  meaning: 'no index clamping, validation or zeroed workgroup memory; not to be had in a browser',
}

/** The flags as `create` of the npm package `webgpu` takes them. */
export function createArguments({ enabled, disabled }: DawnFlags): string[] {
  return [
    `enable-dawn-features=${enabled.join(',')}`,
    `disable-dawn-features=${disabled.join(',')}`,
  ]
}
