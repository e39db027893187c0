// Which problems a run draws. `calls` are calls of every kind as people make them. The others are about what those
// seldom or never meet: each says what its themes are drawn from, and what becomes of a call in the end.
import type { DType, WeightsSelection } from '../../packages/core/src/index.ts'
import type { Chooser } from './chooser.ts'
import { hidesRows } from './modifiers.ts'
import type { CacheData, CallProblem } from './problem.ts'

/** How lengths of a call come about. */
export type Kind = 'any lengths' | 'few queries' | 'lengths by call' | 'packed'

interface Widths {
  readonly headDim: number
  readonly valueDim: number
}

type OfTheme = Partial<
  Pick<CallProblem, 'training' | 'matrices' | 'integers' | 'cache' | 'layouts'> & {
    valueDim: number
  }
>

/** What a draw wishes of its themes and calls. */
export interface Wishes {
  /** Of its choosers; those of `calls` take the seed as it is. */
  readonly salt?: number
  readonly kinds?: readonly Kind[]
  readonly widths?: readonly number[]
  readonly dtypes?: readonly DType[]
  /** Share of the themes that train, of those that may. Default: 0.4. */
  readonly training?: number
  /** What else a theme has, in place of what was drawn. */
  readonly theme?: (choose: Chooser, widths: Widths) => OfTheme
  readonly finish?: (call: CallProblem, choose: Chooser) => CallProblem
}

/** Lengths that a plan knows, without which there are no gradients. */
const planned = ['any lengths', 'any lengths', 'any lengths', 'few queries', 'packed'] as const
const dense = { query: 'dense', key: 'dense', value: 'dense', output: 'dense' } as const
const blocks = [undefined, undefined, undefined, 'q8_0', 'q4_0'] as const
/** The widest heads that plans train, and the widest values. */
const [mostTrained, mostValue] = [256, 512]

export const draws = {
  calls: {},
  /** Every call has gradients. */
  gradients: { salt: 1, kinds: planned, training: 1 },
  /** Kernels on subgroup matrices, forward, backward and for few queries, where a device has them. */
  matrices: {
    salt: 2,
    kinds: ['any lengths', 'any lengths', 'few queries', 'lengths by call', 'packed'],
    widths: [8, 16, 16, 16, 24, 32, 32],
    dtypes: ['float16', 'float16', 'float32'],
    training: 0.6,
    // Kernels of few queries read rows that lie one after another.
    theme: (choose) => ({ matrices: true, ...(choose.chance(0.7) && { layouts: dense }) }),
    finish: withoutTile,
  },
  /** Keys and values from rows, pages and rings, as they are or in blocks. */
  caches: {
    salt: 3,
    kinds: ['lengths by call'],
    widths: [32, 32, 64, 64, 96, 128],
    dtypes: ['float32', 'float16', 'bfloat16'],
    theme: (choose) => ({ cache: drawCache(choose), layouts: dense }),
    finish: inCache,
  },
  /** Caches in blocks on products of signed bytes, where WGSL has these. */
  integers: {
    salt: 7,
    kinds: ['lengths by call'],
    widths: [128],
    dtypes: ['float16'],
    theme: (choose) => ({
      integers: true,
      cache: drawBlocks(choose),
      layouts: dense,
      valueDim: 128,
    }),
    finish: (call) => inCache(withoutDropout(call)),
  },
  /** Heads wider than 128 dims, whose outputs are computed in pieces. */
  wide: {
    salt: 4,
    widths: [130, 144, 160, 192, 200, 256, 256, 288, 320, 512, 576],
    theme: (choose, { headDim, valueDim }) => ({
      valueDim: Math.min(valueDim, mostValue),
      training: headDim <= mostTrained && valueDim <= mostTrained && choose.chance(0.3),
    }),
    finish: (call) => ({ ...call, training: call.training && call.lengths === 'plan' }),
  },
  bfloat16: { salt: 5, dtypes: ['bfloat16'] },
  /** Attention weights beside outputs. */
  weights: { salt: 6, training: 0, finish: withWeights },
} as const satisfies Readonly<Record<string, Wishes>> as Readonly<Record<Draw, Wishes>>

/** A kind of problems that can be asked for. */
export type Draw =
  'calls' | 'gradients' | 'matrices' | 'caches' | 'integers' | 'wide' | 'bfloat16' | 'weights'

/** Whether a name is that of a draw. */
export const isDraw = (name: string): name is Draw => Object.hasOwn(draws, name)

/** Matrices have tiles of their own. */
function withoutTile(call: CallProblem): CallProblem {
  const { tile: _, ...rest } = call
  return rest
}

/** Products of signed bytes come without it. */
function withoutDropout(call: CallProblem): CallProblem {
  const { dropout: _, ...rest } = call
  return rest
}

function drawCache(choose: Chooser): CacheData {
  const quantized = choose.of(blocks)
  const place = choose.of(['rows', 'pages', 'pages', 'ring', 'ring'] as const)
  return {
    chunk: choose.of([7, 64, 300]),
    ...(quantized && { quantized }),
    ...(place === 'pages' && { pageSize: choose.of([1, 4, 16]) }),
    ...(place === 'ring' && {
      ring: { window: choose.of([1, 9, 64]), sinks: choose.of([0, 2, 4]) },
    }),
  }
}

/** In blocks, whose pages hold whole chunks. */
function drawBlocks(choose: Chooser): CacheData {
  const { pageSize, ...cache } = drawCache(choose)
  return {
    ...cache,
    quantized: choose.of(['q8_0', 'q4_0'] as const),
    ...(pageSize && { pageSize: choose.of([32, 64]) }),
  }
}

/** Of a cache queries are the newest tokens; blocks hold no NaN, and infinities in their own way. */
function inCache({ hidden, visible, ...call }: CallProblem): CallProblem {
  const { cache, keyLengths = [], shape } = call
  const queryOffset = keyLengths.map((length) => length - shape.queryLength)
  const spoiled = !cache?.quantized
  return {
    ...call,
    queryOffset,
    ...(spoiled && hidden && { hidden }),
    ...(spoiled && visible && { visible }),
  }
}

function withWeights(call: CallProblem, choose: Chooser): CallProblem {
  const { heads, queryLength } = call.shape
  const start = choose.integer(0, queryLength - 1)
  const weights: WeightsSelection = {
    ...(choose.chance(0.5) && {
      queries: [start, choose.integer(start + 1, queryLength)] as const,
    }),
    ...(choose.chance(0.5) && {
      heads: Array.from({ length: choose.integer(1, 3) }, () => choose.integer(0, heads - 1)),
    }),
    ...(choose.chance(0.7) && {
      reduce: choose.of(['sum over queries', 'maximum', 'mean over heads'] as const),
    }),
  }
  // Of the lowest float32 a weight is whatever rounding leaves of it.
  const modifiers = call.modifiers.filter((each) => !hidesRows(each))
  return { ...call, modifiers, weights }
}
