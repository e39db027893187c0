// Sizes of tiles on subgroup matrices that are tried, and those that a caller or a record of measurements asks for.
import { rangeError } from '@attn/core'

/** A tile on subgroup matrices by its sizes. Its matrices are the adapter's; what follows of both the planner adds. */
export interface MatrixTileSizes {
  /** Subgroups of a workgroup; a power of two. */
  readonly subgroups: number
  /** Query rows of each, a multiple of the rows of a matrix: queries of a workgroup are both multiplied. */
  readonly ownRows: number
  /** Keys at a time; a multiple of the columns and of the depth of a matrix. */
  readonly keys: number
}

/** Numbers of the operands that an element comes as: itself, or the two float16 halves of a float32. */
export type HalvesPerElement = 1 | 2

/** Why sizes are not taken. */
export const unfitting =
  "the sizes of the tile do not divide by the adapter's matrices and subgroups, or do not fit its limits; see MatrixTileSizes"

/** The names of the sizes, in the order in which they are checked. */
export const matrixTileSizeNames: readonly (keyof MatrixTileSizes)[] = [
  'subgroups',
  'ownRows',
  'keys',
]

/**
 * Candidates, the fastest measured (on an NVIDIA H200) first. More rows a subgroup share each load of a
 * key; more than 32 take more registers and workgroup memory than they save.
 */
const narrow: readonly MatrixTileSizes[] = [
  { subgroups: 4, ownRows: 32, keys: 16 },
  { subgroups: 4, ownRows: 16, keys: 16 },
  { subgroups: 2, ownRows: 32, keys: 16 },
  // Of matrices of eight rows alone: small subgroups, and sums of float16, which take more memory.
  { subgroups: 4, ownRows: 8, keys: 16 },
  { subgroups: 2, ownRows: 8, keys: 16 },
]
/** For dims above 64. */
const middle: readonly MatrixTileSizes[] = [
  { subgroups: 8, ownRows: 32, keys: 16 },
  { subgroups: 8, ownRows: 16, keys: 32 },
  ...narrow,
]
/**
 * The same for halves of float32, which take twice the memory and three times the products: with 32 rows a
 * subgroup too few workgroups ran side by side.
 */
const narrowHalves: readonly MatrixTileSizes[] = [
  { subgroups: 4, ownRows: 16, keys: 16 },
  { subgroups: 2, ownRows: 16, keys: 16 },
  { subgroups: 4, ownRows: 8, keys: 16 },
]
/** For dims above 64. */
const middleHalves: readonly MatrixTileSizes[] = [
  { subgroups: 8, ownRows: 16, keys: 16 },
  ...narrowHalves,
]

/**
 * Little text: a CPU takes a tenth of a second to compile each load, store or product of a matrix. So
 * software adapters get matrices for few dims alone, where these kernels are tried and not fast.
 */
const software: readonly MatrixTileSizes[] = [{ subgroups: 4, ownRows: 8, keys: 8 }]

/** The candidates, of which the first that divide and fit are the best. */
export function matrixTileSizes(
  width: number,
  halves: HalvesPerElement,
  inSoftware: boolean,
): readonly MatrixTileSizes[] {
  const [ofNarrow, ofMiddle] = halves === 2 ? [narrowHalves, middleHalves] : [narrow, middle]
  return inSoftware ? software : width > 64 ? ofMiddle : ofNarrow
}

/**
 * The sizes that a caller asks for.
 *
 * @throws RangeError where they are none.
 */
export function checkedSizes(sizes: MatrixTileSizes): MatrixTileSizes {
  for (const name of matrixTileSizeNames) {
    const value = sizes[name]
    const fine = Number.isInteger(value) && value > 0
    if (!fine || (name === 'subgroups' && !Number.isInteger(Math.log2(value)))) {
      const rule = name === 'subgroups' ? 'a power of two' : 'a positive integer'
      throw rangeError(`flash.plan: tile.${name} must be ${rule}, got ${value}`)
    }
  }
  return sizes
}
