// The forward kernel on subgroup matrices (tensor cores): float16 operands, float32 sums. A subgroup
// owns query rows; both products are matrix products of the hardware.
//
// WGSL's matrices are opaque: no element of one can be read and no row scaled. So the scores cross
// workgroup memory on their way to the softmax, and the output is kept relative to a reference that
// is moved only when a row's maximum has outgrown it by far (lazy rescaling), which is rare: until
// then the probabilities are merely a little larger than 1, and float16 holds up to 65504.
//
// Every matrix is loaded and stored at a constant place of an array of its own: what a subgroup has
// for itself is an array of arrays. Browsers check the places they cannot foresee, which cost half
// of the speed.
import { loadFunction, storeFunction } from '../codegen/access.ts'
import { indent, unroll } from '../codegen/snippets.ts'
import type { MatrixMemory, MatrixTile } from '../plan/matrix-tile.ts'
import type { ForwardConfig } from './forward.wgsl.ts'
import { bindings, callOrigin, mappedTile, sharedConstants } from './forward-frame.ts'
import { matrixSoftmax, shuffles, throughScores } from './matrix/softmax.ts'
import { matrixStaging } from './matrix/staging.ts'
import { advanceTiles, firstTiles, nextTile } from './matrix/tile-pipeline.ts'
import { forwardFields, parameterBlock } from './parameters.ts'

/** All that decides the text of the kernel. */
export interface ForwardMatrixConfig extends Omit<ForwardConfig, 'tile' | 'memory'> {
  readonly tile: MatrixTile
  readonly memory: MatrixMemory
}

