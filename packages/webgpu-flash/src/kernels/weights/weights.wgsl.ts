// Attention weights from log-sum-exp: exp(score - logSumExp), a tile of scores at a time, as the
// backward pass recomputes them (FlashAttention, arXiv 2205.14135, section 3.1). A workgroup owns what it
// writes and walks over what is reduced away, so that no more is ever stored than was asked for, and no
// two of them add to one number. The largest score of each row is found in the same way.
import type { QuantizedType } from '@attn/core'
import { loadFunction, storageType, unpackFunctions, usesFloat16 } from '../../codegen/access.ts'
import type { Access } from '../../codegen/access.ts'
import { indent, unroll } from '../../codegen/snippets.ts'
import type { ScoreRules } from '../../codegen/snippets.ts'
import { hiddenScore } from '../careful.ts'
import { sharedConstants } from '../forward/forward-frame.ts'
import { forwardFields, parameterBlock } from '../parameters.ts'
import { columnOffset, eachScore, lane, ownColumnVectors, ownRows } from '../tile/grid.ts'
import type { ThreadGrid } from '../tile/grid.ts'
import { mainFunction } from '../tile/main-function.ts'
import { quantizedElements } from '../quantized-elements.ts'
import type { PlacesText } from '../../plan/decode/key-places.ts'
import { scoreProduct } from '../tile/score-product.ts'
import { applyOrderedRules, orderedPositions } from '../tile/ordered-rules.ts'
import { applyScoreRules, pairPositions } from '../tile/score-rules.ts'
import { placedKeys, placesFields } from './placed-keys.ts'
import { largestFunction, reduceColumns, reduceRows } from './reduce.ts'

/** What a workgroup makes of its tiles. */
export type WeightsKind =
  'none' | 'sum over queries' | 'maximum' | 'mean over heads' | 'largest score'

/** All that decides the text of the kernel. */
export interface WeightsConfig {
  readonly kind: WeightsKind
  readonly grid: ThreadGrid
  readonly dimChunk: number
  /** Where queries and keys lie in workgroup memory, and all of it, in vectors. */
  readonly memory: { readonly query: number; readonly vectors: number; readonly note: string }
  readonly headDim: number
  readonly query: Access
  readonly key: Access
  /** Set where keys are blocks; offset and strides then count halves. Default: they are not. */
  readonly quantized?: QuantizedType | undefined
  /** Where keys lie. Default: at the rows of their positions. */
  readonly places?: PlacesText | undefined
  readonly rules: ScoreRules
  readonly shortText: boolean
  readonly descriptorWords: number
  readonly parameterWords: number
}

/** Scalars of the block: those of the forward kernels, and of these. */
export const weightsFields: readonly string[] = [
  ...forwardFields,
  'logSumExpBatch',
  'logSumExpHead',
  'logSumExpRow',
  // Rows asked for, heads of the list in this dispatch, and how many there are in all.
  'firstRow',
  'endRow',
  'headCount',
  'chosenHeads',
  'queryTileEnd',
  // Keys of the result, what weights are multiplied by (bits), and whether to add to what is there.
  'keys',
  'factor',
  'continues',
]

/** The fields of the block, of keys that lie so. */
export function weightsFieldsOf(places: unknown): readonly string[] {
  return places ? [...weightsFields, ...placesFields] : weightsFields
}

