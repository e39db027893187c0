// Tiles of the subgroup-matrix kernel: which of the adapter's matrices to multiply with, and the
// workgroup memory it takes. Nothing is assumed of an adapter that it does not say.
import type { AttentionShape, DType } from '@attn/core'
import type { Capabilities } from '../../device/capabilities.ts'
import { isSoftware } from '../../device/software.ts'
import { matrixTileSizeNames, matrixTileSizes } from './matrix-tile-sizes.ts'
import type { HalvesPerElement, MatrixTileSizes } from './matrix-tile-sizes.ts'
import { fillsSubgroups, usableMatrices } from '../usable-matrices.ts'
import type { MatrixArithmetic, MatrixSubgroups } from '../usable-matrices.ts'

/** The matrices of one product: `[rows, depth]` times `[depth, columns]`. */
export interface MatrixShape {
  readonly rows: number
  readonly columns: number
  readonly depth: number
}

/** How the work is cut for subgroup matrices. */
export interface MatrixTile extends MatrixSubgroups, MatrixArithmetic {
  readonly matrix: MatrixShape
  /** Subgroups of a workgroup; a power of two. */
  readonly subgroups: number
  /** Blocks of `matrix.rows` query rows that a subgroup has. */
  readonly rowBlocks: number
  readonly queries: number
  readonly keys: number
  /** Lanes that share a row in the softmax, and rows that a lane then has; see kernels/forward/matrix/lane-rows.ts. */
  readonly lanesPerRow: number
  readonly rowsPerLane: number
  /** Whether both products are woven into one another; see kernels/forward/matrix/products.ts. */
  readonly woven: boolean
}

/**
 * Workgroup memory, in vectors of four elements: of the type of the operands, and the scores of that of the
 * sums. Rows and arrays are multiples of 16 bytes, at which matrices have to begin: drivers lay arrays out
 * back to back.
 */
export interface MatrixMemory {
  readonly keyRows: number
  readonly keyStride: number
  readonly valueRows: number
  readonly valueStride: number
  /** Of one subgroup and one of its planes. */
  readonly scores: number
  /** Parts that scores come in: one a product where sums are float16; see kernels/forward/matrix/half-scores.ts. */
  readonly planes: number
  readonly scoreStride: number
  /** Of one subgroup. */
  readonly probabilities: number
  readonly probabilityStride: number
  /** All of it, with a vector for what the lanes found. */
  readonly bytes: number
}

/** What workgroup memory a tile takes. */
export function matrixMemory(
  tile: MatrixTile,
  headDim: number,
  valueDim: number,
  halves: HalvesPerElement = 1,
): MatrixMemory {
  const { keys, subgroups, rowBlocks, matrix, operands, sums } = tile
  const rows = rowBlocks * matrix.rows
  // 16 bytes beyond a multiple of 128, so that neighbouring rows lie in different banks.
  const [keyStride, valueStride] = [(halves * headDim) / 4 + 2, (halves * valueDim) / 4 + 2]
  const [keyRows, valueRows] = [keys * keyStride, keys * valueStride]
  // Two vectors for the scores too, since lanes of a row read neighbouring ones.
  const scoreStride = keys / 4 + 2
  const scores = rows * scoreStride
  const probabilityStride = (halves * keys) / 4 + 2
  const probabilities = rows * probabilityStride
  const planes = sums === 'f32' ? 1 : headDim / matrix.depth
  const vectorBytes = (type: 'f16' | 'f32'): number => (type === 'f32' ? 16 : 8)
  return {
    keyRows,
    keyStride,
    valueRows,
    valueStride,
    scores,
    planes,
    scoreStride,
    probabilities,
    probabilityStride,
    bytes:
      vectorBytes(operands) * (keyRows + valueRows + subgroups * probabilities) +
      vectorBytes(sums) * subgroups * planes * scores +
      16,
  }
}

/** Lanes of a row where there are more than enough for all rows: neighbours then read one another's words. */
const leastLanes = 2

/** Workgroups that keep a large GPU busy: fewer, larger tiles would leave parts of it idle. */
const enoughWorkgroups = 128
const widestInSoftware = 32
/** Wider outputs take more registers than a subgroup has. */
const widest = 128

