// The backward pass of float32 on subgroup matrices: FlashAttention-2's (arXiv 2307.08691), each product
// as three of float16 halves (powers.ts). Two subgroups own the same rows, as
// plan/backward/split-matrix-tile.ts says; other tokens pass by in tiles that a workgroup shares.
//
// Matrices round their sums towards zero: every so many tiles these move to registers, which do not. Heads
// whose rows cannot be split are left to the kernels in plain WGSL, which leave the others to this one.
import { loadFunction, storeFunction } from '../../../codegen/access.ts'
import type { Access } from '../../../codegen/access.ts'
import { indent } from '../../../codegen/snippets.ts'
import { pairLanes, pairRows, splitThreads } from '../../../plan/backward/split-matrix-tile.ts'
import { declareLaneRows } from '../../forward/matrix/lane-rows.ts'
import { parameterBlock } from '../../parameters.ts'
import { declareNothing, rolledBody, rolledStep } from '../../rolled-loops.ts'
import { highPart, unpackExponents } from './powers.ts'
import {
  gradientFields,
  inputBindings,
  mapPlaneFunction,
  outputBindings,
  ownGradient,
  ownPart,
} from '../backward-frame.ts'
import { ownRowTile } from '../row-tiles.ts'
import { softmaxRowFunction } from '../matrix/backward-matrix.wgsl.ts'
import { ownOrigin, ownStatistics, pairWeights } from '../matrix/pairs.ts'
import { weightBits, weightConstants } from '../matrix/scaling.ts'
import { firstVisits, laterTile, nextTile, visitFirst, where } from '../matrix/tile-walk.ts'
import type { SentRows } from '../matrix/rows-on-their-way.ts'
import { addSums, declareSumRows, flushSums, scoreProducts, startSums } from './products.ts'
import { castSplitRoles, pairWork } from './roles.ts'
import type { SplitMatrixConfig } from './roles.ts'
import { stageOwnRows } from './own-rows.ts'
import { visitedRows } from './staging.ts'
import { beginTotals, storeTotals } from './store-totals.ts'
import { matrixTypes } from '../../tile/matrix-types.ts'
import { gradientDropout } from '../slots.ts'

/** Log2 of what P is multiplied by: dropout makes it up to 100 times larger. */
export const splitWeightBits = (dropout: boolean): number => (dropout ? weightBits : 14)

const halves = (wide: boolean): Access => ({
  dtype: 'float16',
  vector: true,
  nativeFloat16: true,
  wide,
})

/** The gradients a kernel writes, each once. */
const outputsOf = (config: SplitMatrixConfig) => {
  const sums = castSplitRoles(config).roles.map(({ sum }) => sum)
  return sums.filter(({ name }, index) => index === 0 || name !== sums[0]!.name)
}

/** The WGSL of the kernel of dK and dV, or of dQ. Entry point: `main`. */
export function splitGradientKernel(config: SplitMatrixConfig): string {
  const { tile, rules, headDim } = config
  const outputs = outputsOf(config)
  const fields = gradientFields(
    outputs.map(({ name }) => name),
    config,
  )
  const access = halves(tile.wideLoads)
  const inputs = { query: access, key: access, value: access, dOutput: access }
  const sections = [
    `enable f16;
enable subgroups;
enable chromium_experimental_subgroup_matrix;
diagnostic(off, chromium.subgroup_matrix_uniformity);`,
    parameterBlock(fields, config.descriptorWords, config.parameterWords),
    `${inputBindings({ ...inputs, softmaxRow: 'vec4<f32>' })}
${outputBindings(outputs)}`,
    constants(config),
    workgroupMemory(config),
    ...outputs.flatMap(({ name, access }) => [
      loadFunction(name, access, headDim),
      storeFunction(name, access, headDim),
    ]),
    softmaxRowFunction(rules.ordered),
    unpackExponents,
    highPart,
    config.dropout ? gradientDropout(rules) : '',
    rules.code,
    config.blockMap ? mapPlaneFunction : '',
    `@compute @workgroup_size(${splitThreads(tile)})
fn main(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(subgroup_id) subgroupId: u32,
  @builtin(subgroup_invocation_id) invocation: u32,
) {
${indent(mainBody(config), 2)}
}`,
  ]
  return `${sections.filter((section) => section !== '').join('\n\n')}\n`
}

