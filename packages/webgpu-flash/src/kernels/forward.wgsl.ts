// FlashAttention-2 forward (arXiv 2307.08691) in plain WGSL: one workgroup owns a tile of query
// rows and walks the key tiles, keeping the softmax online. Nothing of size L x S is ever stored.
//
// A workgroup is a grid of `threadRows` x `threadColumns`. Both products are register-tiled outer
// products: a thread owns `rows` query rows, and of them `keyVectors` vectors of scores and
// `valueVectors` vectors of the output. Q and K lie transposed in workgroup memory, so that one
// vec4 load feeds four rows (or four keys) at one dim; the probabilities cross workgroup memory
// transposed for the same reason.
import { loadFunction, storageType, storeFunction, unpackFunctions } from '../codegen/access.ts'
import type { Access } from '../codegen/access.ts'
import { indent, unroll } from '../codegen/snippets.ts'
import type { ScoreRules } from '../codegen/snippets.ts'
import { finishRowFunction } from './finish-row.ts'
import { parameterBlock } from './parameters.ts'
import type { ForwardTile, TileMemory } from '../plan/tiles.ts'

/** All that decides the text of the kernel. */
export interface ForwardConfig {
  readonly tile: ForwardTile
  readonly memory: TileMemory
  readonly headDim: number
  readonly valueDim: number
  readonly query: Access
  readonly key: Access
  readonly value: Access
  readonly output: Access
  readonly rules: ScoreRules
  /** Whether key tiles come from a block map; without one all are visited. */
  readonly blockMap: boolean
  readonly descriptorWords: number
  readonly parameterWords: number
}


/** The WGSL of the forward kernel. Entry point: `main`. */
export function forwardKernel(config: ForwardConfig): string {
  const { tile } = config
  const sections = [
    needsFloat16(config) ? 'enable f16;' : '',
    parameterBlock(config.descriptorWords, config.parameterWords),
    bindings(config),
    constants(config),
    `// ${config.memory.note}\nvar<workgroup> tile: array<vec4<f32>, ${config.memory.vectors}>;`,
    unpackFunctions([config.query, config.key, config.value, config.output]),
    loadFunction('query', config.query, config.headDim),
    loadFunction('key', config.key, config.headDim),
    loadFunction('value', config.value, config.valueDim),
    loadFunction('output', config.output, config.valueDim),
    storeFunction('output', config.output, config.valueDim),
    config.rules.code,
    finishRowFunction(tile.threadColumns, registers(config).valueColumns),
    `@compute @workgroup_size(${tile.threadRows * tile.threadColumns})
fn main(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(local_invocation_index) thread: u32,
) {
${indent(mainBody(config), 2)}
}`,
  ]
  return `${sections.filter((section) => section !== '').join('\n\n')}\n`
}

function needsFloat16({ query, key, value, output }: ForwardConfig): boolean {
  return [query, key, value, output].some(
    (access) => access.dtype === 'float16' && access.nativeFloat16,
  )
}

