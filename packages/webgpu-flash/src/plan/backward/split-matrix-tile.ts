// Tiles of the backward kernels that multiply float32 as three products of float16 on subgroup matrices:
// two subgroups, a pair, own the same rows. One makes S and sums dV, the other makes dP and sums dK (of
// dQ each sums half of the columns), so that each holds half of the operands and of the sums: alone, a
// subgroup would run out of registers.
import type { AttentionShape } from '@attn/core'
import type { Capabilities, SubgroupMatrix } from '../../device/capabilities.ts'
import { rowStep } from '../../kernels/forward/matrix/lane-rows.ts'
import type { LaneRows } from '../../kernels/forward/matrix/lane-rows.ts'
import type { MatrixShape } from '../forward/matrix-tile.ts'
import type { GradientRows } from './backward-tile.ts'

/** How the work of one kernel is cut. */
export interface SplitMatrixTile {
  readonly matrix: MatrixShape
  readonly subgroupSize: number
  /** Pairs of subgroups of a workgroup. */
  readonly pairs: number
  /** Blocks of `matrix.rows` rows that a pair owns. */
  readonly rowBlocks: number
  /** Rows of the gradient that a workgroup owns. */
  readonly rows: number
  /** Tokens visited at a time. */
  readonly columns: number
  /**
   * Tiles of visited tokens in workgroup memory: with two, the next is stored while one is worked on; with
   * one there is room for more pairs, for two more barriers a tile.
   */
  readonly places: 1 | 2
  /**
   * Whether high halves of visited rows are loaded once more for the large products, which come after all small
   * ones: wide rows would take more registers than there are until then.
   */
  readonly loadsTwice: boolean
  /** Whether visited rows are loaded 16 bytes at a time, and not 8. */
  readonly wideLoads: boolean
  /**
   * Tiles after which sums move from matrices to registers: matrices round sums towards zero, three times for every
   * `matrix.depth` tokens, and what they cut off adds up where registers' roundings cancel.
   */
  readonly tilesInMatrices: number
  /** Vectors that separate rows of scores in workgroup memory, against bank conflicts. */
  readonly scorePadding: 1 | 2
}

/** Rows that a pair owns. */
export function pairRows({ rowBlocks, matrix }: SplitMatrixTile): number {
  return rowBlocks * matrix.rows
}

/** Threads of a workgroup. */
export function splitThreads({ pairs, subgroupSize }: SplitMatrixTile): number {
  return 2 * pairs * subgroupSize
}

/** How the lanes of a pair share its tile between two products. */
export function pairLanes(tile: SplitMatrixTile): LaneRows {
  return shared(2 * tile.subgroupSize, pairRows(tile))
}

/** How the lanes of a subgroup share its sums, a matrix wide. */
export function sumLanes(tile: SplitMatrixTile): LaneRows {
  return shared(tile.subgroupSize, pairRows(tile))
}

function shared(lanes: number, rows: number): LaneRows {
  const lanesPerRow = Math.max(1, lanes / rows)
  return { subgroupSize: lanes, lanesPerRow, rowsPerLane: (rows * lanesPerRow) / lanes }
}

/** Vectors of a row of `columns` elements that a lane has. */
export function laneVectors({ lanesPerRow }: LaneRows, columns: number): number {
  return columns / 4 / lanesPerRow
}

/**
 * Workgroup memory, in vectors of four elements: float16, but for scores and statistics. Rows and
 * arrays are multiples of 16 bytes, at which matrices have to begin.
 */
export interface SplitMatrixMemory {
  /** Arrays that the columns of visited rows are split into: two where both of a pair sum one gradient. */
  readonly pieces: 1 | 2
  /** Vectors between visited rows of a piece, high halves and low ones, and of a tile of them. */
  readonly visitedStride: number
  readonly visited: number
  /** Of one subgroup, float32: S or dP. */
  readonly scoreStride: number
  readonly scores: number
  /** High and low halves of P or dS of a pair; both kinds where both sum a gradient of its own. */
  readonly weightKinds: 1 | 2
  readonly weightStride: number
  readonly weights: number
  /** Log-sum-exp and D of a tile's queries, float32, where queries are visited. */
  readonly statistics: number
  readonly bytes: number
}