function constants({ tile, memory, dropout }: SplitMatrixConfig): string {
  return `${matrixTypes(tile.matrix)}
const tileRows = ${tile.rows}u;
const tileColumns = ${tile.columns}u;
const scoreStride = ${memory.scoreStride}u;
const weightStride = ${memory.weightStride}u;
// Finite stand-ins for infinities, with room for one difference.
const hidden = -1.0e38;
const deadRow = 2.0e38;
${weightConstants(splitWeightBits(dropout), true)}`
}

function workgroupMemory({ tile, memory }: SplitMatrixConfig): string {
  const { pieces, visited, scores, weights, weightKinds, statistics, bytes } = memory
  const ofQueries =
    statistics > 0
      ? `\n// Of each query: log-sum-exp, and D.\nvar<workgroup> statistics: array<array<vec4<f32>, ${statistics}>, ${tile.places}>;`
      : ''
  return `// ${bytes} bytes: ${tile.places === 1 ? 'a tile' : 'two tiles'} of visited rows of two tensors, in ${pieces === 1 ? 'one piece' : 'two pieces'} of their columns,
var<workgroup> visitedRows: array<array<array<array<vec4<f16>, ${visited}>, ${pieces}>, 2>, ${tile.places}>;${ofQueries}
// and of each pair S, dP, and the weights of the sums: P and dS.
var<workgroup> scores: array<array<array<vec4<f32>, ${scores}>, 2>, ${tile.pairs}>;
var<workgroup> weights: array<array<array<vec4<f16>, ${weights}>, ${weightKinds}>, ${tile.pairs}>;`
}

function mainBody(config: SplitMatrixConfig): string {
  const { tile, rowTokens } = config
  const { subgroupSize, pairs, wideLoads } = tile
  return `let subgroup = min(subgroupId, ${2 * pairs - 1}u);
let pair = subgroup / 2u;
let partner = subgroup % 2u;
let subgroupLane = invocation & ${subgroupSize - 1}u;
let lane = partner * ${subgroupSize}u + subgroupLane;${wideLoads ? '\nlet swapped = (subgroupLane >> 3u) & 1u;' : ''}
let thread = subgroup * ${subgroupSize}u + subgroupLane;
${declareNothing}
${declareLaneRows(pairLanes(tile))}
${declareSumRows(config)}
${rowTokens === 'keys' ? ofKeys(config) : ofQueries(config)}`
}

const ownBase = (name: string, head: string): string =>
  `let ${name}Base = params.${name}Offset + batch * params.${name}Batch + ${head} * params.${name}Head;`

/** Declares the factors, or leaves the rows to the kernel in plain WGSL. */
const factors = (softmaxRow: string): string => `let scales = ${softmaxRow}.zw;
let gradientScale = scales.x;
if (gradientScale == 0.0) { return; } // cannot be split: left to the kernel in plain WGSL
let exponents = unpackExponents(scales.y);
let trueScale = bitcast<f32>(params.scale);
let scale = trueScale * powerOf(-(exponents.x + exponents.y)); // of products of halves
let gradientUnit = gradientScale * powerOf(-(exponents.z + exponents.w));`

/** A workgroup of keys, for every query head that reads them. */
function ofKeys(config: SplitMatrixConfig): string {
  const { tile, blockMap } = config
  return `let keyHead = params.headBegin / params.headsPerKeyHead + workgroup.x;
let firstHead = max(params.headBegin, keyHead * params.headsPerKeyHead);
let endHead = min(params.headEnd, (keyHead + 1u) * params.headsPerKeyHead);
${startsEarly(config) ? 'let head = firstHead;\n' : ''}${ownPart(config.inParts, config.rowTokens)}
let queryOffset = bitcast<i32>(data[2u * batch]);
let keyCount = data[2u * batch + 1u];
${factors('softmaxRow(batch, firstHead, params.columnTileBegin * tileColumns)')}
${ownRowTile(blockMap, 'firstHead')}
${['key', 'value'].map((name) => ownBase(name, 'keyHead')).join('\n')}
${ownGradient(config.inParts, 'dKey')}
${ownGradient(config.inParts, 'dValue')}
let firstKey = rowTile * tileRows + pair * ${pairRows(tile)}u;
let lastKey = max(keyCount, 1u) - 1u;
let lastQuery = params.queryLength - 1u;
${ownOrigin(config)}
let finalKey = params.keyLength - 1u; // padding has gradients too: 0
${ofHeads(config, '(rowTile + 1u) * tileRows <= keyCount')}
${storeTotals(config, 'firstKey', 'finalKey')}`
}

