// The tensors of a forward pass: what a plan expects of them, and how their memory lets itself be read.
import type { GpuTensor } from '../gpu-tensor.ts'
import type { ForwardPlan } from '../plan/plan.ts'

/** Tensors a forward pass reads, all of the plan's dtype and shape. */
export interface ForwardInputs {
  /** `[B, H, L, D]`, any strides. */
  readonly query: GpuTensor
  /** `[B, Hkv, S, D]`, any strides. */
  readonly key: GpuTensor
  /** `[B, Hkv, S, Dv]`, any strides. */
  readonly value: GpuTensor
  /** Values of the parameters that mask and score modifiers use. */
  readonly parameters?: Readonly<Record<string, number>>
}

/** Tensors a forward pass writes. */
export interface ForwardOutputs {
  /** `[B, H, L, Dv]`. */
  readonly output: GpuTensor
  /** `[B, H, L]`, float32, contiguous. */
  readonly logSumExp: GpuTensor
}

/** Whether four neighbours along dim can be moved as one. */
export function isVector({ shape, strides, offset }: GpuTensor): boolean {
  const outer = strides.slice(0, 3)
  return (
    shape[3]! % 4 === 0 &&
    strides[3] === 1 &&
    offset % 4 === 0 &&
    outer.every((stride, axis) => stride % 4 === 0 || shape[axis] === 1)
  )
}

/**
 * Checks the tensors of a call against its plan.
 *
 * @throws RangeError for shapes and strides, TypeError for dtypes.
 */
export function checkTensors(
  { shape, dtype }: ForwardPlan,
  tensors: ForwardInputs & Partial<ForwardOutputs>,
  nativeFloat16: boolean,
): void {
  const { batch, heads, kvHeads, queryLength, keyLength, headDim, valueDim } = shape
  const expected = {
    query: [batch, heads, queryLength, headDim],
    key: [batch, kvHeads, keyLength, headDim],
    value: [batch, kvHeads, keyLength, valueDim],
    output: [batch, heads, queryLength, valueDim],
    logSumExp: [batch, heads, queryLength],
  }
  for (const [name, wanted] of Object.entries(expected)) {
    const view = tensors[name as keyof typeof expected]
    if (view === undefined && (name === 'output' || name === 'logSumExp')) continue
    if (view?.shape?.join() !== wanted.join()) {
      throw new RangeError(
        `plan.forward: ${name} must have shape [${wanted.join(', ')}], got [${view?.shape?.join(', ')}]`,
      )
    }
    const wantedType = name === 'logSumExp' ? 'float32' : dtype
    if (view.dtype !== wantedType) {
      throw new TypeError(`plan.forward: ${name} must be ${wantedType}, got ${view.dtype}`)
    }
  }
  const { output, logSumExp } = tensors
  const odd = (value: number): boolean => value % 2 !== 0
  if (output && dtype === 'float16' && !nativeFloat16) {
    const [batchStride, headStride, rowStride, dimStride] = output.strides as number[]
    if (
      dimStride !== 1 ||
      odd(output.offset) ||
      [batchStride, headStride, rowStride].some((s) => odd(s!))
    ) {
      throw new RangeError(
        'plan.forward: without shader-f16 a float16 output needs dim stride 1 and even other strides and offset; use plan.createOutputs()',
      )
    }
  }
  if (logSumExp && logSumExp.strides.join() !== [heads * queryLength, queryLength, 1].join()) {
    throw new RangeError('plan.forward: logSumExp must be contiguous')
  }
}
