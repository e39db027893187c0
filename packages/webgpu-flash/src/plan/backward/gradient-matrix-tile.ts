// Tiles of the backward kernels on subgroup matrices: which of the adapter's matrices to multiply with,
// how many rows a workgroup owns, and the workgroup memory it takes.
import type { AttentionShape } from '@attn/core'
import type { Capabilities, SubgroupMatrix } from '../../device/capabilities.ts'
import { fillsSubgroups, usableMatrices } from '../usable-matrices.ts'
import type { MatrixSubgroups } from '../usable-matrices.ts'
import type { LaneRows } from '../../kernels/forward/matrix/lane-rows.ts'
import type { GradientRows } from './backward-tile.ts'
import type { MatrixShape } from '../forward/matrix-tile.ts'

/** How the work of one kernel is cut. Between the products a subgroup's rows are dealt to its lanes. */
export interface GradientMatrixTile extends LaneRows, MatrixSubgroups {
  readonly matrix: MatrixShape
  /** Subgroups of a workgroup; a power of two. */
  readonly subgroups: number
  /** Blocks of `matrix.rows` rows that a subgroup owns. */
  readonly rowBlocks: number
  /** Rows of the gradient that a workgroup owns. */
  readonly rows: number
  /** Tokens visited at a time. */
  readonly columns: number
  /** Whether the loop over tiles is written out for both places of visited rows; sums leave in a loop then. */
  readonly unrolled: boolean
  /** Vectors that separate rows of scores in workgroup memory, against bank conflicts. */
  readonly scorePadding: 0 | 1 | 2
  /** Whether rows meet so few tokens that the beginning and the end weigh as much as the loop over tiles. Default: false. */
  readonly fewTokens?: boolean | undefined
}

/** Rows that a subgroup owns. */
export function subgroupRows({ rowBlocks, matrix }: GradientMatrixTile): number {
  return rowBlocks * matrix.rows
}

/** Threads of a workgroup. */
export function matrixThreads({ subgroups, subgroupSize }: GradientMatrixTile): number {
  return subgroups * subgroupSize
}

/**
 * Workgroup memory, in vectors of four elements: float16, but for scores and statistics. Rows and
 * arrays are multiples of 16 bytes, at which matrices have to begin: drivers lay arrays out back to back.
 */
export interface GradientMatrixMemory {
  /** Vectors between visited tokens of Q or K, and of V or dO; and of one tile of them. */
  readonly headStride: number
  readonly headRows: number
  readonly valueStride: number
  readonly valueRows: number
  /** Of one subgroup, float32: S, and as much again of dP. */
  readonly scoreStride: number
  readonly scores: number
  /** Of one subgroup: dS, beside P where dV is summed. */
  readonly weightStride: number
  readonly weights: number
  /** Log-sum-exp and D of a tile's queries, float32, where queries are visited. */
  readonly statistics: number
  readonly bytes: number
}

/** Of the flag that says whether a row is not finite. */
const flagBytes = 16

/** What workgroup memory a tile takes. Two tiles of visited tokens are there at a time. */
export function gradientMatrixMemory(
  tile: GradientMatrixTile,
  headDim: number,
  valueDim: number,
  gradients: GradientRows,
): GradientMatrixMemory {
  const { columns, subgroups } = tile
  const rows = subgroupRows(tile)
  // 16 bytes beyond a multiple of 128, so that neighbouring rows lie in different banks.
  const [headStride, valueStride] = [headDim / 4 + 2, valueDim / 4 + 2]
  const [headRows, valueRows] = [columns * headStride, columns * valueStride]
  const scoreStride = columns / 4 + tile.scorePadding
  const scores = rows * scoreStride
  const weightStride = ((gradients === 'key' ? 2 : 1) * columns) / 4 + 2
  const weights = rows * weightStride
  const statistics = gradients === 'key' ? columns / 2 : 0
  const visited = 2 * (8 * (headRows + valueRows) + 16 * statistics)
  return {
    headStride,
    headRows,
    valueStride,
    valueRows,
    scoreStride,
    scores,
    weightStride,
    weights,
    statistics,
    bytes: visited + subgroups * (2 * 16 * scores + 8 * weights) + flagBytes,
  }
}

/** A subgroup has about so many rows: with more, too few of them fit the workgroup memory. */
const ownRows = 16
/** Tokens visited at a time, at least: whole matrices. */
const visitedTokens = 16
/** Subgroups of candidates, the fastest measured first (on an NVIDIA H200). */
const subgroupCounts = [8, 4, 2, 1] as const
/** Wider gradients take more registers than a subgroup has. */
const widest = 128

/** Wide enough for every dim of the call, and with float32 sums of float16 operands. */
function suits(
  { operands, sums, columns, depth }: SubgroupMatrix,
  { headDim, valueDim }: Dims,
): boolean {
  return (
    operands === 'f16' &&
    sums === 'f32' &&
    [headDim, valueDim].every((dims) => dims % depth === 0 && dims % columns === 0)
  )
}

type Dims = Pick<AttentionShape, 'headDim' | 'valueDim'>

