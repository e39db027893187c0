// Moves rows of a cache to other places of it, one after another: the accepted tokens of a draft tree close
// up behind those before. A thread has one word of the rows of one head and walks over the moves by
// itself, so that rows may move into places that others have just left, and nothing waits for anything.
import { parameterBlock } from '../parameters.ts'

/** Threads of a workgroup, along the words of a row and heads. */
export const moveThreads = 64

/** Fields of the uniform block; strides and offsets count words. */
export const moveFields: readonly string[] = [
  'offset',
  'batchStride',
  'headStride',
  'rowStride',
  'rowWords',
  'heads',
  'batchBase',
]

/** The WGSL of the kernel. Entry point: `main`; `moves` begins with a start and a number for each sequence. */
export const moveRowsKernel: string = `${parameterBlock(moveFields, 0, 0)}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> rows: array<u32>;
@group(0) @binding(2) var<storage, read> moves: array<u32>;

@compute @workgroup_size(${moveThreads})
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
  let head = id.x / params.rowWords;
  if (head >= params.heads) { return; }
  let batch = params.batchBase + id.z;
  let base = params.offset + id.z * params.batchStride + head * params.headStride + id.x % params.rowWords;
  let first = moves[2u * batch];
  for (var index = 0u; index < moves[2u * batch + 1u]; index++) {
    let source = moves[first + 2u * index];
    let destination = moves[first + 2u * index + 1u];
    rows[base + destination * params.rowStride] = rows[base + source * params.rowStride];
  }
}
`
