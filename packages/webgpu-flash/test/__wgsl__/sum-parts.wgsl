struct Params {
  dQueryPartsOffset: u32,
  dQueryPartsBatch: u32,
  dQueryPartsHead: u32,
  dQueryPartsRow: u32,
  dQueryPartsDim: u32,
  dQueryOffset: u32,
  dQueryBatch: u32,
  dQueryHead: u32,
  dQueryRow: u32,
  dQueryDim: u32,
  queryLength: u32,
  keyLength: u32,
  heads: u32,
  headsPerKeyHead: u32,
  rowTileBase: u32,
  headBegin: u32,
  batchBase: u32,
  accumulate: u32,
  parts: u32,
  dQueryPartSize: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> dQueryParts: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> dQuery: array<vec4<f32>>;

fn loadDQueryParts(base: u32, vector: u32) -> vec4<f32> {
  return dQueryParts[base + vector];
}

fn loadDQuery(base: u32, vector: u32) -> vec4<f32> {
  return dQuery[base + vector];
}

fn storeDQuery(base: u32, vector: u32, value: vec4<f32>) {
  dQuery[base + vector] = value;
}

@compute @workgroup_size(128)
fn main(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(local_invocation_index) thread: u32,
) {
  let batch = params.batchBase + workgroup.z;
  let head = params.headBegin + workgroup.y;
  let row = (params.rowTileBase + workgroup.x) * 16u + thread / 8u;
  let token = row;
  if (token >= params.queryLength) { return; }
  let first = params.dQueryPartsOffset + batch * params.dQueryPartsBatch + head * params.dQueryPartsHead + row * params.dQueryPartsRow;
  let base = params.dQueryOffset + batch * params.dQueryBatch + head * params.dQueryHead + token * params.dQueryRow;
  for (var vector = thread % 8u; vector < 16u; vector += 8u) {
    var sum = vec4<f32>();
    if (params.accumulate != 0u) { sum = loadDQuery(base, vector); }
    for (var part = 0u; part < params.parts; part++) {
      sum += loadDQueryParts(first + part * params.dQueryPartSize, vector);
    }
    storeDQuery(base, vector, sum);
  }
}
