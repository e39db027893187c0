// Attention of few query rows over many keys (FlashDecoding; split-KV in section 3.2 of
// FlashAttention-2, arXiv 2307.08691). Time is that of reading K and V, so a workgroup takes a range of
// keys and every query row that shares them, each key is loaded once, 16 bytes a thread, and nothing is
// staged: neighbouring threads hold neighbouring dims, and only products cross workgroup memory.
import {
  convertVector,
  loadFunction,
  storageType,
  storeFunction,
  unpackFunctions,
} from '../codegen/access.ts'
import type { Access } from '../codegen/access.ts'
import { indent, unroll } from '../codegen/snippets.ts'
import type { ScoreRules } from '../codegen/snippets.ts'
import type { DecodeMemory, DecodeTile } from '../plan/decode-tile.ts'
import { chunkKeys, laneVectors } from '../plan/decode-tile.ts'
import { finishDecodedFunction, lengthFunctions } from './decode-frame.ts'
import { laneSums } from './decode-lanes.ts'
import { sharedConstants } from './forward-frame.ts'
import { parameterBlock } from './parameters.ts'
import { dropoutFunctions } from './tile/dropout.ts'

/** How keys and values are read: `wide` loads eight halves at once. */
export interface DecodeAccess extends Access {
  readonly wide: boolean
}

/** All that decides the text of the kernel. */
export interface DecodeConfig {
  readonly tile: DecodeTile
  readonly memory: DecodeMemory
  readonly headDim: number
  readonly valueDim: number
  readonly query: Access
  readonly key: DecodeAccess
  readonly value: DecodeAccess
  readonly output: Access
  /** Rules for single pairs; see `pairwiseRules`. */
  readonly rules: ScoreRules
  /** Whether one workgroup has all keys of a row, so that nothing is to be merged. */
  readonly whole: boolean
  readonly sinks: boolean
  readonly dropout: boolean
  /** The fields of the uniform block. */
  readonly fields: readonly string[]
  readonly descriptorWords: number
  readonly parameterWords: number
}

/** The WGSL of the decode kernel. Entry point: `main`. */
export function decodeKernel(config: DecodeConfig): string {
  const { tile, memory, query, key, value, output, whole } = config
  const native = [query, output, ...[key, value].filter(({ wide }) => !wide)].some(
    (access) => access.dtype === 'float16' && access.nativeFloat16,
  )
  const stored = (access: DecodeAccess): string => (access.wide ? 'vec4<u32>' : storageType(access))
  const sections = [
    `${native ? 'enable f16;' : ''}${tile.shuffles ? '\nenable subgroups;' : ''}`.trim(),
    parameterBlock(config.fields, config.descriptorWords, config.parameterWords),
    /* wgsl */ `@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> query: array<${storageType(query)}>;
@group(0) @binding(2) var<storage, read> key: array<${stored(key)}>;
@group(0) @binding(3) var<storage, read> value: array<${stored(value)}>;
@group(0) @binding(4) var<storage, read_write> output: array<${whole ? storageType(output) : 'vec4<f32>'}>;
// Of a part of the keys: maximum and sum of each row.
@group(0) @binding(5) var<storage, read_write> logSumExp: array<f32>;
@group(0) @binding(6) var<storage, read> lengths: array<u32>;
// Tables of the expressions.
@group(0) @binding(7) var<storage, read> data: array<u32>;`,
    constants(config),
    `// ${memory.bytes} bytes: products of each thread, or its sums of values; scores, or maxima and sums.
var<workgroup> tile: array<vec4<f32>, ${memory.vectors}>;
var<workgroup> scalars: array<f32, ${memory.scalars}>;`,
    unpackFunctions([query, key, value, output]),
    loadFunction('query', query, config.headDim),
    key.vector ? '' : loadFunction('key', key, config.headDim),
    value.vector ? '' : loadFunction('value', value, config.valueDim),
    whole ? storeFunction('output', output, config.valueDim) : '',
    config.rules.code,
    config.dropout ? dropoutFunctions(false) : '',
    lengthFunctions,
    whole ? finishDecodedFunction(config.sinks) : '',
    `@compute @workgroup_size(${tile.threads})
fn main(
  @builtin(workgroup_id) workgroup: vec3<u32>,
${
  tile.shuffles
    ? `  @builtin(subgroup_id) subgroup: u32,
  @builtin(subgroup_size) subgroupSize: u32,
  @builtin(subgroup_invocation_id) invocation: u32,`
    : '  @builtin(local_invocation_index) thread: u32,'
}
) {
${indent(mainBody(config), 2)}
}`,
  ]
  return `${sections.filter((section) => section !== '').join('\n\n')}\n`
}

