// How large the rows of a tensor are, for the scale of dS: of each piece of them the norm of the largest
// row, or a little more, since each thread keeps the largest of its own part of the rows.
import { capitalized, indent, unroll } from '../../../codegen/snippets.ts'
import { loadFunction, storageType } from '../../../codegen/access.ts'
import type { Access } from '../../../codegen/access.ts'
import { parameterBlock } from '../../parameters.ts'
import { addressFields } from '../../tensor-address.ts'
import {
  eachOwnVector,
  ownRow,
  rowsAhead,
  rowsAtOnce,
  rowThreads,
  threadsPerRow,
} from '../shared-rows.ts'

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

/** Loops over the rows of a thread: several at a time as long as there are so many, then one at a time. */
function rowsInTurn(name: MeasuredTensor, dims: number): string {
  const loop = (rows: number): string => {
    const body = eachOwnVector(
      dims,
      rows,
      (r, vector, at) =>
        `let value${at} = load${capitalized(name)}(base + ${ownRow('row', r)} * params.${name}Row, ${vector});`,
      (r, at) => `squares${r} += dot(value${at}, value${at});`,
    )
    const last = ownRow('row', rows - 1)
    return `for (; ${last} < end; row += ${rows * rowsAtOnce}u) {
${indent(
  unroll(rows, (r) => `var squares${r} = 0.0;`),
  2,
)}
${indent(body, 2)}
${indent(
  unroll(rows, (r) => `if (isFinite(squares${r})) { own = max(own, squares${r}); }`),
  2,
)}
}`
  }
  const most = rowsAhead(dims)
  return most === 1 ? loop(1) : `${loop(most)}\n${loop(1)}`
}

/** The WGSL of the kernel for one of the tensors. Entry point: `main`. */
export function magnitudesKernel(name: MeasuredTensor, access: Access, dims: number): string {
  const ofKeys = name === 'value'
  const sections = [
    access.nativeFloat16 ? 'enable f16;' : '',
    parameterBlock(magnitudeFields(name), 0, 0),
    `@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> ${name}: array<${storageType(access)}>;
@group(0) @binding(2) var<storage, read> data: array<u32>;
@group(0) @binding(3) var<storage, read_write> magnitudes: array<f32>;`,
    `// 4 bytes a thread\nvar<workgroup> largest: array<f32, ${rowThreads}>;`,
    loadFunction(name, access, dims),
    /* wgsl */ `// Rows that nobody sees may hold anything.
fn isFinite(value: f32) -> bool { return (bitcast<u32>(value) & 0x7f800000u) != 0x7f800000u; }

@compute @workgroup_size(${rowThreads})
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
  let part = thread % ${threadsPerRow}u;
  var own = 0.0;
  var row = piece * params.${name}PieceRows + thread / ${threadsPerRow}u;
${indent(rowsInTurn(name, dims), 2)}
  largest[thread] = own;
  workgroupBarrier();
  if (thread < ${threadsPerRow}u) {
    for (var other = thread; other < ${rowThreads}u; other += ${threadsPerRow}u) { own = max(own, largest[other]); }
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
