// Appends rows to a cache of quantised blocks (q8_0 and q4_0 of ggml, see quantize.ts of core), turned by
// their positions where the cache turns keys. A thread has two neighbouring blocks, which begin and end on whole
// words where one alone would not, so that no two threads write to the same word.
import type { QuantizedType } from '@attn/core'
import { loadFunction, storageType, unpackFunctions } from '../../codegen/access.ts'
import type { Access } from '../../codegen/access.ts'
import { indent, unroll } from '../../codegen/snippets.ts'
import { multiplyHighFunction } from '../multiply-high.ts'
import { parameterBlock } from '../parameters.ts'
import { angleFunctions } from '../rotate/angles.ts'
import { appendedRow } from '../rotate/appended-row.ts'
import type { AppendConfig } from '../rotate/appended-row.ts'
import { rotateFields, rotateThreads } from '../rotate/rotate.wgsl.ts'
import { turnedVector } from '../rotate/turned-vector.ts'
import type { TurnedVectorConfig } from '../rotate/turned-vector.ts'

/** All that decides the text of the kernel. */
export interface QuantizeConfig extends TurnedVectorConfig {
  readonly headDim: number
  readonly input: Access
  readonly type: QuantizedType
  readonly appends: AppendConfig
}

/** Words of the elements of a block. */
const wordsOf = { q8_0: 8, q4_0: 4 } as const

/** Pairs of blocks in a row, which a thread has one of. */
export const blockPairs = (headDim: number): number => Math.ceil(headDim / 64)

/** The WGSL of the kernel. Entry point: `main`; bindings and fields are those of rotation. */
export function quantizeRowsKernel(config: QuantizeConfig): string {
  const { input, headDim, rotaryDim, type } = config
  const turns = rotaryDim > 0
  const sections = [
    input.dtype === 'float16' && input.nativeFloat16 ? 'enable f16;' : '',
    parameterBlock(rotateFields, 0, 0),
    `@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> input: array<${storageType(input)}>;
@group(0) @binding(2) var<storage, read_write> output: array<u32>;
@group(0) @binding(3) var<storage, read> frequencies: array<vec4<u32>>;
// Of each sequence where its rows go.
@group(0) @binding(4) var<storage, read> positions: array<u32>;`,
    `const units = ${blockPairs(headDim)}u;
const blocks = ${headDim / 32}u;
const frequencyVectors = ${Math.ceil(rotaryDim / 8)}u;`,
    unpackFunctions([input]),
    loadFunction('input', input, headDim),
    turns ? `${multiplyHighFunction}\n\n${angleFunctions}` : '',
    blockFunction(config),
    mainFunction(config, wordsOf[type]),
  ]
  return `${sections.filter((section) => section !== '').join('\n\n')}\n`
}

function blockFunction(config: QuantizeConfig): string {
  const { type } = config
  const { before, loads, value } = turnedVector(config)
  const statements = [before, loads].filter((part) => part !== '').join('\n')
  const words = wordsOf[type]
  const scale =
    type === 'q8_0'
      ? `  var most = vec4<f32>(0.0);
  for (var vector = 0u; vector < 8u; vector++) { most = max(most, abs(elements[vector])); }
  let scale = max(max(most.x, most.y), max(most.z, most.w)) / 127.0;`
      : `  var most = 0.0; // with its sign
  for (var index = 0u; index < 32u; index++) {
    let element = elements[index >> 2u][index & 3u];
    if (abs(element) > abs(most)) { most = element; }
  }
  let scale = most / -8.0;`
  const pack = '((quants & vec4<u32>(255u)) << vec4<u32>(0u, 8u, 16u, 24u))'
  const elements =
    type === 'q8_0'
      ? `    let scaled = elements[word] * inverse;
    let quants = vec4<u32>(vec4<i32>(sign(scaled) * floor(abs(scaled) + 0.5)));
    let packed = ${pack};`
      : `    let low = min(vec4<u32>(elements[word] * inverse + 8.5), vec4<u32>(15u));
    let high = min(vec4<u32>(elements[word + 4u] * inverse + 8.5), vec4<u32>(15u));
    let quants = low | (high << vec4<u32>(4u));
    let packed = ${pack};`
  return `struct Block {
  scale: u32, // the bits of a half
  words: array<u32, ${words}>,
}

fn blockOf(inputBase: u32, block: u32, position: vec2<u32>) -> Block {
  var elements: array<vec4<f32>, 8>;
  var strange = vec4<bool>(false); // NaN or infinite
  for (var vector = 0u; vector < 8u; vector++) {
    let unit = 8u * block + vector;
${indent(statements, 4)}
    elements[vector] = ${value};
    strange |= (bitcast<vec4<u32>>(elements[vector]) & vec4<u32>(0x7f800000u)) == vec4<u32>(0x7f800000u);
  }
${scale}
  let inverse = select(0.0, 1.0 / scale, scale != 0.0);
  var result: Block;
  // What rounds to more than the largest half is infinite; packing may make anything of it.
  let infinite = ((bitcast<u32>(scale) >> 16u) & 0x8000u) | 0x7c00u;
  let half = select(pack2x16float(vec2<f32>(scale, 0.0)) & 0xffffu, infinite, abs(scale) >= 65520.0);
  result.scale = select(half, 0x7e00u, any(strange));
  for (var word = 0u; word < ${words}u; word++) {
${elements}
    result.words[word] = packed.x | packed.y | packed.z | packed.w;
  }
  return result;
}`
}

function mainFunction({ appends }: QuantizeConfig, words: number): string {
  return `@compute @workgroup_size(${rotateThreads})
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
  let unit = id.x % units;
  let row = params.rowBase + id.x / units;
  if (row >= params.rowEnd) { return; }
  let batch = params.batchBase + id.z;
  let head = params.headBase + id.y;
${indent(appendedRow(appends), 2)}
  let inputBase = params.inputOffset + batch * params.inputBatch + inputOf * params.inputRow + head * params.inputHead;
  let outputBase = params.outputOffset + batch * params.outputBatch + place * params.outputRow + head * params.outputHead + unit * ${2 * words + 1}u;
  let first = blockOf(inputBase, 2u * unit, position);
  output[outputBase] = first.scale | (first.words[0] << 16u);
${unroll(words - 1, (i) => `  output[outputBase + ${i + 1}u] = (first.words[${i}] >> 16u) | (first.words[${i + 1}] << 16u);`)}
  if (2u * unit + 1u < blocks) {
    let second = blockOf(inputBase, 2u * unit + 1u, position);
    output[outputBase + ${words}u] = (first.words[${words - 1}] >> 16u) | (second.scale << 16u);
${unroll(words, (i) => `    output[outputBase + ${words + 1 + i}u] = second.words[${i}];`)}
  } else {
    output[outputBase + ${words}u] = first.words[${words - 1}] >> 16u;
  }
}`
}
