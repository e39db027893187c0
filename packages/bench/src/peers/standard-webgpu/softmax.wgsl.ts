// Softmax over each row of the scores, in place: one workgroup per row, one sweep for maximum and
// sum together (Milakov and Gimelshein, arXiv 1805.02867), one to write the probabilities.
import type { DType } from '@attn/core'
import { quadConversions, quadType } from './storage.wgsl.ts'

/** What is baked into the shader. */
export interface SoftmaxConfig {
  readonly dtype: DType
  /** Whether key j is visible to row i only where j <= i + keyLength - queryLength. */
  readonly causal: boolean
  /** Threads per row, a power of two. */
  readonly threads: number
}

/** Threads that suit rows of so many keys: a vec4f each, a subgroup at least, 256 at most. */
export function softmaxThreads(keyLength: number): number {
  let threads = 32
  while (threads < 256 && threads * 4 < keyLength) threads *= 2
  return threads
}

/** WGSL for the softmax of `[heads, rows, columns]`, one workgroup per row (x) and head (y). */
export function softmaxWgsl({ dtype, causal, threads }: SoftmaxConfig): string {
  const visible = causal
    ? /* wgsl */ `u32(clamp(i32(group.x) + 1 + i32(shape.columns) - i32(shape.rows), 0, i32(shape.columns)))`
    : 'shape.columns'
  return /* wgsl */ `struct Shape {
  rows: u32,
  columns: u32,
  // Storage of a row, padded to a multiple of four elements.
  columnQuads: u32,
}
@group(0) @binding(0) var<uniform> shape: Shape;
@group(0) @binding(1) var<storage, read_write> scores: array<${quadType(dtype)}>;

const lowest = -3.4028234e38;
// Maximum, and sum of exp(score - maximum), of what each thread has seen: ${threads * 8} bytes.
var<workgroup> parts: array<vec2f, ${threads}>;

${quadConversions(dtype)}

fn merge(left: vec2f, right: vec2f) -> vec2f {
  let maximum = max(left.x, right.x);
  return vec2f(maximum, left.y * exp(left.x - maximum) + right.y * exp(right.x - maximum));
}

@compute @workgroup_size(${threads})
fn main(
  @builtin(local_invocation_index) thread: u32,
  @builtin(workgroup_id) group: vec3u,
) {
  let visible = ${visible};
  let start = (group.y * shape.rows + group.x) * shape.columnQuads;

  var part = vec2f(lowest, 0.0);
  for (var quad = thread; quad * 4u < visible; quad += ${threads}u) {
    let seen = vec4u(0u, 1u, 2u, 3u) + quad * 4u < vec4u(visible);
    let values = select(vec4f(lowest), unpackQuad(scores[start + quad]), seen);
    let pair = max(values.xy, values.zw);
    let maximum = max(pair.x, pair.y);
    part = merge(part, vec2f(maximum, dot(exp(values - maximum), vec4f(1.0))));
  }
  parts[thread] = part;
  for (var stride = ${threads / 2}u; stride > 0u; stride >>= 1u) {
    workgroupBarrier();
    if (thread < stride) { parts[thread] = merge(parts[thread], parts[thread + stride]); }
  }
  workgroupBarrier();

  let maximum = parts[0].x;
  let inverse = select(0.0, 1.0 / parts[0].y, visible > 0u);
  for (var quad = thread; quad < shape.columnQuads; quad += ${threads}u) {
    let seen = vec4u(0u, 1u, 2u, 3u) + quad * 4u < vec4u(visible);
    let values = unpackQuad(scores[start + quad]);
    scores[start + quad] = packQuad(select(vec4f(), exp(values - maximum) * inverse, seen));
  }
}
`
}
