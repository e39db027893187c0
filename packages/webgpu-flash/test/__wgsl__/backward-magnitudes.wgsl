enable f16;

struct Params {
  valueOffset: u32,
  valueBatch: u32,
  valueHead: u32,
  valueRow: u32,
  valueDim: u32,
  queryLength: u32,
  heads: u32,
  headsPerKeyHead: u32,
  rowTileBase: u32,
  headBegin: u32,
  batchBase: u32,
  valuePieces: u32,
  valuePieceRows: u32,
  valueMagnitudes: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> value: array<vec4<f16>>;
@group(0) @binding(2) var<storage, read> data: array<u32>;
@group(0) @binding(3) var<storage, read_write> magnitudes: array<f32>;

// 4 bytes a thread
var<workgroup> largest: array<f32, 128>;

fn loadValue(base: u32, vector: u32) -> vec4<f32> {
  return vec4<f32>(value[base + vector]);
}

// Rows that nobody sees may hold anything.
fn isFinite(value: f32) -> bool { return (bitcast<u32>(value) & 0x7f800000u) != 0x7f800000u; }

@compute @workgroup_size(128)
fn main(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(local_invocation_index) thread: u32,
) {
  let batch = params.batchBase + workgroup.z;
  let head = params.headBegin / params.headsPerKeyHead + workgroup.y;
  let piece = params.rowTileBase + workgroup.x;
  let count = data[2u * batch + 1u];
  let end = min((piece + 1u) * params.valuePieceRows, count);
  let base = params.valueOffset + batch * params.valueBatch + head * params.valueHead;
  var own = 0.0;
  for (var row = piece * params.valuePieceRows + thread / 8u; row < end; row += 16u) {
    var squares = 0.0;
    for (var vector = thread % 8u; vector < 16u; vector += 8u) {
      let value = loadValue(base + row * params.valueRow, vector);
      squares += dot(value, value);
    }
    if (isFinite(squares)) { own = max(own, squares); }
  }
  largest[thread] = own;
  workgroupBarrier();
  if (thread < 8u) {
    for (var other = thread; other < 128u; other += 8u) { own = max(own, largest[other]); }
    largest[thread] = own;
  }
  workgroupBarrier();
  if (thread == 0u) {
    var sum = 0.0;
    for (var part = 0u; part < 8u; part++) { sum += largest[part]; }
    let plane = batch * (params.heads / params.headsPerKeyHead) + head;
    magnitudes[params.valueMagnitudes + plane * params.valuePieces + piece] = sqrt(sum);
  }
}
