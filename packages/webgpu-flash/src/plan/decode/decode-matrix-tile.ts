// How the decode kernel on subgroup matrices spreads its work: all query rows that share keys are rows of the same
// matrices. A chunk's keys are shared out among subgroups for the scores, and its values by their dims for the output,
// so that no sums of subgroups have to be added up.
import type { Capabilities } from '../../device/capabilities.ts'
import { fillsSubgroups, usableMatrices } from '../usable-matrices.ts'
import type { MatrixSubgroups, UsableMatrix } from '../usable-matrices.ts'

/** One way to spread the work. */
export interface DecodeMatrixTile extends MatrixSubgroups {
  /** A product: `rows` query rows, `columns` keys or dims of values, sums of `depth`. */
  readonly matrix: { readonly rows: number; readonly columns: number; readonly depth: number }
  readonly subgroups: number
  /** Query rows of a workgroup, a multiple of the matrices' rows. */
  readonly rows: number
  /** Keys of a chunk. */
  readonly keys: number
  /** Workgroups to aim at: a call's keys are cut into as many ranges as that takes. */
  readonly workgroups: number
}

/** Where everything lies in workgroup memory. Strides and sizes in vectors of four, but for `ownDims`. */
export interface DecodeMatrixMemory {
  readonly keyStride: number
  readonly valueStride: number
  /** Keys, or values, of each subgroup. */
  readonly tile: number
  readonly weightStride: number
  /** Queries, later the weights of a chunk. */
  readonly halves: number
  /** Scores of each subgroup's keys. */
  readonly scores: number
  readonly scoreStride: number
  /** Dims of the output that a subgroup has. */
  readonly ownDims: number
  readonly bytes: number
}

/** Lays out a workgroup's memory. */
export function decodeMatrixMemory(
  { subgroups, rows, keys }: DecodeMatrixTile,
  headDim: number,
  valueDim: number,
): DecodeMatrixMemory {
  // Eight halves beside each row, so that rows meet different banks.
  const keyStride = (headDim + 8) / 4
  const ownDims = valueDim / subgroups
  const valueStride = (ownDims + 8) / 4
  // Parts of neighbouring subgroups begin half a round of banks apart.
  const inBanks = (vectors: number): number => Math.ceil((vectors - 8) / 16) * 16 + 8
  const tile = Math.max(inBanks((keys / subgroups) * keyStride), inBanks(keys * valueStride))
  const weightStride = keys / 4 + 2
  const halves = rows * Math.max(keyStride, weightStride)
  const scoreStride = keys / subgroups / 4
  const scores = rows * scoreStride
  const numbers = Math.ceil((3 * rows) / 4) + 1
  return {
    keyStride,
    valueStride,
    tile,
    weightStride,
    halves,
    scores,
    scoreStride,
    ownDims,
    bytes:
      8 * (subgroups * tile + halves) + 16 * (subgroups * scores + numbers) + 4 * rows * valueDim,
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
  const { columns, depth } = matrix
  return (
    headDim % Math.max(8, depth) === 0 &&
    (valueDim / subgroups) % Math.max(8, columns) === 0 &&
    (keys / subgroups) % Math.max(4, columns) === 0 &&
    keys % Math.max(8, depth) === 0 &&
    rows % matrix.rows === 0 &&
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
  const tileOf = (product: UsableMatrix, subgroups: number, keys: number): DecodeMatrixTile => {
    const { rows, columns, depth, subgroupSize, statesSize } = product
    const mostRows = Math.min(32, subgroups * subgroupSize)
    const blocks = Math.min(Math.ceil(sizes.rows / rows), Math.floor(mostRows / rows))
    return {
      matrix: { rows, columns, depth },
      subgroupSize,
      statesSize,
      subgroups,
      rows: Math.max(1, blocks) * rows,
      keys,
      workgroups: 512,
      ...wanted,
    }
  }
  // Fewest rows that are left over, then the largest products.
  const cost = ({ rows, columns, depth }: UsableMatrix): number =>
    10_000 * Math.ceil(sizes.rows / rows) * rows - rows * columns * depth
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