function constants({ tile, memory, valueDim }: DecodeConfig): string {
  return `const lanes = ${tile.lanes}u;
const slots = ${tile.threads / tile.lanes}u;
const rows = ${tile.rows}u;
const scores = ${tile.rows * tile.keysAhead}u; // of one slot in a chunk
const chunkKeys = ${chunkKeys(tile)}u;
const stride = ${memory.stride}u;
const valueVectors = ${Math.ceil(valueDim / 4)}u;
${sharedConstants}`
}

/** Which of a row's vectors a thread has: neighbours in pairs, where it has pairs. */
function vectorText(count: number, index: number, lanes: number): string {
  return count % 2 === 0
    ? `2u * (lane + ${(index >> 1) * lanes}u) + ${index & 1}u`
    : `lane + ${index * lanes}u`
}

/** A thread's part of one row of K or V: how it is loaded, and its vectors as vec4<f32>. */
interface RowLoad {
  readonly statements: string
  readonly vectors: readonly string[]
}

function rowLoad(
  name: 'key' | 'value',
  access: DecodeAccess,
  dims: number,
  lanes: number,
  at: number,
): RowLoad {
  const count = laneVectors(dims, lanes)
  const total = Math.ceil(dims / 4)
  const clamp = (place: string, size: number, own: number): string =>
    own * lanes > size ? `min(${place}, ${size - 1}u)` : place
  const base = `${name}Base + place${at} * params.${name}Row`
  if (access.wide) {
    const pairs = count / 2
    return {
      statements: unroll(
        pairs,
        (i) =>
          `let ${name}${at}_${i} = ${name}[${base} + ${clamp(`lane + ${i * lanes}u`, dims / 8, pairs)}];`,
      ),
      vectors: Array.from({ length: count }, (_, i) => {
        const [a, b] = (i & 1) === 0 ? ['x', 'y'] : ['z', 'w']
        const words = `${name}${at}_${i >> 1}`
        return `vec4<f32>(unpack2x16float(${words}.${a}), unpack2x16float(${words}.${b}))`
      }),
    }
  }
  const capital = name === 'key' ? 'loadKey' : 'loadValue'
  return {
    statements: unroll(count, (i) => {
      const vector = clamp(vectorText(count, i, lanes), total, count)
      const text = access.vector ? `${name}[${base} + ${vector}]` : `${capital}(${base}, ${vector})`
      return `let ${name}${at}_${i} = ${text};`
    }),
    vectors: Array.from({ length: count }, (_, i) => {
      const text = `${name}${at}_${i}`
      return access.vector ? convertVector(access, text) : text
    }),
  }
}

