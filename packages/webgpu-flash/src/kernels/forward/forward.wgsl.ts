// FlashAttention-2 forward (arXiv 2307.08691) in plain WGSL: one workgroup owns a tile of query
// rows and walks the key tiles, keeping the softmax online. Nothing of size L x S is ever stored.
import { loadFunction, storeFunction, unpackFunctions, usesFloat16 } from '../../codegen/access.ts'
import { rowFunctions } from '../careful.ts'
import { countInMemory, countWeights, inRounds, roundFunctions } from '../careful-rounds.ts'
import { finishRowFunction } from '../finish-row.ts'
import type { ForwardConfig } from './forward-config.ts'
import {
  bindings,
  callOrigin,
  mappedPart,
  mappedTileOfHeads,
  smallestMaximum,
  tileLoop,
} from './forward-frame.ts'
import { forwardFields, parameterBlock, withOptionalFields } from '../parameters.ts'
import { declareNothing } from '../rolled-loops.ts'
import { loopStep, ownRows } from '../tile/grid.ts'
import type { ThreadGrid } from '../tile/grid.ts'
import { mainFunction } from '../tile/main-function.ts'
import { declareShift, onlineSoftmax, shareRows, startSoftmax } from '../tile/online-softmax.ts'
import { scoreProduct } from '../tile/score-product.ts'
import { dropoutFunctions } from '../tile/dropout.ts'
import { applyDropout, applyScoreRules, pairPositions } from '../tile/score-rules.ts'
import { applyOrderedDropout, applyOrderedRules, orderedPositions } from '../tile/ordered-rules.ts'
import type { TileSource } from '../tile/source.ts'
import {
  beginWeightedSum,
  storeWeights,
  weightedSum,
  weightedSumInParts,
} from '../tile/weighted-sum.ts'
import type { WeightedSum } from '../tile/weighted-sum.ts'

/** The WGSL of the forward kernel. Entry point: `main`. */
export function forwardKernel(config: ForwardConfig): string {
  const { tile } = config
  const sections = [
    needsFloat16(config) ? 'enable f16;' : '',
    parameterBlock(
      withOptionalFields(forwardFields, config),
      config.descriptorWords,
      config.parameterWords,
    ),
    bindings(config),
    constants(config),
    `// ${config.memory.note}\nvar<workgroup> tile: array<vec4<f32>, ${config.memory.vectors}>;`,
    unpackFunctions([config.query, config.key, config.value, config.output]),
    loadFunction('query', config.query, config.headDim),
    loadFunction('key', config.key, config.headDim),
    loadFunction('value', config.value, config.valueDim),
    loadFunction('output', config.output, config.valueDim),
    storeFunction('output', config.output, config.valueDim),
    config.tokens ?? '',
    config.rules.code,
    hidesByEnds(config) ? (config.rules.shownKeys ?? '') : '',
    config.dropout ? dropoutFunctions(config.rules.countsWithin) : '',
    finishRowFunction(tile.threadColumns, outputVectors(config), config.parts),
    mainFunction(tile.threadRows * tile.threadColumns, mainBody(config), config.shortText),
  ]
  return `${sections.filter((section) => section !== '').join('\n\n')}\n`
}

/** Whether rows see all keys between two. Keys in an order of their own are not neighbours. */
const hidesByEnds = ({ rules, tokens }: ForwardConfig): boolean =>
  tokens === undefined && (!rules.hasMask || rules.shownKeys !== undefined)

function needsFloat16({ query, key, value, output }: ForwardConfig): boolean {
  return [query, key, value, output].some(usesFloat16)
}

function constants({ memory, tile, valueDim, shortText = false }: ForwardConfig): string {
  return `const tileQueries = ${tile.queries}u;
const tileKeys = ${tile.keys}u;
const valueVectors = ${Math.ceil(valueDim / 4)}u;
const queryRegion = ${memory.query}u;
const keyRegion = ${memory.key}u;
const valueRegion = ${memory.value}u;
const probabilityRegion = ${memory.probability}u;
const reductionRegion = ${memory.reduction}u;
const careRegion = ${memory.care}u;
${smallestMaximum}

${rowFunctions}

${roundFunctions(shortText)}`
}