/** What workgroup memory a tile takes. */
export function splitMatrixMemory(
  tile: SplitMatrixTile,
  headDim: number,
  gradients: GradientRows,
): SplitMatrixMemory {
  const { columns, pairs, places, scorePadding } = tile
  const ofKeys = gradients === 'key'
  const rows = pairRows(tile)
  const pieces = ofKeys ? 1 : 2
  // 16 bytes beyond a multiple of 128, so that neighbouring rows lie in different banks.
  const visitedStride = headDim / pieces / 2 + 2
  const visited = columns * visitedStride
  const scoreStride = columns / 4 + scorePadding
  const scores = rows * scoreStride
  const weightKinds = ofKeys ? 2 : 1
  const weightStride = columns / 2 + 2
  const weights = rows * weightStride
  const statistics = ofKeys ? columns / 2 : 0
  return {
    pieces,
    visitedStride,
    visited,
    scoreStride,
    scores,
    weightKinds,
    weightStride,
    weights,
    statistics,
    bytes:
      places * (2 * pieces * 8 * visited + 16 * statistics) +
      pairs * (2 * 16 * scores + weightKinds * 8 * weights),
  }
}

type Dims = Pick<AttentionShape, 'headDim' | 'valueDim'>

/** A pair has so many rows, and visits so many tokens at a time, at least: whole matrices. */
const leastRows = 16
/** Tiles of wider gradients take one place, and their high halves are loaded twice. */
const narrow = 64
/**
 * Pairs of candidates, the fastest measured first (on an NVIDIA H200): as many as there are registers for.
 */
const pairCounts = (gradients: GradientRows, wide: boolean): readonly number[] => {
  const most = gradients === 'query' ? 8 : wide ? 4 : 6
  return [8, 6, 4, 3, 2, 1].filter((pairs) => pairs <= most)
}
/**
 * While sums met so many tiles of 16 tokens, matrices cut off less than the 2x rule allows, by a third or more; after 16
 * tiles it is missed, most clearly where the first is most of the sum: test/plan/backward/sums-in-matrices.test.ts.
 */
const tilesInMatrices = 4
/** Wider gradients take more registers than a pair has. */
const widest = 128

/** Matrices that halves of the columns are made of, with float32 sums of float16 operands. */
function suits({ operands, sums, columns, depth }: SubgroupMatrix, { headDim, valueDim }: Dims) {
  const whole = headDim % (2 * columns) === 0 && headDim % (2 * depth) === 0
  return operands === 'f16' && sums === 'f32' && headDim === valueDim && whole
}

/** Whether rows and lanes come out whole. */
function isWhole(tile: SplitMatrixTile): boolean {
  const { matrix, pairs, rows, columns, tilesInMatrices } = tile
  const dealt = (lanes: LaneRows, width: number): boolean =>
    Number.isInteger(lanes.lanesPerRow) &&
    Number.isInteger(lanes.rowsPerLane) &&
    Number.isInteger(rowStep(lanes)) &&
    Number.isInteger(laneVectors(lanes, width))
  return (
    [1, 2].includes(tile.places) &&
    [pairs, tile.rowBlocks, tilesInMatrices].every((n) => Number.isInteger(n) && n > 0) &&
    rows === pairs * pairRows(tile) &&
    [matrix.rows, matrix.columns, matrix.depth].every((size) => columns % size === 0) &&
    dealt(pairLanes(tile), columns) &&
    dealt(sumLanes(tile), matrix.columns)
  )
}

