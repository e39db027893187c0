// dK and dV of FlashAttention-2's backward pass (arXiv 2307.08691), fused since both need P: one
// workgroup owns a tile of keys and walks the query tiles of every query head that reads them. The
// score tile lies transposed, keys along its rows.
import { storageType } from '../../codegen/access.ts'
import type { Access } from '../../codegen/access.ts'
import { indent } from '../../codegen/snippets.ts'
import { tileThreads } from '../../plan/backward/backward-tile.ts'
import { teamMemory } from '../../plan/backward/team-memory.ts'
import type { TeamMemory } from '../../plan/backward/team-memory.ts'
import {
  forEachColumnTile,
  gradientGrid,
  gradientPreamble,
  gradientSources,
  inputBindings,
  mapPlaneFunction,
  ownGradient,
  ownPart,
  threadOrigin,
} from './backward-frame.ts'
import { unlessSplit, withRowTile } from './row-tiles.ts'
import type { GradientConfig, GradientOutput } from './backward-frame.ts'
import {
  accumulatorNames,
  gatherAccumulators,
  startAccumulators,
  storeAccumulators,
  storeGradient,
} from './backward-sums.ts'
import { hiddenScore, withCare } from '../careful.ts'
import { ownRows, threadCount } from '../tile/grid.ts'
import {
  applySlopes,
  columnOrigin,
  probabilities,
  rowOrigin,
  scoreGradients,
  softmaxOfQueries,
  startSlopes,
} from '../tile/pair-gradient.ts'
import type { PairGrid } from '../tile/pair-gradient.ts'
import { mainFunction } from '../tile/main-function.ts'
import { scoreProduct } from '../tile/score-product.ts'
import { shareSoftmax, sumVectors, teamTile } from '../tile/team-products.ts'
import { storeWeights, weightedSum } from '../tile/weighted-sum.ts'

/** All that decides the text of the kernel. */
export interface KeyGradientConfig extends GradientConfig {
  readonly dKey: Access
  readonly dValue: Access
}

/** The WGSL of the dK and dV kernel. Entry point: `main`. */
export function keyGradientKernel(config: KeyGradientConfig): string {
  const { tile, blockMap, headDim, valueDim } = config
  const outputs = [
    { name: 'dKey', access: config.dKey, dims: headDim },
    { name: 'dValue', access: config.dValue, dims: valueDim },
  ] as const
  const sections = [
    ...gradientPreamble(config, outputs, [], bindings(config)),
    blockMap ? mapPlaneFunction : '',
    mainFunction(tileThreads(tile), mainBody(config, outputs), config.rules.shortText),
  ]
  return `${sections.filter((section) => section !== '').join('\n\n')}\n`
}

function bindings(config: KeyGradientConfig): string {
  const { dKey, dValue } = config
  return `${inputBindings(config)}
@group(0) @binding(7) var<storage, read_write> dKey: array<${storageType(dKey)}>;
@group(0) @binding(8) var<storage, read_write> dValue: array<${storageType(dValue)}>;`
}

