// How the decode kernel on subgroup matrices spreads its work: all query rows that share keys are columns of the same
// products, as those are rather many than narrow. A chunk's keys are shared out among subgroups for the scores, and its
// values by their dims for the output, so that no sums of subgroups have to be added up.
import type { Capabilities } from '../../device/capabilities.ts'
import { workgroupsAtOnce } from './decode-spread.ts'
import { fillsSubgroups, usableMatrices } from '../usable-matrices.ts'
import type { MatrixSubgroups, UsableMatrix } from '../usable-matrices.ts'

/** One way to spread the work. */
export interface DecodeMatrixTile extends MatrixSubgroups {
  /** A product: `rows` keys or dims of values, `columns` query rows, sums of `depth`. */
  readonly matrix: { readonly rows: number; readonly columns: number; readonly depth: number }
  readonly subgroups: number
  /** Query rows of a workgroup; the matrices may have columns to spare. */
  readonly rows: number
  /** Keys of a chunk. */
  readonly keys: number
  /** Workgroups to aim at: a call's keys are cut into as many ranges as that takes. */
  readonly workgroups: number
}

/** Where everything lies in workgroup memory. Strides and sizes in vectors of four, but for dims. */
export interface DecodeMatrixMemory {
  readonly keyStride: number
  readonly valueStride: number
  /** Keys, or values, of each subgroup; before them the queries. */
  readonly tile: number
  readonly weightStride: number
  /** The weights of a chunk. */
  readonly weights: number
  /** Scores of each subgroup's keys, or dims of its output. */
  readonly scores: number
  readonly scoreStride: number
  /** Matrices of queries, side by side. */
  readonly columnBlocks: number
  /** Dims of the output that a subgroup has, and those that are in workgroup memory at once. */
  readonly ownDims: number
  readonly pieceDims: number
  readonly bytes: number
}

/** Lays out a workgroup's memory. */
export function decodeMatrixMemory(
  { matrix, subgroups, rows, keys }: DecodeMatrixTile,
  headDim: number,
  valueDim: number,
): DecodeMatrixMemory {
  const columnBlocks = Math.ceil(rows / matrix.columns)
  const columns = columnBlocks * matrix.columns
  // Eight halves beside each row, so that rows meet different banks.
  const keyStride = (headDim + 8) / 4
  const ownDims = valueDim / subgroups
  // Blocks of quantised values are whole in a piece.
  const pieceDims = ownDims % 32 === 0 ? 32 : ownDims
  const valueStride = (ownDims + 8) / 4
  // Parts of neighbouring subgroups begin half a round of banks apart.
  const inBanks = (vectors: number): number => Math.ceil((vectors - 8) / 16) * 16 + 8
  const tileRows = Math.max(keys / subgroups, matrix.columns)
  const tile = Math.max(inBanks(tileRows * keyStride), inBanks(keys * valueStride))
  const weightStride = keys / 4 + 2
  const weights = columns * weightStride
  const scoreStride = keys / subgroups / 4 + 1
  const scores = columns * Math.max(scoreStride, pieceDims / 4)
  const numbers = Math.ceil((3 * rows) / 4) + 1
  return {
    keyStride,
    valueStride,
    tile,
    weightStride,
    weights,
    scores,
    scoreStride,
    columnBlocks,
    ownDims,
    pieceDims,
    bytes: 8 * (subgroups * tile + weights) + 16 * (subgroups * scores + numbers),
  }
}

/** Sizes that the choice depends on. */
export interface DecodeMatrixSizes {
  readonly headDim: number
  readonly valueDim: number
  readonly rows: number
}

/** Whether the work can be spread so. */
export function fitsMatrices(
  { matrix, subgroups, subgroupSize, rows, keys }: DecodeMatrixTile,
  { headDim, valueDim }: Omit<DecodeMatrixSizes, 'rows'>,
): boolean {
  return (
    headDim % Math.max(8, matrix.depth) === 0 &&
    (valueDim / subgroups) % Math.max(8, matrix.rows) === 0 &&
    (keys / subgroups) % Math.max(4, matrix.rows) === 0 &&
    keys % Math.max(8, matrix.depth) === 0 &&
    // In the softmax each row has a lane at least.
    rows <= subgroups * subgroupSize
  )
}

/** Subgroups of a workgroup and keys of a chunk, those that are tried first. */
const spreads = [
  [2, 32],
  [4, 64],
  [1, 16],
] as const

/**
 * The tile for these sizes, by what was fastest on an NVIDIA H200; undefined where the device has no matrices that
 * fit.
 */
export function chooseDecodeMatrixTile(
  sizes: DecodeMatrixSizes,
  capabilities: Capabilities,
  wanted: Partial<DecodeMatrixTile> = {},
): DecodeMatrixTile | undefined {
  const { headDim, valueDim } = sizes
  const products = usableMatrices(capabilities).filter(
    ({ operands, sums }) => operands === 'f16' && sums === 'f32',
  )
  // Lanes hold queries, two halves in a register, and the output.
  const tileOf = (product: UsableMatrix, subgroups: number, keys: number): DecodeMatrixTile => {
    const { rows, columns, depth, subgroupSize, statesSize } = product
    const inRegisters = Math.floor((128 * subgroupSize) / (headDim / 2 + valueDim / subgroups))
    const mostRows = Math.max(columns, inRegisters - (inRegisters % columns))
    const tiles = Math.ceil(sizes.rows / Math.min(32, subgroups * subgroupSize, mostRows))
    const tile = {
      matrix: { rows, columns, depth },
      subgroupSize,
      statesSize,
      subgroups,
      rows: Math.ceil(sizes.rows / tiles),
      keys,
      workgroups: 1,
      ...wanted,
    }
    const { bytes } = decodeMatrixMemory(tile, headDim, valueDim)
    return { ...tile, workgroups: wanted.workgroups ?? workgroupsAtOnce(bytes) }
  }
  // Fewest columns that are left over, then the largest products.
  const cost = ({ rows, columns, depth }: UsableMatrix): number =>
    10_000 * Math.ceil(sizes.rows / columns) * columns - rows * columns * depth
  const { maxComputeWorkgroupStorageSize } = capabilities.limits
  return spreads
    .flatMap(([subgroups, keys]) =>
      products
        .toSorted((a, b) => cost(a) - cost(b))
        .map((product) => tileOf(product, subgroups, keys)),
    )
    .find(
      (tile) =>
        fitsMatrices(tile, sizes) &&
        fillsSubgroups(tile.subgroups * tile.subgroupSize, capabilities) &&
        decodeMatrixMemory(tile, headDim, valueDim).bytes <= maxComputeWorkgroupStorageSize,
    )
}
