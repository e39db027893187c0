// Back through the softmax, row by row and in place: dS = P (dP - sum of P dP) over what held dP. One
// workgroup per row, which reads P and dP twice, once for the sum and once for the result.
import type { DType } from '@attn/core'
import { quadConversions, quadType } from './storage.wgsl.ts'

/** What is baked into the shader. */
export interface SoftmaxBackwardConfig {
  readonly dtype: DType
  /** Threads per row, a power of two. */
  readonly threads: number
}

/** WGSL over `[heads, rows, columns]`, one workgroup per row (x) and head (y). */
export function softmaxBackwardWgsl({ dtype, threads }: SoftmaxBackwardConfig): string {
  return /* wgsl */ `struct Shape {
  rows: u32,
  columns: u32,
  // Storage of a row, padded to a multiple of four elements.
  columnQuads: u32,
}
@group(0) @binding(0) var<uniform> shape: Shape;
@group(0) @binding(1) var<storage, read> probabilities: array<${quadType(dtype)}>;
@group(0) @binding(2) var<storage, read_write> gradients: array<${quadType(dtype)}>;

// The part of the sum that each thread has: ${threads * 4} bytes.
var<workgroup> parts: array<f32, ${threads}>;

${quadConversions(dtype)}

@compute @workgroup_size(${threads})
fn main(
  @builtin(local_invocation_index) thread: u32,
  @builtin(workgroup_id) group: vec3u,
) {
  let start = (group.y * shape.rows + group.x) * shape.columnQuads;
  var sum = 0.0;
  for (var quad = thread; quad < shape.columnQuads; quad += ${threads}u) {
    sum += dot(unpackQuad(probabilities[start + quad]), unpackQuad(gradients[start + quad]));
  }
  parts[thread] = sum;
  for (var stride = ${threads / 2}u; stride > 0u; stride >>= 1u) {
    workgroupBarrier();
    if (thread < stride) { parts[thread] += parts[thread + stride]; }
  }
  workgroupBarrier();

  let total = parts[0];
  for (var quad = thread; quad < shape.columnQuads; quad += ${threads}u) {
    let at = start + quad;
    gradients[at] = packQuad(
      unpackQuad(probabilities[at]) * (unpackQuad(gradients[at]) - total),
    );
  }
}
`
}