/** Whether a subgroup's rows and lanes come out whole. */
function isWhole(tile: GradientMatrixTile): boolean {
  const { matrix, subgroupSize, subgroups, rows, columns, lanesPerRow, rowsPerLane } = tile
  const own = subgroupRows(tile)
  return (
    Number.isInteger(Math.log2(subgroups)) &&
    Number.isInteger(tile.rowBlocks) &&
    Number.isInteger(lanesPerRow) &&
    Number.isInteger(rowsPerLane) &&
    own * lanesPerRow === subgroupSize * rowsPerLane &&
    rows === subgroups * own &&
    columns % matrix.columns === 0 &&
    columns % matrix.depth === 0 &&
    columns % (4 * lanesPerRow) === 0
  )
}

/** What keeps a device from running a tile, in words. */
export function gradientMatrixTileProblem(
  tile: GradientMatrixTile,
  { headDim, valueDim }: Dims,
  gradients: GradientRows,
  capabilities: Capabilities,
): string | undefined {
  if (!isWhole(tile)) return 'the sizes of the tile do not divide; see GradientMatrixTile'
  const { rows, columns, depth } = tile.matrix
  const { subgroups: sizes, limits } = capabilities
  const alike = usableMatrices(capabilities).filter(
    (one) =>
      one.rows === rows &&
      one.columns === columns &&
      one.depth === depth &&
      suits(one, { headDim, valueDim }),
  )
  if (alike.length === 0) {
    return `the device has no subgroup matrices of ${rows} x ${columns} x ${depth} for float16 of headDim ${headDim} and valueDim ${valueDim}`
  }
  const sameSubgroups = alike.some(
    ({ subgroupSize, statesSize }) =>
      subgroupSize === tile.subgroupSize && statesSize === (tile.statesSize ?? false),
  )
  if (!sameSubgroups || !fillsSubgroups(matrixThreads(tile), capabilities)) {
    return `the tile is for subgroups of ${tile.subgroupSize}, the device has ${sizes?.minimum} to ${sizes?.maximum}`
  }
  const { bytes } = gradientMatrixMemory(tile, headDim, valueDim, gradients)
  const { maxComputeWorkgroupStorageSize, maxComputeInvocationsPerWorkgroup } = limits
  if (bytes > maxComputeWorkgroupStorageSize) {
    return `the tile needs ${bytes} bytes of workgroup memory, the device has maxComputeWorkgroupStorageSize=${maxComputeWorkgroupStorageSize}`
  }
  if (matrixThreads(tile) > maxComputeInvocationsPerWorkgroup) {
    return `the tile needs ${matrixThreads(tile)} threads, the device has maxComputeInvocationsPerWorkgroup=${maxComputeInvocationsPerWorkgroup}`
  }
  return undefined
}

/**
 * The tile of a kernel for these sizes, or undefined where the device has no matrices for them:
 * float16 operands with float32 sums, a known subgroup size, dims that are multiples of the matrices.
 */
export function chooseGradientMatrixTile(
  gradients: GradientRows,
  shape: AttentionShape,
  capabilities: Capabilities,
): GradientMatrixTile | undefined {
  const { queryLength, keyLength, headDim, valueDim } = shape
  const width = Math.max(headDim, valueDim)
  if (width > widest) return undefined
  // Measured there: two vectors of padding are faster than one, but do not fit 48 KiB with wide keys,
  // which alone gain (5 %) from a loop that is written out.
  const wideKeys = gradients === 'key' && width > 64
  // The largest product is the fewest instructions.
  const size = ({ rows, columns, depth }: MatrixShape): number => rows * columns * depth
  const tiles = usableMatrices(capabilities)
    .filter((one) => suits(one, shape))
    .toSorted((a, b) => size(b) - size(a))
    .flatMap(({ rows, columns, depth, subgroupSize, statesSize }) =>
      subgroupCounts.map((subgroups): GradientMatrixTile => {
        const rowBlocks = Math.max(1, Math.floor(ownRows / rows))
        const own = rowBlocks * rows
        const lanesPerRow = Math.max(1, subgroupSize / own)
        return {
          matrix: { rows, columns, depth },
          subgroupSize,
          statesSize,
          lanesPerRow,
          rowsPerLane: (own * lanesPerRow) / subgroupSize,
          subgroups,
          rowBlocks,
          rows: subgroups * own,
          columns: Math.max(visitedTokens, columns, depth),
          unrolled: wideKeys,
          scorePadding: wideKeys ? 1 : 2,
        }
      }),
    )
    .filter((tile) => gradientMatrixTileProblem(tile, shape, gradients, capabilities) === undefined)
  // Half a tile of rows that do not exist would be work for nothing.
  const length = gradients === 'key' ? keyLength : queryLength
  return tiles.find(({ rows }) => rows < 2 * length) ?? tiles.at(-1)
}

/**
 * The same with half the subgroups, where its workgroup memory then fits twice into that of a workgroup: a device has two
 * at a time, of which one loads its rows or stores their sums while the other multiplies. Rows that meet few tokens gain
 * more from that than they lose by reading those twice.
 */
export function halvedMatrixTile(
  tile: GradientMatrixTile,
  { headDim, valueDim }: Dims,
  gradients: GradientRows,
  { limits }: Capabilities,
): GradientMatrixTile | undefined {
  if (tile.subgroups < 8) return undefined
  const halved: GradientMatrixTile = {
    ...tile,
    subgroups: tile.subgroups / 2,
    rows: tile.rows / 2,
    scorePadding: gradients === 'key' ? 0 : 1,
    fewTokens: true,
  }
  const { bytes } = gradientMatrixMemory(halved, headDim, valueDim, gradients)
  return 2 * bytes <= limits.maxComputeWorkgroupStorageSize ? halved : undefined
}
