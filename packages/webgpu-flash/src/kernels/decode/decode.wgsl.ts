// Attention of few query rows over many keys (FlashDecoding; split-KV in section 3.2 of
// FlashAttention-2, arXiv 2307.08691). Time is that of reading K and V, so a workgroup takes a range of
// keys and every query row that shares them, each key is loaded once, 16 bytes a thread, and nothing is
// staged: neighbouring threads hold neighbouring dims, and only products cross workgroup memory.
import {
  loadFunction,
  storageType,
  storeFunction,
  unpackFunctions,
  usesFloat16,
} from '../../codegen/access.ts'
import { indent } from '../../codegen/snippets.ts'
import { chunkKeys, laneVectors } from '../../plan/decode/decode-tile.ts'
import { hiddenScore, pairWeightFunction, withCare } from '../careful.ts'
import type { DecodeConfig } from './decode-config.ts'
import {
  beginPart,
  decodeBindings,
  finishDecodedFunction,
  lengthFunctions,
} from './decode-frame.ts'
import { laneSums } from './decode-lanes.ts'
import { placeText } from './decode-places.ts'
import { epilogue } from './decode-epilogue.ts'
import { chunkLoop, inLoops } from './decode-chunks.ts'
import { rowPlaces } from './decode-loads.ts'
import { declareQueries, queryFunctions } from './decode-queries.ts'
import { quantizedFunctions } from './quantized-loads.ts'
import type { DecodeAccess } from './decode-access.ts'
import { sharedConstants } from '../forward/forward-frame.ts'
import { parameterBlock } from '../parameters.ts'
import { dropoutFunctions } from '../tile/dropout.ts'
import { declareShift } from '../tile/online-softmax.ts'

/** The WGSL of the decode kernel. Entry point: `main`. */
export function decodeKernel(config: DecodeConfig): string {
  const { tile, memory, query, key, value, output, whole } = config
  const native = [
    query,
    output,
    ...[key, value].filter(({ wide, quantized }) => !wide && !quantized),
  ].some(usesFloat16)
  const stored = (access: DecodeAccess): string =>
    access.quantized ? 'u32' : access.wide ? 'vec4<u32>' : storageType(access)
  const loaded = (name: 'key' | 'value', access: DecodeAccess, dims: number): string =>
    access.vector || access.quantized ? '' : loadFunction(name, access, dims)
  const sections = [
    `${native ? 'enable f16;' : ''}${tile.shuffles ? '\nenable subgroups;' : ''}`.trim(),
    parameterBlock(config.fields, config.descriptorWords, config.parameterWords),
    decodeBindings(config, stored),
    constants(config),
    `// ${memory.bytes} bytes: products of each thread, or its sums of values; scores, or maxima and sums.
var<workgroup> tile: array<vec4<f32>, ${memory.vectors}>;
var<workgroup> scalars: array<f32, ${memory.scalars}>;`,
    unpackFunctions([query, output, ...[key, value].filter(({ quantized }) => !quantized)]),
    quantizedFunctions([key.quantized, value.quantized], usesFloat16(query)),
    loadFunction('query', query, config.headDim),
    queryFunctions(config),
    loaded('key', key, config.headDim),
    loaded('value', value, config.valueDim),
    whole ? storeFunction('output', output, config.valueDim) : '',
    config.rules.code,
    config.dropout ? dropoutFunctions(false) : '',
    lengthFunctions(config.places),
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

function constants({ tile, memory, valueDim, shortText }: DecodeConfig): string {
  return `const lanes = ${tile.lanes}u;
const slots = ${tile.threads / tile.lanes}u;
const rows = ${tile.rows}u;
const scores = ${tile.rows * tile.keysAhead}u; // of one slot in a chunk
const chunkKeys = ${chunkKeys(tile)}u;
const stride = ${memory.stride}u;
const valueVectors = ${Math.ceil(valueDim / 4)}u;
${sharedConstants(shortText)}

${pairWeightFunction}`
}

function mainBody(config: DecodeConfig): string {
  const { tile, headDim, valueDim } = config
  const { lanes, rows } = tile
  const outputVectors = laneVectors(valueDim, lanes)
  const loops = chunkLoop(config)
  const placed = placeText(config.places, chunkKeys(tile))
  const outputs = Array.from({ length: rows }, (_, r) =>
    Array.from({ length: outputVectors }, (_each, v) => `output${r}_${v}`),
  ).flat()
  return `${tile.shuffles ? 'let thread = subgroup * subgroupSize + invocation;\n' : ''}let lane = thread % lanes;
let slot = thread / lanes;
${beginPart(placed.before, config.whole)}
let lastKey = max(${placed.walked}, 1u) - 1u; // rows past it may hold anything, so they are never read
let scale = bitcast<f32>(params.scale);
${declareQueries(config)}
${rowPlaces('key', config.key, headDim, lanes)}${rowPlaces('value', config.value, valueDim, lanes)}${hiddenScore}
${laneSums(config).before}
${withCare(
  `${declareShift()}
${laneSums(config).start}
${outputs.map((name) => `var ${name} = vec4<f32>(0.0);`).join('\n')}
${config.key.quantized ? 'var largestScale = 0.0;\n' : ''}${loops.before}
${inLoops(config, loops, (body) => `for (var chunk = firstChunk; chunk < endChunk; chunk++) {\n${indent(body, 2)}\n}`)}
${laneSums(config).after}`,
  epilogue(config),
  [...outputs, ...(config.key.quantized ? ['vec4<f32>(largestScale)'] : [])],
  [`scalars[${config.memory.care}]`, 'f32'],
)}`
}