/** The tiles of the query heads that read a workgroup's keys. */
function ofHeads(config: SplitMatrixConfig, full: string): string {
  const [first, last] = ['firstKey', 'finalKey']
  const bases = ['query', 'dOutput'].map((name) => ownBase(name, 'head')).join('\n')
  if (startsEarly(config)) {
    return `${bases}
${begin(config, first, last, firstVisits(config, visitedRows(config), full))}
workgroupBarrier();
${tiles(config, full)}`
  }
  return `${begin(config, first, last)}
for (var head = firstHead; head < endHead; head++) {
${indent(bases, 2)}
${indent(walk(config, full), 2)}
}`
}

/** A workgroup of queries. */
function ofQueries(config: SplitMatrixConfig): string {
  const { tile, blockMap } = config
  return `let head = params.headBegin + workgroup.x;
${ownPart(config.inParts, config.rowTokens)}
let keyHead = head / params.headsPerKeyHead;
let queryOffset = bitcast<i32>(data[2u * batch]);
let keyCount = data[2u * batch + 1u];
${ownRowTile(blockMap)}
${factors('softmaxRow(batch, head, rowTile * tileRows)')}
${['query', 'dOutput'].map((name) => ownBase(name, 'head')).join('\n')}
${ownGradient(config.inParts)}
${['key', 'value'].map((name) => ownBase(name, 'keyHead')).join('\n')}
let firstQuery = rowTile * tileRows + pair * ${pairRows(tile)}u;
let lastQuery = params.queryLength - 1u;
let lastKey = max(keyCount, 1u) - 1u;
${ownOrigin(config)}
${ownStatistics(pairWork(config))}
${begin(config, 'firstQuery', 'lastQuery')}
${walk(config, '(columnTile + 1u) * tileColumns <= keyCount')}
${storeTotals(config, 'firstQuery', 'lastQuery')}`
}

/** Loads what a workgroup begins with, all of it before any is waited for, and moves it on to matrices. */
function begin(
  config: SplitMatrixConfig,
  first: string,
  last: string,
  visited: SentRows = { loads: '', moves: '' },
): string {
  const { loads, scales } = beginTotals(config, first, last)
  const own = stageOwnRows(config)
  return [startSums(config), loads, own.loads, visited.loads, visited.moves, own.moves, scales]
    .filter((text) => text !== '')
    .join('\n')
}

/**
 * Whether the first tile that keys meet sets off beside them, and what comes after it while they move on: in a pass that goes on
 * with sums, which meets few tiles, under one head. On an NVIDIA H200 queries, with fewer registers for each thread, are slower
 * so.
 */
const startsEarly = ({ continues, blockMap, grouped, tile }: SplitMatrixConfig): boolean =>
  continues && blockMap && !grouped && !tile.wideLoads

/** The tiles that meet the rows, for one head. */
function walk(config: SplitMatrixConfig, full: string): string {
  return `${visitFirst(config, visitedRows(config), full)}
${tiles(config, full)}`
}

/** The same from the first tile on, which is in memory, while the next is on its way. */
function tiles(config: SplitMatrixConfig, full: string): string {
  const { tile } = config
  const staging = visitedRows(config)
  const products = (place: string): string => `${scoreProducts(config, place)}
workgroupBarrier();`
  const sums = (place: string): string => `${pairWeights(pairWork(config), place)}
workgroupBarrier();
${addSums(config, place)}
${nextTile(config, full)}`
  const body =
    tile.places === 1
      ? `${products('0u')}
${laterTile(config)}
${sums('0u')}
workgroupBarrier();
${where('visits', staging.store('0u'))}
${where('visitsNext', staging.fetch('nextTile'))}
workgroupBarrier();`
      : `let otherPlace = 1u - place;
${products('place')}
${staging.store('otherPlace')}
${laterTile(config)}
${where('visitsLater', staging.fetch('laterTile'))}
${sums('place')}
place = otherPlace;`
  // One copy: the eight that an NVIDIA H200's driver makes run no faster where rows wait at barriers for their loads, by
  // 7 % where they do not, and take 0.2 s more of a first training step to compile, at least.
  const turn = rolledBody('visits', body)
  return `${tile.places === 1 ? '' : 'var place = 0u;\n'}while (visits) {
  for (var turn = 0u; turn < ${tile.tilesInMatrices}u && visits; ${rolledStep('turn')}) {
${indent(turn, 4)}
  }
${indent(flushSums(config), 2)}
}`
}
