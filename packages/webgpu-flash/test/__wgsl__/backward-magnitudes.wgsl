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
  let part = thread % 8u;
  var own = 0.0;
  var row = piece * params.valuePieceRows + thread / 8u;
  for (; (row + 112u) < end; row += 128u) {
    var squares0 = 0.0;
    var squares1 = 0.0;
    var squares2 = 0.0;
    var squares3 = 0.0;
    var squares4 = 0.0;
    var squares5 = 0.0;
    var squares6 = 0.0;
    var squares7 = 0.0;
    let value0_0 = loadValue(base + row * params.valueRow, part);
    let value0_1 = loadValue(base + row * params.valueRow, part + 8u);
    let value1_0 = loadValue(base + (row + 16u) * params.valueRow, part);
    let value1_1 = loadValue(base + (row + 16u) * params.valueRow, part + 8u);
    let value2_0 = loadValue(base + (row + 32u) * params.valueRow, part);
    let value2_1 = loadValue(base + (row + 32u) * params.valueRow, part + 8u);
    let value3_0 = loadValue(base + (row + 48u) * params.valueRow, part);
    let value3_1 = loadValue(base + (row + 48u) * params.valueRow, part + 8u);
    let value4_0 = loadValue(base + (row + 64u) * params.valueRow, part);
    let value4_1 = loadValue(base + (row + 64u) * params.valueRow, part + 8u);
    let value5_0 = loadValue(base + (row + 80u) * params.valueRow, part);
    let value5_1 = loadValue(base + (row + 80u) * params.valueRow, part + 8u);
    let value6_0 = loadValue(base + (row + 96u) * params.valueRow, part);
    let value6_1 = loadValue(base + (row + 96u) * params.valueRow, part + 8u);
    let value7_0 = loadValue(base + (row + 112u) * params.valueRow, part);
    let value7_1 = loadValue(base + (row + 112u) * params.valueRow, part + 8u);
    squares0 += dot(value0_0, value0_0);
    squares0 += dot(value0_1, value0_1);
    squares1 += dot(value1_0, value1_0);
    squares1 += dot(value1_1, value1_1);
    squares2 += dot(value2_0, value2_0);
    squares2 += dot(value2_1, value2_1);
    squares3 += dot(value3_0, value3_0);
    squares3 += dot(value3_1, value3_1);
    squares4 += dot(value4_0, value4_0);
    squares4 += dot(value4_1, value4_1);
    squares5 += dot(value5_0, value5_0);
    squares5 += dot(value5_1, value5_1);
    squares6 += dot(value6_0, value6_0);
    squares6 += dot(value6_1, value6_1);
    squares7 += dot(value7_0, value7_0);
    squares7 += dot(value7_1, value7_1);
    if (isFinite(squares0)) { own = max(own, squares0); }
    if (isFinite(squares1)) { own = max(own, squares1); }
    if (isFinite(squares2)) { own = max(own, squares2); }
    if (isFinite(squares3)) { own = max(own, squares3); }
    if (isFinite(squares4)) { own = max(own, squares4); }
    if (isFinite(squares5)) { own = max(own, squares5); }
    if (isFinite(squares6)) { own = max(own, squares6); }
    if (isFinite(squares7)) { own = max(own, squares7); }
  }
  for (; row < end; row += 16u) {
    var squares0 = 0.0;
    let value0_0 = loadValue(base + row * params.valueRow, part);
    let value0_1 = loadValue(base + row * params.valueRow, part + 8u);
    squares0 += dot(value0_0, value0_0);
    squares0 += dot(value0_1, value0_1);
    if (isFinite(squares0)) { own = max(own, squares0); }
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
