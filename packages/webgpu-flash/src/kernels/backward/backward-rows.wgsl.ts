// A step before the gradients: D = rowsum(dO * O) of every row (FlashAttention-2, arXiv 2307.08691,
// algorithm 2), which is also the sum of P dP over the row, kept beside its log-sum-exp; for kernels on
// subgroup matrices beside the scale of dS too.
import { loadFunction, storageType, unpackFunctions, usesFloat16 } from '../../codegen/access.ts'
import type { Access } from '../../codegen/access.ts'
import { indent, unroll } from '../../codegen/snippets.ts'
import { scaleOfBoundFunction } from './matrix/scaling.ts'
import { parameterBlock } from '../parameters.ts'
import { hiddenBits } from '../careful.ts'
import { addressFields } from '../tensor-address.ts'
import { deadRow } from '../tile/pair-gradient.ts'
import type { SoftmaxRow } from '../tile/pair-gradient.ts'
import {
  eachOwnVector,
  ownRow,
  rowsAhead,
  rowsAtOnce,
  rowThreads,
  threadsPerRow,
} from './shared-rows.ts'

const rowFields: readonly string[] = [
  ...addressFields(['output', 'dOutput']),
  'logSumExpOffset',
  'softmaxRowsOffset',
  'queryLength',
  'heads',
  'rowTileBase',
  'headBegin',
  'batchBase',
]

/** Further fields, where rows keep the scale of dS. */
const scaledRowFields: readonly string[] = [
  ...rowFields,
  'headsPerKeyHead',
  'dOutputMagnitudes',
  'dOutputPieces',
  'valueMagnitudes',
  'valuePieces',
  'headroom',
]

/** Further fields, where the tensors are split. */
const splitRowFields: readonly string[] = [...rowFields, 'headsPerKeyHead']

/** Where rows take what they keep besides: nowhere, from the sizes of dO and V, or from their powers. */
export type RowScales = 'none' | 'magnitudes' | 'powers'

/** Rows of a workgroup: of many where each goes through the sizes of all pieces first. */
export const rowsPerWorkgroup = (scales: RowScales): number =>
  scales === 'magnitudes' ? 8 * rowsAtOnce : rowsAtOnce

/** The largest rows of dO, over all heads that share keys, and of V; of each thread those it has read, and then of eight. */
const largestOfThreads = /* wgsl */ `  let keyHead = head / params.headsPerKeyHead;
  let firstPlane = batch * params.heads + keyHead * params.headsPerKeyHead;
  let keyPlane = batch * (params.heads / params.headsPerKeyHead) + keyHead;
  let gradientPieces = params.headsPerKeyHead * params.dOutputPieces;
  var most = vec2<f32>();
  for (var piece = thread; piece < max(gradientPieces, params.valuePieces); piece += ${rowThreads}u) {
    let ofGradient = magnitudes[params.dOutputMagnitudes + firstPlane * params.dOutputPieces + min(piece, gradientPieces - 1u)];
    let ofValue = magnitudes[params.valueMagnitudes + keyPlane * params.valuePieces + min(piece, params.valuePieces - 1u)];
    most = max(most, vec2<f32>(ofGradient, ofValue));
  }
  largest[thread] = most;
  workgroupBarrier();
  if (thread < 8u) {
    for (var other = thread + 8u; other < ${rowThreads}u; other += 8u) { most = max(most, largest[other]); }
    largest[thread] = most;
  }
`

/** The same of all, and what it bounds. */
const gradientBound = /* wgsl */ `  var largestRows = largest[0];
  for (var other = 1u; other < 8u; other++) { largestRows = max(largestRows, largest[other]); }
  let bound = largestRows.x * largestRows.y * bitcast<f32>(params.headroom);
`

/** Uniform fields of the kernel. */
export function fieldsOfRows(scales: RowScales): readonly string[] {
  return { none: rowFields, magnitudes: scaledRowFields, powers: splitRowFields }[scales]
}

const bindingOf: Readonly<Record<RowScales, string>> = {
  none: '',
  magnitudes: '\n@group(0) @binding(5) var<storage, read> magnitudes: array<f32>;',
  powers: '\n@group(0) @binding(5) var<storage, read> powers: array<vec2<f32>>;',
}

/** The last arguments of a row. */
const scaleOf: Readonly<Record<RowScales, string>> = {
  none: '',
  magnitudes: ', scaleOfBound(bound), 0.0',
  powers: ', powers[(batch * params.heads + head) / params.headsPerKeyHead]',
}

