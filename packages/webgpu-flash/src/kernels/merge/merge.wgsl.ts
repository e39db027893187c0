// Results over disjoint keys made into one, each weighing exp(its log-sum-exp): FlashAttention-2 (arXiv
// 2307.08691, section 3.2) between calls instead of within one. Up to three parts at a time, since devices
// guarantee eight storage buffers a shader, and what the output holds already where it is one of them.
import {
  loadFunction,
  storageType,
  storeFunction,
  unpackFunctions,
  usesFloat16,
} from '../../codegen/access.ts'
import type { Access } from '../../codegen/access.ts'
import { unroll } from '../../codegen/snippets.ts'
import { mergeConstants } from '../forward/forward-frame.ts'
import { parameterBlock } from '../parameters.ts'
import { addressFields } from '../tensor-address.ts'

/** Parts that a dispatch reads. */
export const mostParts = 3

/** All that decides the text of the kernel. */
export interface MergeConfig {
  /** How each part's output is read: one to three. */
  readonly parts: readonly Access[]
  readonly output: Access
  readonly valueDim: number
}

/** Rows and vectors of a workgroup. */
export const mergeRows = 8
const columns = 16

const sumFields = (name: string): string[] =>
  ['Offset', 'Batch', 'Head', 'Row'].map((field) => `${name}${field}`)

/** Scalars of the block for so many parts. */
export function mergeFields(parts: number): readonly string[] {
  const each = Array.from({ length: parts }, (_, part) => part)
  return [
    ...addressFields(['output', ...each.map((part) => `output${part}`)]),
    ...sumFields('logSumExp'),
    ...each.flatMap((part) => sumFields(`logSumExp${part}`)),
    'queryLength',
    'queryTileBase',
    'headBase',
    'batchBase',
    // Whether the output holds a part already.
    'continues',
    'negativeInfinity',
  ]
}

/** The WGSL of the kernel. Entry point: `main`. */
export function mergeKernel({ parts, output, valueDim }: MergeConfig): string {
  const vectors = Math.ceil(valueDim / 4)
  const count = parts.length
  const each = (line: (part: number) => string): string => unroll(count, line)
  const place = (name: string): string =>
    `params.${name}Offset + batch * params.${name}Batch + head * params.${name}Head + clamped * params.${name}Row`
  const halves = [output, ...parts].some(usesFloat16)
  const sections = [
    halves ? 'enable f16;' : '',
    parameterBlock(mergeFields(count), 0, 0),
    `@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> output: array<${storageType(output)}>;
@group(0) @binding(2) var<storage, read_write> logSumExp: array<f32>;
${each(
  (
    part,
  ) => `@group(0) @binding(${3 + 2 * part}) var<storage, read> output${part}: array<${storageType(parts[part]!)}>;
@group(0) @binding(${4 + 2 * part}) var<storage, read> logSumExp${part}: array<f32>;`,
)}`,
    `const valueVectors = ${vectors}u;\n${mergeConstants}`,
    unpackFunctions([output, ...parts]),
    loadFunction('output', output, valueDim),
    storeFunction('output', output, valueDim),
    each((part) => loadFunction(`output${part}`, parts[part]!, valueDim)),
    /* wgsl */ `@compute @workgroup_size(${mergeRows * columns})
fn main(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(local_invocation_index) thread: u32,
) {
  let head = params.headBase + workgroup.y;
  let batch = params.batchBase + workgroup.z;
  let queryRow = (params.queryTileBase + workgroup.x) * ${mergeRows}u + thread / ${columns}u;
  let column = thread % ${columns}u;
  let clamped = min(queryRow, params.queryLength - 1u);
  let base = ${place('output')};
  let place = ${place('logSumExp')};
  var previous = bitcast<f32>(params.negativeInfinity);
  if (params.continues != 0u) { previous = logSumExp[place]; }
${each((part) => `  let base${part} = ${place(`output${part}`)};\n  let sum${part} = logSumExp${part}[${place(`logSumExp${part}`)}];`)}
  // Column 0 writes what the others have read.
  storageBarrier();
  workgroupBarrier();
  if (queryRow < params.queryLength) {
    var larger = max(previous, smallestMaximum);
${each((part) => `    larger = max(larger, sum${part});`)}
    let previousPart = exponential(previous - larger);
    var total = previousPart;
${each((part) => `    let part${part} = exponential(sum${part} - larger);\n    total += part${part};`)}
    let seen = bitcast<u32>(total) != 0u; // and not total > 0, since a sum of NaN is one
    let weight = select(0.0, 1.0 / total, seen);
    for (var vector = column; vector < valueVectors; vector += ${columns}u) {
      var sum = vec4<f32>(0.0);
      // A part that saw nothing may hold anything. Divided before they are added, against overflow.
      if (bitcast<u32>(previous) != hiddenBits) { sum = loadOutput(base, vector) * (previousPart * weight); }
${each((part) => `      if (bitcast<u32>(sum${part}) != hiddenBits) { sum += loadOutput${part}(base${part}, vector) * (part${part} * weight); }`)}
      storeOutput(base, vector, sum);
    }
    if (column == 0u) {
      logSumExp[place] = select(bitcast<f32>(params.negativeInfinity), larger + logarithm(total), seen);
    }
  }
}`,
  ]
  return `${sections.filter((section) => section !== '').join('\n\n')}\n`
}
