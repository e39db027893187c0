// A step before the gradients: D = rowsum(dO * O) of every row (FlashAttention-2, arXiv 2307.08691,
// algorithm 2), which is also the sum of P dP over the row, kept beside its log-sum-exp; for kernels on
// subgroup matrices beside the scale of dS too.
import { loadFunction, storageType, unpackFunctions, usesFloat16 } from '../../codegen/access.ts'
import type { Access } from '../../codegen/access.ts'
import { scaleOfBoundFunction } from './matrix/scaling.ts'
import { parameterBlock } from '../parameters.ts'
import { hiddenBits } from '../careful.ts'
import { addressFields } from '../tensor-address.ts'
import { deadRow } from '../tile/pair-gradient.ts'
import type { SoftmaxRow } from '../tile/pair-gradient.ts'

/** Rows that a workgroup reads at a time. */
const rowsAtOnce = 16
/** Threads that share a row, each taking every eighth vector of it. */
const threadsPerRow = 8
const threads = rowsAtOnce * threadsPerRow

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

/** The largest rows of dO, over all heads that share keys, and of V; every thread for itself. */
const gradientScale = /* wgsl */ `let keyHead = head / params.headsPerKeyHead;
  let firstPlane = batch * params.heads + keyHead * params.headsPerKeyHead;
  let keyPlane = batch * (params.heads / params.headsPerKeyHead) + keyHead;
  var largestGradient = 0.0;
  for (var piece = lane; piece < params.headsPerKeyHead * params.dOutputPieces; piece += lanes) {
    largestGradient = max(largestGradient, magnitudes[params.dOutputMagnitudes + firstPlane * params.dOutputPieces + piece]);
  }
  var largestValue = 0.0;
  for (var piece = lane; piece < params.valuePieces; piece += lanes) {
    largestValue = max(largestValue, magnitudes[params.valueMagnitudes + keyPlane * params.valuePieces + piece]);
  }
  let bound = subgroupMax(largestGradient) * subgroupMax(largestValue) * bitcast<f32>(params.headroom);`

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
  const vectors = Math.ceil(valueDim / 4)
  const rows = rowsPerWorkgroup(scales)
  const stride = threadsPerRow + 1
  const sections = [
    native ? 'enable f16;' : '',
    scaled ? 'enable subgroups;' : '',
    parameterBlock(fieldsOfRows(scales), 0, 0),
    `@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> output: array<${storageType(output)}>;
@group(0) @binding(2) var<storage, read> dOutput: array<${storageType(dOutput)}>;
// As bits, since shaders may assume that there is no -Infinity.
@group(0) @binding(3) var<storage, read> logSumExp: array<u32>;
@group(0) @binding(4) var<storage, read_write> softmaxRows: array<${softmaxRow}>;${bindingOf[scales]}`,
    `${deadRow}\n${hiddenBits}`,
    `// ${4 * rows * stride} bytes: the sums of each row's threads
var<workgroup> partial: array<f32, ${rows * stride}>;`,
    unpackFunctions([output, dOutput]),
    loadFunction('output', output, valueDim),
    loadFunction('dOutput', dOutput, valueDim),
    scaled ? scaleOfBoundFunction() : '',
    /* wgsl */ `@compute @workgroup_size(${threads})
fn main(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(local_invocation_index) thread: u32,${scaled ? '\n  @builtin(subgroup_invocation_id) lane: u32,\n  @builtin(subgroup_size) lanes: u32,' : ''}
) {
  let batch = params.batchBase + workgroup.z;
  let head = params.headBegin + workgroup.y;
  let part = thread % ${threadsPerRow}u;
  let firstRow = (params.rowTileBase + workgroup.x) * ${rows}u;
  let outputBase = params.outputOffset + batch * params.outputBatch + head * params.outputHead;
  let dOutputBase = params.dOutputOffset + batch * params.dOutputBatch + head * params.dOutputHead;
  for (var row = thread / ${threadsPerRow}u; row < ${rows}u; row += ${rowsAtOnce}u) {
    let safeRow = min(firstRow + row, params.queryLength - 1u);
    var sum = 0.0;
    for (var vector = part; vector < ${vectors}u; vector += ${threadsPerRow}u) {
      sum += dot(loadOutput(outputBase + safeRow * params.outputRow, vector), loadDOutput(dOutputBase + safeRow * params.dOutputRow, vector));
    }
    partial[row * ${stride}u + part] = sum;
  }${scaled ? `\n  ${gradientScale}` : ''}
  workgroupBarrier();
  for (var row = thread; row < ${rows}u && firstRow + row < params.queryLength; row += ${threads}u) {
    var total = 0.0;
    for (var other = 0u; other < ${threadsPerRow}u; other++) { total += partial[row * ${stride}u + other]; }
    let place = (batch * params.heads + head) * params.queryLength + firstRow + row;
    let bits = logSumExp[params.logSumExpOffset + place];
    softmaxRows[params.softmaxRowsOffset + place] = ${softmaxRow}(select(bitcast<f32>(bits), deadRow, bits == hiddenBits), total${scaleOf[scales]});
  }
}`,
  ]
  return `${sections.filter((section) => section !== '').join('\n\n')}\n`
}