function mainBody(config: DecodeConfig): string {
  const { tile, headDim, valueDim } = config
  const { lanes, rows } = tile
  const keyVectors = laneVectors(headDim, lanes)
  const outputVectors = laneVectors(valueDim, lanes)
  const headVectors = Math.ceil(headDim / 4)
  const ragged = keyVectors * lanes > headVectors
  const loadQuery = (r: number, v: number): string => {
    const vector = vectorText(keyVectors, v, lanes)
    const load = `loadQuery(queryBase${r}, ${ragged ? `min(${vector}, ${headVectors - 1}u)` : vector})`
    // Dims that do not exist are multiplied by 0.
    return `let query${r}_${v} = ${ragged ? `select(vec4<f32>(0.0), ${load}, ${vector} < ${headVectors}u)` : load};`
  }
  return `${tile.shuffles ? 'let thread = subgroup * subgroupSize + invocation;\n' : ''}let lane = thread % lanes;
let slot = thread / lanes;
let batch = params.batchBase + workgroup.z;
let keyHead = params.headBase + workgroup.y;
let firstRow = (workgroup.x % params.rowTiles) * rows;
let part = params.partBase + workgroup.x / params.rowTiles;
let groupRows = params.headsPerKeyHead * params.queryLength;
let queryOffset = bitcast<i32>(lengths[lengthWords * batch]);
let keyCount = lengths[lengthWords * batch + 1u];
let firstChunk = part * params.partChunks;
let endChunk = min(firstChunk + params.partChunks, chunkCount(batch));
${config.whole ? '' : 'if (firstChunk >= endChunk) { return; }'}
let keyBase = params.keyOffset + batch * params.keyBatch + keyHead * params.keyHead;
let valueBase = params.valueOffset + batch * params.valueBatch + keyHead * params.valueHead;
let lastKey = max(keyCount, 1u) - 1u; // rows past it may hold anything, so they are never read
let scale = bitcast<f32>(params.scale);
${unroll(
  rows,
  (r) => `let row${r} = min(firstRow + ${r}u, groupRows - 1u);
let queryBase${r} = params.queryOffset + batch * params.queryBatch + (keyHead * params.headsPerKeyHead + row${r} / params.queryLength) * params.queryHead + (row${r} % params.queryLength) * params.queryRow;
${unroll(keyVectors, (v) => loadQuery(r, v))}`,
)}
${laneSums(config).before}
${unroll(
  rows,
  (r) => `var maximum${r} = smallestMaximum;
var sum${r} = 0.0;
${unroll(outputVectors, (v) => `var output${r}_${v} = vec4<f32>(0.0);`)}`,
)}

for (var chunk = firstChunk; chunk < endChunk; chunk++) {
${indent(chunkBody(config), 2)}
}

${epilogue(config)}`
}

function chunkBody(config: DecodeConfig): string {
  const { tile, headDim, valueDim, key, value } = config
  const { lanes, rows, keysAhead } = tile
  const keys = Array.from({ length: keysAhead }, (_, u) => rowLoad('key', key, headDim, lanes, u))
  const values = Array.from({ length: keysAhead }, (_, u) =>
    rowLoad('value', value, valueDim, lanes, u),
  )
  const outputVectors = laneVectors(valueDim, lanes)
  const names = (r: number): string[] =>
    Array.from({ length: keysAhead }, (_, u) => `score${u * rows + r}`)
  const largest = (r: number): string => names(r).reduce((a, b) => `max(${a}, ${b})`)
  return `let firstKey = chunkAt(batch, chunk) * chunkKeys + slot;
${unroll(keysAhead, (u) => `let place${u} = min(firstKey + ${u}u * slots, lastKey);`)}
${keys.map(({ statements }) => statements).join('\n')}
${values.map(({ statements }) => statements).join('\n')}
${keys
  .map(({ vectors }, u) => vectors.map((text, v) => `let k${u}_${v} = ${text};`).join('\n'))
  .join('\n')}
${unroll(keysAhead, (u) =>
  unroll(rows, (r) => {
    const products = keys[u]!.vectors.map((_, v) => `dot(query${r}_${v}, k${u}_${v})`)
    return `let product${u * rows + r} = ${products.join(' + ')};`
  }),
)}
${laneSums(config).each}
${values
  .map(({ vectors }, u) => vectors.map((text, v) => `let v${u}_${v} = ${text};`).join('\n'))
  .join('\n')}
${unroll(rows, (r) => {
  const weights = names(r).map((name, u) => `let weight${u}_${r} = exp(${name} - top${r});`)
  const dropped = (u: number): string =>
    config.dropout ? `weight${u}_${r} * kept${u * rows + r}` : `weight${u}_${r}`
  return `let top${r} = max(maximum${r}, ${largest(r)});
let decay${r} = exp(maximum${r} - top${r});
maximum${r} = top${r};
${weights.join('\n')}
sum${r} = sum${r} * decay${r} + ${names(r)
    .map((_, u) => `weight${u}_${r}`)
    .join(' + ')};
${unroll(outputVectors, (v) => {
  const terms = names(r).map((_, u) => `${dropped(u)} * v${u}_${v}`)
  return `output${r}_${v} = output${r}_${v} * decay${r} + ${terms.join(' + ')};`
})}`
})}`
}

