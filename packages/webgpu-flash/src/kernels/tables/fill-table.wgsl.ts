// A tensor written into a table, as float32 and row by row: what lies in another library's buffer then is
// looked up like any table, by every kernel, without a binding of its own (devices guarantee eight).
import { loadFunction, storageType, unpackFunctions, usesFloat16 } from '../../codegen/access.ts'
import type { Access } from '../../codegen/access.ts'
import { parameterBlock } from '../parameters.ts'
import { addressFields } from '../tensor-address.ts'

/** Scalars of the block. */
export const fillFields: readonly string[] = [
  ...addressFields(['source']),
  'heads',
  'rows',
  'allRows',
  'place',
]

/** Threads of a workgroup, and workgroups along the first axis of a large grid. */
export const fillThreads = 64
export const fillColumns = 32768

/** The WGSL of the kernel, for rows of `dims`. Entry point: `main`. */
export function fillTableKernel(source: Access, dims: number): string {
  const vectors = Math.ceil(dims / 4)
  const sections = [
    usesFloat16(source) ? 'enable f16;' : '',
    parameterBlock(fillFields, 0, 0),
    /* wgsl */ `@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> source: array<${storageType(source)}>;
@group(0) @binding(2) var<storage, read_write> table: array<f32>;`,
    unpackFunctions([source]),
    loadFunction('source', source, dims),
    /* wgsl */ `@compute @workgroup_size(${fillThreads})
fn main(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(local_invocation_index) thread: u32,
) {
  let unit = (workgroup.y * ${fillColumns}u + workgroup.x) * ${fillThreads}u + thread;
  let row = unit / ${vectors}u;
  let vector = unit % ${vectors}u;
  if (row < params.allRows) {
    let plane = row / params.rows;
    let base = params.sourceOffset + plane / params.heads * params.sourceBatch
      + plane % params.heads * params.sourceHead + row % params.rows * params.sourceRow;
    let values = loadSource(base, vector);
    let place = params.place + row * ${dims}u + 4u * vector;
    for (var lane = 0u; lane < min(4u, ${dims}u - 4u * vector); lane++) {
      table[place + lane] = values[lane];
    }
  }
}`,
  ]
  return `${sections.filter((section) => section !== '').join('\n\n')}\n`
}
