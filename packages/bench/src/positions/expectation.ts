// What the sampled rows ought to be with a method's positions, and the error a plain program makes.
import { biasFromTensor, cast, standardAttention, tensor, toFloat64Array } from '@attn/core'
import type { DType, RotaryEmbedding, ScoreModifier, Tensor } from '@attn/core'
import { rotate } from '@attn/positions'
import { largestDifference, resolution } from '../verify/expectation.ts'
import type { BlockInputs, Expectation } from '../verify/expectation.ts'
import { plainRow } from '../verify/plain-row.ts'
import { biasNumber } from './biases.ts'
import { positionMask } from './problem.ts'

/** A method's positions as the reference applies them. */
export interface ReferencePositions {
  readonly bias: ScoreModifier | undefined
  readonly rotary: RotaryEmbedding | undefined
  /** H: heads of a sequence. */
  readonly heads: number
}

/**
 * Computes the sampled rows with the CPU reference in float64, causally; the plain program rotates
 * exactly and stores what it rotated.
 *
 * @param length - Of queries and keys.
 */
export function expectPositions(
  blocks: readonly BlockInputs[],
  length: number,
  dtype: DType,
  { bias, rotary, heads }: ReferencePositions,
): Expectation {
  const biasOf = bias && biasNumber(bias)
  let plainError = 0
  let largestOutput = 0
  const exact = blocks.map((block) => {
    const { rows, firstRow } = block
    const headDim = block.query.length / rows
    const head = block.head % heads
    const view = (values: Float32Array, count: number): Tensor =>
      tensor(values, [1, 1, count, headDim])
    const turned = (source: Tensor, positions: number, type: 'float64' | DType): Tensor =>
      rotary ? rotate(cast(source, type), rotary, { positions }) : cast(source, type)
    const biases = biasOf && biasRows(biasOf, head, firstRow, rows, length)
    const { output } = standardAttention(
      turned(view(block.query, rows), firstRow, 'float64'),
      turned(view(block.key, length), 0, 'float64'),
      view(block.value, length),
      {
        queryOffset: firstRow,
        mask: positionMask,
        scoreModifiers: biases ? [biasFromTensor(biases, [1, 1, rows, length])] : [],
      },
    )
    const right = output.storage as Float64Array
    const plainQuery = numbers(turned(view(block.query, rows), firstRow, dtype))
    const plainKey = numbers(turned(view(block.key, length), 0, dtype))
    for (let row = 0; row < rows; row++) {
      const range = [row * headDim, (row + 1) * headDim] as const
      const plain = plainRow(
        {
          query: plainQuery.subarray(...range),
          key: plainKey,
          value: block.value,
          scale: 1 / Math.sqrt(headDim),
          visible: (key) => key <= firstRow + row,
          ...(biases ? { bias: (key: number) => biases[row * length + key]! } : {}),
        },
        dtype,
      )
      plainError = Math.max(plainError, largestDifference(plain, right.subarray(...range)))
    }
    for (const element of right) largestOutput = Math.max(largestOutput, Math.abs(element))
    return right
  })
  const allowedError = 2 * plainError + resolution[dtype] * largestOutput
  return { blocks, exact, plainError, allowedError }
}

const numbers = (view: Tensor): Float32Array => Float32Array.from(toFloat64Array(view))

/** The bias of every pair of some rows, `[rows, length]`. */
function biasRows(
  biasOf: (head: number, query: number, key: number) => number,
  head: number,
  firstRow: number,
  rows: number,
  length: number,
): Float64Array {
  return Float64Array.from({ length: rows * length }, (_, index) =>
    biasOf(head, firstRow + Math.floor(index / length), index % length),
  )
}