/** With fewer, what a workgroup shares is shared by too few: measured on an NVIDIA H200. */
const fewestSubgroups = 4

/** Fewer queries leave most rows of the matrices empty. */
const leastQueries = 16

/** The sizes that decide. */
type MatrixCall = Pick<AttentionShape, 'batch' | 'heads' | 'queryLength' | 'headDim' | 'valueDim'>

/** What is multiplied: elements as they are, or the float16 halves of float32. */
export type MatrixNumbers = DType | 'halves'

/** WGSL has no matrices of bfloat16. */
const operandsOf = {
  float16: 'f16',
  float32: 'f32',
  halves: 'f16',
  bfloat16: undefined,
} as const

/**
 * The tile for these sizes, or undefined where the device has no matrices for them: of the call's type,
 * with a known subgroup size, dims that are multiples of the matrices.
 */
export function chooseMatrixTile(
  call: MatrixCall,
  capabilities: Capabilities,
  numbers: MatrixNumbers = 'float16',
): MatrixTile | undefined {
  return matrixTiles(call, capabilities, numbers)[0]
}

/**
 * Tiles that divide and fit, the fastest first.
 *
 * @param asked - Sizes to take. Default: all candidates.
 */
function possibleTiles(
  { queryLength, headDim, valueDim }: MatrixCall,
  capabilities: Capabilities,
  numbers: MatrixNumbers,
  asked?: MatrixTileSizes,
): readonly MatrixTile[] {
  if (queryLength < leastQueries) return []
  const { limits } = capabilities
  const width = Math.max(headDim, valueDim)
  const inSoftware = isSoftware(capabilities)
  if (width > (inSoftware ? widestInSoftware : widest)) return []
  const suitable = usableMatrices(capabilities).filter(
    ({ operands, sums, columns, depth }) =>
      operands === operandsOf[numbers] &&
      (numbers !== 'halves' || sums === 'f32') &&
      headDim % depth === 0 &&
      valueDim % columns === 0,
  )
  const halves = numbers === 'halves' ? 2 : 1
  const candidates = asked ? [asked] : matrixTileSizes(width, halves, inSoftware)
  // The largest product is the fewest instructions.
  const size = (shape: MatrixShape): number => shape.rows * shape.columns * shape.depth
  return suitable
    .toSorted((a, b) => b.sums.localeCompare(a.sums) || size(b) - size(a))
    .flatMap(({ operands, sums, rows, columns, depth, subgroupSize, statesSize }) => {
      const matrix = { rows, columns, depth }
      return candidates.flatMap(({ subgroups, ownRows, keys }): MatrixTile[] => {
        if (ownRows < rows && !inSoftware) return []
        const rowBlocks = Math.max(1, ownRows / rows)
        const lanesPerRow = Math.max(leastLanes, subgroupSize / (rowBlocks * rows))
        const rowsPerLane = (rowBlocks * rows * lanesPerRow) / subgroupSize
        const whole =
          Number.isInteger(rowBlocks) &&
          Number.isInteger(lanesPerRow) &&
          Number.isInteger(rowsPerLane) &&
          keys % columns === 0 &&
          keys % depth === 0 &&
          keys % (4 * lanesPerRow) === 0 &&
          // Lanes hold the output of halves as they hold scores; see kernels/forward/split/totals.ts.
          (halves === 1 || columns % (4 * lanesPerRow) === 0) &&
          // Which of a lane's pairs are visible is a word; see kernels/forward/matrix/lane-scores.ts.
          (rowsPerLane * keys) / lanesPerRow <= 32
        if (!whole) return []
        const queries = subgroups * rowBlocks * rows
        return [
          {
            matrix,
            operands,
            sums,
            subgroupSize,
            statesSize,
            subgroups,
            rowBlocks,
            queries,
            keys,
            lanesPerRow,
            rowsPerLane,
            woven: halves === 1 && width <= 64 && sums === 'f32',
          },
        ]
      })
    })
    .filter(
      (tile) =>
        matrixMemory(tile, headDim, valueDim, halves).bytes <=
          limits.maxComputeWorkgroupStorageSize &&
        fillsSubgroups(tile.subgroups * tile.subgroupSize, capabilities) &&
        tile.subgroups * tile.subgroupSize <= limits.maxComputeInvocationsPerWorkgroup,
    )
}

