// How long a tile takes, estimated: what ranks the candidates where nothing has been measured. All is
// counted in multiply-adds (FMAs) of one thread for each pair of a query and a key, so that tiles of
// any size compare. Constants were fitted once to tiles measured on an NVIDIA H200 (16 heads, 4096
// tokens, float32): what they stand for is general, their values are not, and `flash.tune` measures.

/** A tile as the estimate sees it; rows belong to a workgroup, columns are visited. */
export interface TileWork {
  readonly rows: number
  readonly columns: number
  readonly threadRows: number
  readonly threadColumns: number
  /** Dims of the products that make a score; their operands are read from workgroup memory. */
  readonly productDims: number
  /** Widths of the sums a thread row holds in registers, rounded up to whole thread columns. */
  readonly sumDims: readonly number[]
  /** Score tiles that are in registers at once: S, or S and dP. */
  readonly scoreTiles: number
  /** Elements read for each token of a column, and again for each of a row, at every visit. */
  readonly columnElements: number
  readonly rowElements: number
  /** Chunks that a visit brings to workgroup memory, one after the other. */
  readonly chunks: number
  /** Elements of the largest chunk, which a workgroup keeps in registers while they are on their way. */
  readonly chunkElements: number
  /** Bytes of workgroup memory. */
  readonly bytes: number
}

/** How often a tile is used. */
export interface TileCall {
  /** Rows of a head, and all heads of all sequences. */
  readonly rowTokens: number
  readonly columnTokens: number
  readonly planes: number
}

/** A word from workgroup memory, in FMAs: a unit loads a quarter as many vectors as it multiplies. */
const wordCost = 1
/** An element from memory, by way of caches: fitted. Tiles reuse each across their other axis. */
const elementCost = 6
/** A maximum of a row read from another thread's part: fitted; it waits for the one before. */
const reductionCost = 12
/** Two barriers around a chunk: fitted, so that larger chunks are worth their registers. */
const chunkCost = 60
/** Registers of a compute unit (those of NVIDIA's; of its kind on others), and of a thread besides sums. */
const unitRegisters = 65536
const threadRegisters = 40
/** Bytes of a compute unit's workgroup memory: 64 to 228 KiB, which WebGPU does not tell. */
const unitBytes = 128 * 1024
/** Threads of a unit at which half the time is spent waiting: fitted. */
const halfHidden = 300
/** Compute units, which WebGPU does not tell either: an H200 has 132, laptops 8 to 40. */
const units = 64

/** Estimated time of a call with a tile, in FMAs of one thread for each pair there is. */
export function tileCost(work: TileWork, call: TileCall): number {
  const { rows, columns, threadRows, threadColumns, sumDims, chunks } = work
  const threads = threadRows * threadColumns
  const ownRows = rows / threadRows
  const ownColumns = columns / threadColumns

  const products = work.productDims * (1 + wordCost * (1 / ownRows + 1 / ownColumns))
  const sums = sumDims.reduce((all, dims) => {
    return all + dims * (1 + wordCost * (1 / ownRows + threadColumns / dims))
  }, 0)
  const reduction = reductionCost * (threadColumns / ownColumns)
  const reads = elementCost * (work.columnElements / rows + work.rowElements / columns)
  const barriers = (chunkCost * chunks * threads) / (rows * columns)

  // Waiting is hidden by threads that run side by side, as many as registers and memory hold.
  const ownSums = sumDims.reduce((all, dims) => all + dims / threadColumns, 0)
  const registers =
    ownRows * (work.scoreTiles * ownColumns + ownSums) +
    work.chunkElements / threads +
    threadRegisters
  const sideBySide = Math.max(
    1,
    Math.min(unitRegisters / registers / threads, unitBytes / work.bytes),
  )
  // A short call has fewer workgroups than would fill the units, and rows that do not exist.
  const tilesDown = Math.ceil(call.rowTokens / rows)
  const onUnit = (tilesDown * call.planes) / units
  const resident = threads * Math.min(sideBySide, Math.max(1, onUnit))
  const busy = (Math.min(1, onUnit) * resident) / (resident + halfHidden)
  const edges =
    ((tilesDown * rows) / call.rowTokens) *
    ((Math.ceil(call.columnTokens / columns) * columns) / call.columnTokens)
  return ((products + sums + reduction + reads + barriers) * edges) / busy
}

/** Candidates from the least estimate to the largest; equal ones stay in their order. */
export function rankTiles<Tile>(
  candidates: readonly Tile[],
  call: TileCall,
  workOf: (tile: Tile) => TileWork,
): Tile[] {
  return candidates
    .map((tile) => ({ tile, cost: tileCost(workOf(tile), call) }))
    .toSorted((left, right) => left.cost - right.cost)
    .map(({ tile }) => tile)
}