/** The WGSL of the forward kernel on subgroup matrices. Entry point: `main`. */
export function forwardMatrixKernel(config: ForwardMatrixConfig): string {
  const { tile, memory } = config
  const own = (type: string, vectors: number): string =>
    `array<array<vec4<${type}>, ${vectors}>, ${tile.subgroups}>`
  const sections = [
    `enable f16;
enable subgroups;
enable chromium_experimental_subgroup_matrix;
diagnostic(off, chromium.subgroup_matrix_uniformity);`,
    parameterBlock(forwardFields, config.descriptorWords, config.parameterWords),
    bindings(config),
    constants(config),
    `var<workgroup> keyRows: array<vec4<f16>, ${memory.keyRows}>;
var<workgroup> valueRows: array<vec4<f16>, ${memory.valueRows}>;
// Of each subgroup: the scores, and the output where it is rescaled or written; the probabilities.
var<workgroup> scores: ${own('f32', memory.scores)};
var<workgroup> probabilities: ${own('f16', memory.probabilities)};
// Whether any row of a subgroup has outgrown its reference. Like the others a multiple of 16 bytes:
// matrices must begin at one, and drivers lay arrays out back to back.
var<workgroup> outgrown: array<u32, ${memory.outgrown}>;`,
    loadFunction('query', config.query, config.headDim),
    loadFunction('key', config.key, config.headDim),
    loadFunction('value', config.value, config.valueDim),
    loadFunction('output', config.output, config.valueDim),
    storeFunction('output', config.output, config.valueDim),
    config.rules.code,
    `@compute @workgroup_size(${tile.subgroups * tile.subgroupSize})
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

function constants({ tile, memory, valueDim }: ForwardMatrixConfig): string {
  const { rows, columns, depth } = tile.matrix
  return `alias Left = subgroup_matrix_left<f16, ${depth}, ${rows}>;
alias Right = subgroup_matrix_right<f16, ${columns}, ${depth}>;
alias Result = subgroup_matrix_result<f32, ${columns}, ${rows}>;
const tileQueries = ${tile.queries}u;
const tileKeys = ${tile.keys}u;
const valueVectors = ${valueDim / 4}u;
const scoreStride = ${memory.scoreStride}u;
const probabilityStride = ${memory.probabilityStride}u;
// How far, as a power of e, probabilities may outgrow 1 before the output is rescaled.
const slack = 8.0;
${sharedConstants}`
}

function mainBody(config: ForwardMatrixConfig): string {
  const { tile } = config
  const rows = tile.rowBlocks * tile.matrix.rows
  const staging = matrixStaging(config)
  return `let subgroup = ${tile.subgroups === 1 ? '0u' : `subgroupId & ${tile.subgroups - 1}u`};
let lane = invocation & ${tile.subgroupSize - 1}u;
let thread = subgroup * ${tile.subgroupSize}u + lane;
${callOrigin(config.blockMap ? mappedTile : undefined)}
// In the softmax, lanes of a row: ${tile.lanesPerRow}.
let ownRow = lane / ${tile.lanesPerRow}u;
let part = lane % ${tile.lanesPerRow}u;
let column = part * ${tile.keys / tile.lanesPerRow}u;
let queryIndex = i32(firstQuery + subgroup * ${rows}u + ownRow);
let position = queryOffset + queryIndex;
${config.rules.change?.head ?? ''}

${staging.queries}
${eachOutput(config, (name) => `var ${name} = Result();`)}
var reference = smallestMaximum;
var sum = 0.0;

${firstTiles(config.blockMap)}
${staging.begin}
while (visits) {
  let firstKey = keyTile * tileKeys;
${indent(scoreProducts(config), 2)}
  workgroupBarrier();
${indent(staging.store, 2)}
${indent(matrixSoftmax(config), 2)}
${indent(advanceTiles(config.blockMap), 2)}
${indent(staging.fetch, 2)}
${indent(outputProducts(config), 2)}
${indent(nextTile(config.blockMap), 2)}
}

${epilogue(config)}`
}

/** A line for each matrix of the output: block of rows b, columns c. */
function eachOutput(
  { tile, valueDim }: ForwardMatrixConfig,
  line: (name: string, b: number, c: number) => string,
): string {
  return unroll(tile.rowBlocks, (b) =>
    unroll(valueDim / tile.matrix.columns, (c) => line(`output${b}_${c}`, b, c)),
  )
}

/** S = Q K^T: each matrix of keys is loaded once for all blocks of rows. */
function scoreProducts({ tile, memory, headDim }: ForwardMatrixConfig): string {
  const { rows, columns, depth } = tile.matrix
  return unroll(
    tile.keys / columns,
    (n) => `{
${unroll(tile.rowBlocks, (b) => `  var product${b} = Result();`)}
${unroll(
  headDim / depth,
  (
    k,
  ) => `  let keys${k} = subgroupMatrixLoad<Right, col_major>(&keyRows, ${n * columns * memory.keyStride + (k * depth) / 4}u, ${memory.keyStride}u);
${unroll(tile.rowBlocks, (b) => `  product${b} = subgroupMatrixMultiplyAccumulate(query${b}_${k}, keys${k}, product${b});`)}`,
)}
${unroll(tile.rowBlocks, (b) => `  subgroupMatrixStore<row_major>(&scores[subgroup], ${b * rows * memory.scoreStride + (n * columns) / 4}u, product${b}, scoreStride);`)}
}`,
  )
}

/** O += P V. */
function outputProducts(config: ForwardMatrixConfig): string {
  const { tile, memory, valueDim } = config
  const { rows, columns, depth } = tile.matrix
  return unroll(
    tile.keys / depth,
    (k) => `{
${unroll(tile.rowBlocks, (b) => `  let weights${b} = subgroupMatrixLoad<Left, row_major>(&probabilities[subgroup], ${b * rows * memory.probabilityStride + (k * depth) / 4}u, probabilityStride);`)}
${unroll(
  valueDim / columns,
  (
    c,
  ) => `  let values${c} = subgroupMatrixLoad<Right, row_major>(&valueRows, ${k * depth * memory.valueStride + (c * columns) / 4}u, ${memory.valueStride}u);
${unroll(tile.rowBlocks, (b) => `  output${b}_${c} = subgroupMatrixMultiplyAccumulate(weights${b}, values${c}, output${b}_${c});`)}`,
)}
}`,
  )
}

function epilogue(config: ForwardMatrixConfig): string {
  const { tile } = config
  const rows = tile.rowBlocks * tile.matrix.rows
  return `${shuffles(tile, (step) => `sum += subgroupShuffleXor(sum, ${step}u);`)}
let queryRow = firstQuery + subgroup * ${rows}u + ownRow;
let inside = queryRow <= lastQuery;
let place = params.logSumExpOffset + (batch * params.heads + head) * params.queryLength + min(queryRow, lastQuery);
let outputBase = params.outputOffset + batch * params.outputBatch + head * params.outputHead + queryRow * params.outputRow;
let seen = sum > 0.0;
var own = select(0.0, 1.0 / sum, seen);
var keep = 0.0;
var result = select(hidden, reference + log(sum), seen);
if (params.mergeWithOutput != 0u) {
  let previous = logSumExp[place];
  if (previous > hidden) {
    let larger = max(previous, result);
    let previousPart = exp(previous - larger);
    let ownPart = exp(result - larger);
    own *= ownPart / (previousPart + ownPart);
    keep = previousPart / (previousPart + ownPart);
    result = larger + log(previousPart + ownPart);
  }
}
workgroupBarrier();
if (inside && part == 0u) {
  logSumExp[place] = select(bitcast<f32>(params.negativeInfinity), result, result > hidden);
}
${throughScores(
  config,
  (from, vector) => `if (inside && ${vector} < valueVectors) {
  var value = scores[subgroup][${from}] * own;
  if (keep > 0.0) { value += loadOutput(outputBase, ${vector}) * keep; }
  storeOutput(outputBase, ${vector}, value);
}`,
)}`
}