/** What keeps a device from running a tile, in words. */
export function splitMatrixTileProblem(
  tile: SplitMatrixTile,
  dims: Dims,
  gradients: GradientRows,
  { subgroups: sizes, subgroupMatrices, limits, shaderFloat16 }: Capabilities,
): string | undefined {
  if (!isWhole(tile)) return 'the sizes of the tile do not divide; see SplitMatrixTile'
  const { rows, columns, depth } = tile.matrix
  const has = subgroupMatrices.some(
    (one) =>
      one.rows === rows && one.columns === columns && one.depth === depth && suits(one, dims),
  )
  if (!shaderFloat16 || !has) {
    return `the device has no subgroup matrices of ${rows} x ${columns} x ${depth} for float16 of headDim ${dims.headDim} and valueDim ${dims.valueDim}`
  }
  if (sizes?.minimum !== tile.subgroupSize || sizes.maximum !== tile.subgroupSize) {
    return `the tile is for subgroups of ${tile.subgroupSize}, the device has ${sizes?.minimum} to ${sizes?.maximum}`
  }
  const { bytes } = splitMatrixMemory(tile, dims.headDim, gradients)
  const { maxComputeWorkgroupStorageSize, maxComputeInvocationsPerWorkgroup } = limits
  if (bytes > maxComputeWorkgroupStorageSize) {
    return `the tile needs ${bytes} bytes of workgroup memory, the device has maxComputeWorkgroupStorageSize=${maxComputeWorkgroupStorageSize}`
  }
  if (splitThreads(tile) > maxComputeInvocationsPerWorkgroup) {
    return `the tile needs ${splitThreads(tile)} threads, the device has maxComputeInvocationsPerWorkgroup=${maxComputeInvocationsPerWorkgroup}`
  }
  return undefined
}

/** The tile of a kernel for these sizes, or undefined where the device has no matrices for them. */
export function chooseSplitMatrixTile(
  gradients: GradientRows,
  shape: AttentionShape,
  capabilities: Capabilities,
): SplitMatrixTile | undefined {
  const { subgroups: sizes, subgroupMatrices } = capabilities
  if (!sizes || shape.headDim > widest) return undefined
  const wide = shape.headDim > narrow
  // The largest product is the fewest instructions.
  const size = ({ rows, columns, depth }: MatrixShape): number => rows * columns * depth
  return subgroupMatrices
    .filter((one) => suits(one, shape))
    .toSorted((a, b) => size(b) - size(a))
    .flatMap(({ rows, columns, depth }) =>
      pairCounts(gradients, wide).map((pairs): SplitMatrixTile => {
        const rowBlocks = Math.max(1, Math.floor(leastRows / rows))
        return {
          matrix: { rows, columns, depth },
          subgroupSize: sizes.maximum,
          pairs,
          rowBlocks,
          rows: pairs * rowBlocks * rows,
          columns: Math.max(leastRows, rows, columns, depth),
          places: wide ? 1 : 2,
          loadsTwice: wide,
          wideLoads: wide,
          tilesInMatrices,
          scorePadding: 1,
        }
      }),
    )
    .find((tile) => splitMatrixTileProblem(tile, shape, gradients, capabilities) === undefined)
}

/**
 * The same with half the pairs and one tile of visited tokens, where its workgroup memory then fits twice into that of a
 * workgroup; see `halvedMatrixTile`.
 */
export function halvedSplitTile(
  tile: SplitMatrixTile,
  { headDim }: Dims,
  gradients: GradientRows,
  { limits }: Capabilities,
): SplitMatrixTile | undefined {
  if (tile.pairs < 6) return undefined
  const pairs = tile.pairs / 2
  const halved: SplitMatrixTile = { ...tile, pairs, rows: tile.rows / 2, places: 1 }
  const { bytes } = splitMatrixMemory(halved, headDim, gradients)
  return 2 * bytes <= limits.maxComputeWorkgroupStorageSize ? halved : undefined
}
