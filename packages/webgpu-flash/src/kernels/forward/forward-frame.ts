// What the forward kernels have in common: bindings, constants, and which rows of tiles they take.
import { storageType } from '../../codegen/access.ts'
import { indent } from '../../codegen/snippets.ts'
import { carefulFunctions, hiddenBits, hiddenScore, rowFunctions } from '../careful.ts'
import type { PassConfig } from './forward-config.ts'

/** Bindings of a forward kernel; the same for all, so that they share a layout. */
export function bindings({
  query,
  key,
  value,
  output,
}: Pick<PassConfig, 'query' | 'key' | 'value' | 'output'>): string {
  return `@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> query: array<${storageType(query)}>;
@group(0) @binding(2) var<storage, read> key: array<${storageType(key)}>;
@group(0) @binding(3) var<storage, read> value: array<${storageType(value)}>;
@group(0) @binding(4) var<storage, read_write> output: array<${storageType(output)}>;
@group(0) @binding(5) var<storage, read_write> logSumExp: array<f32>;
@group(0) @binding(6) var<storage, read> blockMap: array<u32>;
// Query offset and key count of every sequence, then the tables of the expressions.
@group(0) @binding(7) var<storage, read> data: array<u32>;`
}

/** The maximum of a row that has seen no score. */
export const smallestMaximum: string = /* wgsl */ `// Finite, so that exp(-Infinity - maximum) is 0 even where nothing is visible; no score is below it.
const smallestMaximum = -3.4028234663852886e38;`

/** What kernels make weights with that leave hidden pairs out one by one. */
export const sharedConstants = (keepsNaN: boolean): string => `${smallestMaximum}

${carefulFunctions(keepsNaN)}

${rowFunctions}`

/** What the kernels that merge parts compare with. */
export const mergeConstants: string = `${smallestMaximum}
${hiddenBits}

${rowFunctions}`

/**
 * Rows are taken longest first, so that no long row begins when the others are done; those of all heads, as
 * heads are the grid's first axis.
 */
export const mappedTileOfHeads = /* wgsl */ `let outer = min(batch, params.mapBatches - 1u) * params.mapHeads + min(head, params.mapHeads - 1u);
let mapRow = outer * params.mapQueryTiles;
let queryTile = blockMap[params.mapOrderBase + mapRow + params.queryTileBase + workgroup.y];
let firstRun = blockMap[mapRow + queryTile];
let endRun = blockMap[mapRow + queryTile + 1u];`

/** The same for parts of long rows, each of which has a number and runs of its own. */
export const mappedPart: string = `let outer = min(batch, params.mapBatches - 1u) * params.mapHeads + min(head, params.mapHeads - 1u);
let mapRow = outer * params.mapQueryTiles;
let rowPart = params.queryTileBase + workgroup.x;
let queryTile = blockMap[params.mapOrderBase + mapRow + rowPart];
let firstPart = rowPart == 0u || blockMap[params.mapOrderBase + mapRow + max(rowPart, 1u) - 1u] != queryTile;
let firstRun = blockMap[mapRow + rowPart];
let endRun = blockMap[mapRow + rowPart + 1u];`

/**
 * Declares which rows a workgroup has, and where its tensors begin.
 *
 * @param row - Text that declares `queryTile`. Default: rows come in order.
 * @param headAxis - The axis of the grid that counts heads.
 */
export function callOrigin(
  row = 'let queryTile = params.queryTileBase + workgroup.x;',
  headAxis: 'x' | 'y' = 'y',
): string {
  return `let head = params.headBase + workgroup.${headAxis};
let batch = params.batchBase + workgroup.z;
let keyHead = head / params.headsPerKeyHead;
let queryOffset = bitcast<i32>(data[2u * batch]);
let keyCount = data[2u * batch + 1u];
${row}
let queryBase = params.queryOffset + batch * params.queryBatch + head * params.queryHead;
let keyBase = params.keyOffset + batch * params.keyBatch + keyHead * params.keyHead;
let valueBase = params.valueOffset + batch * params.valueBatch + keyHead * params.valueHead;
let firstQuery = queryTile * tileQueries;
let lastQuery = params.queryLength - 1u;
let lastKey = max(keyCount, 1u) - 1u; // rows past it may hold anything, so they are never read
let scale = bitcast<f32>(params.scale);
${hiddenScore}`
}

/** Runs `body` for every key tile: those of the block map's runs, or all of them without a map. */
export function tileLoop(blockMap: boolean, body: string): string {
  if (!blockMap) {
    return `let endTile = min((keyCount + tileKeys - 1u) / tileKeys, params.keyTileEnd);
for (var keyTile = params.keyTileBegin; keyTile < endTile; keyTile++) {
  let full = (keyTile + 1u) * tileKeys <= keyCount;
${indent(body, 2)}
}`
  }
  return `for (var run = firstRun; run < endRun; run++) {
  let start = blockMap[params.mapRunsBase + 2u * run];
  let packed = blockMap[params.mapRunsBase + 2u * run + 1u];
  let full = (packed & 1u) == 1u;
  let endTile = min(start + (packed >> 1u), params.keyTileEnd);
  for (var keyTile = max(start, params.keyTileBegin); keyTile < endTile; keyTile++) {
${indent(body, 4)}
  }
}`
}