/** Between the sums of neighbouring rows, so that they lie in different banks. */
const partialStride = threadsPerRow + 1

/** The sums of a thread's part of the workgroup's rows. */
function partialSums(dims: number, rows: number): string {
  const most = Math.min(rowsAhead(dims), rows / rowsAtOnce)
  const sums = eachOwnVector(
    dims,
    most,
    (r, vector, at) => `let output${at} = loadOutput(outputRow${r}, ${vector});
let dOutput${at} = loadDOutput(dOutputRow${r}, ${vector});`,
    (r, at) => `sum${r} += dot(output${at}, dOutput${at});`,
  )
  const body = `${unroll(
    most,
    (r) => `let row${r} = min(firstRow + ${ownRow('row', r)}, params.queryLength - 1u);
let outputRow${r} = outputBase + row${r} * params.outputRow;
let dOutputRow${r} = dOutputBase + row${r} * params.dOutputRow;
var sum${r} = 0.0;`,
  )}
${sums}
${unroll(most, (r) => `partial[${ownRow('row', r)} * ${partialStride}u + part] = sum${r};`)}`
  return `for (var row = thread / ${threadsPerRow}u; row < ${rows}u; row += ${most * rowsAtOnce}u) {
${indent(body, 2)}
}`
}

/** The WGSL of the kernel. Entry point: `main`. */
export function softmaxRowsKernel(
  output: Access,
  dOutput: Access,
  valueDim: number,
  scales: RowScales,
): string {
  const softmaxRow: SoftmaxRow = scales === 'none' ? 'vec2<f32>' : 'vec4<f32>'
  const scaled = scales === 'magnitudes'
  const native = [output, dOutput].some(usesFloat16)
  const rows = rowsPerWorkgroup(scales)
  const sections = [
    native ? 'enable f16;' : '',
    parameterBlock(fieldsOfRows(scales), 0, 0),
    `@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> output: array<${storageType(output)}>;
@group(0) @binding(2) var<storage, read> dOutput: array<${storageType(dOutput)}>;
// As bits, since shaders may assume that there is no -Infinity.
@group(0) @binding(3) var<storage, read> logSumExp: array<u32>;
@group(0) @binding(4) var<storage, read_write> softmaxRows: array<${softmaxRow}>;${bindingOf[scales]}`,
    `${deadRow}\n${hiddenBits}`,
    `// ${4 * rows * partialStride + (scaled ? 8 * rowThreads : 0)} bytes: the sums of each row's threads${scaled ? ', and what of the sizes each has read' : ''}
var<workgroup> partial: array<f32, ${rows * partialStride}>;${scaled ? `\nvar<workgroup> largest: array<vec2<f32>, ${rowThreads}>;` : ''}`,
    unpackFunctions([output, dOutput]),
    loadFunction('output', output, valueDim),
    loadFunction('dOutput', dOutput, valueDim),
    scaled ? scaleOfBoundFunction() : '',
    /* wgsl */ `@compute @workgroup_size(${rowThreads})
fn main(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(local_invocation_index) thread: u32,
) {
  let batch = params.batchBase + workgroup.z;
  let head = params.headBegin + workgroup.y;
  let part = thread % ${threadsPerRow}u;
  let firstRow = (params.rowTileBase + workgroup.x) * ${rows}u;
  let outputBase = params.outputOffset + batch * params.outputBatch + head * params.outputHead;
  let dOutputBase = params.dOutputOffset + batch * params.dOutputBatch + head * params.dOutputHead;
${indent(partialSums(valueDim, rows), 2)}
${scaled ? largestOfThreads : ''}  workgroupBarrier();
${scaled ? gradientBound : ''}  for (var row = thread; row < ${rows}u && firstRow + row < params.queryLength; row += ${rowThreads}u) {
    var total = 0.0;
    for (var other = 0u; other < ${threadsPerRow}u; other++) { total += partial[row * ${partialStride}u + other]; }
    let place = (batch * params.heads + head) * params.queryLength + firstRow + row;
    let bits = logSumExp[params.logSumExpOffset + place];
    softmaxRows[params.softmaxRowsOffset + place] = ${softmaxRow}(select(bitcast<f32>(bits), deadRow, bits == hiddenBits), total${scaleOf[scales]});
  }
}`,
  ]
  return `${sections.filter((section) => section !== '').join('\n\n')}\n`
}
