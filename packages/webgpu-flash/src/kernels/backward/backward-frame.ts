// What the two kernels of the backward pass have in common: configuration, uniform fields, and how a
// workgroup finds its rows and walks the tiles of the other tokens, with and without a block map.
import {
  loadFunction,
  storageType,
  storeFunction,
  unpackFunctions,
  usesFloat16,
} from '../../codegen/access.ts'
import type { Access } from '../../codegen/access.ts'
import type { GradientRules } from '../../codegen/gradient-rules.ts'
import { indent } from '../../codegen/snippets.ts'
import type { BackwardMemory } from '../../plan/backward/backward-tiles.ts'
import type { BackwardTile } from '../../plan/backward/backward-tile.ts'
import { parameterBlock } from '../parameters.ts'
import { gradientDropout } from './slots.ts'
import type { PassConfig } from './slots.ts'
import { addressFields } from '../tensor-address.ts'
import { dropoutFields } from '../tile/dropout.ts'
import { declareNothing } from '../rolled-loops.ts'
import { gradientConstants, softmaxRowFunction } from '../tile/pair-gradient.ts'
import type { PairGrid, SoftmaxRow } from '../tile/pair-gradient.ts'
import type { TileSource } from '../tile/source.ts'
import { teamOrigin } from '../tile/team-products.ts'

/** How a kernel walks the tiles of its rows. */
export interface WalkConfig {
  /** Whether tiles come from a block map; without one all are visited. */
  readonly blockMap: boolean
  /** Whether rows are shared by several workgroups, each with a part of the columns. */
  readonly inParts: boolean
  /** Whether several query heads read a key head. */
  readonly grouped: boolean
}

/** Before the names of the first and the last column tile: a workgroup's own ones, or its dispatch's. */
export const columnsFrom = (inParts: boolean): string => (inParts ? '' : 'params.')

/** Fields of a kernel whose rows are shared. */
const partFields = (outputs: readonly string[]): readonly string[] => [
  'parts',
  'partTiles',
  ...outputs.map((name) => `${name}PartSize`),
]

/**
 * Declares `batch`, and the part of the columns that a workgroup has. Heavy parts begin first: under a causal mask first
 * keys are met by the most queries, and last queries meet the most keys.
 */
export function ownPart(inParts: boolean, rowTokens: PairGrid['rowTokens']): string {
  if (!inParts) return 'let batch = params.batchBase + workgroup.z;'
  return `let batch = params.batchBase + workgroup.z / params.parts;
let ownPart = ${rowTokens === 'keys' ? 'params.parts - 1u - ' : ''}workgroup.z % params.parts;
let columnTileBegin = params.columnTileBegin + ownPart * params.partTiles;
let columnTileEnd = min(columnTileBegin + params.partTiles, params.columnTileEnd);`
}

/** Declares where a gradient of a workgroup's rows begins: of its part, where there are several. */
export const ownGradient = (
  inParts: boolean,
  name: 'dQuery' | 'dKey' | 'dValue' = 'dQuery',
  tensor: string = name,
): string =>
  `let ${tensor}Base = params.${tensor}Offset + batch * params.${tensor}Batch + ${name === 'dQuery' ? 'head' : 'keyHead'} * params.${tensor}Head${inParts ? ` + ownPart * params.${tensor}PartSize` : ''};`

/** What decides the text of either kernel. */
export interface GradientConfig extends WalkConfig, PassConfig {
  readonly tile: BackwardTile
  readonly memory: BackwardMemory
  readonly headDim: number
  readonly valueDim: number
  readonly query: Access
  readonly key: Access
  readonly value: Access
  readonly dOutput: Access
  readonly softmaxRow: SoftmaxRow
  readonly rules: GradientRules
  readonly dropout: boolean
  /** Whether only those heads are its whose rows cannot be split; see kernels/split. */
  readonly unsplitOnly: boolean
  readonly descriptorWords: number
  readonly parameterWords: number
}

/** Tensors that both kernels read. */
export const gradientInputs = ['query', 'key', 'value', 'dOutput'] as const

