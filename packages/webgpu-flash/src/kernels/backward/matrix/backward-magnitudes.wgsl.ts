// How large the rows of a tensor are, for the scale of dS: of each piece of them the norm of the largest
// row, or a little more, since each thread keeps the largest of its own part of the rows.
import { capitalized } from '../../../codegen/snippets.ts'
import { loadFunction, storageType } from '../../../codegen/access.ts'
import type { Access } from '../../../codegen/access.ts'
import { parameterBlock } from '../../parameters.ts'
import { addressFields } from '../../tensor-address.ts'

/** Rows that a workgroup reads at a time; pieces are multiples of it. */
export const rowsAtOnce = 16
/** Threads that share a row, each taking every eighth vector of it. */
const threadsPerRow = 8
const threads = rowsAtOnce * threadsPerRow

/** The tensors whose products dP is made of. */
export type MeasuredTensor = 'dOutput' | 'value'

/** Uniform fields of the kernel. */
export function magnitudeFields(name: MeasuredTensor): readonly string[] {
  return [
    ...addressFields([name]),
    'queryLength',
    'heads',
    'headsPerKeyHead',
    'rowTileBase',
    'headBegin',
    'batchBase',
    `${name}Pieces`,
    `${name}PieceRows`,
    `${name}Magnitudes`,
  ]
}

/** The WGSL of the kernel for one of the tensors. Entry point: `main`. */
export function magnitudesKernel(name: MeasuredTensor, access: Access, dims: number): string {
  const capital = capitalized(name)
  const ofKeys = name === 'value'
  const sections = [
    access.nativeFloat16 ? 'enable f16;' : '',
    parameterBlock(magnitudeFields(name), 0, 0),
    `@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> ${name}: array<${storageType(access)}>;
@group(0) @binding(2) var<storage, read> data: array<u32>;
@group(0) @binding(3) var<storage, read_write> magnitudes: array<f32>;`,
    `// 4 bytes a thread\nvar<workgroup> largest: array<f32, ${threads}>;`,
    loadFunction(name, access, dims),
    /* wgsl */ `// Rows that nobody sees may hold anything.
fn isFinite(value: f32) -> bool { return (bitcast<u32>(value) & 0x7f800000u) != 0x7f800000u; }

@compute @workgroup_size(${threads})
fn main(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(local_invocation_index) thread: u32,
) {
  let batch = params.batchBase + workgroup.z;
  let head = params.headBegin${ofKeys ? ' / params.headsPerKeyHead' : ''} + workgroup.y;
  let piece = params.rowTileBase + workgroup.x;
  let count = ${ofKeys ? 'data[2u * batch + 1u]' : 'params.queryLength'};
  let end = min((piece + 1u) * params.${name}PieceRows, count);
  let base = params.${name}Offset + batch * params.${name}Batch + head * params.${name}Head;
  var own = 0.0;
  for (var row = piece * params.${name}PieceRows + thread / ${threadsPerRow}u; row < end; row += ${rowsAtOnce}u) {
    var squares = 0.0;
    for (var vector = thread % ${threadsPerRow}u; vector < ${Math.ceil(dims / 4)}u; vector += ${threadsPerRow}u) {
      let value = load${capital}(base + row * params.${name}Row, vector);
      squares += dot(value, value);
    }
    if (isFinite(squares)) { own = max(own, squares); }
  }
  largest[thread] = own;
  workgroupBarrier();
  if (thread < ${threadsPerRow}u) {
    for (var other = thread; other < ${threads}u; other += ${threadsPerRow}u) { own = max(own, largest[other]); }
    largest[thread] = own;
  }
  workgroupBarrier();
  if (thread == 0u) {
    var sum = 0.0;
    for (var part = 0u; part < ${threadsPerRow}u; part++) { sum += largest[part]; }
    let plane = batch * (params.heads${ofKeys ? ' / params.headsPerKeyHead' : ''}) + head;
    magnitudes[params.${name}Magnitudes + plane * params.${name}Pieces + piece] = sqrt(sum);
  }
}`,
  ]
  return `${sections.filter((section) => section !== '').join('\n\n')}\n`
}
