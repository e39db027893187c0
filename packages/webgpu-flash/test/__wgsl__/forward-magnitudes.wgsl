struct Params {
  queryOffset: u32,
  queryBatch: u32,
  queryHead: u32,
  queryRow: u32,
  queryDim: u32,
  keyOffset: u32,
  keyBatch: u32,
  keyHead: u32,
  keyRow: u32,
  keyDim: u32,
  valueOffset: u32,
  valueBatch: u32,
  valueHead: u32,
  valueRow: u32,
  valueDim: u32,
  queryLength: u32,
  heads: u32,
  kvHeads: u32,
  pieces: u32,
  queryPieceRows: u32,
  keyPieceRows: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> query: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> key: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> value: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read> data: array<u32>;
@group(0) @binding(5) var<storage, read_write> measures: array<vec4<u32>>;

// 16 bytes a thread.
var<workgroup> found: array<vec4<u32>, 256>;

fn loadQuery(base: u32, vector: u32) -> vec4<f32> {
  return query[base + vector];
}

fn loadKey(base: u32, vector: u32) -> vec4<f32> {
  return key[base + vector];
}

fn loadValue(base: u32, vector: u32) -> vec4<f32> {
  return value[base + vector];
}

// Magnitudes are compared as words: so NaN and infinity are larger than numbers.
@compute @workgroup_size(256)
fn main(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(local_invocation_index) thread: u32,
) {
  let batch = workgroup.z;
  let planes = params.heads + 2u * params.kvHeads;
  let ofQueries = workgroup.y < params.heads;
  let ofKeys = !ofQueries && workgroup.y < params.heads + params.kvHeads;
  let rows = select(data[2u * batch + 1u], params.queryLength, ofQueries);
  let head = select(workgroup.y - params.heads - select(params.kvHeads, 0u, ofKeys), workgroup.y, ofQueries);
  let piece = workgroup.x;
  let pieceRows = select(params.keyPieceRows, params.queryPieceRows, ofQueries);
  let part = thread % 8u;
  let first = piece * pieceRows + thread / 8u;
  let end = min((piece + 1u) * pieceRows, rows);
  var largest = 0u;
  var smallest = 0x7f800000u;
  var norm = 0.0;
  if (ofQueries) {
    let base = params.queryOffset + batch * params.queryBatch + head * params.queryHead;
    for (var row = first; row < end; row += 32u) {
      var own = vec4<u32>(0u);
      var sum = 0.0;
      for (var vector = part; vector < 16u; vector += 8u) {
        let values = loadQuery(base + row * params.queryRow, vector);
        own = max(own, bitcast<vec4<u32>>(values) & vec4<u32>(0x7fffffffu));
        sum += dot(abs(values), vec4<f32>(1.0));
      }
      let most = max(max(own.x, own.y), max(own.z, own.w));
      largest = max(largest, most);
      smallest = select(smallest, min(smallest, most), most != 0u);
      norm = max(norm, sum);
    }
  } else if (ofKeys) {
    let base = params.keyOffset + batch * params.keyBatch + head * params.keyHead;
    for (var row = first; row < end; row += 32u) {
      var own = vec4<u32>(0u);
      var sum = 0.0;
      for (var vector = part; vector < 16u; vector += 8u) {
        let values = loadKey(base + row * params.keyRow, vector);
        own = max(own, bitcast<vec4<u32>>(values) & vec4<u32>(0x7fffffffu));
        sum += dot(abs(values), vec4<f32>(1.0));
      }
      let most = max(max(own.x, own.y), max(own.z, own.w));
      largest = max(largest, most);
      smallest = select(smallest, min(smallest, most), most != 0u);
      norm = max(norm, sum);
    }
  } else {
    let base = params.valueOffset + batch * params.valueBatch + head * params.valueHead;
    for (var row = first; row < end; row += 32u) {
      var own = vec4<u32>(0u);
      var sum = 0.0;
      for (var vector = part; vector < 8u; vector += 8u) {
        let values = loadValue(base + row * params.valueRow, vector);
        own = max(own, bitcast<vec4<u32>>(values) & vec4<u32>(0x7fffffffu));
        sum += dot(abs(values), vec4<f32>(1.0));
      }
      let most = max(max(own.x, own.y), max(own.z, own.w));
      largest = max(largest, most);
      smallest = select(smallest, min(smallest, most), most != 0u);
      norm = max(norm, sum);
    }
  }
  found[thread] = vec4<u32>(largest, smallest, bitcast<u32>(norm), 0u);
  workgroupBarrier();
  if (thread < 8u) {
    for (var other = thread; other < 256u; other += 8u) {
      let one = found[other];
      largest = max(largest, one.x);
      smallest = min(smallest, one.y);
      norm = max(norm, bitcast<f32>(one.z));
    }
    found[thread] = vec4<u32>(largest, smallest, bitcast<u32>(norm), 0u);
  }
  workgroupBarrier();
  if (thread == 0u) {
    var sum = 0.0;
    for (var other = 0u; other < 8u; other++) {
      largest = max(largest, found[other].x);
      smallest = min(smallest, found[other].y);
      sum += bitcast<f32>(found[other].z);
    }
    measures[(batch * planes + workgroup.y) * params.pieces + piece] = vec4<u32>(largest, smallest, bitcast<u32>(sum), 0u);
  }
}
