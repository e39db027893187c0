// The tile of a backward kernel in plain WGSL.

/** One way to cut the work: sizes in tokens, threads and dims. */
export interface BackwardTile {
  /** Rows of the gradient; a multiple of 16 and of 4 times `threadRows`. */
  readonly rows: number
  /** Tokens visited at a time; a multiple of 16 and of 4 times `threadColumns`. */
  readonly columns: number
  readonly threadRows: number
  readonly threadColumns: number
  /** Dims of the two products in workgroup memory at a time; a power of two, at least 8. */
  readonly dimChunk: number
  /** Tokens of a weighted sum in workgroup memory at a time; divides `columns`, or a part of them. */
  readonly sourceChunk: number
  /**
   * With 2, as many threads again form a second team, and the two share the products between them;
   * see kernels/tile/team-products.ts. Default: 1.
   */
  readonly teams?: 1 | 2 | undefined
  /** Parts of the columns whose weights lie in workgroup memory at a time, for two teams. Default: 1. */
  readonly parts?: 1 | 2 | 4 | undefined
}

/** Threads of a workgroup. */
export function tileThreads({ threadRows, threadColumns, teams = 1 }: BackwardTile): number {
  return threadRows * threadColumns * teams
}

/** Of which gradients a kernel's rows are: dQ, or dK and dV. */
export type GradientRows = 'query' | 'key'
