// How the decode kernel on subgroup matrices spreads its work: keys and dims are rows of matrices, query rows
// their columns, since there are few of them. A chunk's keys are shared out among subgroups for the scores, and
// its values by their dims for the output, so that no sums of subgroups have to be added up.
import type { QuantizedType } from '@attn/core'
import type { Capabilities } from '../../device/capabilities.ts'
import { fillsSubgroups, usableMatrices } from '../usable-matrices.ts'
import type { MatrixSubgroups, UsableMatrix } from '../usable-matrices.ts'

/** One way to spread the work. */
export interface DecodeMatrixTile extends MatrixSubgroups {
  /** A product. */
  readonly matrix: { readonly rows: number; readonly columns: number; readonly depth: number }
  /** Whether keys and dims of values are rows of matrices, and query rows their columns; or the other way round. */
  readonly keysAreRows: boolean
  readonly subgroups: number
  /** Query rows of a workgroup, a multiple of the matrices'. */
  readonly rows: number
  /** Keys of a chunk. */
  readonly keys: number
  /** Whether keys and values have memory of their own, which saves a barrier a chunk. */
  readonly apart: boolean
  /** Whether threads load the blocks that they expand, instead of by way of workgroup memory. */
  readonly direct: boolean
  /** Whether a chunk's rows are loaded while the one before is worked on. */
  readonly ahead: boolean
  /** Workgroups to aim at. */
  readonly workgroups: number
}

/** Where everything lies in workgroup memory. Strides and sizes in vectors of four, of each subgroup where it says so. */
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
  /** Words of raw blocks. */
  readonly rawKeys: number
  readonly rawValues: number
  readonly bytes: number
}

/** Words of two neighbouring blocks. */
export const pairWords = { q8_0: 17, q4_0: 9 } as const

/** Lays out a workgroup's memory. */
export function decodeMatrixMemory(
  tile: DecodeMatrixTile,
  headDim: number,
  valueDim: number,
  quantized: {
    readonly key?: QuantizedType | undefined
    readonly value?: QuantizedType | undefined
  },
): DecodeMatrixMemory {
  const { subgroups, rows, keys, apart } = tile
  // Eight halves beside each row, so that rows meet different banks.
  const keyStride = (headDim + 8) / 4
  const ownDims = valueDim / subgroups
  const valueStride = (ownDims + 8) / 4
  // Neighbouring subgroups' parts begin half a round of banks apart.
  const inBanks = (vectors: number): number => Math.ceil((vectors - 8) / 16) * 16 + 8
  const keyTile = inBanks((keys / subgroups) * keyStride)
  const valueTile = inBanks(keys * valueStride)
  const weightStride = keys / 4 + 2
  const halves = rows * Math.max(keyStride, weightStride)
  const scoreStride = keys / subgroups / 4
  const scores = rows * scoreStride
  const raw = (type: QuantizedType | undefined, dims: number): number =>
    type && !tile.direct ? (keys * pairWords[type] * dims) / 64 : 0
  const rawKeys = raw(quantized.key, headDim)
  const rawValues = raw(quantized.value, valueDim)
  const tileVectors = subgroups * (apart ? keyTile + valueTile : Math.max(keyTile, valueTile))
  return {
    keyStride,
    valueStride,
    tile: Math.max(keyTile, valueTile),
    weightStride,
    halves,
    scores,
    scoreStride,
    ownDims,
    rawKeys,
    rawValues,
    bytes:
      8 * (tileVectors + halves) +
      16 * subgroups * scores +
      4 * rows * valueDim +
      4 * (rawKeys + rawValues) +
      16 * Math.ceil((3 * rows) / 4) +
      16,
  }
}

/** Query rows of a matrix, and keys or dims. */
export function matrixSizes({
  matrix,
  keysAreRows,
}: Pick<DecodeMatrixTile, 'matrix' | 'keysAreRows'>): {
  readonly queries: number
  readonly keys: number
  readonly depth: number
} {
  const { rows, columns, depth } = matrix
  return keysAreRows
    ? { queries: columns, keys: rows, depth }
    : { queries: rows, keys: columns, depth }
}

/** Sizes that the choice depends on. */
export interface DecodeMatrixSizes {
  readonly headDim: number
  readonly valueDim: number
  readonly rows: number
}

/** Whether the work can be spread so. */
export function fitsMatrices(
  tile: DecodeMatrixTile,
  { headDim, valueDim }: Omit<DecodeMatrixSizes, 'rows'>,
): boolean {
  const { subgroups, subgroupSize, rows, keys } = tile
  const size = matrixSizes(tile)
  const ownKeys = keys / subgroups
  const ownDims = valueDim / subgroups
  return (
    headDim % Math.max(8, size.depth) === 0 &&
    ownDims % Math.max(8, size.keys) === 0 &&
    ownKeys % Math.max(4, size.keys) === 0 &&
    keys % size.depth === 0 &&
    rows % size.queries === 0 &&
    rows <= subgroups * subgroupSize
  )
}

/** Subgroups of a workgroup and keys of a chunk, those that are tried first. */
const spreads = [
  [4, 64],
  [2, 32],
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
  const products = usableMatrices(capabilities).filter(
    ({ operands, sums }) => operands === 'f16' && sums === 'f32',
  )
  const { keysAreRows = true } = wanted
  const tileOf = (product: UsableMatrix, subgroups: number, keys: number): DecodeMatrixTile => {
    const { rows, columns, depth, subgroupSize, statesSize } = product
    const { queries } = matrixSizes({ matrix: product, keysAreRows })
    // In the softmax each row has a lane at least.
    const mostRows = Math.min(32, subgroups * subgroupSize)
    const blocks = Math.min(Math.ceil(sizes.rows / queries), Math.floor(mostRows / queries))
    return {
      matrix: { rows, columns, depth },
      subgroupSize,
      statesSize,
      subgroups,
      keysAreRows,
      rows: Math.max(1, blocks) * queries,
      keys,
      apart: false,
      direct: true,
      ahead: true,
      workgroups: 1024,
      ...wanted,
    }
  }
  // Fewest rows that are left over, then the largest products.
  const cost = (matrix: UsableMatrix): number => {
    const { queries, keys } = matrixSizes({ matrix, keysAreRows })
    return 10_000 * Math.ceil(sizes.rows / queries) * queries - queries * keys * matrix.depth
  }
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
        decodeMatrixMemory(tile, sizes.headDim, sizes.valueDim, {}).bytes <=
          maxComputeWorkgroupStorageSize,
    )
}
