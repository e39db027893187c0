struct Params {
  outputOffset: u32,
  outputBatch: u32,
  outputHead: u32,
  outputRow: u32,
  outputDim: u32,
  dOutputOffset: u32,
  dOutputBatch: u32,
  dOutputHead: u32,
  dOutputRow: u32,
  dOutputDim: u32,
  logSumExpOffset: u32,
  softmaxRowsOffset: u32,
  queryLength: u32,
  heads: u32,
  rowTileBase: u32,
  headBegin: u32,
  batchBase: u32,
  headsPerKeyHead: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> output: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> dOutput: array<vec4<f32>>;
// As bits, since shaders may assume that there is no -Infinity.
@group(0) @binding(3) var<storage, read> logSumExp: array<u32>;
@group(0) @binding(4) var<storage, read_write> softmaxRows: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read> powers: array<vec2<f32>>;

// In place of -Infinity, so that exp(-Infinity - deadRow) is 0.
const deadRow = 3.4028234663852886e38;
const hiddenBits = 0xff800000u; // a score of -Infinity, or a log-sum-exp

// 4 bytes a thread
var<workgroup> partial: array<f32, 128>;

fn loadOutput(base: u32, vector: u32) -> vec4<f32> {
  return output[base + vector];
}

fn loadDOutput(base: u32, vector: u32) -> vec4<f32> {
  return dOutput[base + vector];
}

@compute @workgroup_size(128)
fn main(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(local_invocation_index) thread: u32,
) {
  let batch = params.batchBase + workgroup.z;
  let head = params.headBegin + workgroup.y;
  let part = thread % 8u;
  let queryRow = (params.rowTileBase + workgroup.x) * 16u + thread / 8u;
  let safeRow = min(queryRow, params.queryLength - 1u);
  let outputBase = params.outputOffset + batch * params.outputBatch + head * params.outputHead + safeRow * params.outputRow;
  let dOutputBase = params.dOutputOffset + batch * params.dOutputBatch + head * params.dOutputHead + safeRow * params.dOutputRow;
  var sum = 0.0;
  for (var vector = part; vector < 16u; vector += 8u) {
    sum += dot(loadOutput(outputBase, vector), loadDOutput(dOutputBase, vector));
  }
  partial[thread] = sum;
  workgroupBarrier();
  if (part == 0u && queryRow < params.queryLength) {
    var total = 0.0;
    for (var other = 0u; other < 8u; other++) { total += partial[thread + other]; }
    let place = (batch * params.heads + head) * params.queryLength + queryRow;
    let bits = logSumExp[params.logSumExpOffset + place];
    softmaxRows[params.softmaxRowsOffset + place] = vec4<f32>(select(bitcast<f32>(bits), deadRow, bits == hiddenBits), total, powers[(batch * params.heads + head) / params.headsPerKeyHead]);
  }
}
