struct Params {
  heads: u32,
  headsPerKeyHead: u32,
  queryPieces: u32,
  queryRanges: u32,
  keyPieces: u32,
  keyRanges: u32,
  dOutputPieces: u32,
  dOutputRanges: u32,
  valuePieces: u32,
  valueRanges: u32,
  headroom: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> ranges: array<vec2<f32>>;
@group(0) @binding(2) var<storage, read_write> powers: array<vec2<f32>>;

// Rows that differ by more lose bits that float32 holds.
const widestRange = 0x1p+18f;

// 8 bytes a thread and tensor, and 8 of each tensor
var<workgroup> ofThreads: array<array<vec2<f32>, 128>, 4>;
var<workgroup> ofTensors: array<vec2<f32>, 4>;

fn join(range: vec2<f32>, other: vec2<f32>) -> vec2<f32> {
  return vec2<f32>(max(range.x, other.x), min(range.y, other.y));
}

// The largest and the smallest of a thread's pieces.
fn rangeOf(first: u32, count: u32, thread: u32) -> vec2<f32> {
  var range = vec2<f32>(0.0, 0x1p+60f);
  for (var piece = thread; piece < count; piece += 128u) {
    range = join(range, ranges[first + piece]);
  }
  return range;
}

fn canSplit(range: vec2<f32>) -> bool { return range.x <= range.y * widestRange; }

// Of the power of two that brings a number between 2^14 and 2^15; none for 0.
fn exponentFor(largest: f32) -> i32 {
  if (largest == 0.0) { return 0; }
  return 14 + 127 - i32(bitcast<u32>(largest) >> 23u);
}

fn scaleOfBound(bound: f32) -> f32 {
  let exponent = i32(bitcast<u32>(bound) >> 23u) - 127; // of the power of two below
  return bitcast<f32>(u32(clamp(-1 - exponent, -100, 100) + 127) << 23u);
}

fn packExponents(query: i32, key: i32, dOutput: i32, value: i32) -> f32 {
  let all = vec4<u32>(clamp(vec4<i32>(query, key, dOutput, value), vec4<i32>(-64), vec4<i32>(63)) + 64);
  return bitcast<f32>(all.x | (all.y << 7u) | (all.z << 14u) | ((all.w + 64u) << 23u));
}

@compute @workgroup_size(128)
fn main(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(local_invocation_index) thread: u32,
) {
  let keyPlane = workgroup.z * (params.heads / params.headsPerKeyHead) + workgroup.y;
  ofThreads[0][thread] = rangeOf(params.queryRanges + keyPlane * params.headsPerKeyHead * params.queryPieces, params.headsPerKeyHead * params.queryPieces, thread);
  ofThreads[1][thread] = rangeOf(params.keyRanges + keyPlane * params.keyPieces, params.keyPieces, thread);
  ofThreads[2][thread] = rangeOf(params.dOutputRanges + keyPlane * params.headsPerKeyHead * params.dOutputPieces, params.headsPerKeyHead * params.dOutputPieces, thread);
  ofThreads[3][thread] = rangeOf(params.valueRanges + keyPlane * params.valuePieces, params.valuePieces, thread);
  workgroupBarrier();
  // Others have met none; a loop whose end no compiler knows is compiled once. One thread for all tensors would take as
  // long as a kernel over rows.
  if (thread < 4u) {
    let met = min(max(max(params.headsPerKeyHead * params.queryPieces, params.keyPieces), max(params.headsPerKeyHead * params.dOutputPieces, params.valuePieces)), 128u);
    var range = ofThreads[thread][0];
    for (var other = 1u; other < met; other++) { range = join(range, ofThreads[thread][other]); }
    ofTensors[thread] = range;
  }
  workgroupBarrier();
  if (thread != 0u) { return; }
  let query = ofTensors[0];
  let key = ofTensors[1];
  let dOutput = ofTensors[2];
  let value = ofTensors[3];
  let split = canSplit(query) && canSplit(key) && canSplit(dOutput) && canSplit(value);
  let gradientScale = scaleOfBound(dOutput.x * value.x * bitcast<f32>(params.headroom));
  let exponents = packExponents(exponentFor(query.x), exponentFor(key.x), exponentFor(dOutput.x), exponentFor(value.x));
  // A scale of 0 says that the rows are for the kernels in plain WGSL.
  powers[keyPlane] = select(vec2<f32>(0.0, exponents), vec2<f32>(gradientScale, exponents), split);
}