/** The WGSL of the kernel. Entry point: `main`. */
export function weightsKernel(given: WeightsConfig): string {
  const { grid, query, key, kind, quantized, places } = given
  const placed = placedKeys(places, given.rules)
  const config = { ...given, rules: placed.rules }
  const halves = [query, ...(quantized ? [] : [key])].some(usesFloat16)
  const sections = [
    halves ? 'enable f16;' : '',
    parameterBlock(weightsFieldsOf(places), config.descriptorWords, config.parameterWords),
    /* wgsl */ `@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> query: array<${storageType(query)}>;
@group(0) @binding(2) var<storage, read> key: array<${quantized ? 'u32' : storageType(key)}>;
@group(0) @binding(3) var<storage, read> logSumExp: array<f32>;
@group(0) @binding(4) var<storage, read_write> weights: array<f32>;
// Query offset and key count of every sequence, then the heads that are asked for.
@group(0) @binding(5) var<storage, read> chosen: array<u32>;
// Those of the plan, then the tables of the expressions.
@group(0) @binding(6) var<storage, read> data: array<u32>;`,
    `const tileQueries = ${grid.tileRows}u;
const tileKeys = ${grid.tileColumns}u;
const queryRegion = ${config.memory.query}u;
const keyRegion = 0u;
${sharedConstants(config.shortText)}`,
    `// ${config.memory.note}\nvar<workgroup> tile: array<vec4<f32>, ${config.memory.vectors}>;`,
    unpackFunctions(quantized ? [query] : [query, key]),
    loadFunction('query', query, config.headDim),
    quantized ? quantizedElements('key', quantized) : loadFunction('key', key, config.headDim),
    placed.code,
    config.rules.code,
    kind === 'maximum' || kind === 'largest score' ? largestFunction : '',
    mainFunction(grid.threadRows * grid.threadColumns, mainBody(config), config.shortText),
  ]
  return `${sections.filter((section) => section !== '').join('\n\n')}\n`
}

function mainBody(config: WeightsConfig): string {
  const { threadColumns } = config.grid
  return `let column = thread % ${threadColumns}u;
let row = thread / ${threadColumns}u;
let scale = bitcast<f32>(params.scale);
let factor = bitcast<f32>(params.factor);
${hiddenScore}
${bodies[config.kind](config)}`
}

const bodies: Readonly<Record<WeightsKind, (config: WeightsConfig) => string>> = {
  none: (config) => `${planeOrigin}
${onePlane(
  config,
  `let queryTile = params.queryTileBase + workgroup.y;
let keyTile = params.keyTileBegin + workgroup.x;
${tileWeights(config)}
let rowBase = (batch * params.chosenHeads + place) * rows;
${storeTile(config, (i, value) => `weights[params.outputOffset + (rowBase + firstQuery + row * ${ownRows(config.grid)}u + ${i}u - params.firstRow) * params.keys + keyAt] = ${value};`)}`,
)}`,
  'mean over heads': (config) => `let batch = params.batchBase + workgroup.z;
let queryTile = params.queryTileBase + workgroup.y;
let keyTile = params.keyTileBegin + workgroup.x;
let rows = params.endRow - params.firstRow;
let ownFirst = params.firstRow + queryTile * tileQueries;
${eachScore(config.grid, 'mean', (score) => `var ${score} = vec4<f32>(0.0);`)}
for (var place = params.headBase; place < params.headBase + params.headCount; place++) {
${indent(
  onePlane(
    config,
    `${tileWeights(config)}\n${eachScore(config.grid, 'mean', (mean) => `${mean} += score${mean.slice(4)} * factor;`)}`,
  ),
  2,
)}
}
let rowBase = batch * rows;
{
  let firstQuery = ownFirst;
  let firstKey = keyTile * tileKeys;
${indent(
  storeTile(
    config,
    (i, value) =>
      `let at${i} = params.outputOffset + (rowBase + firstQuery + row * ${ownRows(config.grid)}u + ${i}u - params.firstRow) * params.keys + keyAt;
weights[at${i}] = ${value} + select(0.0, weights[at${i}], params.continues != 0u);`,
    'mean',
  ),
  2,
)}
}`,
  'sum over queries': (config) => overQueries(config, '0.0', (total, one) => `${total} + ${one}`),
  maximum: (config) => overQueries(config, '0.0', (total, one) => `largest(${total}, ${one})`),
  'largest score': (config) => `${planeOrigin}
${unroll(ownRows(config.grid), (i) => `var best${i} = vec4<f32>(hidden);`)}
${onePlane(
  config,
  `let queryTile = params.queryTileBase + workgroup.y;
for (var keyTile = params.keyTileBegin; keyTile < params.keyTileEnd; keyTile++) {
${indent(tileScores(config), 2)}
${indent(
  eachScore(
    config.grid,
    'score',
    (score) => `best${rowOf(score)} = largest(best${rowOf(score)}, ${score});`,
  ),
  2,
)}
}
${reduceRows(config.grid)}`,
)}`,
}

const rowOf = (score: string): string => /\d+/.exec(score)![0]

/** Which sequence and which head of the list the workgroup has. */
const planeOrigin = `let batch = params.batchBase + workgroup.z / params.headCount;
let place = params.headBase + workgroup.z % params.headCount;
let rows = params.endRow - params.firstRow;`