/** Bindings 0 to 6 of both kernels: all that they read. */
export function inputBindings(
  config: Pick<GradientConfig, (typeof gradientInputs)[number] | 'softmaxRow'>,
): string {
  const tensors = gradientInputs.map(
    (name, index) =>
      `@group(0) @binding(${index + 1}) var<storage, read> ${name}: array<${storageType(config[name])}>;`,
  )
  return `@group(0) @binding(0) var<uniform> params: Params;
${tensors.join('\n')}
// Log-sum-exp and D of every row${config.softmaxRow === 'vec4<f32>' ? ', and the scale of dS' : ''}.
@group(0) @binding(5) var<storage, read> softmaxRows: array<${config.softmaxRow}>;
// Query offset and key count of every sequence, the tables of the expressions, the block map.
@group(0) @binding(6) var<storage, read> data: array<u32>;`
}

/** Bindings 7 and on: the gradients that a kernel writes. */
export function outputBindings(outputs: readonly Omit<GradientOutput, 'dims'>[]): string {
  return outputs
    .map(
      ({ name, access }, index) =>
        `@group(0) @binding(${7 + index}) var<storage, read_write> ${name}: array<${storageType(access)}>;`,
    )
    .join('\n')
}

/** What both kernels read tiles of, by the names of their rows. */
export function gradientSources({
  headDim,
  valueDim,
  rules,
}: GradientConfig): Record<(typeof gradientInputs)[number], TileSource> {
  const token = (name: string) => (rules.ordered ? { token: name } : {})
  const keys = { first: 'firstKey', last: 'lastKey', ...token('keyToken') }
  const queries = { first: 'firstQuery', last: 'lastQuery', ...token('queryToken') }
  return {
    query: { name: 'query', ...queries, dims: headDim },
    key: { name: 'key', ...keys, dims: headDim },
    value: { name: 'value', ...keys, dims: valueDim },
    dOutput: { name: 'dOutput', ...queries, dims: valueDim },
  }
}

/** Scalar fields of both kernels, after the addresses. */
const scalarFields: readonly string[] = [
  'softmaxRowsOffset',
  'queryLength',
  'keyLength',
  'heads',
  'headsPerKeyHead',
  // The part of the work this dispatch does; see plan/backward/backward-dispatch.ts.
  'rowTileBase',
  'rowTiles',
  'headBegin',
  'headEnd',
  'batchBase',
  'columnTileBegin',
  'columnTileEnd',
  'accumulate',
  // Where the block map lies in `data`, and how heads and sequences share it.
  'mapBase',
  'mapRunsBase',
  'mapOrderBase',
  'mapOrdered',
  'mapRows',
  'mapHeads',
  'mapBatches',
  // Bits of floats.
  'scale',
  'negativeInfinity',
]

/** Fields of a kernel of left out heads: where the rows of tiles end, and how far a workgroup's are apart. */
const turnFields: readonly string[] = ['rowTileEnd', 'rowTileStep']

/** The uniform fields of a kernel that writes these tensors, and `extra` ones. */
export function gradientFields(
  outputs: readonly string[],
  {
    dropout,
    inParts,
    unsplitOnly = false,
  }: Pick<GradientConfig, 'dropout' | 'inParts'> & Partial<Pick<GradientConfig, 'unsplitOnly'>>,
  extra: readonly string[] = [],
): readonly string[] {
  return [
    ...addressFields([...gradientInputs, ...outputs]),
    ...scalarFields,
    ...(inParts ? partFields(outputs) : []),
    ...(unsplitOnly ? turnFields : []),
    ...extra,
    ...(dropout ? dropoutFields : []),
  ]
}

/** The grid of a kernel. */
export function gradientGrid(
  { tile, unsplitOnly }: Pick<GradientConfig, 'tile' | 'unsplitOnly'>,
  rowTokens: PairGrid['rowTokens'],
): PairGrid {
  const { rows, columns, threadRows, threadColumns } = tile
  const threads = { threadRows, threadColumns }
  return { tileRows: rows, tileColumns: columns, ...threads, rowTokens, rolled: unsplitOnly }
}

