// The texts of a pass, made once for each way that its tensors can be read.
import type { Access } from '../../codegen/access.ts'
import { mergePartsText, passText } from '../../plan/forward/pass-text.ts'
import type { ForwardAccesses } from '../../plan/forward/pass-text.ts'
import type { ForwardPass } from '../../plan/forward/passes.ts'
import { remembered } from '../remembered-texts.ts'

/** The WGSL of a pass for tensors with these accesses. */
export function forwardText(pass: ForwardPass, accesses: ForwardAccesses): string {
  return remembered(pass, JSON.stringify(accesses), () => passText(pass, accesses))
}

/** All that a pass by halves compiles, whose inputs are its own. */
export function halvesTexts(pass: ForwardPass, output: Access): string[] {
  const query = { dtype: 'float16', vector: true, nativeFloat16: true } as const
  const staged = { ...query, wide: true }
  return passTexts(pass, { query, key: staged, value: staged, output })
}

/** The same for parts of long rows, whose results are float32. */
export function partsText(pass: ForwardPass, given: ForwardAccesses): string {
  const output = {
    dtype: 'float32',
    vector: true,
    nativeFloat16: given.output.nativeFloat16,
  } as const
  const accesses = { ...given, output }
  const name = `parts ${JSON.stringify(accesses)}`
  return remembered(pass, name, () => passText(pass, accesses, true))
}

/** The WGSL that merges parts of long rows. */
export function mergeText(pass: ForwardPass, { output }: ForwardAccesses): string {
  const name = `merge ${JSON.stringify(output)}`
  return remembered(pass, name, () => mergePartsText(pass, output))
}

/** All that a pass compiles for tensors with these accesses. */
export function passTexts(pass: ForwardPass, accesses: ForwardAccesses): string[] {
  return [
    forwardText(pass, accesses),
    ...(pass.longRows ? [partsText(pass, accesses), mergeText(pass, accesses)] : []),
  ]
}
