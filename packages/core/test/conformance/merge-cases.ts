// The cases of merging partial results, and what is wrong with a backend's merge, as sentences.
import { cast, mergeAttention, slice, standardAttention, toFloat64Array } from '../../src/index.ts'
import type { AttentionResult, DType, Tensor } from '../../src/index.ts'
import { offset, sliced, transposed } from './cases.ts'
import { largestError, magnitude } from './compare.ts'
import { fill } from './fill.ts'
import { differs, tooLarge } from './forward-problems.ts'

/** Parts to merge. */
export interface MergeCase {
  readonly name: string
  readonly dtype: DType
  /** Makes the parts; the same each time. */
  parts(): AttentionResult[]
}

/** A backend's merge: CPU tensors in, CPU tensors out. */
export type Merge = (parts: readonly AttentionResult[]) => Promise<AttentionResult>

/** Every case. */
export function mergeCases(): MergeCase[] {
  const types = ['float32', 'float16', 'bfloat16'] as const
  const numbers = [1, 2, 3, 4, 5, 8].flatMap((count) =>
    types.map((dtype) => make(`${count} parts, ${dtype}`, { count, dtype })),
  )
  return [
    ...numbers,
    make('width 20', { valueDim: 20 }),
    make('float16, odd width', { valueDim: 7, dtype: 'float16' }),
    make('bfloat16, odd width', { valueDim: 7, dtype: 'bfloat16' }),
    make('scores that differ by thousands', { scale: 400 }),
    make('outputs that lie differently', {
      change: (output, index) => [transposed, offset, sliced][index % 3]!(output),
    }),
    make('parts that saw nothing and hold NaN', { empty: [0, 2], count: 4 }),
    make('nothing was seen', { empty: [0, 1, 2] }),
  ]
}

interface Made {
  readonly count?: number
  readonly dtype?: DType
  readonly valueDim?: number
  readonly scale?: number
  readonly empty?: readonly number[]
  readonly change?: (output: Tensor, index: number) => Tensor
}

function make(
  name: string,
  { count = 3, dtype = 'float32', valueDim = 16, scale = 1, empty = [], change }: Made,
): MergeCase {
  const each = 5
  return {
    name,
    dtype,
    parts: () => {
      const query = fill(count, [2, 3, 11, 4], 2, 'float64')
      const key = fill(count + 1, [2, 3, count * each, 4], 2, 'float64')
      const value = fill(count + 2, [2, 3, count * each, valueDim], 1, 'float64')
      return Array.from({ length: count }, (_, index) => {
        const of = (view: Tensor): Tensor => slice(view, 2, index * each, (index + 1) * each)
        const { output, logSumExp } = standardAttention(query, of(key), of(value), { scale })
        const saw = !empty.includes(index)
        if (!saw) output.storage.fill(Number.NaN)
        if (!saw) logSumExp.storage.fill(-Infinity)
        const held = cast(output, dtype)
        return {
          output: change ? change(held, index) : held,
          logSumExp: cast(logSumExp, 'float32'),
        }
      })
    },
  }
}

/** Half a step of float16 below 1, and what float32 rounds off in a few operations. */
const rounding = { float32: 2e-6, float16: 2 ** -11, bfloat16: 2 ** -8 }

/** Against the CPU's merge of the same parts in float64. */
export async function mergeProblems(each: MergeCase, merge: Merge): Promise<string[]> {
  const parts = each.parts()
  const result = await merge(parts)
  const exact = mergeAttention(
    parts.map(({ output, logSumExp }) => ({
      output: cast(output, 'float64'),
      logSumExp: cast(logSumExp, 'float64'),
    })),
  )
  const sums = toFloat64Array(exact.logSumExp)
  const outputError = largestError(toFloat64Array(result.output), toFloat64Array(exact.output))
  // A rounding of the sums is one of the weights.
  const allowed = rounding[each.dtype] + 2 ** -23 * magnitude(sums)
  return [
    ...differs('dtype of the output', result.output.dtype, each.dtype),
    ...differs('shape of the output', result.output.shape, exact.output.shape),
    ...tooLarge('output', outputError, allowed),
    ...tooLarge(
      'logSumExp',
      largestError(toFloat64Array(result.logSumExp), sums),
      rounding.float32 + 2 ** -23 * magnitude(sums),
    ),
  ]
}
