// The forward kernel on subgroup matrices (tensor cores): float16 operands, float32 sums. A subgroup
// owns `matrix.rows` query rows; both products are matrix products of the hardware.
//
// WGSL's matrices are opaque: no element of one can be read and no row scaled. So the scores cross
// workgroup memory on their way to the softmax, and the output is kept relative to a reference that
// is moved only when a row's maximum has outgrown it by far (lazy rescaling), which is rare: until
// then the probabilities are merely a little larger than 1, and float16 holds up to 65504.
import { loadFunction, storeFunction } from '../codegen/access.ts'
import { changeStatements } from '../codegen/score-change.ts'
import { indent, unroll } from '../codegen/snippets.ts'
import type { MatrixMemory, MatrixTile } from '../plan/matrix-tile.ts'
import type { ForwardConfig } from './forward.wgsl.ts'
import { bindings, mappedTile, sharedConstants, tileLoop } from './forward-frame.ts'
import { forwardFields, parameterBlock } from './parameters.ts'

/** All that decides the text of the kernel. */
export interface ForwardMatrixConfig extends Omit<ForwardConfig, 'tile' | 'memory'> {
  readonly tile: MatrixTile
  readonly memory: MatrixMemory
}

/** The WGSL of the forward kernel on subgroup matrices. Entry point: `main`. */
export function forwardMatrixKernel(config: ForwardMatrixConfig): string {
  const { tile, memory } = config
  const sections = [
    `enable f16;
enable subgroups;
enable chromium_experimental_subgroup_matrix;
diagnostic(off, chromium.subgroup_matrix_uniformity);`,
    parameterBlock(forwardFields, config.descriptorWords, config.parameterWords),
    bindings(config),
    constants(config),
    `// Q, then K and V; the scores, and the output where it is rescaled or written; the probabilities.
var<workgroup> operands: array<vec4<f16>, ${memory.operands}>;
var<workgroup> scores: array<vec4<f32>, ${memory.scores}>;
var<workgroup> probabilities: array<vec4<f16>, ${memory.probabilities}>;
// Whether any row of a subgroup has outgrown its reference.
var<workgroup> outgrown: array<u32, ${tile.subgroups}>;`,
    loadFunction('query', config.query, config.headDim),
    loadFunction('key', config.key, config.headDim),
    loadFunction('value', config.value, config.valueDim),
    loadFunction('output', config.output, config.valueDim),
    storeFunction('output', config.output, config.valueDim),
    config.rules.code,
    `@compute @workgroup_size(${tile.subgroups * tile.subgroupSize})
fn main(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(subgroup_id) subgroup: u32,
  @builtin(subgroup_invocation_id) lane: u32,
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
const operandStride = ${memory.operandStride}u;
const scoreStride = ${memory.scoreStride}u;
const probabilityStride = ${memory.probabilityStride}u;
// How far, as a power of e, probabilities may outgrow 1 before the output is rescaled.
const slack = 8.0;
${sharedConstants}`
}

/** Stages rows of a tensor as float16: `[row][dim vector]`, rows `operandStride` apart. */
function stage(name: string, tile: MatrixTile, place: string, rows: number, dims: number): string {
  const vectors = dims / 4
  const first = name === 'query' ? 'firstQuery' : 'firstKey'
  const last = name === 'query' ? 'lastQuery' : 'lastKey'
  const capital = `${name[0]!.toUpperCase()}${name.slice(1)}`
  return `for (var unit = thread; unit < ${rows * vectors}u; unit += ${tile.subgroups * tile.subgroupSize}u) {
  let row = unit / ${vectors}u;
  let loaded = load${capital}(${name}Base + min(${first} + row, ${last}) * params.${name}Row, unit % ${vectors}u);
  operands[${place} + row * operandStride + unit % ${vectors}u] = vec4<f16>(loaded);
}`
}

function mainBody(config: ForwardMatrixConfig): string {
  const { tile, headDim, valueDim } = config
  const { rows, depth } = tile.matrix
  return `let thread = subgroup * ${tile.subgroupSize}u + lane;
let head = params.headBase + workgroup.y;
let batch = params.batchBase + workgroup.z;
let keyHead = head / params.headsPerKeyHead;
let queryOffset = bitcast<i32>(data[2u * batch]);
let keyCount = data[2u * batch + 1u];
${config.blockMap ? mappedTile : 'let queryTile = params.queryTileBase + workgroup.x;'}
let queryBase = params.queryOffset + batch * params.queryBatch + head * params.queryHead;
let keyBase = params.keyOffset + batch * params.keyBatch + keyHead * params.keyHead;
let valueBase = params.valueOffset + batch * params.valueBatch + keyHead * params.valueHead;
let firstQuery = queryTile * tileQueries;
let lastQuery = params.queryLength - 1u;
let lastKey = max(keyCount, 1u) - 1u; // rows past it may hold anything, so they are never read
let scale = bitcast<f32>(params.scale);
// In the softmax, ${tile.lanesPerRow} lanes share a row.
let tileRow = subgroup * ${rows}u + lane / ${tile.lanesPerRow}u;
let part = lane % ${tile.lanesPerRow}u;
let column = part * ${tile.keys / tile.lanesPerRow}u;
let queryIndex = i32(firstQuery + tileRow);
let position = queryOffset + queryIndex;
${config.rules.change?.head ?? ''}

${stage('query', tile, '0u', tile.queries, headDim)}
workgroupBarrier();
${unroll(headDim / depth, (k) => `let query${k} = subgroupMatrixLoad<Left, row_major>(&operands, subgroup * ${rows}u * operandStride + ${(k * depth) / 4}u, operandStride);`)}
${unroll(valueDim / tile.matrix.columns, (c) => `var output${c} = Result();`)}
var reference = smallestMaximum;
var sum = 0.0;

${tileLoop(config.blockMap, tileBody(config))}

${epilogue(config)}`
}

function tileBody(config: ForwardMatrixConfig): string {
  const { tile, headDim, valueDim } = config
  const { rows, columns, depth } = tile.matrix
  const values = `${tile.keys}u * operandStride`
  const score = (n: number): string => `var product = Result();
${unroll(headDim / depth, (k) => `product = subgroupMatrixMultiplyAccumulate(query${k}, subgroupMatrixLoad<Right, col_major>(&operands, ${n * columns}u * operandStride + ${(k * depth) / 4}u, operandStride), product);`)}
subgroupMatrixStore<row_major>(&scores, subgroup * ${rows}u * scoreStride + ${(n * columns) / 4}u, product, scoreStride);`
  return `let firstKey = keyTile * tileKeys;
workgroupBarrier();
${stage('key', tile, '0u', tile.keys, headDim)}
${stage('value', tile, values, tile.keys, valueDim)}
workgroupBarrier();
${unroll(tile.keys / columns, (n) => `{\n${indent(score(n), 2)}\n}`)}
workgroupBarrier();
${softmax(config)}
${unroll(
  tile.keys / depth,
  (k) => `{
  let weights = subgroupMatrixLoad<Left, row_major>(&probabilities, subgroup * ${rows}u * probabilityStride + ${(k * depth) / 4}u, probabilityStride);
${unroll(valueDim / columns, (c) => `  output${c} = subgroupMatrixMultiplyAccumulate(weights, subgroupMatrixLoad<Right, row_major>(&operands, ${values} + ${k * depth}u * operandStride + ${(c * columns) / 4}u, operandStride), output${c});`)}
}`,
)}`
}

/** Scores to probabilities, row by row; the rules are those of the tiled kernel. */
function softmax(config: ForwardMatrixConfig): string {
  const { tile, rules } = config
  const vectors = tile.keys / tile.lanesPerRow / 4
  const each = (line: (j: number) => string): string => unroll(vectors, line)
  const pairs = (line: (score: string, past: number) => string): string =>
    each((j) => unroll(4, (k) => line(`score${j}.${'xyzw'[k]}`, 4 * j + k)))
  const all = Array.from({ length: vectors }, (_, j) => `score${j}`)
  const { change } = rules
  const held = all.flatMap((name, j) =>
    [0, 1, 2, 3].map((k) => ({ score: `${name}.${'xyzw'[k]}`, pastQuery: 0, pastKey: 4 * j + k })),
  )
  const changed = change
    ? `{\n${indent(`let keyPosition = i32(firstKey + column);\n${changeStatements(change, held)}`, 2)}\n}`
    : ''
  const key = (past: number): string => `firstKey + column + ${past}u`
  const visible = (past: number): string =>
    rules.hasMask
      ? ` && visible(i32(batch), i32(head), position, queryIndex, i32(${key(past)}))`
      : ''
  return `${each((j) => `var score${j} = scores[tileRow * scoreStride + part * ${vectors}u + ${j}u] * scale;`)}
${changed}
${each((j) => `score${j} = clamp(score${j}, vec4<f32>(hidden), vec4<f32>(-hidden));`)}
if (!full) {
${pairs((score, past) => `  if (!(${key(past)} < keyCount${visible(past)})) { ${score} = hidden; }`)}
}
let best = ${all.reduce((a, b) => `max(${a}, ${b})`)};
var top = max(max(best.x, best.y), max(best.z, best.w));
${shuffles(tile, (step) => `top = max(top, subgroupShuffleXor(top, ${step}u));`)}
let grows = top > reference + slack;
let moved = select(reference, top, grows);
let decay = exp(reference - moved);
reference = moved;
${each((j) => `score${j} = exp(score${j} - vec4<f32>(reference));`)}
sum = sum * decay + ${all.map((name) => `dot(${name}, vec4<f32>(1.0))`).join(' + ')};
${each((j) => `probabilities[tileRow * probabilityStride + part * ${vectors}u + ${j}u] = vec4<f16>(score${j});`)}
let anyGrows = subgroupAny(grows);
if (lane == 0u) { outgrown[subgroup] = u32(anyGrows); }
// Also the barrier between the probabilities' stores and loads.
let grown = workgroupUniformLoad(&outgrown);
if (${unroll(tile.subgroups, (s) => `grown[${s}]`).replaceAll('\n', ' + ')} > 0u) {
${indent(
  throughScores(
    config,
    (place) => `scores[${place}] *= decay;`,
    (c, place) =>
      `output${c} = subgroupMatrixLoad<Result, row_major>(&scores, ${place}, scoreStride);`,
  ),
  2,
)}
}`
}

/** Exchanges between the lanes of a row. */
function shuffles({ lanesPerRow }: MatrixTile, line: (step: number) => string): string {
  const steps = [1, 2, 4, 8, 16].filter((step) => step < lanesPerRow)
  return steps.map(line).join('\n')
}

/**
 * Brings the output to workgroup memory, as many columns at a time as the scores have; `row` runs
 * for each of a lane's vectors, and `after` (where given) for each matrix once all lanes are done.
 */
function throughScores(
  { tile, valueDim }: ForwardMatrixConfig,
  row: (place: string, vector: string) => string,
  after?: (matrix: number, place: string) => string,
): string {
  const { rows, columns } = tile.matrix
  const perPass = tile.keys / columns
  const vectors = tile.keys / tile.lanesPerRow / 4
  const matrices = valueDim / columns
  return unroll(Math.ceil(matrices / perPass), (pass) => {
    const some = Math.min(perPass, matrices - pass * perPass)
    const place = (n: number): string => `subgroup * ${rows}u * scoreStride + ${(n * columns) / 4}u`
    const firstVector = (pass * tile.keys) / 4
    return `${unroll(some, (n) => `subgroupMatrixStore<row_major>(&scores, ${place(n)}, output${pass * perPass + n}, scoreStride);`)}
workgroupBarrier();
${unroll(vectors, (j) => row(`tileRow * scoreStride + part * ${vectors}u + ${j}u`, `${firstVector}u + part * ${vectors}u + ${j}u`))}
workgroupBarrier();
${after ? `${unroll(some, (n) => after(pass * perPass + n, place(n)))}\nworkgroupBarrier();` : ''}`
  })
}

function epilogue(config: ForwardMatrixConfig): string {
  const { tile } = config
  return `${shuffles(tile, (step) => `sum += subgroupShuffleXor(sum, ${step}u);`)}
let queryRow = firstQuery + tileRow;
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
  var value = scores[${from}] * own;
  if (keep > 0.0) { value += loadOutput(outputBase, ${vector}) * keep; }
  storeOutput(outputBase, ${vector}, value);
}`,
)}`
}
