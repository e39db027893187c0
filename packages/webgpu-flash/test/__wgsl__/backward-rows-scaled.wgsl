enable f16;

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
  dOutputMagnitudes: u32,
  dOutputPieces: u32,
  valueMagnitudes: u32,
  valuePieces: u32,
  headroom: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> output: array<vec4<f16>>;
@group(0) @binding(2) var<storage, read> dOutput: array<vec4<f16>>;
// As bits, since shaders may assume that there is no -Infinity.
@group(0) @binding(3) var<storage, read> logSumExp: array<u32>;
@group(0) @binding(4) var<storage, read_write> softmaxRows: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read> magnitudes: array<f32>;

// In place of -Infinity, so that exp(-Infinity - deadRow) is 0.
const deadRow = 3.4028234663852886e38;
const hiddenBits = 0xff800000u; // a score of -Infinity, or a log-sum-exp

// 5632 bytes: the sums of each row's threads, and what of the sizes each has read
var<workgroup> partial: array<f32, 1152>;
var<workgroup> largest: array<vec2<f32>, 128>;

fn loadOutput(base: u32, vector: u32) -> vec4<f32> {
  return vec4<f32>(output[base + vector]);
}

fn loadDOutput(base: u32, vector: u32) -> vec4<f32> {
  return vec4<f32>(dOutput[base + vector]);
}

fn scaleOfBound(bound: f32) -> f32 {
  let exponent = i32(bitcast<u32>(bound) >> 23u) - 127; // of the power of two below
  return bitcast<f32>(u32(clamp(5 - exponent, -100, 100) + 127) << 23u);
}

