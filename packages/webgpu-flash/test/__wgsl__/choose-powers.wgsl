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

// 8 bytes a thread
var<workgroup> ofThreads: array<vec2<f32>, 128>;

// The largest and the smallest of some pieces.
fn rangeOf(first: u32, count: u32, thread: u32) -> vec2<f32> {
  var range = vec2<f32>(0.0, 0x1p+60f);
  for (var piece = thread; piece < count; piece += 128u) {
    let other = ranges[first + piece];
    range = vec2<f32>(max(range.x, other.x), min(range.y, other.y));
  }
  workgroupBarrier();
  ofThreads[thread] = range;
  workgroupBarrier();
  // Others have met none; a loop whose end no compiler knows is compiled once.
  for (var other = 0u; other < min(count, 128u); other++) {
    range = vec2<f32>(max(range.x, ofThreads[other].x), min(range.y, ofThreads[other].y));
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
  let query = rangeOf(params.queryRanges + keyPlane * params.headsPerKeyHead * params.queryPieces, params.headsPerKeyHead * params.queryPieces, thread);
  let key = rangeOf(params.keyRanges + keyPlane * params.keyPieces, 1u * params.keyPieces, thread);
  let dOutput = rangeOf(params.dOutputRanges + keyPlane * params.headsPerKeyHead * params.dOutputPieces, params.headsPerKeyHead * params.dOutputPieces, thread);
  let value = rangeOf(params.valueRanges + keyPlane * params.valuePieces, 1u * params.valuePieces, thread);
  if (thread != 0u) { return; }
  let split = canSplit(query) && canSplit(key) && canSplit(dOutput) && canSplit(value);
  let gradientScale = scaleOfBound(dOutput.x * value.x * bitcast<f32>(params.headroom));
  let exponents = packExponents(exponentFor(query.x), exponentFor(key.x), exponentFor(dOutput.x), exponentFor(value.x));
  // A scale of 0 says that the rows are for the kernels in plain WGSL.
  powers[keyPlane] = select(vec2<f32>(0.0, exponents), vec2<f32>(gradientScale, exponents), split);
}