function mainBody(
  config: KeyGradientConfig,
  [dKey, dValue]: readonly [GradientOutput, GradientOutput],
): string {
  const { tile, memory, inParts } = config
  const grid = gradientGrid(config, 'keys')
  const own = ownRows(grid)
  const teams =
    tile.teams === 2 ? teamMemory(tile, config.headDim, config.valueDim, 'key') : undefined
  const [keyVectors, valueVectors] = [memory.headStride, memory.valueStride].map(
    (stride) => stride / tile.threadColumns,
  ) as [number, number]
  const walk = forEachColumnTile(
    config,
    '(rowTile + 1u) * tileRows <= keyCount',
    teams ? teamTileBody(config, teams) : tileBody(config),
    '(columnTile + 1u) * tileColumns <= params.queryLength',
  )
  const registers = teams
    ? accumulatorNames('sum', own, sumVectors(grid, teams))
    : [
        ...accumulatorNames('dKey', own, keyVectors),
        ...accumulatorNames('dValue', own, valueVectors),
      ]
  const store = teams
    ? storeOfTeams(config, grid, sumVectors(grid, teams), dKey, dValue)
    : `${storeAccumulators(grid, dKey, keyVectors, 'firstKey', 'finalKey', 'scale', config)}
${storeAccumulators(grid, dValue, valueVectors, 'firstKey', 'finalKey', '', config)}`
  return `${threadOrigin(tile, grid)}
let keyHead = params.headBegin / params.headsPerKeyHead + workgroup.x;
let firstHead = max(params.headBegin, keyHead * params.headsPerKeyHead);
let endHead = min(params.headEnd, (keyHead + 1u) * params.headsPerKeyHead);
${ownPart(inParts, 'keys')}
let queryOffset = bitcast<i32>(data[2u * batch]);
let keyCount = data[2u * batch + 1u];
${unlessSplit(config, 'firstHead', 'params.columnTileBegin * tileColumns')}${withRowTile(
    config,
    'firstHead',
    `let keyBase = params.keyOffset + batch * params.keyBatch + keyHead * params.keyHead;
let valueBase = params.valueOffset + batch * params.valueBatch + keyHead * params.valueHead;
${ownGradient(inParts, 'dKey')}
${ownGradient(inParts, 'dValue')}
let firstKey = rowTile * tileRows;
let lastKey = max(keyCount, 1u) - 1u; // rows past it may hold anything, so they are never read
let lastQuery = params.queryLength - 1u;
let scale = bitcast<f32>(params.scale);
${hiddenScore}
${rowOrigin(grid)}
${withCare(
  `${startAccumulators(registers)}
for (var head = firstHead; head < endHead; head++) {
  let queryBase = params.queryOffset + batch * params.queryBatch + head * params.queryHead;
  let dOutputBase = params.dOutputOffset + batch * params.dOutputBatch + head * params.dOutputHead;
${indent(walk, 2)}
}`,
  `let finalKey = params.keyLength - 1u; // padding has gradients too: 0
${store}`,
  registers.flat(),
  ['tile[careRegion]', 'vec4<f32>'],
  grid.rolled,
)}`,
  )}`
}

/** Team 0 has summed dV, team 1 dK. */
function storeOfTeams(
  config: KeyGradientConfig,
  grid: PairGrid,
  vectors: number,
  dKey: GradientOutput,
  dValue: GradientOutput,
): string {
  return `${gatherAccumulators('sums', accumulatorNames('sum', ownRows(grid), vectors).flat())}
if (team == 0u) {
${indent(storeGradient(grid, dValue, vectors, 'sums', 'firstKey', 'finalKey', '', config), 2)}
} else {
${indent(storeGradient(grid, dKey, vectors, 'sums', 'firstKey', 'finalKey', 'scale', config), 2)}
}`
}

function teamTileBody(config: KeyGradientConfig, memory: TeamMemory): string {
  const { tile, rules, dropout } = config
  const grid = gradientGrid(config, 'keys')
  const { query, key, value, dOutput } = gradientSources(config)
  const work = {
    tile,
    memory,
    grid,
    rules,
    dropout,
    products: [
      { rows: key, columns: query },
      { rows: value, columns: dOutput },
    ],
    sources: [dOutput, query],
  }
  return `let firstQuery = columnTile * tileColumns;
${columnOrigin(grid)}
${shareSoftmax(grid, memory, 2 * threadCount(grid))}
${teamTile(work)}`
}

function tileBody(config: KeyGradientConfig): string {
  const { tile, memory, rules, dropout } = config
  const grid = gradientGrid(config, 'keys')
  const { query, key, value, dOutput } = gradientSources(config)
  const product = {
    rowRegion: 'rowRegion',
    columnRegion: 'columnRegion',
    dimChunk: tile.dimChunk,
  }
  const sum = {
    weightRegion: 'weightRegion',
    sourceRegion: 'sourceRegion',
    weightStride: memory.weightStride,
    chunk: tile.sourceChunk,
  }
  return `let firstQuery = columnTile * tileColumns;
${columnOrigin(grid)}
${softmaxOfQueries(grid)}
${scoreProduct(grid, { ...product, name: 'score', rows: key, columns: query })}
${startSlopes(grid, rules)}
${probabilities(grid, rules, false)}
${scoreProduct(grid, {
  ...product,
  name: 'gradient',
  rows: value,
  columns: dOutput,
})}
${scoreGradients(grid, dropout, rules)}
${applySlopes(grid, rules)}
${storeWeights(grid, 'score', 'weightRegion', memory.weightStride)}
${weightedSum(grid, { ...sum, name: 'dValue', source: dOutput, sourceStride: memory.valueStride })}
workgroupBarrier();
${storeWeights(grid, 'gradient', 'weightRegion', memory.weightStride)}
${weightedSum(grid, { ...sum, name: 'dKey', source: query, sourceStride: memory.headStride })}`
}
