// Rounds an output that was kept in float32 while parts of it were merged; see plan/forward/wide-output.ts.
import {
  loadFunction,
  storageType,
  storeFunction,
  unpackFunctions,
  usesFloat16,
} from '../../codegen/access.ts'
import type { Access } from '../../codegen/access.ts'
import { narrowedRows } from '../../plan/forward/wide-output.ts'
import { parameterBlock } from '../parameters.ts'
import { addressFields } from '../tensor-address.ts'

/** Fields of the uniform block: the tensors' places, and which rows a dispatch has. */
export const narrowFields: readonly string[] = [
  ...addressFields(['query', 'output']),
  'queryLength',
  'queryTileBase',
  'headBase',
  'batchBase',
]

/** All that decides the text of the kernel. */
export interface NarrowConfig {
  readonly valueDim: number
  readonly input: Access
  readonly output: Access
}

const threads = 256

/** The WGSL of the kernel. Entry point: `main`; one workgroup a tile of rows `[tile, head, batch]`. */
export function narrowRowsKernel({ valueDim, input, output }: NarrowConfig): string {
  const vectors = Math.ceil(valueDim / 4)
  const sections = [
    usesFloat16(output) ? 'enable f16;' : '',
    parameterBlock(narrowFields, 0, 0),
    /* wgsl */ `@group(0) @binding(0) var<uniform> params: Params;
// The output in float32.
@group(0) @binding(1) var<storage, read> query: array<${storageType(input)}>;
@group(0) @binding(4) var<storage, read_write> output: array<${storageType(output)}>;`,
    unpackFunctions([output]),
    loadFunction('query', input, valueDim),
    storeFunction('output', output, valueDim),
    /* wgsl */ `@compute @workgroup_size(${threads})
fn main(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(local_invocation_index) thread: u32,
) {
  let firstRow = (params.queryTileBase + workgroup.x) * ${narrowedRows}u;
  let head = params.headBase + workgroup.y;
  let batch = params.batchBase + workgroup.z;
  for (var unit = thread; unit < ${narrowedRows * vectors}u; unit += ${threads}u) {
    let row = firstRow + unit / ${vectors}u;
    let vector = unit % ${vectors}u;
    if (row < params.queryLength) {
      let source = params.queryOffset + batch * params.queryBatch + head * params.queryHead + row * params.queryRow;
      let place = params.outputOffset + batch * params.outputBatch + head * params.outputHead + row * params.outputRow;
      storeOutput(place, vector, loadQuery(source, vector));
    }
  }
}`,
  ]
  return `${sections.filter((section) => section !== '').join('\n\n')}\n`
}
