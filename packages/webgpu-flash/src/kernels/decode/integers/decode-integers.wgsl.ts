// Attention of few query rows over keys and values in quantised blocks, in plain WGSL: products are those of four signed
// bytes at a time, `dot4I8Packed`, which GPUs have had for long, so that codes are multiplied as they are stored and no
// element is ever made a float. 32 threads take four rows that share keys, and of them chunk after chunk: its keys come to
// workgroup memory, and each thread makes the scores of one; softmax; its values take the keys' place, and each thread
// makes four dims of the output. The next chunk's are on their way meanwhile. Workgroups are small in memory, as GPUs
// run as many at once as that allows, and by that have many loads on their way.
//
// Queries and weights become whole numbers, of 23 and 15 bits beside their largest (SageAttention, 2410.02367, takes 8): see
// query-digits.ts and value-products.ts.
//
// What is not finite makes the workgroup compute once more, pair by pair: see kernels/careful.ts.
import {
  loadFunction,
  storeFunction,
  unpackFunctions,
  usesFloat16,
} from '../../../codegen/access.ts'
import { indent, unroll } from '../../../codegen/snippets.ts'
import { hiddenScore } from '../../careful.ts'
import { sharedConstants } from '../../forward/forward-frame.ts'
import { parameterBlock } from '../../parameters.ts'
import { quantizedElements } from '../../quantized-elements.ts'
import {
  beginPart,
  declareChunks,
  decodeBindings,
  finishDecodedFunction,
  lengthFunctions,
} from '../decode-frame.ts'
import { placeText } from '../decode-places.ts'
import { chunkFunction, chunkNumber } from '../matrix/staged-rows.ts'
import { storeVector } from '../store-vector.ts'
import { acrossThreads } from './across-threads.ts'
import { carefulLoop } from './careful-loop.ts'
import { finishScores } from './chunk-scores.ts'
import type { DecodeIntegersConfig } from './config.ts'
import { keyProducts } from './key-products.ts'
import { stageQueries } from './query-digits.ts'
import { stagedRows } from './staged-rows.ts'
import { valuePlaces, valueProducts, valueWeights } from './value-products.ts'

/** The WGSL of the decode kernel on products of signed bytes. Entry point: `main`. */
export function decodeIntegersKernel(config: DecodeIntegersConfig): string {
  const { tile, memory, types, query, output, whole, headDim, valueDim } = config
  const native = usesFloat16(query) || (whole && usesFloat16(output))
  const shuffles = tile.shuffles > 1
  const enabled = [...(native ? ['enable f16;'] : []), ...(shuffles ? ['enable subgroups;'] : [])]
  const sections = [
    `${enabled.map((line) => `${line}\n`).join('')}requires packed_4x8_integer_dot_product;`,
    parameterBlock(config.fields, config.descriptorWords, config.parameterWords),
    decodeBindings(config, () => 'vec4<u32>'),
    `const rows = ${tile.rows}u;
const chunkKeys = ${tile.keys}u;
const valueVectors = ${valueDim / 4}u;
${sharedConstants(config.shortText)}`,
    `// ${memory.bytes} bytes. A chunk's keys, or its values, as they are stored; first the queries, at last the output.
var<workgroup> tile: array<vec2<u32>, ${memory.tile}>;
// Of four dims the first digits of each row, the second and the third.
var<workgroup> digits: array<vec4<u32>, ${memory.digits}>;
// Of four keys and each block the first digits of each row's weights, and the second.
var<workgroup> weights: array<vec4<u32>, ${memory.weights}>;`,
    unpackFunctions([query, output]),
    loadFunction('query', query, headDim),
    quantizedElements('key', types.key, 4),
    quantizedElements('value', types.value, 4),
    whole ? storeFunction('output', output, valueDim) : '',
    config.rules.code,
    lengthFunctions(config.places),
    chunkFunction(config.rules.hasMask),
    acrossThreads(tile),
    whole ? finishDecodedFunction(config.sinks) : '',
    `@compute @workgroup_size(32)
fn main(
  @builtin(workgroup_id) workgroup: vec3<u32>,
${shuffles ? threadOfSubgroups : '  @builtin(local_invocation_index) lane: u32,'}
) {
${shuffles ? '  let lane = (subgroup * subgroupSize + invocation) % 32u;\n' : ''}${indent(mainBody(config), 2)}
}`,
  ]
  return `${sections.filter((section) => section !== '').join('\n\n')}\n`
}

