// The output of matrices that sum in float16 alone (Apple's): no sum goes over more than the keys of one
// tile. Lanes add what a tile comes to in float32, in registers, and write the rows from there. Where a
// sum went beyond float16, the workgroup computes again without matrices.
import { indent, unroll } from '../../../codegen/snippets.ts'
import { declareRowEnds } from './finish.ts'
import type { ForwardMatrixConfig } from './config.ts'
import { halfScoreFunctions } from './half-scores.ts'
import { eachLaneRow, laneVector } from './lane-rows.ts'
import { outputProducts, scoreProducts } from './products.ts'

/** WGSL of what these texts call. */
export const halfSumFunctions: (config: ForwardMatrixConfig) => string = halfScoreFunctions

/** Vectors of an output row that a lane has. */
function widenedVectors({ tile, valueDim }: ForwardMatrixConfig): number {
  return Math.ceil(valueDim / 4 / tile.lanesPerRow)
}

/** A line for each register of the output: row r of a lane, its vector v. */
export function eachWidened(
  config: ForwardMatrixConfig,
  line: (name: string, r: number, v: number) => string,
): string {
  return eachLaneRow(config.tile, (r) =>
    unroll(widenedVectors(config), (v) => line(`widened${r}_${v}`, r, v)),
  )
}

/** What follows a tile's softmax: its values are added to the output, and the next scores are computed. */
export function halfTileProducts(config: ForwardMatrixConfig): string {
  return `if (exact) {
${indent(addByLanes(config), 2)}
} else {
${indent(addByMatrices(config), 2)}
}
workgroupBarrier();
${scoreProducts(config)}`
}

/** Products of the tile pass through the memory of the scores, as many columns at a time as it has. */
function addByMatrices(config: ForwardMatrixConfig): string {
  const { tile, memory, valueDim } = config
  const { rows, columns } = tile.matrix
  const perPlane = tile.keys / columns
  const perPass = perPlane * memory.planes
  const matrices = valueDim / columns
  return unroll(Math.ceil(matrices / perPass), (pass) => {
    const first = pass * perPass
    const some = Math.min(perPass, matrices - first)
    const stores = (name: (b: number, c: number) => string): string =>
      unroll(tile.rowBlocks, (b) =>
        unroll(some, (n) => {
          const plane = Math.floor(n / perPlane) * memory.scores
          const place = plane + b * rows * memory.scoreStride + ((n % perPlane) * columns) / 4
          return `subgroupMatrixStore<row_major>(&scores[subgroup], ${place}u, ${name(b, first + n)}, scoreStride);`
        }),
      )
    const own = eachWidened(config, (name, r, v) => {
      const vector = laneVector(tile, v)
      const [begin, end] = [(first * columns) / 4, ((first + some) * columns) / 4]
      const nearest = v * tile.lanesPerRow
      if (nearest + tile.lanesPerRow <= begin || nearest >= end) return ''
      const inPass = `(${vector} - ${begin}u)`
      const vectorsOfPlane = tile.keys / 4
      return `if (${vector} >= ${begin}u && ${vector} < ${end}u) {
  let added = vec4<f32>(scores[subgroup][${inPass} / ${vectorsOfPlane}u * ${memory.scores}u + ownRow${r} * scoreStride + ${inPass} % ${vectorsOfPlane}u]);
  overflown = overflown || notFinite(added);
  ${name} += added;
}`
    })
    return `${outputProducts(config, first, some, stores)}
workgroupBarrier();
${own}
workgroupBarrier();`
  })
}

/** The same in float32, one key after the other. */
function addByLanes(config: ForwardMatrixConfig): string {
  const { tile, memory } = config
  const rows = eachLaneRow(
    tile,
    (r) =>
      `let weight${r} = f32(probabilities[subgroup][ownRow${r} * probabilityStride + key / 4u][key % 4u]);`,
  )
  const adds = eachWidened(config, (name, r, v) => {
    const vector = laneVector(tile, v)
    return `if (${vector} < valueVectors) { ${name} += weight${r} * vec4<f32>(valueRows[key * ${memory.valueStride}u + ${vector}]); }`
  })
  return `for (var key = 0u; key < tileKeys; key++) {
${indent(rows, 2)}
${indent(adds, 2)}
}`
}

/** Writes all rows. */
export function finishWidened(config: ForwardMatrixConfig): string {
  const { tile } = config
  return `${declareRowEnds(config, (r) => `reference${r}`)}
workgroupBarrier();
${eachLaneRow(tile, (r) => `if (inside${r} && part == 0u) { logSumExp[place${r}] = end${r}.logSumExp; }`)}
${eachWidened(
  config,
  (name, r, v) => `if (inside${r} && ${laneVector(tile, v)} < valueVectors) {
  var value = ${name} * end${r}.own;
  if (end${r}.previous > 0.0) { value += loadOutput(outputBase${r}, ${laneVector(tile, v)}) * end${r}.previous; }
  storeOutput(outputBase${r}, ${laneVector(tile, v)}, value);
}`,
)}`
}
