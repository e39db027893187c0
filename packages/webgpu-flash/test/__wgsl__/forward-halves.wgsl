enable f16;

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
  keyLength: u32,
  batches: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> query: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> key: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> value: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read> data: array<u32>;
@group(0) @binding(5) var<storage, read> measures: array<vec4<u32>>;
@group(0) @binding(6) var<storage, read_write> queryHalves: array<vec4<f16>>;
@group(0) @binding(7) var<storage, read_write> keyHalves: array<vec4<f16>>;
@group(0) @binding(8) var<storage, read_write> valueHalves: array<vec4<f16>>;

// 4 bytes a thread.
var<workgroup> found: array<u32, 256>;

fn loadQuery(base: u32, vector: u32) -> vec4<f32> {
  return query[base + vector];
}

fn loadKey(base: u32, vector: u32) -> vec4<f32> {
  return key[base + vector];
}

fn loadValue(base: u32, vector: u32) -> vec4<f32> {
  return value[base + vector];
}

// By bits: compilers take f32(f16(x)) for x.
fn upperHalves(values: vec4<f32>) -> vec4<f32> {
  return bitcast<vec4<f32>>((bitcast<vec4<u32>>(values) + vec4<u32>(0x1000u)) & vec4<u32>(0xffffe000u));
}

fn powerOfTwo(exponent: i32) -> f32 {
  return bitcast<f32>(u32(clamp(exponent, -126, 127) + 127) << 23u);
}

fn exponentOf(largest: u32) -> i32 {
  return select(clamp(14 - (i32(largest >> 23u) - 127), -126, 126), 0, largest == 0u);
}

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
  let firstPiece = (batch * planes + workgroup.y) * params.pieces;
  var largest = 0u;
  for (var piece = thread; piece < params.pieces; piece += 256u) {
    largest = max(largest, measures[firstPiece + piece].x);
  }
  found[thread] = largest;
  for (var step = 128u; step > 0u; step >>= 1u) {
    workgroupBarrier();
    if (thread < step) {
      found[thread] = max(found[thread], found[thread + step]);
    }
  }
  workgroupBarrier();
  let exponent = exponentOf(found[0]);
  let factor = powerOfTwo(exponent);
  let firstRow = workgroup.x * 64u;
  if (ofQueries) {
    let base = params.queryOffset + batch * params.queryBatch + head * params.queryHead;
    let plane = batch * params.heads + head;
    for (var unit = thread; unit < 1024u; unit += 256u) {
      let row = firstRow + unit / 16u;
      if (row < rows) {
        let values = loadQuery(base + row * params.queryRow, unit % 16u) * factor;
        let upper = upperHalves(values);
        let place = (plane * params.queryLength + row) * 32u + unit % 16u;
        queryHalves[place] = vec4<f16>(upper);
        queryHalves[place + 16u] = vec4<f16>(values - upper);
      }
    }
    if (workgroup.x == 0u && thread == 0u) {
      queryHalves[params.batches * params.heads * params.queryLength * 32u + 2u * plane] = vec4<f16>(f16(exponent));
    }
  } else if (ofKeys) {
    let base = params.keyOffset + batch * params.keyBatch + head * params.keyHead;
    let plane = batch * params.kvHeads + head;
    for (var unit = thread; unit < 1024u; unit += 256u) {
      let row = firstRow + unit / 16u;
      if (row < rows) {
        let values = loadKey(base + row * params.keyRow, unit % 16u) * factor;
        let upper = upperHalves(values);
        let place = (plane * params.keyLength + row) * 32u + unit % 16u;
        keyHalves[place] = vec4<f16>(upper);
        keyHalves[place + 16u] = vec4<f16>(values - upper);
      }
    }
    if (workgroup.x == 0u && thread == 0u) {
      keyHalves[params.batches * params.kvHeads * params.keyLength * 32u + 2u * plane] = vec4<f16>(f16(exponent));
    }
  } else {
    let base = params.valueOffset + batch * params.valueBatch + head * params.valueHead;
    let plane = batch * params.kvHeads + head;
    for (var unit = thread; unit < 512u; unit += 256u) {
      let row = firstRow + unit / 8u;
      if (row < rows) {
        let values = loadValue(base + row * params.valueRow, unit % 8u) * factor;
        let upper = upperHalves(values);
        let place = (plane * params.keyLength + row) * 16u + unit % 8u;
        valueHalves[place] = vec4<f16>(upper);
        valueHalves[place + 8u] = vec4<f16>(values - upper);
      }
    }
    if (workgroup.x == 0u && thread == 0u) {
      valueHalves[params.batches * params.kvHeads * params.keyLength * 16u + 2u * plane] = vec4<f16>(f16(exponent));
    }
  }
}
