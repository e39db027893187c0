// The products of halves, three for each of float32. Both subgroups of a pair run one text, with other
// operands by their number.
import { unroll } from '../../../codegen/snippets.ts'
import { laneVectors, sumLanes } from '../../../plan/backward/split-matrix-tile.ts'
import { eachLaneRow, rowStep } from '../../forward/matrix/lane-rows.ts'
import { castSplitRoles } from './roles.ts'
import type { SplitMatrixConfig } from './roles.ts'

const load = (
  side: 'Left' | 'Right',
  order: 'row_major' | 'col_major',
  array: string,
  offset: number,
  stride: number,
): string => `subgroupMatrixLoad<${side}, ${order}>(&${array}, ${offset}u, ${stride}u)`

const add = (left: string, right: string, sum: string): string =>
  `  ${sum} = subgroupMatrixMultiplyAccumulate(${left}, ${right}, ${sum});`

/**
 * S, or dP, of the tile at one of the two places: the small products, of a high and a low half, before the large
 * ones, as in the forward pass. What matrices cut off of a sum is as large as the sum is, so that few additions
 * should meet a large one; and what both passes cut off alike does not show in exp(S - L).
 */
export function scoreProducts(config: SplitMatrixConfig, place: string): string {
  const { tile, memory, headDim } = config
  const { matrix, rowBlocks, columns } = tile
  const blocks = headDim / matrix.depth
  const perPiece = blocks / memory.pieces
  const low = headDim / memory.pieces / 4
  return unroll(columns / matrix.columns, (n) => {
    const visited = (k: number, step: number, number = 'partner'): string => {
      const first = n * matrix.columns * memory.visitedStride
      const offset = first + step + ((k % perPiece) * matrix.depth) / 4
      const array = `visitedRows[${place}][${number}][${Math.floor(k / perPiece)}]`
      return load('Right', 'col_major', array, offset, memory.visitedStride)
    }
    const each = (line: (b: number) => string): string => unroll(rowBlocks, line)
    const small = (k: number): string => `  let high${k} = ${visited(k, 0)};
  let low${k} = ${visited(k, low)};
${each((b) => `${add(`ownHigh${b}_${k}`, `low${k}`, `product${b}`)}\n${add(`ownLow${b}_${k}`, `high${k}`, `product${b}`)}`)}`
    const large = (k: number): string => {
      // From an array that no compiler knows to be the same, or it would keep what it has loaded.
      const again = tile.loadsTwice
        ? `  let again${k} = ${visited(k, 0, 'partner ^ nothing')};\n`
        : ''
      const high = tile.loadsTwice ? `again${k}` : `high${k}`
      return `${again}${each((b) => add(`ownHigh${b}_${k}`, high, `product${b}`))}`
    }
    return `{
${each((b) => `  var product${b} = Result();`)}
${unroll(blocks, small)}
${unroll(blocks, large)}
${each((b) => `  subgroupMatrixStore<row_major>(&scores[pair][partner], ${b * matrix.rows * memory.scoreStride + (n * matrix.columns) / 4}u, product${b}, scoreStride);`)}
}`
  })
}

/** A line for each matrix of a subgroup's sums: block of rows b, columns c. */
function eachSum(config: SplitMatrixConfig, line: (b: number, c: number) => string): string {
  const { sumDims } = castSplitRoles(config)
  const { rowBlocks, matrix } = config.tile
  return unroll(sumDims / matrix.columns, (c) => unroll(rowBlocks, (b) => line(b, c)))
}

/** Adds the visited rows at one of the two places to the sums. */
export function addSums(config: SplitMatrixConfig, place: string): string {
  const { tile, memory } = config
  const { matrix, rowBlocks, columns } = tile
  const { sumSource, sumWeights, sumDims } = castSplitRoles(config)
  const source = sumSource(place)
  return unroll(columns / matrix.depth, (k) => {
    const weights = (b: number, step: number): string => {
      const offset = b * matrix.rows * memory.weightStride + step + (k * matrix.depth) / 4
      return load('Left', 'row_major', sumWeights, offset, memory.weightStride)
    }
    const visited = (c: number, step: number): string => {
      const offset = k * matrix.depth * memory.visitedStride + step + (c * matrix.columns) / 4
      return load('Right', 'row_major', source, offset, memory.visitedStride)
    }
    return `{
${unroll(rowBlocks, (b) => `  let weightsHigh${b} = ${weights(b, 0)};\n  let weightsLow${b} = ${weights(b, columns / 4)};`)}
${unroll(
  sumDims / matrix.columns,
  (c) => `  let high${c} = ${visited(c, 0)};
  let low${c} = ${visited(c, sumDims / 4)};
${unroll(rowBlocks, (b) => {
  const sum = `sum${b}_${c}`
  return [
    add(`weightsHigh${b}`, `low${c}`, sum),
    add(`weightsLow${b}`, `high${c}`, sum),
    add(`weightsHigh${b}`, `high${c}`, sum),
  ].join('\n')
})}`,
)}
}`
  })
}

/** Declares the sums, in matrices and in the lanes' registers `total{r}_{c}_{j}`. */
export function startSums(config: SplitMatrixConfig): string {
  return `${eachSum(config, (b, c) => `var sum${b}_${c} = Result();`)}
${eachTotal(config, (total) => `var ${total} = vec4<f32>();`)}`
}

/** Declares rows and vectors of a lane among those of the sums of its subgroup. */
export function declareSumRows(config: SplitMatrixConfig): string {
  const lanes = sumLanes(config.tile)
  const first = `subgroupLane / ${lanes.lanesPerRow}u`
  return `let sumPart = subgroupLane % ${lanes.lanesPerRow}u;
${eachLaneRow(lanes, (r) => `let sumRow${r} = ${first}${r === 0 ? '' : ` + ${r * rowStep(lanes)}u`};`)}`
}

/** A line for each register of the sums: row r, matrix column c, vector j of it. */
export function eachTotal(
  config: SplitMatrixConfig,
  line: (total: string, r: number, c: number, vector: string) => string,
): string {
  const { matrix } = config.tile
  const lanes = sumLanes(config.tile)
  const { sumDims } = castSplitRoles(config)
  return unroll(sumDims / matrix.columns, (c) =>
    eachLaneRow(lanes, (r) =>
      unroll(laneVectors(lanes, matrix.columns), (j) =>
        line(`total${r}_${c}_${j}`, r, c, `sumPart + ${j * lanes.lanesPerRow}u`),
      ),
    ),
  )
}

/**
 * Moves the sums from matrices to registers, by way of the subgroup's scores. Since these were last read there has been
 * a barrier: that before the last tile's sums.
 */
export function flushSums(config: SplitMatrixConfig): string {
  const { tile, memory } = config
  const { matrix, rowBlocks } = tile
  const { sumDims } = castSplitRoles(config)
  return unroll(sumDims / matrix.columns, (c) => {
    const moves = eachTotal(config, (total, r, own, vector) =>
      own === c ? `${total} += scores[pair][partner][sumRow${r} * scoreStride + ${vector}];` : '',
    )
    return `${c === 0 ? '' : 'workgroupBarrier();\n'}${unroll(rowBlocks, (b) => `subgroupMatrixStore<row_major>(&scores[pair][partner], ${b * matrix.rows * memory.scoreStride}u, sum${b}_${c}, scoreStride);\nsum${b}_${c} = Result();`)}
workgroupBarrier();
${moves.replace(/\n+/g, '\n').trim()}`
  })
}
