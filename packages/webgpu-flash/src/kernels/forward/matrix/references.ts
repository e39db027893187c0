// What exponents are relative to. The online softmax follows each row's maximum, but rows of matrices
// cannot be scaled one by one. So a row's reference is found once, from a sample tile, and stays: float16
// probabilities may outgrow it by 2^24 and be less by as much. Rows that went beyond are computed again
// with their true maxima, for which all tiles are looked at.
import { indent } from '../../../codegen/snippets.ts'
import type { MatrixTile } from '../../../plan/forward/matrix-tile.ts'
import type { ForwardMatrixConfig } from './config.ts'
import { whereHidden } from './hidden-pairs.ts'
import { eachLaneRow, shuffles } from './lane-rows.ts'
import { takeScores } from './lane-scores.ts'
import { eachLaneVector, laneNames } from './lane-vectors.ts'
import { rolledWhile } from '../../rolled-loops.ts'
import type { MatrixStaging } from './staging.ts'
import { sampleTile } from './tile-pipeline.ts'

/** How far references are above the maxima that they are taken from, as powers of two. */
export interface ReferenceRoom {
  /** Above that of the sample: room for larger scores, and precision below. */
  readonly sampled: number
  /** Above that of all tiles. */
  readonly exact: number
  /** Rows with a reference of their own come to more than this; others may be too small to be precise. */
  readonly least: number
}

/** Of float16. Products that are summed in float16 have their precision near 1. */
const roomOf = ({ sums }: Pick<MatrixTile, 'sums'>): ReferenceRoom =>
  sums === 'f32'
    ? { sampled: 8, exact: -8, least: 2 ** -9 }
    : { sampled: 0, exact: 0, least: 2 ** -9 }

const float = (value: number): string => (Number.isInteger(value) ? value.toFixed(1) : `${value}`)

/** Constants of the text below. */
export const referenceConstants = (
  tile: Pick<MatrixTile, 'sums'>,
  room: ReferenceRoom = roomOf(tile),
): string => /* wgsl */ `// Bits between a sample's maximum and the reference: room above it, and precision below.
const headroom = ${float(room.sampled)};
const exactHeadroom = ${float(room.exact)};
// Float16 holds up to 65504, and a sum of probabilities holds each of them.
const mostTileSum = 60000.0;
// Rows with a reference of their own come to more than this; others may be too small to be precise.
const leastSum = ${float(room.least)};
const unseen = -3.0e38;`

/**
 * Finds `reference{r}`: of the sample, or of all tiles where `exact`.
 *
 * @param scoreProducts - Text of the products of the keys in workgroup memory.
 */
export function findReferences(
  config: ForwardMatrixConfig,
  staging: MatrixStaging,
  scoreProducts: string,
): string {
  const { tile } = config
  const best = (r: number): string =>
    laneNames(config, 'score', r).reduce((a, b) => `max(${a}, ${b})`)
  const unshown = whereHidden(config, (hidden) =>
    eachLaneVector(
      config,
      (r, j) => `score${r}_${j} = select(score${r}_${j}, vec4<f32>(unseen), ${hidden(r, j)});`,
    ),
  )
  const look = `let firstKey = keyTile * tileKeys;
workgroupBarrier();
${staging.keys('keyTile')}
workgroupBarrier();
${scoreProducts}
workgroupBarrier();
${takeScores(config)}
${eachLaneVector(config, (r, j) => `score${r}_${j} *= exponentScale;`)}
${unshown}
${eachLaneRow(
  tile,
  (r) => `let best${r} = ${best(r)};
top${r} = max(top${r}, max(max(best${r}.x, best${r}.y), max(best${r}.z, best${r}.w)));`,
)}`
  const text = `${eachLaneRow(tile, (r) => `var top${r} = unseen;`)}
${sampledTiles(config, look)}
var others = unseen;
${eachLaneRow(
  tile,
  (
    r,
  ) => `${shuffles(tile, (step) => `top${r} = max(top${r}, subgroupShuffleXor(top${r}, ${step}u));`)}
others = max(others, top${r});`,
)}
// Rows that the sample shows nothing to are likely to be as their neighbours.
others = subgroupMax(others);
others = select(0.0, others, others > unseen);
${eachLaneRow(tile, (r) => `reference${r} = select(others, top${r}, top${r} > unseen) + select(headroom, exactHeadroom, exact);`)}`
  return `{\n${indent(text, 2)}\n}`
}

/**
 * Runs `look` for the sample tile, or for all tiles where `exact`. Without a map the step leaves the others
 * out; with one the map finds it.
 */
function sampledTiles({ blockMap }: ForwardMatrixConfig, look: string): string {
  const lookOn = `${look}
keyTile += select(endTile, 1u, exact);
looks = keyTile < endTile;`
  if (!blockMap) {
    return `let endTile = min((keyCount + tileKeys - 1u) / tileKeys, params.keyTileEnd);
var keyTile = params.keyTileBegin;
var looks = keyTile < endTile;
${rolledWhile('looks', `let full = (keyTile + 1u) * tileKeys <= keyCount;\n${lookOn}`)}`
  }
  return `for (var run = firstRun; run < endRun; run++) {
  let start = blockMap[params.mapRunsBase + 2u * run];
  let packed = blockMap[params.mapRunsBase + 2u * run + 1u];
  let full = (packed & 1u) == 1u;
  let endTile = min(start + (packed >> 1u), params.keyTileEnd);
  let begin = max(start, params.keyTileBegin);
  if (exact || (begin <= sampleTile && sampleTile < endTile)) {
    var keyTile = select(sampleTile, begin, exact);
    var looks = keyTile < endTile;
${indent(rolledWhile('looks', lookOn), 4)}
  }
}`
}

/** Declares the tile that references are taken from. */
export function declareSample({ blockMap }: ForwardMatrixConfig): string {
  return blockMap ? sampleTile : ''
}

/**
 * Whether a row has to be computed again, from its sum and the largest sum of a tile. Positive floats are
 * in the order of their bits, in which NaN comes after all numbers.
 */
export function outgrownRows(config: ForwardMatrixConfig): string {
  const { tile, dropout } = config
  const most = dropout ? 'mostTileSum / max(1.0, bitcast<f32>(params.dropoutScale))' : 'mostTileSum'
  return `var outgrown = bitcast<u32>(largest) >= bitcast<u32>(${most});
${eachLaneRow(
  tile,
  (r) => `${shuffles(tile, (step) => `sum${r} += subgroupShuffleXor(sum${r}, ${step}u);`)}
outgrown = outgrown || (queryRow${r} <= lastQuery && (bitcast<u32>(sum${r}) < bitcast<u32>(leastSum) || bitcast<u32>(sum${r}) >= 0x7f800000u));`,
)}`
}
