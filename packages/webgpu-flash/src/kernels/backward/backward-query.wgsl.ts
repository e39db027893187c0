// dQ of FlashAttention-2's backward pass (arXiv 2307.08691): one workgroup owns a tile of query rows
// and walks the key tiles, computing P and dS again for each. Gradients of tables are summed here too.
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
import { mainFunction } from '../tile/main-function.ts'
import { scoreProduct } from '../tile/score-product.ts'
import { addTableShares, startTableSums, storeTableSums, tableFields } from '../tile/table-sums.ts'
import type { TableSum } from '../tile/table-sums.ts'
import { joinTeams, shareSoftmax, sumVectors, teamTile } from '../tile/team-products.ts'
import { storeWeights, weightedSum } from '../tile/weighted-sum.ts'

/** All that decides the text of the kernel. */
export interface QueryGradientConfig extends GradientConfig {
  readonly dQuery: Access
  /** One for each look-up in a trainable table. */
  readonly tables: readonly TableSum[]
}

/** The WGSL of the dQ kernel. Entry point: `main`. */
export function queryGradientKernel(config: QueryGradientConfig): string {
  const { tile, blockMap, tables, headDim } = config
  const output = { name: 'dQuery', access: config.dQuery, dims: headDim }
  const sections = [
    ...gradientPreamble(config, [output], tableFields(tables), bindings(config)),
    blockMap ? mapPlaneFunction : '',
    mainFunction(tileThreads(tile), mainBody(config, output), config.rules.shortText),
  ]
  return `${sections.filter((section) => section !== '').join('\n\n')}\n`
}

function bindings(config: QueryGradientConfig): string {
  const { dQuery, tables } = config
  const sums =
    tables.length > 0
      ? '\n@group(0) @binding(8) var<storage, read_write> tableGradients: array<f32>;'
      : ''
  return `${inputBindings(config)}
@group(0) @binding(7) var<storage, read_write> dQuery: array<${storageType(dQuery)}>;${sums}`
}

function mainBody(config: QueryGradientConfig, output: GradientOutput): string {
  const { tile, memory, tables } = config
  const grid = gradientGrid(config, 'queries')
  const own = ownRows(grid)
  const teams =
    tile.teams === 2 ? teamMemory(tile, config.headDim, config.valueDim, 'query') : undefined
  const vectors = teams ? sumVectors(grid, teams) : memory.headStride / tile.threadColumns
  const registers = accumulatorNames(teams ? 'sum' : 'dQuery', own, vectors)
  const store = teams
    ? `${gatherAccumulators('sums', registers.flat())}
${joinTeams(grid, teams)}
if (team == 0u) {
${indent(storeGradient(grid, output, vectors, 'sums', 'firstQuery', 'lastQuery', 'scale', config), 2)}
}`
    : storeAccumulators(grid, output, vectors, 'firstQuery', 'lastQuery', 'scale', config)
  const body = teams ? teamTileBody(config, teams) : tileBody(config)
  return `${threadOrigin(tile, grid)}
let head = params.headBegin + workgroup.x;
${ownPart(config.inParts, 'queries')}
let keyHead = head / params.headsPerKeyHead;
let queryOffset = bitcast<i32>(data[2u * batch]);
let keyCount = data[2u * batch + 1u];
${unlessSplit(config, 'head', 'params.rowTileBase * tileRows')}${withRowTile(
    config,
    'head',
    `let queryBase = params.queryOffset + batch * params.queryBatch + head * params.queryHead;
let keyBase = params.keyOffset + batch * params.keyBatch + keyHead * params.keyHead;
let valueBase = params.valueOffset + batch * params.valueBatch + keyHead * params.valueHead;
let dOutputBase = params.dOutputOffset + batch * params.dOutputBatch + head * params.dOutputHead;
${ownGradient(config.inParts)}
let firstQuery = rowTile * tileRows;
let lastQuery = params.queryLength - 1u;
let lastKey = max(keyCount, 1u) - 1u; // rows past it may hold anything, so they are never read
let scale = bitcast<f32>(params.scale);
${hiddenScore}
${rowOrigin(grid)}
${teams ? shareSoftmax(grid, teams, 2 * threadCount(grid)) : softmaxOfQueries(grid)}
${withCare(
  `${startAccumulators(registers)}
${startTableSums(grid, tables)}
${forEachColumnTile(config, '(columnTile + 1u) * tileColumns <= keyCount', body, tables.length > 0 ? '(rowTile + 1u) * tileRows <= params.queryLength' : undefined)}`,
  `${store}
${storeTableSums(grid, tables)}`,
  registers.flat(),
  ['tile[careRegion]', 'vec4<f32>'],
  grid.rolled,
)}`,
  )}`
}

function teamTileBody(config: QueryGradientConfig, memory: TeamMemory): string {
  const { tile, rules, dropout } = config
  const grid = gradientGrid(config, 'queries')
  const { query, key, value, dOutput } = gradientSources(config)
  const work = {
    tile,
    memory,
    grid,
    rules,
    dropout,
    products: [
      { rows: query, columns: key },
      { rows: dOutput, columns: value },
    ],
    sources: [key],
  }
  return `let firstKey = columnTile * tileColumns;
${columnOrigin(grid)}
${teamTile(work)}`
}

function tileBody(config: QueryGradientConfig): string {
  const { tile, memory, rules, dropout, tables } = config
  const grid = gradientGrid(config, 'queries')
  const { query, key, value, dOutput } = gradientSources(config)
  const product = {
    rowRegion: 'rowRegion',
    columnRegion: 'columnRegion',
    dimChunk: tile.dimChunk,
  }
  return `let firstKey = columnTile * tileColumns;
${columnOrigin(grid)}
${scoreProduct(grid, { ...product, name: 'score', rows: query, columns: key })}
${startSlopes(grid, rules)}
${probabilities(grid, rules, tables.length > 0)}
${scoreProduct(grid, {
  ...product,
  name: 'gradient',
  rows: dOutput,
  columns: value,
})}
${scoreGradients(grid, dropout, rules)}
${addTableShares(grid, tables, rules.shortText)}
${applySlopes(grid, rules)}
${storeWeights(grid, 'gradient', 'weightRegion', memory.weightStride)}
${weightedSum(grid, {
  name: 'dQuery',
  source: key,
  weightRegion: 'weightRegion',
  sourceRegion: 'sourceRegion',
  weightStride: memory.weightStride,
  sourceStride: memory.headStride,
  chunk: tile.sourceChunk,
})}`
}
