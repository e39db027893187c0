// Whether a call can be computed by products of halves, decided on the GPU from the magnitudes of its numbers.
// The kernel writes the sizes of all dispatches that follow: those of the one way as they are, those of the other
// as none, so that nothing is read back.
//
// Halves are off by 2^-39 of the largest number of a plane at most (see halves.ts), so a score by that much
// times |scale| (|k|max sum|q| + |q|max sum|k|), with the sums of the largest rows: where this is below 2^-25,
// exponents are as exact as weights in float32. Outputs are weighted means of values, off by 2^-39 of the
// largest: below what float32 does to them where every row of values comes to 2^-12 of it, or is 0. Scores must
// not overflow, and nothing be NaN or infinite.
import { parameterBlock } from '../../parameters.ts'

const threads = 256

/** Fields of the uniform block. */
export const choiceFields: readonly string[] = [
  'batches',
  'heads',
  'kvHeads',
  'pieces',
  'dispatches',
  'splitDispatches',
  // Bits of a float: what the products of magnitudes and sums may come to.
  'mostProduct',
]

/** The WGSL of the kernel, one workgroup. Entry point: `main`. */
export function splitChoiceKernel(): string {
  return /* wgsl */ `${parameterBlock(choiceFields, 0, 0)}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> measures: array<vec4<u32>>;
// Workgroups of each dispatch, x, y, z: first those that take halves, then the others.
@group(0) @binding(2) var<storage, read> sizes: array<u32>;
@group(0) @binding(3) var<storage, read_write> chosen: array<u32>;

// 16 bytes.
var<workgroup> misfits: vec4<u32>;

const leastValue = ${2 ** -12};

// The largest magnitude of a plane, the smallest of a row, and the largest sum of a row's magnitudes.
fn measured(plane: u32) -> vec3<f32> {
  var found = vec4<u32>(0u, 0x7f800000u, 0u, 0u);
  for (var piece = 0u; piece < params.pieces; piece++) {
    let one = measures[plane * params.pieces + piece];
    found = vec4<u32>(max(found.x, one.x), min(found.y, one.y), max(found.z, one.z), 0u);
  }
  return vec3<f32>(bitcast<f32>(found.x), bitcast<f32>(found.y), bitcast<f32>(found.z));
}

fn isFinite(value: f32) -> bool {
  return (bitcast<u32>(value) & 0x7f800000u) != 0x7f800000u;
}

@compute @workgroup_size(${threads})
fn main(@builtin(local_invocation_index) thread: u32) {
  if (thread == 0u) { misfits = vec4<u32>(0u); }
  workgroupBarrier();
  var fits = true;
  let planes = params.heads + 2u * params.kvHeads;
  let group = params.heads / params.kvHeads;
  for (var plane = thread; plane < params.batches * planes; plane += ${threads}u) {
    let first = plane / planes * planes;
    let head = plane % planes;
    let own = measured(plane);
    fits = fits && isFinite(own.x);
    if (head < params.heads) {
      let key = measured(first + params.heads + head / group);
      let product = key.x * own.z + own.x * key.z;
      fits = fits && isFinite(product) && product <= bitcast<f32>(params.mostProduct);
    } else if (head >= params.heads + params.kvHeads) {
      fits = fits && own.y >= own.x * leastValue;
    }
  }
  if (!fits) { misfits.x = 1u; }
  let fitting = workgroupUniformLoad(&misfits).x == 0u;
  for (var dispatch = thread; dispatch < params.dispatches; dispatch += ${threads}u) {
    let taken = (dispatch < params.splitDispatches) == fitting;
    for (var axis = 3u * dispatch; axis < 3u * dispatch + 3u; axis++) {
      chosen[axis] = select(0u, sizes[axis], taken);
    }
  }
}
`
}
