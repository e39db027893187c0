// A thread's part of the queries, as the dims of its part of a key lie.
import { unroll } from '../../codegen/snippets.ts'
import { laneVectors } from '../../plan/decode/decode-tile.ts'
import { partFunctions, partsOf, queryDimsFunction } from './block-parts.ts'
import type { DecodeConfig } from './decode-config.ts'
import { vectorText } from './decode-loads.ts'

/** Whether threads are left over for a key's vectors of this number: they have none of their own. */
export function pastDims({ tile: { lanes }, headDim }: DecodeConfig, vector: number): boolean {
  const count = laneVectors(headDim, lanes)
  const headVectors = Math.ceil(headDim / 4)
  // Vectors are shared out in pairs where there are pairs.
  if (count % 2 !== 0) return (vector + 1) * lanes > headVectors
  return ((vector >> 1) + 1) * lanes * 2 > headVectors
}

/** Whether keys are in parts of pairs of blocks. */
const keysInParts = ({ key, headDim, tile }: DecodeConfig): boolean =>
  partsOf(key, headDim, tile.lanes) !== undefined

/** WGSL that the statements call. */
export function queryFunctions(config: DecodeConfig): string {
  const { value, valueDim, tile } = config
  const keys = keysInParts(config)
  const values = partsOf(value, valueDim, tile.lanes) !== undefined
  return [...(keys || values ? [partFunctions] : []), ...(keys ? [queryDimsFunction] : [])].join(
    '\n\n',
  )
}

/** Statements that load `query{row}_{vector}` from the row that begins at `queryBase{row}`. */
function loadQueries(config: DecodeConfig, r: number): string {
  const { headDim, key, tile } = config
  const headVectors = Math.ceil(headDim / 4)
  const count = laneVectors(headDim, tile.lanes)
  return unroll(count, (v) => {
    if (keysInParts(config)) {
      return `let query${r}_${v} = queryDims(queryBase${r}, partDims(${4 * count}u * lane + ${4 * v}u));`
    }
    const vector = vectorText(key, count, v, tile.lanes)
    const place = pastDims(config, v) ? `min(${vector}, ${headVectors - 1}u)` : vector
    return `let query${r}_${v} = loadQuery(queryBase${r}, ${place});`
  })
}

/** Statements that find a thread's rows and what it holds of them. */
export function declareQueries(config: DecodeConfig): string {
  const { headDim, key, tile } = config
  const headVectors = Math.ceil(headDim / 4)
  const count = laneVectors(headDim, tile.lanes)
  const ownsDims = Array.from({ length: count }, (_, v) => v)
    .filter((v) => pastDims(config, v))
    .map((v) => `let owns${v} = ${vectorText(key, count, v, tile.lanes)} < ${headVectors}u;\n`)
  const rows = unroll(
    tile.rows,
    (r) => `let row${r} = min(firstRow + ${r}u, groupRows - 1u);
let queryBase${r} = params.queryOffset + batch * params.queryBatch + (keyHead * params.headsPerKeyHead + row${r} / params.queryLength) * params.queryHead + (row${r} % params.queryLength) * params.queryRow;
${loadQueries(config, r)}`,
  )
  return `${ownsDims.join('')}${rows}`
}