const threadOfSubgroups = `  @builtin(subgroup_id) subgroup: u32,
  @builtin(subgroup_size) subgroupSize: u32,
  @builtin(subgroup_invocation_id) invocation: u32,`

function mainBody(config: DecodeIntegersConfig): string {
  const placed = placeText(config.places, config.tile.keys)
  const [keys, values] = [stagedRows(config, 'key'), stagedRows(config, 'value')]
  return `${beginPart(`${placed.before}${declareChunks}`, config.whole)}
let lastKey = max(${placed.walked}, 1u) - 1u; // rows past it may hold anything
let scale = bitcast<f32>(params.scale);
${hiddenScore}
${keys.registers}
${values.registers}
${keys.send('firstChunk')}
${values.send('firstChunk')}
var notFinite = 0u; // see noteScales
${stageQueries(config)}
${valuePlaces(config)}
${unroll(4, (r) => `var sum${r} = vec4<f32>();`)}
var maximum = vec4<f32>(smallestMaximum);
var rowSums = vec4<f32>(); // of the thread's keys
for (var chunk = firstChunk; chunk < endChunk; chunk++) {
  let firstKey = ${chunkNumber('chunk')} * chunkKeys;
  let exists = firstKey + lane <= lastKey;
${indent(
  `${keys.store}
workgroupBarrier();
${keys.send('(chunk + 1u)')}
${keyProducts(config)}
${finishScores(config)}
workgroupBarrier();
${values.store}
${values.send('(chunk + 1u)')}
${softmax}
${valueWeights(config)}
${valueProducts(config)}
workgroupBarrier();`,
  2,
)}
}
rowSums = sumOfThreads(rowSums, lane, 0u);
if (lane == 0u) { digits[0].x = 0u; }
workgroupBarrier();
if ((notFinite & 0x80008000u) != 0u || !allFinite(rowSums) || !allFinite(sum0 + sum1 + sum2 + sum3)) { digits[0].x = 1u; }
if (workgroupUniformLoad(&digits[0]).x != 0u) {
${indent(carefulLoop(config), 2)}
}
${finishRows(config)}`
}

/** The online softmax: shares of a row's largest weight in the chunk, and what such a share is of the row so far. */
const softmax = `let top = max(largestOfThreads(scores, lane, 0u), vec4<f32>(smallestMaximum));
let shares = pairWeights(scores, top);
let newMaximum = max(maximum, top);
let decay = exp(maximum - newMaximum);
let gain = exp(top - newMaximum);
maximum = newMaximum;
rowSums = rowSums * decay + shares * gain;
workgroupBarrier();`

/** Stores the rows, which cross workgroup memory to have their dims in order. */
function finishRows({ whole }: DecodeIntegersConfig): string {
  return `workgroupBarrier();
${unroll(
  4,
  (r) => `tile[${64 * r}u + ownDims.x / 2u] = bitcast<vec2<u32>>(sum${r}.xy);
tile[${64 * r}u + ownDims.y / 2u] = bitcast<vec2<u32>>(sum${r}.zw);`,
)}
workgroupBarrier();
for (var tileRow = 0u; tileRow < rows; tileRow++) {
  let vector = lane;
  let at = 64u * tileRow + 2u * lane;
  let sum = bitcast<vec4<f32>>(vec4<u32>(tile[at], tile[at + 1u]));
${indent(storeVector(whole, 'maximum[tileRow]', 'rowSums[tileRow]'), 2)}
}`
}
