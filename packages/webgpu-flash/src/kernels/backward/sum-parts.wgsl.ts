// The last step of dQ where few rows meet many keys: several workgroups have summed parts of them, each into
// a copy of its own (FlashAttention-2's deterministic backward does the same with keys outside). The
// copies are added in their order, so that results are the same from run to run.
import {
  loadFunction,
  storageType,
  storeFunction,
  unpackFunctions,
  usesFloat16,
} from '../../codegen/access.ts'
import type { Access } from '../../codegen/access.ts'
import { parameterBlock } from '../parameters.ts'
import { addressFields } from '../tensor-address.ts'

/** Rows of a workgroup. */
export const summedRows = 16
/** Threads that share a row, each taking every eighth vector of it. */
const threadsPerRow = 8

/** The copies, as a tensor of float32. */
export const partsAccess = (dims: number): Access => ({
  dtype: 'float32',
  nativeFloat16: false,
  vector: dims % 4 === 0,
})

/** Uniform fields of the kernel. */
export const sumPartsFields: readonly string[] = [
  ...addressFields(['dQueryParts', 'dQuery']),
  'queryLength',
  'rowTileBase',
  'headBegin',
  'batchBase',
  'parts',
  'partSize',
]

/** The WGSL of the kernel. Entry point: `main`. */
export function sumPartsKernel(dQuery: Access, dims: number): string {
  const parts = partsAccess(dims)
  const sections = [
    usesFloat16(dQuery) ? 'enable f16;' : '',
    parameterBlock(sumPartsFields, 0, 0),
    `@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> dQueryParts: array<${storageType(parts)}>;
@group(0) @binding(2) var<storage, read_write> dQuery: array<${storageType(dQuery)}>;`,
    unpackFunctions([dQuery]),
    loadFunction('dQueryParts', parts, dims),
    storeFunction('dQuery', dQuery, dims),
    /* wgsl */ `@compute @workgroup_size(${summedRows * threadsPerRow})
fn main(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(local_invocation_index) thread: u32,
) {
  let batch = params.batchBase + workgroup.z;
  let head = params.headBegin + workgroup.y;
  let row = (params.rowTileBase + workgroup.x) * ${summedRows}u + thread / ${threadsPerRow}u;
  if (row >= params.queryLength) { return; }
  let first = params.dQueryPartsOffset + batch * params.dQueryPartsBatch + head * params.dQueryPartsHead + row * params.dQueryPartsRow;
  let base = params.dQueryOffset + batch * params.dQueryBatch + head * params.dQueryHead + row * params.dQueryRow;
  for (var vector = thread % ${threadsPerRow}u; vector < ${Math.ceil(dims / 4)}u; vector += ${threadsPerRow}u) {
    var sum = vec4<f32>();
    for (var part = 0u; part < params.parts; part++) {
      sum += loadDQueryParts(first + part * params.partSize, vector);
    }
    storeDQuery(base, vector, sum);
  }
}`,
  ]
  return `${sections.filter((section) => section !== '').join('\n\n')}\n`
}
