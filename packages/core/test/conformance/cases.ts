// The conformance cases: small calls that between them meet every option, every awkward length and
// every way a tensor can lie in memory. Each list of values is covered, not every combination.
import { cast, expand, permute, slice, tensor } from '../../src/index.ts'
import type { AttentionOptions, AttentionShape, DType, Tensor } from '../../src/index.ts'
import { fill } from './fill.ts'

/** Query, key and value of a call. */
export interface Inputs {
  readonly query: Tensor
  readonly key: Tensor
  readonly value: Tensor
}

/** One call to make, its expected result being `standardAttention`'s in float64. */
export interface ConformanceCase {
  readonly name: string
  readonly shape: AttentionShape
  readonly dtype: DType
  readonly options: AttentionOptions
  /** Makes the inputs; the same each time. */
  inputs(): Inputs
  /** The gradient of the output, for the backward pass. */
  dOutput(): Tensor
}

/** How the inputs of a case are made. */
export interface InputOptions {
  readonly dtype?: DType
  /** Queries and keys lie in [-amplitude, amplitude). Default: 2. */
  readonly amplitude?: number
  /** What is done to each input after it is filled. */
  readonly prepare?: (inputs: Inputs) => Inputs
  /** What is done to the gradient of the output. */
  readonly prepareGradient?: (dOutput: Tensor) => Tensor
}

/** Sizes of a case; by default one sequence of 33, two heads of width 16. */
export type Sizes = Partial<AttentionShape>

/** Makes a case. */
export function conformanceCase(
  name: string,
  sizes: Sizes,
  options: AttentionOptions = {},
  given: InputOptions = {},
): ConformanceCase {
  const { dtype = 'float32', amplitude = 2 } = given
  const { prepare = (inputs) => inputs, prepareGradient = (dOutput) => dOutput } = given
  const { batch = 1, heads = 2, queryLength = 33, headDim = 16 } = sizes
  const { kvHeads = heads, keyLength = queryLength, valueDim = headDim } = sizes
  const shape = { batch, heads, kvHeads, queryLength, keyLength, headDim, valueDim }
  const seed = Array.from(name).reduce(
    (sum, letter) => (sum * 31 + letter.codePointAt(0)!) >>> 0,
    7,
  )
  return {
    name,
    shape,
    dtype,
    options,
    inputs: () =>
      prepare({
        query: fill(seed, [batch, heads, queryLength, headDim], amplitude, dtype),
        key: fill(seed + 1, [batch, kvHeads, keyLength, headDim], amplitude, dtype),
        value: fill(seed + 2, [batch, kvHeads, keyLength, valueDim], 1, dtype),
      }),
    dOutput: () => prepareGradient(fill(4, [batch, heads, queryLength, valueDim], 1, dtype)),
  }
}

/** Applies one change of layout to all three inputs. */
export function layout(change: (input: Tensor) => Tensor): Pick<InputOptions, 'prepare'> {
  return {
    prepare: ({ query, key, value }) => ({
      query: change(query),
      key: change(key),
      value: change(value),
    }),
  }
}

/** Lies in memory as [batch, length, heads, dim]. */
export const transposed = (input: Tensor): Tensor =>
  permute(cast(permute(input, [0, 2, 1, 3]), input.dtype), [0, 2, 1, 3])

/** Lies in memory as [batch, heads, dim, length]. */
export const dimsOutside = (input: Tensor): Tensor =>
  permute(cast(permute(input, [0, 1, 3, 2]), input.dtype), [0, 1, 3, 2])

/** Begins at an odd element of a larger storage, with NaN around it. */
export const offset = (input: Tensor): Tensor => within(input, [0, 0, 0, 0], 7)

/** A slice along every axis of a larger tensor, with NaN around it. */
export const sliced = (input: Tensor): Tensor => within(input, [1, 1, 3, 2], 0)

/** All sequences of the batch are one and the same (stride 0). */
export const sharedByBatch = (input: Tensor): Tensor => expand(slice(input, 0, 0, 1), input.shape)

function within(input: Tensor, margin: readonly number[], start: number): Tensor {
  const { shape, dtype } = input
  const outer = shape.map((size, axis) => size + 2 * margin[axis]!)
  const count = outer.reduce((product, size) => product * size, 1)
  const around = tensor(new Float32Array(count + start).fill(Number.NaN), outer, { offset: start })
  const { storage } = cast(tensor(around.storage, [count + start]), dtype)
  const whole = tensor(storage, outer, { offset: start, dtype })
  const view = shape.reduce(
    (inner, size, axis) => slice(inner, axis, margin[axis]!, margin[axis]! + size),
    whole,
  )
  copy(input, view)
  return view
}

function indexOf({ strides, offset: first }: Tensor, index: readonly number[]): number {
  return index.reduce((place, i, axis) => place + i * strides[axis]!, first)
}

function copy(from: Tensor, to: Tensor): void {
  const [batch, heads, length, dim] = from.shape as [number, number, number, number]
  for (let b = 0; b < batch; b++)
    for (let h = 0; h < heads; h++)
      for (let i = 0; i < length; i++)
        for (let d = 0; d < dim; d++) {
          to.storage[indexOf(to, [b, h, i, d])] = from.storage[indexOf(from, [b, h, i, d])]!
        }
}