function gridOf({ tile, rolled = false }: ForwardConfig): ThreadGrid {
  const { queries, keys, threadRows, threadColumns } = tile
  return { tileRows: queries, tileColumns: keys, threadRows, threadColumns, rolled }
}

/** Vectors of output dims a thread owns. */
function outputVectors({ tile, memory }: ForwardConfig): number {
  return memory.valueStride / tile.threadColumns
}

/** Names of the output registers of row i. */
function outputNames(config: ForwardConfig, i: number): string[] {
  return Array.from({ length: outputVectors(config) }, (_, c) => `output${i}_${c}`)
}

function mainBody(config: ForwardConfig): string {
  const { tile } = config
  const grid = gridOf(config)
  const outputs = Array.from({ length: ownRows(grid) }, (_, i) => outputNames(config, i)).flat()
  return `${grid.rolled ? `${declareNothing}\n` : ''}let column = thread % ${tile.threadColumns}u;
let row = thread / ${tile.threadColumns}u;
${config.parts ? callOrigin(mappedPart) : config.blockMap ? callOrigin(mappedTileOfHeads, 'x') : callOrigin()}
${config.tokens === undefined ? pairPositions(grid) : orderedPositions(grid)}
${config.rules.change?.head ?? ''}

${inRounds(
  `${declareShift('round != 0u')}
${config.sinks ? `${sinkLogit(config)}\n${startSoftmax(grid, 'sink')}` : startSoftmax(grid)}
${outputs.map((name) => `var ${name} = vec4<f32>(0.0);`).join('\n')}

${tileLoop(config.blockMap, tileBody(config))}`,
  epilogue(config),
  markRows(config),
  outputs,
  'tile[careRegion]',
)}`
}

function sources({
  headDim,
  valueDim,
  tokens,
}: ForwardConfig): Record<'query' | 'key' | 'value', TileSource> {
  const queries = { first: 'firstQuery', last: 'lastQuery' }
  const keys = { first: 'firstKey', last: 'lastKey' }
  const ordered = tokens !== undefined
  return {
    query: {
      name: 'query',
      ...queries,
      dims: headDim,
      ...(ordered ? { token: 'queryToken' } : {}),
    },
    key: { name: 'key', ...keys, dims: headDim, ...(ordered ? { token: 'keyToken' } : {}) },
    value: { name: 'value', ...keys, dims: valueDim, ...(ordered ? { token: 'keyToken' } : {}) },
  }
}

// The first of several dispatches over the same rows counts it, and the first part of a row.
const sinkLogit = ({ parts }: ForwardConfig): string =>
  `let sink = select(bitcast<f32>(data[params.sinkBase + head]), hidden, params.mergeWithOutput != 0u${parts ? ' || !firstPart' : ''});`

function tileBody(config: ForwardConfig): string {
  const { tile, memory } = config
  const grid = gridOf(config)
  const { query, key, value } = sources(config)
  const sum: WeightedSum = {
    name: 'output',
    source: value,
    weightRegion: 'probabilityRegion',
    sourceRegion: 'valueRegion',
    weightStride: memory.probabilityStride,
    sourceStride: memory.valueStride,
    chunk: tile.valueChunk,
    begun: true,
    counted: (rows, weights) => countInMemory(grid, rows, weights),
  }
  return `let firstKey = keyTile * tileKeys;
${scoreProduct(grid, {
  name: 'score',
  rows: query,
  columns: key,
  rowRegion: 'queryRegion',
  columnRegion: 'keyRegion',
  dimChunk: tile.dimChunk,
})}
${beginWeightedSum(grid, sum)}
${config.tokens === undefined ? applyScoreRules(grid, 'score', config.rules, config.shortText, hidesByEnds(config)) : applyOrderedRules(grid, 'score', config.rules, config.shortText)}
${onlineSoftmax(grid, {
  scores: 'score',
  region: 'reductionRegion',
  outputs: (i) => outputNames(config, i),
})}
${config.dropout ? `// The sum has been taken: dropout thins the weights and not the softmax.\n${config.tokens === undefined ? applyDropout(grid, 'score', config.rules.countsWithin) : applyOrderedDropout(grid, 'score')}\n` : ''}${
    tile.probabilitiesInChunks
      ? weightedSumInParts(grid, sum, 'score')
      : `${countWeights(grid, 'score')}
workgroupBarrier();
${storeWeights(grid, 'score', 'probabilityRegion', memory.probabilityStride)}
${weightedSum(grid, sum)}`
  }`
}

/** Sums across columns, divides once, and writes O and log-sum-exp (or merges with what is there). */
function epilogue(config: ForwardConfig): string {
  const { tile } = config
  const grid = gridOf(config)
  const rows = ownRows(grid)
  const valueColumns = outputVectors(config)
  const token = (slot: string): string =>
    config.tokens === undefined ? slot : `queryToken(${slot})`
  const previous = `if (params.mergeWithOutput != 0u) {
  // Read before the barrier, since column 0 writes them after it.
  for (var i = 0u; i < ${rows}u; ${loopStep(grid, 'i')}) {
    previous[i] = logSumExp[logSumExpPlace(batch, head, min(${token(`firstQuery + row * ${rows}u + i`)}, lastQuery))];
  }
}`
  // A loop over the rows, unlike everywhere else: it runs once, and unrolled it would be half of the
  // program to compile.
  return `var previous = array<f32, ${rows}>();
