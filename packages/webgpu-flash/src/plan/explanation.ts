// What a plan says of itself.
import type { AttentionShape, DType, SparsityCandidate } from '@attn/core'
import type { BackwardExplanation } from './backward/explain-backward.ts'
import type { DecodeTile } from './decode/decode-tile.ts'
import type { DecodeIntegersTile } from './decode/decode-integers-tile.ts'
import type { DecodeMatrixTile } from './decode/decode-matrix-tile.ts'
import type { MatrixTile } from './forward/matrix-tile.ts'
import type { ForwardTile } from './forward/tiles.ts'
import type { RopeExplanation } from './rotate/explain-rope.ts'

/** What a plan was made for. */
export interface PlannedCall extends AttentionShape {
  readonly dtype: DType
  /** Name of the mask, where there is one. */
  readonly mask?: string | undefined
  /** Names of the score modifiers, in the order in which they apply. */
  readonly scoreModifiers: readonly string[]
  readonly dropout: boolean
  readonly sinks: boolean
  /** How many sequences are packed end to end, where they are. */
  readonly sequences?: number | undefined
}

/** How a plan on the decode kernel spreads its work. Plain data. */
export interface DecodeExplanation {
  readonly tile: DecodeTile
  /** Set where calls are computed on subgroup matrices, if their tensors lie in whole vectors. */
  readonly matrix?: DecodeMatrixTile | undefined
  /** Set where those over quantised caches are computed by products of signed bytes, if their tensors lie so. */
  readonly integers?: DecodeIntegersTile | undefined
  /** Query rows that share each read of a key: of H / Hkv heads. */
  readonly rowsPerKey: number
  /** Parts that the keys of a row are cut into, and keys of each. With lengths per call, the most. */
  readonly parts: number
  readonly keysPerPart: number
  readonly workgroups: number
  /** Whether lengths belong to the plan or come with each call. */
  readonly lengths: 'plan' | 'call'
}

/** A tile in the words of its kernel; of the decode kernel, see `decode`. */
export type ExplainedTile =
  ForwardTile | MatrixTile | { readonly queries: number; readonly keys: number }

/** The account of one plan. Plain data. */
export interface PlanExplanation {
  /** What the plan was made for. */
  readonly call: PlannedCall
  /** The kernel chosen. */
  readonly variant: 'tiled' | 'subgroup-matrix' | 'decode'
  /** Why this kernel and tile. */
  readonly reason: string
  readonly tile: ExplainedTile
  /** Threads of a workgroup. */
  readonly threads: number
  readonly workgroupMemoryBytes: number
  /** Tiles of the score matrix, over all heads and sequences. */
  readonly blocks: {
    readonly total: number
    readonly visited: number
    readonly full: number
    readonly partial: number
    readonly skipped: number
  }
  /** How a mask that proposes orders of the tokens is computed; undefined for others. */
  readonly passes?:
    | {
        /** What was compared, in words, with the tiles each visits over all heads and sequences. */
        readonly candidates: readonly SparsityCandidate[]
        /** The name of the one that is run. */
        readonly chosen: string
        readonly reason: string
      }
    | undefined
  /** Rows of tiles so long that several workgroups share each, and the parts that these take. */
  readonly longRows: { readonly rows: number; readonly parts: number }
  /** How keys are spread over workgroups, where the kernel is that for few queries. */
  readonly decode?: DecodeExplanation | undefined
  /**
   * How float32 is computed on matrices that multiply float16; undefined for other kernels. Numbers that are not
   * finite or too far apart do not allow for it: the GPU finds out, and `otherwise` is the tile of the plain
   * kernel that then computes the call.
   */
  readonly products?: { readonly ofEach: 3; readonly otherwise: ForwardTile } | undefined
  /** What is turned before attention, and how; undefined without `rope`. */
  readonly rope?: RopeExplanation | undefined
  /** Multiplications and additions in visited tiles: 2 (D + Dv) for each pair. */
  readonly floatingPointOperations: number
  /** Parts that the work is cut into for the device's limits, with contiguous tensors. */
  readonly dispatches: number
  /** Bytes that cross from GPU memory to workgroups if nothing is cached, and back. */
  readonly bytes: { readonly read: number; readonly written: number }
  /** Bytes the plan's buffers hold: outputs, and what it needs besides. */
  readonly memoryBytes: {
    readonly output: number
    readonly logSumExp: number
    readonly blockMap: number
    readonly tables: number
    /**
     * Results of the parts of long rows, before they are merged; and the output in float32 where one of fewer
     * bits would be rounded at every merge: of parts over other keys, and of passes.
     */
    readonly parts: number
    /** Queries and keys turned by `rope`, from the first call on. */
    readonly rotated: number
    /** Queries, keys and values as float16 halves, where the call is computed by `products` of them. */
    readonly halves?: number | undefined
  }
  /** Bytes of the scores of all pairs, which attention that stores them would need. */
  readonly scoreBytes: number
  /** The backward pass, of a plan made with `training: true`. */
  readonly backward?: BackwardExplanation | undefined
}

/** The part of it that is about the kernel. */
export interface KernelAccount extends Omit<
  PlanExplanation,
  'call' | 'rope' | 'backward' | 'scoreBytes' | 'memoryBytes'
> {
  readonly memoryBytes: Pick<PlanExplanation['memoryBytes'], 'blockMap' | 'parts' | 'halves'>
}