function bindings({ query, key, value, output }: ForwardConfig): string {
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

function constants({ tile, memory, headDim, valueDim }: ForwardConfig): string {
  return `const threads = ${tile.threadRows * tile.threadColumns}u;
const tileQueries = ${tile.queries}u;
const tileKeys = ${tile.keys}u;
const queryVectors = ${tile.queries / 4}u; // vectors of 4 rows in a tile
const keyVectors = ${tile.keys / 4}u; // vectors of 4 keys in a tile
const headVectors = ${Math.ceil(headDim / 4)}u;
const chunkDims = ${tile.dimChunk}u;
const valueVectors = ${Math.ceil(valueDim / 4)}u;
const valueStride = ${memory.valueStride}u;
const chunkKeys = ${tile.valueChunk}u;
const queryRegion = ${memory.query}u;
const keyRegion = ${memory.key}u;
const valueRegion = ${memory.value}u;
const probabilityRegion = ${memory.probability}u;
const probabilityStride = ${memory.probabilityStride}u;
const reductionRegion = ${memory.reduction}u;
// Finite stand-ins: WGSL may assume there are no infinities. A hidden score is far below the
// smallest maximum, so that exp(hidden - maximum) is exactly 0 even where nothing is visible.
const hidden = -3.0e38;
const smallestMaximum = -1.0e30;`
}

function mainBody(config: ForwardConfig): string {
  const { tile } = config
  const { rows, valueColumns } = registers(config)
  return `let column = thread % ${tile.threadColumns}u;
let row = thread / ${tile.threadColumns}u;
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

${tile.queryResident ? `${loadQueries(config, '0u', paddedDims(config))}\n` : ''}
${unroll(rows, (i) => `var maximum${i} = smallestMaximum;\nvar sum${i} = 0.0;`)}
${unroll(rows, (i) => unroll(valueColumns, (c) => `var output${i}_${c} = vec4<f32>(0.0);`))}

${tileLoop(config)}

${epilogue(config)}`
}

/** The registers of one thread, in vectors of 4 where the name says so. */
function registers({ tile, memory }: ForwardConfig): {
  rows: number
  scoreColumns: number
  valueColumns: number
} {
  return {
    rows: tile.queries / tile.threadRows,
    scoreColumns: tile.keys / 4 / tile.threadColumns,
    valueColumns: memory.valueStride / tile.threadColumns,
  }
}

/** Head dim rounded up to whole chunks; the surplus is zero. */
function paddedDims({ tile, headDim }: ForwardConfig): number {
  return Math.ceil(headDim / tile.dimChunk) * tile.dimChunk
}

// Rows are taken longest first, so that no long row begins when the others are done.
const mappedTile = `let outer = min(batch, params.mapBatches - 1u) * params.mapHeads + min(head, params.mapHeads - 1u);
let mapRow = outer * params.mapQueryTiles;
let queryTile = blockMap[params.mapOrderBase + mapRow + params.queryTileBase + workgroup.x];
let firstRun = blockMap[mapRow + queryTile];
let endRun = blockMap[mapRow + queryTile + 1u];`

function tileLoop(config: ForwardConfig): string {
  if (!config.blockMap) {
    return `let endTile = min((keyCount + tileKeys - 1u) / tileKeys, params.keyTileEnd);
for (var keyTile = params.keyTileBegin; keyTile < endTile; keyTile++) {
  let full = (keyTile + 1u) * tileKeys <= keyCount;
${indent(tileBody(config), 2)}
}`
  }
  return `for (var run = firstRun; run < endRun; run++) {
  let start = blockMap[params.mapRunsBase + 2u * run];
  let packed = blockMap[params.mapRunsBase + 2u * run + 1u];
  let full = (packed & 1u) == 1u;
  let endTile = min(start + (packed >> 1u), params.keyTileEnd);
  for (var keyTile = max(start, params.keyTileBegin); keyTile < endTile; keyTile++) {
${indent(tileBody(config), 4)}
  }
}`
}

function tileBody(config: ForwardConfig): string {
  return `let firstKey = keyTile * tileKeys;
${scores(config)}
${scoreChanges(config)}
${onlineSoftmax(config)}
${weightedValues(config)}`
}

/** Loads `dims` dims of the query tile from dim vector `from` on, transposed: [dim][4 rows]. */
function loadQueries(config: ForwardConfig, from: string, dims: number): string {
  return loadTransposed({
    what: 'query',
    vectors: config.tile.queries / 4,
    dims,
    threads: config.tile.threadRows * config.tile.threadColumns,
    from,
    headVectors: Math.ceil(config.headDim / 4),
    region: 'queryRegion',
    first: 'firstQuery',
    last: 'lastQuery',
    // Neighbouring rows make a vector: a thread's rows are neighbours.
    rowOf: (vector, lane) => `4u * ${vector} + ${lane}u`,
  })
}

/** Loads a chunk of the key tile, transposed: [dim][4 keys]. */
function loadKeys(config: ForwardConfig, from: string): string {
  return loadTransposed({
    what: 'key',
    vectors: config.tile.keys / 4,
    dims: config.tile.dimChunk,
    threads: config.tile.threadRows * config.tile.threadColumns,
    from,
    headVectors: Math.ceil(config.headDim / 4),
    region: 'keyRegion',
    first: 'firstKey',
    last: 'lastKey',
    // A vector holds keys a quarter tile apart, so that threads storing the probabilities of
    // neighbouring columns hit neighbouring banks.
    rowOf: (vector, lane) => `${vector} + ${lane * (config.tile.keys / 4)}u`,
  })
}

interface TransposedLoad {
  readonly what: 'query' | 'key'
  readonly vectors: number
  readonly dims: number
  readonly threads: number
  readonly from: string
  readonly headVectors: number
  readonly region: string
  readonly first: string
  readonly last: string
  readonly rowOf: (vector: string, lane: number) => string
}

// A unit of work reads four rows at one vector of dims and writes the 4 x 4 transpose as vectors.
function loadTransposed(load: TransposedLoad): string {
  const units = (load.vectors * load.dims) / 4
  const { what } = load
  const row = (lane: number): string =>
    `load${what === 'query' ? 'Query' : 'Key'}(${what}Base + min(${load.first} + ${load.rowOf('vector', lane)}, ${load.last}) * params.${what}Row, source)`
  const body = `let vector = unit % ${load.vectors}u;
let dimVector = unit / ${load.vectors}u;
let source = ${load.from} + dimVector;
var r0 = vec4<f32>(0.0);
var r1 = vec4<f32>(0.0);
var r2 = vec4<f32>(0.0);
var r3 = vec4<f32>(0.0);
if (source < headVectors) {
${unroll(4, (lane) => `  r${lane} = ${row(lane)};`)}
}
let place = ${load.region} + 4u * dimVector * ${load.vectors}u + vector;
${unroll(4, (dim) => `tile[place + ${dim * load.vectors}u] = vec4<f32>(r0[${dim}], r1[${dim}], r2[${dim}], r3[${dim}]);`)}`
  return distribute(units, load.threads, body)
}

/** Runs `body` for every `unit` below `units`, spread over the threads. */
function distribute(units: number, threads: number, body: string): string {
  if (units === threads) return `{\n  let unit = thread;\n${indent(body, 2)}\n}`
  return `for (var unit = thread; unit < ${units}u; unit += ${threads}u) {\n${indent(body, 2)}\n}`
}

/** S = Q K^T, chunk by chunk of dims. */
function scores(config: ForwardConfig): string {
  const { tile } = config
  const { rows, scoreColumns } = registers(config)
  const chunks = paddedDims(config) / tile.dimChunk
  const resident = tile.queryResident
  const queryDim = resident && chunks > 1 ? '(chunk * chunkDims + dim)' : 'dim'
  const product = `for (var dim = 0u; dim < chunkDims; dim++) {
${unroll(rows / 4, (h) => `  let q${h} = tile[queryRegion + ${queryDim} * queryVectors + row * ${rows / 4}u + ${h}u];`)}
${unroll(scoreColumns, (j) => `  let k${j} = tile[keyRegion + dim * keyVectors + column + ${j * tile.threadColumns}u];`)}
${unroll(rows, (i) => unroll(scoreColumns, (j) => `  score${i}_${j} = fma(vec4<f32>(q${i >> 2}.${'xyzw'[i & 3]}), k${j}, score${i}_${j});`))}
}`
  const chunkStart = `chunk * ${tile.dimChunk / 4}u`
  const step = (from: string): string => `workgroupBarrier();
${loadKeys(config, from)}
${resident ? '' : loadQueries(config, from, tile.dimChunk)}
${tile.separateValue && from === '0u' ? loadValues(config, '0u') : ''}
workgroupBarrier();
${product}`
  const declarations = unroll(rows, (i) =>
    unroll(scoreColumns, (j) => `var score${i}_${j} = vec4<f32>(0.0);`),
  )
  return chunks === 1
    ? `${declarations}\n${step('0u')}`
    : `${declarations}\nfor (var chunk = 0u; chunk < ${chunks}u; chunk++) {\n${indent(step(chunkStart), 2)}\n}`
}

/** Score modifiers on every pair, and the mask on tiles that are not full. */
function scoreChanges(config: ForwardConfig): string {
  const { rules, tile } = config
  const { rows, scoreColumns } = registers(config)
  const parts: string[] = []
  const positions = `let position = queryOffset + i32(firstQuery + row * ${rows}u);
let queryIndex = i32(firstQuery + row * ${rows}u);`
  const each = (line: (score: string) => string): string =>
    unroll(rows, (i) => unroll(scoreColumns, (j) => line(`score${i}_${j}`)))
  const perPair = (line: (target: string, i: number, key: string) => string): string =>
    unroll(rows, (i) =>
      unroll(scoreColumns, (j) =>
        unroll(4, (lane) => {
          const key = `i32(firstKey + column + ${j * tile.threadColumns + (lane * tile.keys) / 4}u)`
          return line(`score${i}_${j}.${'xyzw'[lane]}`, i, key)
        }),
      ),
    )
  const place = (i: number, key: string): string =>
    `i32(batch), i32(head), position + ${i}, queryIndex + ${i}, ${key}`
  // After the sum and not on Q, so that equal products stay equal scores.
  parts.push(each((score) => `${score} *= scale;`))
  if (rules.hasModifiers) {
    parts.push(`{\n${indent(positions, 2)}
${indent(
  perPair((target, i, key) => `${target} = modified(${target}, ${place(i, key)});`),
  2,
)}\n}`)
  }
  // Overflowing products stay finite, and so do scores that a modifier hides.
  parts.push(each((score) => `${score} = clamp(${score}, vec4<f32>(hidden), vec4<f32>(-hidden));`))
  const visible = (i: number, key: string): string =>
    rules.hasMask ? `u32(${key}) < keyCount && visible(${place(i, key)})` : `u32(${key}) < keyCount`
  parts.push(`if (!full) {
${rules.hasMask ? indent(positions, 2) : ''}
${indent(
  perPair((target, i, key) => `if (!(${visible(i, key)})) { ${target} = hidden; }`),
  2,
)}
}`)
  return parts.join('\n')
}

/** The running maximum and sum of every row, and the probabilities of this tile to workgroup memory. */
function onlineSoftmax(config: ForwardConfig): string {
  const { tile } = config
  const { rows, scoreColumns, valueColumns } = registers(config)
  const largest = (i: number): string => {
    const vectors = Array.from({ length: scoreColumns }, (_, j) => `score${i}_${j}`)
    const all = vectors.reduce((a, b) => `max(${a}, ${b})`)
    return `  let best${i} = ${all};
  let own${i} = max(max(best${i}.x, best${i}.y), max(best${i}.z, best${i}.w));`
  }
  return `{
${unroll(rows, largest)}
${unroll(rows / 4, (h) => `  tile[reductionRegion + column * queryVectors + row * ${rows / 4}u + ${h}u] = vec4<f32>(${fourOf('own', h)});`)}
}
workgroupBarrier();
{
${unroll(rows / 4, (h) => `  var tileMaximum${h} = vec4<f32>(${fourOf('maximum', h)});`)}
  for (var other = 0u; other < ${tile.threadColumns}u; other++) {
${unroll(rows / 4, (h) => `    tileMaximum${h} = max(tileMaximum${h}, tile[reductionRegion + other * queryVectors + row * ${rows / 4}u + ${h}u]);`)}
  }
${unroll(rows, (i) => {
  const top = `tileMaximum${i >> 2}.${'xyzw'[i & 3]}`
  const values = Array.from({ length: valueColumns }, (_, c) => `output${i}_${c} *= decay${i};`)
  return `  let decay${i} = exp(maximum${i} - ${top});
  maximum${i} = ${top};
  ${values.join(' ')}
${unroll(scoreColumns, (j) => `  score${i}_${j} = exp(score${i}_${j} - vec4<f32>(${top}));`)}
  sum${i} = sum${i} * decay${i} + ${Array.from({ length: scoreColumns }, (_, j) => `dot(score${i}_${j}, vec4<f32>(1.0))`).join(' + ')};`
})}
}
${config.memory.probabilityShared ? 'workgroupBarrier();' : ''}
${unroll(rows / 4, (h) =>
  unroll(scoreColumns, (j) =>
    unroll(4, (lane) => {
      const key = `column + ${j * tile.threadColumns + (lane * tile.keys) / 4}u`
      const four = [0, 1, 2, 3].map((k) => `score${4 * h + k}_${j}.${'xyzw'[lane]}`).join(', ')
      return `tile[probabilityRegion + (${key}) * probabilityStride + row * ${rows / 4}u + ${h}u] = vec4<f32>(${four});`
    }),
  ),
)}`
}

const fourOf = (name: string, h: number): string =>
  [0, 1, 2, 3].map((k) => `${name}${4 * h + k}`).join(', ')

/** Loads `valueChunk` rows of the value tile from key `from` of the tile on: [key][dim]. */
function loadValues(config: ForwardConfig, from: string): string {
  const { tile, memory, valueDim } = config
  const threads = tile.threadRows * tile.threadColumns
  const guarded = memory.valueStride !== Math.ceil(valueDim / 4)
  const load = `loadValue(valueBase + min(firstKey + ${from} + valueKey, lastKey) * params.valueRow, dimVector)`
  const body = `let valueKey = unit / valueStride;
let dimVector = unit % valueStride;
${
  guarded
    ? `var loaded = vec4<f32>(0.0);
if (dimVector < valueVectors) { loaded = ${load}; }
tile[valueRegion + unit] = loaded;`
    : `tile[valueRegion + unit] = ${load};`
}`
  return distribute(tile.valueChunk * memory.valueStride, threads, body)
}

/** O += P V, chunk by chunk of keys. */
function weightedValues(config: ForwardConfig): string {
  const { tile } = config
  const { rows, valueColumns } = registers(config)
  const chunks = tile.keys / tile.valueChunk
  const first = chunks > 1 ? 'chunk * chunkKeys' : '0u'
  const product = `for (var valueKey = 0u; valueKey < chunkKeys; valueKey++) {
${unroll(rows / 4, (h) => `  let p${h} = tile[probabilityRegion + (${chunks > 1 ? 'chunk * chunkKeys + ' : ''}valueKey) * probabilityStride + row * ${rows / 4}u + ${h}u];`)}
${unroll(valueColumns, (c) => `  let v${c} = tile[valueRegion + valueKey * valueStride + column + ${c * tile.threadColumns}u];`)}
${unroll(rows, (i) => unroll(valueColumns, (c) => `  output${i}_${c} = fma(vec4<f32>(p${i >> 2}.${'xyzw'[i & 3]}), v${c}, output${i}_${c});`))}
}`
  if (tile.separateValue) return `workgroupBarrier();\n${product}`
  const step = `workgroupBarrier();\n${loadValues(config, first)}\nworkgroupBarrier();\n${product}`
  return chunks === 1
    ? step
    : `for (var chunk = 0u; chunk < ${chunks}u; chunk++) {\n${indent(step, 2)}\n}`
}

/** Sums across columns, divides once, and writes O and log-sum-exp (or merges with what is there). */
function epilogue(config: ForwardConfig): string {
  const { tile } = config
  const { rows, valueColumns } = registers(config)
  const list = (type: string, name: (i: number) => string, count: number): string =>
    `array<${type}, ${count}>(${Array.from({ length: count }, (_, i) => name(i)).join(', ')})`
  // A loop over the rows, unlike everywhere else: it runs once, and unrolled it would be half of the
  // program to compile.
  return `var previous = array<f32, ${rows}>();
if (params.mergeWithOutput != 0u) {
  // Read before the barrier, since column 0 writes them after it.
  for (var i = 0u; i < ${rows}u; i++) {
    previous[i] = logSumExp[logSumExpPlace(batch, head, min(firstQuery + row * ${rows}u + i, lastQuery))];
  }
}
workgroupBarrier();
${unroll(rows / 4, (h) => `tile[reductionRegion + column * queryVectors + row * ${rows / 4}u + ${h}u] = vec4<f32>(${fourOf('sum', h)});`)}
workgroupBarrier();
var maxima = ${list('f32', (i) => `maximum${i}`, rows)};
var outputs = ${list('vec4<f32>', (i) => `output${Math.floor(i / valueColumns)}_${i % valueColumns}`, rows * valueColumns)};
for (var i = 0u; i < ${rows}u; i++) {
  let tileRow = row * ${rows}u + i;
  var total = 0.0;
  for (var other = 0u; other < ${tile.threadColumns}u; other++) {
    total += tile[reductionRegion + other * queryVectors + (tileRow >> 2u)][tileRow & 3u];
  }
  let queryRow = firstQuery + tileRow;
  if (queryRow <= lastQuery) {
    finishRow(batch, head, queryRow, column, previous[i], total, maxima[i]${Array.from({ length: valueColumns }, (_, c) => `, outputs[i * ${valueColumns}u + ${c}u]`).join('')});
  }
}`
}