@compute @workgroup_size(128)
fn main(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(local_invocation_index) thread: u32,
) {
  let batch = params.batchBase + workgroup.z;
  let head = params.headBegin + workgroup.y;
  let part = thread % 8u;
  let firstRow = (params.rowTileBase + workgroup.x) * 128u;
  let outputBase = params.outputOffset + batch * params.outputBatch + head * params.outputHead;
  let dOutputBase = params.dOutputOffset + batch * params.dOutputBatch + head * params.dOutputHead;
  for (var row = thread / 8u; row < 128u; row += 128u) {
    let row0 = min(firstRow + row, params.queryLength - 1u);
    let outputRow0 = outputBase + row0 * params.outputRow;
    let dOutputRow0 = dOutputBase + row0 * params.dOutputRow;
    var sum0 = 0.0;
    let row1 = min(firstRow + (row + 16u), params.queryLength - 1u);
    let outputRow1 = outputBase + row1 * params.outputRow;
    let dOutputRow1 = dOutputBase + row1 * params.dOutputRow;
    var sum1 = 0.0;
    let row2 = min(firstRow + (row + 32u), params.queryLength - 1u);
    let outputRow2 = outputBase + row2 * params.outputRow;
    let dOutputRow2 = dOutputBase + row2 * params.dOutputRow;
    var sum2 = 0.0;
    let row3 = min(firstRow + (row + 48u), params.queryLength - 1u);
    let outputRow3 = outputBase + row3 * params.outputRow;
    let dOutputRow3 = dOutputBase + row3 * params.dOutputRow;
    var sum3 = 0.0;
    let row4 = min(firstRow + (row + 64u), params.queryLength - 1u);
    let outputRow4 = outputBase + row4 * params.outputRow;
    let dOutputRow4 = dOutputBase + row4 * params.dOutputRow;
    var sum4 = 0.0;
    let row5 = min(firstRow + (row + 80u), params.queryLength - 1u);
    let outputRow5 = outputBase + row5 * params.outputRow;
    let dOutputRow5 = dOutputBase + row5 * params.dOutputRow;
    var sum5 = 0.0;
    let row6 = min(firstRow + (row + 96u), params.queryLength - 1u);
    let outputRow6 = outputBase + row6 * params.outputRow;
    let dOutputRow6 = dOutputBase + row6 * params.dOutputRow;
    var sum6 = 0.0;
    let row7 = min(firstRow + (row + 112u), params.queryLength - 1u);
    let outputRow7 = outputBase + row7 * params.outputRow;
    let dOutputRow7 = dOutputBase + row7 * params.dOutputRow;
    var sum7 = 0.0;
    let output0_0 = loadOutput(outputRow0, part);
    let dOutput0_0 = loadDOutput(dOutputRow0, part);
    let output0_1 = loadOutput(outputRow0, part + 8u);
    let dOutput0_1 = loadDOutput(dOutputRow0, part + 8u);
    let output1_0 = loadOutput(outputRow1, part);
    let dOutput1_0 = loadDOutput(dOutputRow1, part);
    let output1_1 = loadOutput(outputRow1, part + 8u);
    let dOutput1_1 = loadDOutput(dOutputRow1, part + 8u);
    let output2_0 = loadOutput(outputRow2, part);
    let dOutput2_0 = loadDOutput(dOutputRow2, part);
    let output2_1 = loadOutput(outputRow2, part + 8u);
    let dOutput2_1 = loadDOutput(dOutputRow2, part + 8u);
    let output3_0 = loadOutput(outputRow3, part);
    let dOutput3_0 = loadDOutput(dOutputRow3, part);
    let output3_1 = loadOutput(outputRow3, part + 8u);
    let dOutput3_1 = loadDOutput(dOutputRow3, part + 8u);
    let output4_0 = loadOutput(outputRow4, part);
    let dOutput4_0 = loadDOutput(dOutputRow4, part);
    let output4_1 = loadOutput(outputRow4, part + 8u);
    let dOutput4_1 = loadDOutput(dOutputRow4, part + 8u);
    let output5_0 = loadOutput(outputRow5, part);
    let dOutput5_0 = loadDOutput(dOutputRow5, part);
    let output5_1 = loadOutput(outputRow5, part + 8u);
    let dOutput5_1 = loadDOutput(dOutputRow5, part + 8u);
    let output6_0 = loadOutput(outputRow6, part);
    let dOutput6_0 = loadDOutput(dOutputRow6, part);
    let output6_1 = loadOutput(outputRow6, part + 8u);
    let dOutput6_1 = loadDOutput(dOutputRow6, part + 8u);
    let output7_0 = loadOutput(outputRow7, part);
    let dOutput7_0 = loadDOutput(dOutputRow7, part);
    let output7_1 = loadOutput(outputRow7, part + 8u);
    let dOutput7_1 = loadDOutput(dOutputRow7, part + 8u);
    sum0 += dot(output0_0, dOutput0_0);
    sum0 += dot(output0_1, dOutput0_1);
    sum1 += dot(output1_0, dOutput1_0);
    sum1 += dot(output1_1, dOutput1_1);
    sum2 += dot(output2_0, dOutput2_0);
    sum2 += dot(output2_1, dOutput2_1);
    sum3 += dot(output3_0, dOutput3_0);
    sum3 += dot(output3_1, dOutput3_1);
    sum4 += dot(output4_0, dOutput4_0);
    sum4 += dot(output4_1, dOutput4_1);
    sum5 += dot(output5_0, dOutput5_0);
    sum5 += dot(output5_1, dOutput5_1);
    sum6 += dot(output6_0, dOutput6_0);
    sum6 += dot(output6_1, dOutput6_1);
    sum7 += dot(output7_0, dOutput7_0);
    sum7 += dot(output7_1, dOutput7_1);
    partial[row * 9u + part] = sum0;
    partial[(row + 16u) * 9u + part] = sum1;
    partial[(row + 32u) * 9u + part] = sum2;
    partial[(row + 48u) * 9u + part] = sum3;
    partial[(row + 64u) * 9u + part] = sum4;
    partial[(row + 80u) * 9u + part] = sum5;
    partial[(row + 96u) * 9u + part] = sum6;
    partial[(row + 112u) * 9u + part] = sum7;
  }
  let keyHead = head / params.headsPerKeyHead;
  let firstPlane = batch * params.heads + keyHead * params.headsPerKeyHead;
  let keyPlane = batch * (params.heads / params.headsPerKeyHead) + keyHead;
  let gradientPieces = params.headsPerKeyHead * params.dOutputPieces;
  var most = vec2<f32>();
  for (var piece = thread; piece < max(gradientPieces, params.valuePieces); piece += 128u) {
    let ofGradient = magnitudes[params.dOutputMagnitudes + firstPlane * params.dOutputPieces + min(piece, gradientPieces - 1u)];
    let ofValue = magnitudes[params.valueMagnitudes + keyPlane * params.valuePieces + min(piece, params.valuePieces - 1u)];
    most = max(most, vec2<f32>(ofGradient, ofValue));
  }
  largest[thread] = most;
  workgroupBarrier();
  if (thread < 8u) {
    for (var other = thread + 8u; other < 128u; other += 8u) { most = max(most, largest[other]); }
    largest[thread] = most;
  }
  workgroupBarrier();
  var largestRows = largest[0];
  for (var other = 1u; other < 8u; other++) { largestRows = max(largestRows, largest[other]); }
  let bound = largestRows.x * largestRows.y * bitcast<f32>(params.headroom);
  for (var row = thread; row < 128u && firstRow + row < params.queryLength; row += 128u) {
    var total = 0.0;
    for (var other = 0u; other < 8u; other++) { total += partial[row * 9u + other]; }
    let place = (batch * params.heads + head) * params.queryLength + firstRow + row;
    let bits = logSumExp[params.logSumExpOffset + place];
    softmaxRows[params.softmaxRowsOffset + place] = vec4<f32>(select(bitcast<f32>(bits), deadRow, bits == hiddenBits), total, scaleOfBound(bound), 0.0);
  }
}