/** Declares where the tensors of `batch` and of the head at `place` begin, around `body`. */
function onePlane({ rules, places }: WeightsConfig, body: string): string {
  return `let head = chosen[2u * params.mapBatches + place];
let keyHead = head / params.headsPerKeyHead;
let queryOffset = bitcast<i32>(chosen[2u * batch]);
let keyCount = chosen[2u * batch + 1u];
let queryBase = params.queryOffset + batch * params.queryBatch + head * params.queryHead;
let keyBase = params.keyOffset + batch * params.keyBatch + keyHead * params.keyHead;
let sumBase = params.logSumExpOffset + batch * params.logSumExpBatch + head * params.logSumExpHead;
let lastQuery = params.endRow - 1u;
let lastKey = max(keyCount, 1u) - 1u; // rows past it may hold anything, so they are never read
${placedKeys(places, rules).before}${rules.change?.head ?? ''}
${body}`
}

/** The registers `score{i}_{j}`: scores of the tile `queryTile`, `keyTile`. */
function tileScores(config: WeightsConfig): string {
  const { grid, headDim, rules, places } = config
  const { ordered, source } = placedKeys(places, rules)
  return `let firstQuery = params.firstRow + queryTile * tileQueries;
let firstKey = keyTile * tileKeys;
let full = ${rules.hasMask ? 'false' : 'firstKey + tileKeys <= keyCount'};
${ordered ? orderedPositions(grid) : pairPositions(grid)}
${scoreProduct(grid, {
  name: 'score',
  rows: { name: 'query', first: 'firstQuery', last: 'lastQuery', dims: headDim },
  columns: { name: 'key', first: 'firstKey', ...source, dims: headDim },
  rowRegion: 'queryRegion',
  columnRegion: 'keyRegion',
  dimChunk: config.dimChunk,
})}
${(ordered ? applyOrderedRules : applyScoreRules)(grid, 'score', rules, config.shortText)}`
}

/** The same as weights; a hidden pair's is 0, whatever the row's log-sum-exp. */
function tileWeights(config: WeightsConfig): string {
  const { grid } = config
  return `${tileScores(config)}
${unroll(ownRows(grid), (i) => `let reference${i} = vec4<f32>(logSumExp[sumBase + min(firstQuery + row * ${ownRows(grid)}u + ${i}u, lastQuery) * params.logSumExpRow]);`)}
${eachScore(grid, 'score', (score) => `${score} = abs(pairWeights(${score}, reference${rowOf(score)}));`)}`
}

/** Stores the registers `name{i}_{j}` where the tile has rows and keys; `keyAt` is the key of one. */
function storeTile(
  { grid }: WeightsConfig,
  line: (row: number, value: string) => string,
  name = 'score',
): string {
  return unroll(
    ownRows(grid),
    (i) => `if (firstQuery + row * ${ownRows(grid)}u + ${i}u < params.endRow) {
${unroll(ownColumnVectors(grid), (j) =>
  unroll(
    4,
    (k) => `  {
    let keyAt = firstKey + column + ${columnOffset(grid, j, k)}u;
    if (keyAt < params.keys) {
${indent(line(i, `${name}${i}_${j}.${lane(k)}`), 6)}
    }
  }`,
  ),
)}
}`,
  )
}

/** The workgroup owns a tile of keys and walks over the rows. */
function overQueries(
  config: WeightsConfig,
  start: string,
  combine: (total: string, one: string) => string,
): string {
  const { grid } = config
  const vectors = ownColumnVectors(grid)
  return `${planeOrigin}
let keyTile = params.keyTileBegin + workgroup.x;
${unroll(vectors, (j) => `var total${j} = vec4<f32>(${start});`)}
${onePlane(
  config,
  `for (var queryTile = params.queryTileBase; queryTile < params.queryTileEnd; queryTile++) {
${indent(tileWeights(config), 2)}
${indent(
  unroll(
    ownRows(grid),
    (i) => `if (firstQuery + row * ${ownRows(grid)}u + ${i}u < params.endRow) {
${unroll(vectors, (j) => `  total${j} = ${combine(`total${j}`, `score${i}_${j}`)};`)}
}`,
  ),
  2,
)}
}
${reduceColumns(grid, combine)}`,
)}`
}
