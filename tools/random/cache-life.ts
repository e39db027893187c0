// A random life of a cache: of which kind it is, the tokens it should hold by a list on the CPU, and the numbers
// that these are made of.
import { mask, tensorFrom } from '../../packages/core/src/index.ts'
import type { DType, Tensor } from '../../packages/core/src/index.ts'
import type { KeyValueCache } from '../../packages/webgpu-flash/src/index.ts'
import { turnRow } from './cache-model.ts'
import type { ModelSizes, ModelToken } from './cache-model.ts'
import type { Chooser } from './chooser.ts'

export const dim = 32
export const most = 5
export const planLength = 160
export const causal = mask('causal', ({ query, key }) => key.le(query))
export const rope = {
  inverseFrequencies: Array.from({ length: dim / 2 }, (_, pair) => 100 ** ((-2 * pair) / dim)),
  attentionFactor: 1,
  layout: 'half',
  rotaryDim: dim,
} as const
export const ring = { window: 9, sinks: 2 } as const
/** Rows of a ring: so many drafts can be taken back. */
export const ringRows = ring.window + ring.sinks + most

export const kinds = [
  'rows',
  'rows, rotary',
  'ring',
  'ring, rotary',
  'pages',
  'q8_0',
  'q4_0',
] as const
export type Kind = (typeof kinds)[number]
export const dtypes = ['float32', 'float16', 'bfloat16'] as const

export interface Life {
  readonly kind: Kind
  readonly dtype: (typeof dtypes)[number]
  readonly sizes: ModelSizes
  cache: KeyValueCache
  /** Tokens of each sequence. */
  readonly held: ModelToken[][]
  /** The longest each was since it was as short as its sinks: what a ring lost follows from it. */
  readonly longest: number[]
  readonly choose: Chooser
  readonly steps: string[]
}

/** Whether a ring no longer has what a query at `position` sees, in a sequence so long. */
export function isLost(
  { sizes, longest }: Life,
  b: number,
  length: number,
  position: number,
): boolean {
  if (!sizes.ring || length <= ring.sinks) return false
  const oldest = longest[b]! - (ringRows - ring.sinks)
  return oldest > ring.sinks && position - ring.window + 1 < oldest
}

export function cut({ held, longest, sizes }: Life, b: number, length: number): void {
  held[b]!.length = length
  if (!sizes.ring || length <= ring.sinks) longest[b] = length
}

export const turned = ({ sizes }: Life, key: readonly number[], position: number): number[] =>
  Array.from({ length: sizes.kvHeads }, (_, head) =>
    turnRow(key.slice(head * dim, (head + 1) * dim), position, sizes.rope),
  ).flat()

/** Numbers that blocks of the kind keep as they are, so that nothing is left to rounding. */
export function drawToken({ kind, choose, sizes }: Life): ModelToken {
  const [low, high, step] =
    kind === 'q8_0' ? [-126, 126, 2 ** -6] : kind === 'q4_0' ? [-7, 7, 2 ** -2] : [-64, 64, 2 ** -5]
  const extreme = kind === 'q8_0' ? 127 : kind === 'q4_0' ? -8 : undefined
  const row = (): number[] =>
    Array.from({ length: sizes.kvHeads }, () => {
      const numbers = Array.from({ length: dim }, () => choose.integer(low, high))
      if (extreme !== undefined) numbers[choose.integer(0, dim - 1)] = extreme
      return numbers.map((x) => x * step)
    }).flat()
  return { key: row(), value: row() }
}

/** `[B, H, L, D]` of rows by sequence and row, whose numbers are by head. */
export function asTensor(
  dtype: DType,
  rows: readonly (readonly (readonly number[])[])[],
  heads: number,
): Tensor {
  const length = rows[0]!.length
  const values = rows.flatMap((own) =>
    Array.from({ length: heads }, (_, head) =>
      own.flatMap((row) => row.slice(head * dim, (head + 1) * dim)),
    ).flat(),
  )
  return tensorFrom(values, [rows.length, heads, length, dim], dtype)
}