/** A tensor that a kernel writes. */
export interface GradientOutput {
  readonly name: string
  readonly access: Access
  readonly dims: number
}

const regions = (memory: BackwardMemory): string => `const rowRegion = ${memory.rows}u;
const columnRegion = ${memory.columns}u;
const sourceRegion = ${memory.source}u;
const weightRegion = ${memory.weights}u;
`

/** Declares a thread's place in its workgroup, or in its team of it. */
export function threadOrigin(tile: BackwardTile, grid: PairGrid): string {
  if (tile.teams === 2) return teamOrigin(grid)
  return `${grid.rolled ? `${declareNothing}\n` : ''}let column = thread % ${tile.threadColumns}u;
let row = thread / ${tile.threadColumns}u;`
}

/** Everything before the entry point. */
export function gradientPreamble(
  config: GradientConfig,
  outputs: readonly GradientOutput[],
  extraFields: readonly string[],
  bindings: string,
): string[] {
  const { tile, memory, headDim, valueDim } = config
  const inputs = gradientInputs.map((name) => config[name])
  const accesses = [...inputs, ...outputs.map(({ access }) => access)]
  const native = accesses.some(usesFloat16)
  const fields = gradientFields(
    outputs.map(({ name }) => name),
    config,
    extraFields,
  )
  return [
    native ? 'enable f16;' : '',
    parameterBlock(fields, config.descriptorWords, config.parameterWords),
    bindings,
    `const tileRows = ${tile.rows}u;
const tileColumns = ${tile.columns}u;
const careRegion = ${memory.care}u;
${tile.teams === 2 ? '' : regions(memory)}${gradientConstants(config.rules.shortText ?? false)}`,
    `// ${memory.note}\nvar<workgroup> tile: array<vec4<f32>, ${memory.vectors}>;`,
    unpackFunctions(accesses),
    loadFunction('query', config.query, headDim),
    loadFunction('key', config.key, headDim),
    loadFunction('value', config.value, valueDim),
    loadFunction('dOutput', config.dOutput, valueDim),
    ...outputs.flatMap(({ name, access, dims }) => [
      loadFunction(name, access, dims),
      storeFunction(name, access, dims),
    ]),
    softmaxRowFunction(config.softmaxRow, config.rules.ordered),
    config.dropout ? gradientDropout(config.rules) : '',
    config.rules.code,
  ]
}

/** WGSL of `mapPlane`: where the rows of a head begin in the map. */
export const mapPlaneFunction: string = `fn mapPlane(batch: u32, head: u32) -> u32 {
  return (min(batch, params.mapBatches - 1u) * params.mapHeads + min(head, params.mapHeads - 1u)) * params.mapRows;
}`

/**
 * A loop over the tiles of the columns that meet the rows, for one head.
 *
 * @param keysExist - Text that says whether every pair of a tile is within the keys, without a map.
 * @param queriesExist - Text that says whether every one is within the queries. Default: it does not matter.
 */
export function forEachColumnTile(
  { blockMap, inParts }: WalkConfig,
  keysExist: string,
  body: string,
  queriesExist?: string,
): string {
  const own = columnsFrom(inParts)
  const fullIf = (text: string): string =>
    `let full = ${text}${queriesExist === undefined ? '' : ` && ${queriesExist}`};\n${body}`
  if (!blockMap) {
    return `for (var columnTile = ${own}columnTileBegin; columnTile < ${own}columnTileEnd; columnTile++) {
${indent(fullIf(keysExist), 2)}
}`
  }
  return `let mapRow = params.mapBase + mapPlane(batch, head) + rowTile;
let endRun = data[mapRow + 1u];
for (var run = data[mapRow]; run < endRun; run++) {
  let start = data[params.mapRunsBase + 2u * run];
  let packed = data[params.mapRunsBase + 2u * run + 1u];
  let endTile = min(start + (packed >> 1u), ${own}columnTileEnd);
  for (var columnTile = max(start, ${own}columnTileBegin); columnTile < endTile; columnTile++) {
${indent(fullIf('(packed & 1u) == 1u'), 4)}
  }
}`
}
