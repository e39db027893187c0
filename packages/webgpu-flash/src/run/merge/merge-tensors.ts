// The tensors of a merge, checked: parts of one shape, and somewhere to write the whole.
import { isDType } from '../../gpu-tensor.ts'
import { checkOptions, rangeError, shapeError, typeError } from '@attn/core'
import type { OptionNames } from '@attn/core'
import type { GpuTensor } from '../../gpu-tensor.ts'
import { checkPacked, checkTensor, checkWritable } from '../forward/forward-tensors.ts'
import { isPackedInWords } from '../../codegen/access.ts'

/** A result over some keys. */
export interface PartialAttention {
  /** `[B, H, L, Dv]`, any strides. */
  readonly output: GpuTensor
  /** `[B, H, L]`, float32, any strides. */
  readonly logSumExp: GpuTensor
}

const names: OptionNames<PartialAttention & { rowMaximum: unknown }> = {
  output: true,
  logSumExp: true,
  // Whatever `forward` returned is a part.
  rowMaximum: true,
}

/** The sizes of what is merged. */
export interface MergeShape {
  readonly batch: number
  readonly heads: number
  readonly queryLength: number
  readonly valueDim: number
}

/**
 * Checks parts and, where there are any, the tensors to write.
 *
 * @throws RangeError for shapes that differ or buffers that are shared, TypeError for other kinds.
 */
export function checkMerge(
  caller: string,
  parts: readonly PartialAttention[],
  into: Partial<PartialAttention>,
  nativeFloat16: boolean,
): MergeShape {
  if (!Array.isArray(parts) || parts.length === 0) {
    const got = Array.isArray(parts) ? 'none' : `a value of type ${typeof parts}`
    throw rangeError(`${caller}: need a list of at least one part, got ${got}`)
  }
  const shape = (parts as readonly PartialAttention[])[0]!.output?.shape
  if (shape?.length !== 4) {
    throw shapeError(
      `${caller}: output of part 0 must have shape [batch, heads, length, dim], got [${shape?.join(', ')}]`,
    )
  }
  const check = (what: string, part: Partial<PartialAttention>): void => {
    checkOptions(`${caller}: ${what}`, part, names)
    const { output, logSumExp } = part
    const dtype = output && isDType(output.dtype) ? output.dtype : 'float32'
    if (output) checkTensor(`${caller}: output of ${what}`, output, shape, dtype)
    if (logSumExp) {
      checkTensor(`${caller}: logSumExp of ${what}`, logSumExp, shape.slice(0, 3), 'float32')
    }
  }
  parts.forEach((part: PartialAttention, index) => {
    for (const name of ['output', 'logSumExp'] as const) {
      if (!part?.[name]) throw typeError(`${caller}: part ${index} has no ${name}`)
    }
    check(`part ${index}`, part)
  })
  check('the result', into)
  const { output, logSumExp } = into
  if (output) {
    checkWritable(`${caller}: output of the result`, output)
    if (isPackedInWords(output.dtype, nativeFloat16)) checkPacked(caller, output)
  }
  if (logSumExp) checkWritable(`${caller}: logSumExp of the result`, logSumExp)
  const inPlace = continuesIn(parts, into)
  for (const [name, written] of Object.entries({ output, logSumExp })) {
    const others = parts.slice(inPlace ? 1 : 0).flatMap((part) => [part.output, part.logSumExp])
    const twin = name === 'output' ? logSumExp : output
    if (written && [...others, twin].some((other) => other?.storage === written.storage)) {
      throw rangeError(
        `${caller}: ${name} of the result must have a buffer of its own, unless the result is part 0`,
      )
    }
  }
  const [batch, heads, queryLength, valueDim] = shape as [number, number, number, number]
  return { batch, heads, queryLength, valueDim }
}

/** Whether the result is the first part: the others are then merged into it. */
export function continuesIn(
  [first]: readonly PartialAttention[],
  { output, logSumExp }: Partial<PartialAttention>,
): boolean {
  const same = (one: GpuTensor, other: GpuTensor | undefined): boolean =>
    one.storage === other?.storage &&
    one.offset === other.offset &&
    one.strides.join() === other.strides.join()
  return same(first!.output, output) && same(first!.logSumExp, logSumExp)
}