/** The tile of these sizes, on the largest matrices that divide them; undefined where it does not divide or fit. */
export function askedMatrixTile(
  call: MatrixCall,
  capabilities: Capabilities,
  numbers: MatrixNumbers,
  sizes: MatrixTileSizes,
): MatrixTile | undefined {
  return possibleTiles(call, capabilities, numbers, sizes)[0]
}

/** The sizes of a tile. */
export function sizesOf({ subgroups, rowBlocks, matrix, keys }: MatrixTile): MatrixTileSizes {
  return { subgroups, ownRows: rowBlocks * matrix.rows, keys }
}

/** Sizes of all candidates that divide and fit. */
export function possibleMatrixSizes(
  call: MatrixCall,
  capabilities: Capabilities,
  numbers: MatrixNumbers,
): readonly MatrixTileSizes[] {
  const sizes = possibleTiles(call, capabilities, numbers).map(sizesOf)
  const place = (one: MatrixTileSizes): number =>
    sizes.findIndex((other) => matrixTileSizeNames.every((name) => one[name] === other[name]))
  return sizes.filter((one, index) => place(one) === index)
}

/** The tile that suits a call, and then those of the same matrices and keys with fewer queries, which a mask may suit better. */
export function matrixTiles(
  call: MatrixCall,
  capabilities: Capabilities,
  numbers: MatrixNumbers = 'float16',
): readonly MatrixTile[] {
  const { batch, heads, queryLength } = call
  const planes = batch * heads
  const tiles = possibleTiles(call, capabilities, numbers)
  // Half a tile of rows that do not exist would be work for nothing.
  const filled = tiles.filter(({ queries }) => queries < 2 * queryLength)
  if (filled.length === 0) return tiles.toSorted((a, b) => a.queries - b.queries).slice(0, 1)
  const workgroups = ({ queries }: MatrixTile): number => planes * Math.ceil(queryLength / queries)
  const most = Math.max(...filled.map(workgroups))
  const first = filled.find((tile) => workgroups(tile) >= Math.min(most, enoughWorkgroups))!
  const smaller = filled.filter(
    ({ matrix, keys, queries, subgroups }) =>
      matrix === first.matrix &&
      keys === first.keys &&
      queries < first.queries &&
      subgroups >= fewestSubgroups,
  )
  return [first, ...smaller]
}

/** Why a call has no tile on subgroup matrices: the first of what is in the way. */
export function whyNoMatrixTile(
  call: MatrixCall,
  capabilities: Capabilities,
  numbers: MatrixNumbers = 'float16',
): string {
  const { queryLength, headDim, valueDim } = call
  const operands = operandsOf[numbers]
  if (!operands) return 'subgroup matrices multiply float16'
  const { subgroups: sizes, subgroupMatrices, shaderFloat16 } = capabilities
  if (subgroupMatrices.length === 0) return 'the adapter offers no subgroup matrices'
  if (!subgroupMatrices.some((matrix) => matrix.operands === operands)) {
    const offered = subgroupMatrices.map(
      (matrix) => `${matrix.operands} with sums in ${matrix.sums}`,
    )
    return `none of the adapter's subgroup matrices multiplies ${operands}, but ${[...new Set(offered)].join(', ')}`
  }
  if (operands === 'f16' && !shaderFloat16) return 'subgroup matrices of f16 want shader-f16'
  if (!sizes) return 'subgroup matrices want the feature subgroups'
  if (!usableMatrices(capabilities).some((matrix) => matrix.operands === operands)) {
    return `subgroup matrices of ${operands} want a proof here: at no subgroup size from ${sizes.minimum} to ${sizes.maximum} did a small problem come out right`
  }
  if (queryLength < leastQueries)
    return `fewer than ${leastQueries} queries fill no subgroup matrix`
  const most = isSoftware(capabilities) ? widestInSoftware : widest
  if (Math.max(headDim, valueDim) > most) {
    return `subgroup matrices are for dims to ${most}${most === widest ? '' : ' on software adapters'}`
  }
  return chooseMatrixTile(call, capabilities, numbers)
    ? 'another kernel was asked for, or measured to be faster'
    : `no subgroup matrix fits headDim ${headDim} and valueDim ${valueDim} in the device's limits`
}
