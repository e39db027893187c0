// The switches of Dawn, WebGPU's implementation in Chromium and in the npm package `webgpu`. What a
// page cannot have must not flatter a figure, so the first configuration measured is always one that
// a browser has too; the second shows what its safety checks cost.

/** Names of the sets of switches. */
export type DawnFlagsName = 'stable-browser' | 'browser-equivalent' | 'unchecked'

/** Under which switches a device was made. */
export interface DawnFlags<Name extends DawnFlagsName = DawnFlagsName> {
  readonly name: Name
  /** Dawn toggles switched on. */
  readonly enabled: readonly string[]
  /** Dawn toggles switched off. */
  readonly disabled: readonly string[]
  /** Features of the adapter that the device is made without. */
  readonly withheld?: readonly string[] | undefined
  /** What that means for the figures. */
  readonly meaning: string
}

// Dawn in Node hides float16 on NVIDIA and subgroup matrices without these two; neither changes how
// a shader is compiled.
const unlocking = ['allow_unsafe_apis', 'vulkan_enable_f16_on_nvidia']
// Changes what the clock shows, not what it measures.
const exactClock = ['timestamp_quantization']

/** The safety checks of a browser, all on. */
export const browserEquivalent: DawnFlags<'browser-equivalent'> = {
  name: 'browser-equivalent',
  enabled: unlocking,
  disabled: exactClock,
  meaning: 'index clamping and validation as in a browser; timestamps unrounded',
}

/** What a page gets in a browser that nobody has set up: no feature that stands behind a flag. */
export const stableBrowser: DawnFlags<'stable-browser'> = {
  name: 'stable-browser',
  enabled: unlocking,
  disabled: exactClock,
  withheld: ['chromium-experimental-subgroup-matrix'],
  meaning: 'as in a browser, without the features that browsers keep behind a flag',
}

/** Without the safety checks, for programs in Node that trust their shaders. */
export const unchecked: DawnFlags<'unchecked'> = {
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
