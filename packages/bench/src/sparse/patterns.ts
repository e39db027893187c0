// The patterns that `attn sparse` measures, for any length: parameters as the papers have them at
// 65,536 tokens, and elsewhere the balanced stride, the square root of the length.
import { blockMapStatistics, createBlockMap, rangeError } from '@attn/core'
import type { Mask } from '@attn/core'
import { balancedStride, bigBird, causal, fixed, slidingWindow, strided } from '@attn/masks'

/** A pattern at one length. */
export interface SparsePattern {
  readonly name: PatternName
  /** What it is, with its parameters: `strided, l = 256`. */
  readonly label: string
  readonly mask: Mask
  /** Pairs that it sees, in one head. */
  readonly pairs: number
}

/** The patterns, in the order of columns. */
export const patternNames = ['window', 'bigBird', 'strided', 'fixed'] as const
/** One of them. */
export type PatternName = (typeof patternNames)[number]

/** Choices that all lengths share. */
export interface PatternOptions {
  /** Keys that each query of the window sees, its own among them. Default: 1024. */
  readonly window?: number | undefined
  /** l of `strided` and `fixed`. Default: the square root of the length. */
  readonly stride?: number | undefined
}

/** The numbers that make the patterns at a length. */
export function parametersAt(
  length: number,
  { window = 1024, stride = balancedStride(length) }: PatternOptions = {},
): { readonly window: number; readonly stride: number; readonly summary: number } {
  return { window, stride, summary: Math.max(1, Math.round(stride / 8)) }
}

/** Patterns at a length, which is a multiple of 64 for BigBird; all of them unless `names` says which. */
export function patternsAt(
  length: number,
  options: PatternOptions & { readonly names?: readonly PatternName[] } = {},
): SparsePattern[] {
  const { window, stride: l, summary: c } = parametersAt(length, options)
  // Counting pairs at a million tokens takes a second: only of those that are asked for.
  const create: Readonly<Record<PatternName, () => Omit<SparsePattern, 'name'>>> = {
    window: () => ({
      label: `window ${window}`,
      mask: slidingWindow(window - 1),
      pairs: sumOver(length, (i) => Math.min(i + 1, window)),
    }),
    bigBird: () => {
      const mask = bigBird({ length })
      return { label: 'BigBird, blocks of 64', mask, pairs: pairsOfBlocks(mask, length) }
    },
    strided: () => ({
      label: `strided, l = ${l}`,
      mask: strided(l).merged(),
      // The last l + 1 keys, then every l-th before.
      pairs: sumOver(length, (i) => Math.min(i, l) + 1 + Math.max(Math.floor(i / l) - 1, 0)),
    }),
    fixed: () => ({
      label: `fixed, l = ${l}, c = ${c}`,
      mask: fixed(l, { summary: c }).merged(),
      // Its own block so far, and the last c keys of every block before.
      pairs: sumOver(length, (i) => (i % l) + 1 + Math.floor(i / l) * c),
    }),
  }
  return patternNames
    .filter((name) => (options.names ?? patternNames).includes(name))
    .map((name) => ({ name, ...create[name]() }))
}

/** What all are compared with. */
export function baselineAt(length: number): { readonly mask: Mask; readonly pairs: number } {
  return { mask: causal(), pairs: (length * (length + 1)) / 2 }
}

function sumOver(length: number, keysOf: (query: number) => number): number {
  let sum = 0
  for (let query = 0; query < length; query++) sum += keysOf(query)
  return sum
}

/** BigBird sees whole blocks of 64 by 64 tokens; only the last may be short. */
function pairsOfBlocks(mask: Mask, length: number): number {
  if (length % 64 !== 0)
    throw rangeError(`attn sparse: lengths must be multiples of 64, got ${length}`)
  const shape = { batch: 1, heads: 1, queryLength: length, keyLength: length }
  const map = createBlockMap(mask, shape, { queryBlockSize: 64, keyBlockSize: 64 })
  return blockMapStatistics(map).full * 64 * 64
}
