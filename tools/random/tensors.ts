// The tensors of a problem: numbers from its seed, laid out in memory as it says, with NaN and infinities
// where it says.
import {
  cast,
  compile,
  resolveOptions,
  tensorFrom,
  toFloat64Array,
} from '../../packages/core/src/index.ts'
import type {
  AttentionOptions,
  AttentionShape,
  QuantizedType,
  Tensor,
} from '../../packages/core/src/index.ts'
import {
  dimsOutside,
  offset,
  sliced,
  transposed,
} from '../../packages/core/test/conformance/cases.ts'
import { randomNumbers } from '../../packages/core/test/conformance/fill.ts'
import type { CallProblem, Layout, Spoiler } from './problem.ts'

/** The tensors of a call. */
export interface ProblemTensors {
  readonly query: Tensor
  readonly key: Tensor
  readonly value: Tensor
  readonly dOutput: Tensor
}

const spoilers: Readonly<Record<Spoiler, number>> = {
  NaN: Number.NaN,
  Infinity: Infinity,
  '-Infinity': -Infinity,
}

const layouts: Readonly<Record<Layout, (view: Tensor) => Tensor>> = {
  dense: (view) => view,
  'tokens outside': transposed,
  'dims outside': dimsOutside,
  offset,
  sliced,
}

/** The same numbers in another place. */
export function laidOut(view: Tensor, layout: Layout): Tensor {
  return layouts[layout](view)
}

/** Which keys of which key heads any query sees, and which queries see any key. */
export interface Seen {
  /** `[B, Hkv, S]` */
  readonly keys: Uint8Array
  /** `[B, H, L]` */
  readonly queries: Uint8Array
}

/** Asks mask and lengths about every pair. */
export function seenBy(shape: AttentionShape, options: AttentionOptions): Seen {
  const { batch, heads, kvHeads, queryLength, keyLength } = shape
  const resolved = resolveOptions('random', shape, options)
  const allows = resolved.mask && compile(resolved.mask.expression, resolved)
  const keys = new Uint8Array(batch * kvHeads * keyLength)
  const queries = new Uint8Array(batch * heads * queryLength)
  for (let b = 0; b < batch; b++) {
    for (let head = 0; head < heads; head++) {
      const keyHead = Math.floor((head * kvHeads) / heads)
      for (let queryIndex = 0; queryIndex < queryLength; queryIndex++) {
        const query = resolved.queryOffsets[b]! + queryIndex
        const at = { batch: b, head, query, queryIndex, queryLength, keyLength, heads }
        for (let key = 0; key < resolved.keyLengths[b]!; key++) {
          if (allows && !allows({ ...at, key })) continue
          keys[(b * kvHeads + keyHead) * keyLength + key] = 1
          queries[(b * heads + head) * queryLength + queryIndex] = 1
        }
      }
    }
  }
  return { keys, queries }
}

/** Makes the tensors. */
export function problemTensors(problem: CallProblem, options: AttentionOptions): ProblemTensors {
  const { seed, shape, dtype, amplitude, hidden, visible, cache } = problem
  const { batch, heads, kvHeads, queryLength, keyLength, headDim, valueDim } = shape
  const seen = hidden || visible ? seenBy(shape, options) : undefined
  const make = (
    name: 'query' | 'key' | 'value' | 'dOutput',
    sizes: readonly [number, number, number, number],
    scale: number,
  ): Tensor => {
    const number = ['query', 'key', 'value', 'dOutput'].indexOf(name)
    const count = sizes.reduce((product, size) => product * size, 1)
    const drawn = randomNumbers(seed + 7919 * number + 1, count)
    const inBlocks = cache?.quantized && (name === 'key' || name === 'value')
    const values = inBlocks
      ? numbersOfBlocks(drawn, cache.quantized, scale)
      : drawn.map((entry) => entry * scale)
    const rows = name === 'query' || name === 'dOutput' ? seen?.queries : seen?.keys
    if (rows && hidden && name !== 'dOutput') fillHidden(values, rows, sizes[3], spoilers[hidden])
    if (rows && visible?.tensor === name) spoil(values, rows, sizes[3], visible)
    return tensorFrom(values, sizes, dtype)
  }
  const tensors = {
    query: make('query', [batch, heads, queryLength, headDim], amplitude),
    key: make('key', [batch, kvHeads, keyLength, headDim], amplitude),
    value: make('value', [batch, kvHeads, keyLength, valueDim], 1),
  }
  return {
    query: laidOut(tensors.query, problem.layouts.query),
    key: laidOut(tensors.key, problem.layouts.key),
    value: laidOut(tensors.value, problem.layouts.value),
    dOutput: make('dOutput', [batch, heads, queryLength, valueDim], 1),
  }
}

/** Of numbers in [-1, 1), those that blocks of 32 keep as they are, so that nothing is left to rounding. */
function numbersOfBlocks(drawn: Float64Array, type: QuantizedType, scale: number): Float64Array {
  const [largest, extreme] = type === 'q8_0' ? [126, 127] : [7, -8]
  const step = 2 ** Math.round(Math.log2(scale / largest))
  return drawn.map((entry, place) => {
    // One of each block is the number that its scale follows from, now here, now there.
    const isExtreme = place % 32 === (7 * Math.floor(place / 32)) % 32
    return step * (isExtreme ? extreme : Math.round(entry * largest))
  })
}

function fillHidden(values: Float64Array, seen: Uint8Array, dim: number, spoiler: number): void {
  seen.forEach((isSeen, row) => {
    if (!isSeen) values.fill(spoiler, row * dim, (row + 1) * dim)
  })
}

function spoil(
  values: Float64Array,
  seen: Uint8Array,
  dim: number,
  { spoiler, place }: NonNullable<CallProblem['visible']>,
): void {
  const rows = [...seen.keys()].filter((row) => seen[row])
  if (rows.length === 0) return
  const at = Math.floor(place * rows.length * dim)
  values[rows[Math.floor(at / dim)]! * dim + (at % dim)] = spoilers[spoiler]
}

/** A tensor's numbers. */
export const numbersOf = (view: Tensor): Float64Array => toFloat64Array(view)

/** The same in float64, to compute with. */
export const exactly = (view: Tensor): Tensor => cast(view, 'float64')
