struct Params {
  batches: u32,
  heads: u32,
  kvHeads: u32,
  pieces: u32,
  dispatches: u32,
  splitDispatches: u32,
  mostProduct: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> measures: array<vec4<u32>>;
// Workgroups of each dispatch, x, y, z: first those that take halves, then the others.
@group(0) @binding(2) var<storage, read> sizes: array<u32>;
@group(0) @binding(3) var<storage, read_write> chosen: array<u32>;

// 16 bytes.
var<workgroup> misfits: vec4<u32>;

const leastValue = 0.000244140625;

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

@compute @workgroup_size(256)
fn main(@builtin(local_invocation_index) thread: u32) {
  if (thread == 0u) { misfits = vec4<u32>(0u); }
  workgroupBarrier();
  var fits = true;
  let planes = params.heads + 2u * params.kvHeads;
  let group = params.heads / params.kvHeads;
  for (var plane = thread; plane < params.batches * planes; plane += 256u) {
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
  for (var dispatch = thread; dispatch < params.dispatches; dispatch += 256u) {
    let taken = (dispatch < params.splitDispatches) == fitting;
    for (var axis = 3u * dispatch; axis < 3u * dispatch + 3u; axis++) {
      chosen[axis] = select(0u, sizes[axis], taken);
    }
  }
}
