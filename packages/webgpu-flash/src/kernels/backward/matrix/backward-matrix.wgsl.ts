// FlashAttention-2's backward pass (arXiv 2307.08691) on subgroup matrices (tensor cores): float16
// operands, float32 sums. A subgroup owns rows of a gradient and holds its operands in matrices; the
// other tokens pass by in tiles that a workgroup's subgroups share. Nothing is summed across workgroups,
// so results are the same from run to run.
//
// WGSL's matrices are opaque, so S and dP cross workgroup memory to the lanes, and P and dS cross it back.
// The products of the next tile are made right after the sums of the present one, which leaves two
// barriers a tile: before the lanes work, and before the matrices do.
import { loadFunction, storageType, storeFunction } from '../../../codegen/access.ts'
import { indent } from '../../../codegen/snippets.ts'
import { matrixThreads, subgroupRows } from '../../../plan/backward/gradient-matrix-tile.ts'
import {
  gradientFields,
  inputBindings,
  mapPlaneFunction,
  outputBindings,
  ownGradient,
  ownPart,
} from '../backward-frame.ts'
import { ownRowTile } from '../row-tiles.ts'
import { declareLaneRows } from '../../forward/matrix/lane-rows.ts'
import { parameterBlock } from '../../parameters.ts'
import { declareNothing } from '../../rolled-loops.ts'
import { computeStage, enableMatrices } from '../../tile/subgroup-size.ts'
import { ownOrigin, ownStatistics } from './pairs.ts'
import { castRoles, lanesWork, ownInVisited, visitedPlaces } from './roles.ts'
import type { GradientMatrixConfig, GradientSum } from './roles.ts'
import { weightConstants } from './scaling.ts'
import { rowByRow, strangeFunctions } from './row-by-row.ts'
import { storeSums } from './store-sums.ts'
import type { Rows } from './sum-steps.ts'
import { begin, beginAndWalk, startsEarly, walk } from './walk-rows.ts'
import { matrixTypes } from '../../tile/matrix-types.ts'
import { gradientDropout } from '../slots.ts'
import { partsAccess } from '../sum-parts.wgsl.ts'