${config.parts ? '' : previous}
workgroupBarrier();
${shareRows(grid, 'reductionRegion', (i) => `sum${i}`)}
workgroupBarrier();
var maxima = ${list('f32', (i) => `maximum${i}`, rows)};
${outputArray(config)}
for (var i = 0u; i < ${rows}u; ${loopStep(grid, 'i')}) {
  let tileRow = row * ${rows}u + i;
  var total = 0.0;
  for (var other = 0u; other < ${tile.threadColumns}u; ${loopStep(grid, 'other')}) {
    total += tile[reductionRegion + other * (tileQueries / 4u) + (tileRow >> 2u)][tileRow & 3u];
  }
  let queryRow = ${token('firstQuery + tileRow')};
  if (queryRow <= lastQuery) {
    finishRow(batch, head, ${config.parts ? 'rowPart * tileQueries + tileRow' : 'queryRow'}, column, previous[i], total, maxima[i] + shift${Array.from({ length: valueColumns }, (_, c) => `, outputs[i * ${valueColumns}u + ${c}u]`).join('')});
  }
}`
}

/** Adds `left` where a sum is not 0; see careful-rounds.ts. Each thread does so where it wrote the output. */
function markRows(config: ForwardConfig): string {
  const { tile, tokens, parts } = config
  const grid = gridOf(config)
  const rows = ownRows(grid)
  const valueColumns = outputVectors(config)
  const slot = 'firstQuery + tileRow'
  const queryRow = tokens === undefined ? slot : `queryToken(${slot})`
  return `${outputArray(config)}
for (var i = 0u; i < ${rows}u; ${loopStep(grid, 'i')}) {
  let tileRow = row * ${rows}u + i;
  let queryRow = ${queryRow};
  if (queryRow > lastQuery) { continue; }
  let base = params.outputOffset + batch * params.outputBatch + head * params.outputHead + ${parts ? '(rowPart * tileQueries + tileRow)' : 'queryRow'} * params.outputRow;
  for (var c = 0u; c < ${valueColumns}u; ${loopStep(grid, 'c')}) {
    let sums = outputs[i * ${valueColumns}u + c];
    let vector = column + c * ${tile.threadColumns}u;
    if (vector < valueVectors && any(sums != vec4<f32>(0.0))) {
      let written = loadOutput(base, vector);
      storeOutput(base, vector, select(written, written + left, sums != vec4<f32>(0.0)));
    }
  }
}`
}

const list = (type: string, name: (i: number) => string, count: number): string =>
  `array<${type}, ${count}>(${Array.from({ length: count }, (_, i) => name(i)).join(', ')})`

/** Declares `outputs`: the registers of all rows of a thread. */
function outputArray(config: ForwardConfig): string {
  const names = Array.from({ length: ownRows(gridOf(config)) }, (_, i) => outputNames(config, i))
  const all = names.flat()
  return `var outputs = ${list('vec4<f32>', (i) => all[i]!, all.length)};`
}