/** Adds up the slots' results, and stores a part of a row, or the row. */
function epilogue(config: DecodeConfig): string {
  const { tile, memory, valueDim, whole } = config
  const { threads, lanes, rows } = tile
  const slots = threads / lanes
  const own = laneVectors(valueDim, lanes)
  const rowVectors = own * lanes
  const rowsAtOnce = Math.min(rows, Math.max(1, Math.floor(memory.vectors / (threads * own))))
  const passes = Math.ceil(rows / rowsAtOnce)
  const pass = (index: number): string => {
    const first = index * rowsAtOnce
    const count = Math.min(rowsAtOnce, rows - first)
    return `${index === 0 ? '' : 'workgroupBarrier();\n'}${unroll(count, (i) =>
      unroll(
        own,
        (v) =>
          `tile[(${i * slots}u + slot) * ${rowVectors}u + ${vectorText(own, v, lanes)}] = output${first + i}_${v};`,
      ),
    )}
workgroupBarrier();
for (var unit = thread; unit < ${count}u * valueVectors; unit += ${threads}u) {
  let row = firstRow + ${first}u + unit / valueVectors;
  let tileRow = ${first}u + unit / valueVectors;
  let vector = unit % valueVectors;
  var sum = vec4<f32>(0.0);
  var total = 0.0;
  var maximum = smallestMaximum;
  for (var other = 0u; other < slots; other++) {
    sum += tile[((unit / valueVectors) * slots + other) * ${rowVectors}u + vector];
    total += scalars[slots * rows + other * rows + tileRow];
    maximum = max(maximum, scalars[other * rows + tileRow]);
  }
  if (row < groupRows) {
    let head = keyHead * params.headsPerKeyHead + row / params.queryLength;
    let queryIndex = row % params.queryLength;
    ${
      whole
        ? 'finishDecoded(batch, head, queryIndex, vector, maximum, total, sum);'
        : `let place = ((batch * params.heads + head) * params.queryLength + queryIndex) * params.parts + part;
    output[place * valueVectors + vector] = sum;
    if (vector == 0u) {
      logSumExp[2u * place] = maximum;
      logSumExp[2u * place + 1u] = total;
    }`
    }
  }
}`
  }
  return `workgroupBarrier();
if (lane == 0u) {
${unroll(rows, (r) => `  scalars[slot * rows + ${r}u] = maximum${r};`)}
}
workgroupBarrier();
${unroll(rows, (r) => `var top${r} = maximum${r};`)}
for (var other = 0u; other < slots; other++) {
${unroll(rows, (r) => `  top${r} = max(top${r}, scalars[other * rows + ${r}u]);`)}
}
${unroll(
  rows,
  (r) => `let share${r} = exp(maximum${r} - top${r});
${unroll(own, (v) => `output${r}_${v} *= share${r};`)}`,
)}
if (lane == 0u) {
${unroll(rows, (r) => `  scalars[slots * rows + slot * rows + ${r}u] = sum${r} * share${r};`)}
}
${Array.from({ length: passes }, (_, index) => pass(index)).join('\n')}`
}