/** The WGSL of the kernel of dK and dV, or of dQ. Entry point: `main`. */
export function gradientMatrixKernel(config: GradientMatrixConfig): string {
  const { tile, rules, headDim, valueDim } = config
  const { sums } = castRoles(config)
  const names = sums.map(({ name }) => name)
  const totals = config.finishes ? sums.map(totalOf) : []
  const fields = gradientFields([...names, ...totals.map(({ name }) => name)], config)
  const sections = [
    enableMatrices(tile),
    parameterBlock(fields, config.descriptorWords, config.parameterWords),
    `${inputBindings({ ...config, softmaxRow: 'vec4<f32>' })}
${outputBindings(sums)}${totalBindings(totals, 7 + sums.length)}`,
    constants(config),
    workgroupMemory(config),
    loadFunction('query', config.query, headDim),
    loadFunction('key', config.key, headDim),
    loadFunction('value', config.value, valueDim),
    loadFunction('dOutput', config.dOutput, valueDim),
    ...sums.flatMap(({ name, access, dims }) => [
      loadFunction(name, access, dims),
      storeFunction(name, access, dims),
    ]),
    ...totals.map(({ name, access, dims }) => loadFunction(name, access, dims)),
    softmaxRowFunction(rules.ordered),
    config.dropout ? gradientDropout(rules) : '',
    rules.code,
    config.blockMap ? mapPlaneFunction : '',
    strangeFunctions,
    `${computeStage(matrixThreads(tile), tile)}
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

/** What earlier passes have summed of a gradient, where it is apart from it. */
const totalOf = ({ name, dims }: GradientSum) => ({
  name: `${name}Total` as const,
  access: partsAccess(dims),
  dims,
})

const totalBindings = (totals: readonly ReturnType<typeof totalOf>[], first: number): string =>
  totals
    .map(
      ({ name, access }, index) =>
        `\n@group(0) @binding(${first + index}) var<storage, read> ${name}: array<${storageType(access)}>;`,
    )
    .join('')

function constants({ tile, memory }: GradientMatrixConfig): string {
  return `${matrixTypes(tile.matrix)}
const tileRows = ${tile.rows}u;
const tileColumns = ${tile.columns}u;
const scoreStride = ${memory.scoreStride}u;
const weightStride = ${memory.weightStride}u;
// Finite stand-ins for infinities, with room for one difference.
const hidden = -1.0e38;
const deadRow = 2.0e38;
${weightConstants()}`
}

function workgroupMemory(config: GradientMatrixConfig): string {
  const { tile, memory } = config
  const twice = (type: string, vectors: number): string =>
    `array<array<vec4<${type}>, ${vectors}>, 2>`
  const own = (type: string, vectors: number): string =>
    `array<array<vec4<${type}>, ${vectors}>, ${tile.subgroups}>`
  const visited = ownInVisited(config)
    ? [`var<workgroup> visitedRows: array<array<vec4<f16>, ${memory.headRows}>, ${visitedPlaces}>;`]
    : castRoles(config).visited.map(
        ({ name, vectors }) => `var<workgroup> ${name}Rows: ${twice('f16', vectors)};`,
      )
  const statistics =
    memory.statistics > 0
      ? `\n// Of each query: log-sum-exp, and D.\nvar<workgroup> statistics: ${twice('f32', memory.statistics)};`
      : ''
  return `// ${memory.bytes} bytes: two tiles of visited rows,
${visited.join('\n')}${statistics}
// and of each subgroup S, dP, and the weights of the sums: P and dS.
var<workgroup> scores: ${own('f32', memory.scores)};
var<workgroup> gradients: ${own('f32', memory.scores)};
var<workgroup> weights: ${own('f16', memory.weights)};
${flag}`
}

const flag = `// Whether any thread has met a sum that is not finite. Like the others a multiple of 16 bytes: drivers lay
// arrays out in an order of their own, back to back, and matrices that begin elsewhere are read wrongly.
var<workgroup> foundStrange: vec4<u32>;`

/**
 * WGSL of `softmaxRow`: log-sum-exp, D and the scale of dS of a row, also of rows past the last.
 *
 * @param ordered - Whether it is given the slot of a row. Default: false.
 */
export const softmaxRowFunction = (
  ordered = false,
): string => /* wgsl */ `fn softmaxRow(batch: u32, head: u32, ${ordered ? 'slot' : 'queryRow'}: u32) -> vec4<f32> {
${ordered ? '  let queryRow = queryToken(slot);\n' : ''}  let row = min(queryRow, params.queryLength - 1u);
  let held = softmaxRows[params.softmaxRowsOffset + (batch * params.heads + head) * params.queryLength + row];
  return select(held, vec4<f32>(deadRow, 0.0, held.zw), queryRow >= params.queryLength);
}`

function mainBody(config: GradientMatrixConfig): string {
  const { tile } = config
  return `let subgroup = ${tile.subgroups === 1 ? '0u' : `subgroupId & ${tile.subgroups - 1}u`};
let lane = invocation & ${tile.subgroupSize - 1}u;
let thread = subgroup * ${tile.subgroupSize}u + lane;
${declareNothing}
${declareLaneRows(tile)}
if (thread == 0u) { foundStrange = vec4<u32>(0u); }
${config.rowTokens === 'keys' ? ofKeys(config) : ofQueries(config)}`
}

const scaleOfPower = 'let scale = bitcast<f32>(params.scale);\nlet scaleOfPower = scale * log2e;'

/** Declares where the gradients of a workgroup's rows begin, and what earlier passes have summed of them. */
const ownGradients = (config: GradientMatrixConfig): string =>
  castRoles(config)
    .sums.flatMap(({ name }) => [
      ownGradient(config.inParts, name),
      ...(config.finishes ? [ownGradient(false, name, `${name}Total`)] : []),
    ])
    .join('\n')

const ownBase = (name: string, head: string): string =>
  `let ${name}Base = params.${name}Offset + batch * params.${name}Batch + ${head} * params.${name}Head;`

/** A workgroup of keys, for every query head that reads them. */
function ofKeys(config: GradientMatrixConfig): string {
  const { tile, blockMap } = config
  const early = startsEarly(config)
  const rows = { first: 'firstKey', last: 'finalKey' }
  return `let keyHead = params.headBegin / params.headsPerKeyHead + workgroup.x;
let firstHead = max(params.headBegin, keyHead * params.headsPerKeyHead);
let endHead = min(params.headEnd, (keyHead + 1u) * params.headsPerKeyHead);
${ownPart(config.inParts, config.rowTokens)}
let queryOffset = bitcast<i32>(data[2u * batch]);
let keyCount = data[2u * batch + 1u];
${early ? 'let head = firstHead;\n' : blockMap ? `var head = firstHead; // any order of rows will do for the others\n` : ''}${ownRowTile(blockMap)}
${['key', 'value'].map((name) => ownBase(name, 'keyHead')).join('\n')}
${ownGradients(config)}
let firstKey = rowTile * tileRows + subgroup * ${subgroupRows(tile)}u;
let lastKey = max(keyCount, 1u) - 1u; // rows past it may hold anything, so they are never read
let lastQuery = params.queryLength - 1u;
${scaleOfPower}
// The same for every query that shares these keys.
let gradientScale = softmaxRow(batch, firstHead, params.columnTileBegin * tileColumns).z;
${ownOrigin(config)}
let finalKey = params.keyLength - 1u; // padding has gradients too: 0
${ofHeads(config, rows, '(rowTile + 1u) * tileRows <= keyCount')}
${storeOrRedo(config, rows)}`
}

/** The tiles of the query heads that read a workgroup's keys. */
function ofHeads(config: GradientMatrixConfig, rows: Rows, full: string): string {
  const { blockMap } = config
  const bases = ['query', 'dOutput'].map((name) => ownBase(name, 'head')).join('\n')
  if (startsEarly(config)) return `${bases}\n${beginAndWalk(config, rows, full)}`
  return `${begin(config, rows)}
for (${blockMap ? '' : 'var head = firstHead'}; head < endHead; head++) {
${indent(bases, 2)}
${indent(walk(config, full), 2)}
}`
}

/** A workgroup of queries. */
function ofQueries(config: GradientMatrixConfig): string {
  const { tile, blockMap } = config
  const rows = { first: 'firstQuery', last: 'lastQuery' }
  return `let head = params.headBegin + workgroup.x;
${ownPart(config.inParts, config.rowTokens)}
let keyHead = head / params.headsPerKeyHead;
let queryOffset = bitcast<i32>(data[2u * batch]);
let keyCount = data[2u * batch + 1u];
${ownRowTile(blockMap)}
${['query', 'dOutput'].map((name) => ownBase(name, 'head')).join('\n')}
${ownGradients(config)}
${['key', 'value'].map((name) => ownBase(name, 'keyHead')).join('\n')}
let firstQuery = rowTile * tileRows + subgroup * ${subgroupRows(tile)}u;
let lastQuery = params.queryLength - 1u;
let lastKey = max(keyCount, 1u) - 1u; // rows past it may hold anything, so they are never read
${scaleOfPower}
let gradientScale = softmaxRow(batch, head, rowTile * tileRows).z;
${ownOrigin(config)}
${ownStatistics(lanesWork(config))}
${beginAndWalk(config, rows, '(columnTile + 1u) * tileColumns <= keyCount')}
${storeOrRedo(config, rows)}`
}

/** Writes the sums, or computes the rows anew where one of them is not finite. */
function storeOrRedo(config: GradientMatrixConfig, rows: Rows): string {
  return `${storeSums(config, rows)}
if (again) {
  storageBarrier(); // other threads write the same rows now
${indent(rowByRow(config), 2)}
}`
}
