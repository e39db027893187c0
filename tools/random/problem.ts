// A whole problem as plain data: all that decides a call and its tensors. It can be printed, read back,
// and made smaller piece by piece.
import type {
  AttentionShape,
  DType,
  QuantizedType,
  WeightsSelection,
} from '../../packages/core/src/index.ts'
import type { DecodeTile } from '../../packages/webgpu-flash/src/index.ts'
import type { IntegerTree, BooleanTree } from './expression-trees.ts'

/** How a tensor lies in memory; see tensors.ts. */
export type Layout = 'dense' | 'tokens outside' | 'dims outside' | 'offset' | 'sliced'

/** A mask by its name and numbers; see masks.ts. Tables get the sizes of the call. */
export type MaskData =
  | { readonly pattern: string; readonly numbers: readonly number[] }
  | { readonly and: readonly MaskData[] }
  | { readonly or: readonly MaskData[] }
  | { readonly not: MaskData }
  /** Heads take turns. */
  | { readonly perHead: readonly MaskData[] }
  | { readonly tree: BooleanTree }

/** A score modifier by its name and numbers; see modifiers.ts. */
export type ModifierData =
  | { readonly modifier: string; readonly numbers: readonly number[] }
  /** tanh of a multiple of the score, and an expression of positions, added with weights. */
  | { readonly tree: IntegerTree; readonly weights: readonly [score: number, position: number] }

/** Rotation of queries and keys. */
export interface RopeData {
  readonly layout: 'half' | 'interleaved'
  readonly rotaryDim: number
  readonly attentionFactor: number
  readonly sides: 'both' | 'query' | 'key'
}

/** A cache that keys and values are appended to, in place of tensors; see caches.ts. */
export interface CacheData {
  /** Tokens of each append. */
  readonly chunk: number
  readonly quantized?: QuantizedType
  /** Tokens of a page. */
  readonly pageSize?: number
  readonly ring?: { readonly window: number; readonly sinks: number }
}

/** A number that spoils what it meets. */
export type Spoiler = 'NaN' | 'Infinity' | '-Infinity'

/** One call. */
export interface CallProblem {
  readonly kind: 'call'
  /** Of the numbers in its tensors and tables. */
  readonly seed: number
  readonly shape: AttentionShape
  readonly dtype: DType
  /** `call`: the plan learns key lengths with each call, as with a cache. */
  readonly lengths: 'plan' | 'call'
  readonly training: boolean
  readonly layouts: {
    readonly query: Layout
    readonly key: Layout
    readonly value: Layout
    readonly output: Layout
  }
  /** Queries and keys lie in [-amplitude, amplitude). */
  readonly amplitude: number
  readonly scale?: number
  readonly mask?: MaskData
  readonly modifiers: readonly ModifierData[]
  readonly queryOffset?: number | readonly number[]
  readonly keyLengths?: readonly number[]
  readonly sequences?: {
    readonly cumulativeQueryLengths: readonly number[]
    readonly cumulativeKeyLengths?: readonly number[]
  }
  readonly dropout?: { readonly rate: number; readonly seed: number }
  readonly sinks?: readonly number[]
  readonly rope?: RopeData
  /** Which of the planner's other tiles is forced, modulo their number. */
  readonly tile?: number
  readonly decodeTile?: Partial<DecodeTile>
  readonly workBudget?: number
  /** Whether kernels on subgroup matrices are asked for, on tiles so small that a CPU compiles them. */
  readonly matrices?: true
  /** Whether products of signed bytes are. */
  readonly integers?: true
  readonly cache?: CacheData
  /** Which attention weights are asked for as well. */
  readonly weights?: WeightsSelection
  /** What stands in keys and values that no query sees, and in queries that see no key. */
  readonly hidden?: Spoiler
  /** What stands in one place that is seen. */
  readonly visible?: {
    readonly tensor: 'query' | 'key' | 'value'
    readonly spoiler: Spoiler
    /** Of its elements, as a share. */
    readonly place: number
  }
}

/** A call with something of another size, which has to be refused by name; see misfits.ts. */
export interface MisfitProblem {
  readonly kind: 'misfit'
  readonly misfit: string
  readonly shape: AttentionShape
  readonly seed: number
}

export type Problem = CallProblem | MisfitProblem

/** Rows of the score matrix, over all heads and sequences. */
export function rowCount({ batch, heads, queryLength }: AttentionShape): number {
  return batch * heads * queryLength
}
