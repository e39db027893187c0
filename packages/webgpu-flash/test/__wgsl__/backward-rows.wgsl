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
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> output: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> dOutput: array<vec4<f32>>;
// As bits, since shaders may assume that there is no -Infinity.
@group(0) @binding(3) var<storage, read> logSumExp: array<u32>;
@group(0) @binding(4) var<storage, read_write> softmaxRows: array<vec2<f32>>;

// In place of -Infinity, so that exp(-Infinity - deadRow) is 0.
const deadRow = 3.4028234663852886e38;
const hiddenBits = 0xff800000u; // a score of -Infinity, or a log-sum-exp

// 576 bytes: the sums of each row's threads
var<workgroup> partial: array<f32, 144>;

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
  let firstRow = (params.rowTileBase + workgroup.x) * 16u;
  let outputBase = params.outputOffset + batch * params.outputBatch + head * params.outputHead;
  let dOutputBase = params.dOutputOffset + batch * params.dOutputBatch + head * params.dOutputHead;
  for (var row = thread / 8u; row < 16u; row += 16u) {
    let row0 = min(firstRow + row, params.queryLength - 1u);
    let outputRow0 = outputBase + row0 * params.outputRow;
    let dOutputRow0 = dOutputBase + row0 * params.dOutputRow;
    var sum0 = 0.0;
    let output0_0 = loadOutput(outputRow0, part);
    let dOutput0_0 = loadDOutput(dOutputRow0, part);
    let output0_1 = loadOutput(outputRow0, part + 8u);
    let dOutput0_1 = loadDOutput(dOutputRow0, part + 8u);
    sum0 += dot(output0_0, dOutput0_0);
    sum0 += dot(output0_1, dOutput0_1);
    partial[row * 9u + part] = sum0;
  }
  workgroupBarrier();
  for (var row = thread; row < 16u && firstRow + row < params.queryLength; row += 128u) {
    var total = 0.0;
    for (var other = 0u; other < 8u; other++) { total += partial[row * 9u + other]; }
    let place = (batch * params.heads + head) * params.queryLength + firstRow + row;
    let bits = logSumExp[params.logSumExpOffset + place];
    softmaxRows[params.softmaxRowsOffset + place] = vec2<f32>(select(bitcast<f32>(bits), deadRow, bits == hiddenBits), total);
  }
}
