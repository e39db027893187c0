enable f16;
enable subgroups;
enable chromium_experimental_subgroup_matrix;
diagnostic(off, chromium.subgroup_matrix_uniformity);

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
  outputOffset: u32,
  outputBatch: u32,
  outputHead: u32,
  outputRow: u32,
  outputDim: u32,
  logSumExpOffset: u32,
  queryLength: u32,
  keyLength: u32,
  heads: u32,
  headsPerKeyHead: u32,
  queryTileBase: u32,
  headBase: u32,
  batchBase: u32,
  keyTileBegin: u32,
  keyTileEnd: u32,
  mergeWithOutput: u32,
  mapQueryTiles: u32,
  mapHeads: u32,
  mapBatches: u32,
  mapRunsBase: u32,
  mapOrderBase: u32,
  scale: u32,
  negativeInfinity: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> query: array<vec4<f16>>;
@group(0) @binding(2) var<storage, read> key: array<vec4<f16>>;
@group(0) @binding(3) var<storage, read> value: array<vec4<f16>>;
@group(0) @binding(4) var<storage, read_write> output: array<vec4<f16>>;
@group(0) @binding(5) var<storage, read_write> logSumExp: array<f32>;
@group(0) @binding(6) var<storage, read> blockMap: array<u32>;
// Query offset and key count of every sequence, then the tables of the expressions.
@group(0) @binding(7) var<storage, read> data: array<u32>;

alias Left = subgroup_matrix_left<f16, 16, 16>;
alias Right = subgroup_matrix_right<f16, 16, 16>;
alias Result = subgroup_matrix_result<f32, 16, 16>;
const tileQueries = 64u;
const tileKeys = 32u;
const valueVectors = 16u;
const operandStride = 18u;
const scoreStride = 9u;
const probabilityStride = 10u;
// How far, as a power of e, probabilities may outgrow 1 before the output is rescaled.
const slack = 8.0;
// Finite stand-ins: WGSL may assume there are no infinities. A hidden score is far below the
// smallest maximum, so that exp(hidden - maximum) is exactly 0 even where nothing is visible.
const hidden = -3.0e38;
const smallestMaximum = -1.0e30;

// Q, then K and V; the scores, and the output where it is rescaled or written; the probabilities.
var<workgroup> operands: array<vec4<f16>, 1152>;
var<workgroup> scores: array<vec4<f32>, 576>;
var<workgroup> probabilities: array<vec4<f16>, 640>;
// Whether any row of a subgroup has outgrown its reference.
var<workgroup> outgrown: array<u32, 4>;

fn loadQuery(base: u32, vector: u32) -> vec4<f32> {
  return vec4<f32>(query[base + vector]);
}

fn loadKey(base: u32, vector: u32) -> vec4<f32> {
  return vec4<f32>(key[base + vector]);
}

fn loadValue(base: u32, vector: u32) -> vec4<f32> {
  return vec4<f32>(value[base + vector]);
}

fn loadOutput(base: u32, vector: u32) -> vec4<f32> {
  return vec4<f32>(output[base + vector]);
}

fn storeOutput(base: u32, vector: u32, value: vec4<f32>) {
  output[base + vector] = vec4<f16>(value);
}

fn visible(batch: i32, head: i32, query: i32, queryIndex: i32, key: i32) -> bool {
  return (key <= query);
}

@compute @workgroup_size(128)
fn main(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(subgroup_id) subgroup: u32,
  @builtin(subgroup_invocation_id) lane: u32,
) {
  let thread = subgroup * 32u + lane;
  let head = params.headBase + workgroup.y;
  let batch = params.batchBase + workgroup.z;
  let keyHead = head / params.headsPerKeyHead;
  let queryOffset = bitcast<i32>(data[2u * batch]);
  let keyCount = data[2u * batch + 1u];
  let outer = min(batch, params.mapBatches - 1u) * params.mapHeads + min(head, params.mapHeads - 1u);
  let mapRow = outer * params.mapQueryTiles;
  let queryTile = blockMap[params.mapOrderBase + mapRow + params.queryTileBase + workgroup.x];
  let firstRun = blockMap[mapRow + queryTile];
  let endRun = blockMap[mapRow + queryTile + 1u];
  let queryBase = params.queryOffset + batch * params.queryBatch + head * params.queryHead;
  let keyBase = params.keyOffset + batch * params.keyBatch + keyHead * params.keyHead;
  let valueBase = params.valueOffset + batch * params.valueBatch + keyHead * params.valueHead;
  let firstQuery = queryTile * tileQueries;
  let lastQuery = params.queryLength - 1u;
  let lastKey = max(keyCount, 1u) - 1u; // rows past it may hold anything, so they are never read
  let scale = bitcast<f32>(params.scale);
  // In the softmax, 2 lanes share a row.
  let tileRow = subgroup * 16u + lane / 2u;
  let part = lane % 2u;
  let column = part * 16u;
  let queryIndex = i32(firstQuery + tileRow);
  let position = queryOffset + queryIndex;


  for (var unit = thread; unit < 1024u; unit += 128u) {
    let row = unit / 16u;
    let loaded = loadQuery(queryBase + min(firstQuery + row, lastQuery) * params.queryRow, unit % 16u);
    operands[0u + row * operandStride + unit % 16u] = vec4<f16>(loaded);
  }
  workgroupBarrier();
  let query0 = subgroupMatrixLoad<Left, row_major>(&operands, subgroup * 16u * operandStride + 0u, operandStride);
  let query1 = subgroupMatrixLoad<Left, row_major>(&operands, subgroup * 16u * operandStride + 4u, operandStride);
  let query2 = subgroupMatrixLoad<Left, row_major>(&operands, subgroup * 16u * operandStride + 8u, operandStride);
  let query3 = subgroupMatrixLoad<Left, row_major>(&operands, subgroup * 16u * operandStride + 12u, operandStride);
  var output0 = Result();
  var output1 = Result();
  var output2 = Result();
  var output3 = Result();
  var reference = smallestMaximum;
  var sum = 0.0;

  for (var run = firstRun; run < endRun; run++) {
    let start = blockMap[params.mapRunsBase + 2u * run];
    let packed = blockMap[params.mapRunsBase + 2u * run + 1u];
    let full = (packed & 1u) == 1u;
    let endTile = min(start + (packed >> 1u), params.keyTileEnd);
    for (var keyTile = max(start, params.keyTileBegin); keyTile < endTile; keyTile++) {
      let firstKey = keyTile * tileKeys;
      workgroupBarrier();
      for (var unit = thread; unit < 512u; unit += 128u) {
        let row = unit / 16u;
        let loaded = loadKey(keyBase + min(firstKey + row, lastKey) * params.keyRow, unit % 16u);
        operands[0u + row * operandStride + unit % 16u] = vec4<f16>(loaded);
      }
      for (var unit = thread; unit < 512u; unit += 128u) {
        let row = unit / 16u;
        let loaded = loadValue(valueBase + min(firstKey + row, lastKey) * params.valueRow, unit % 16u);
        operands[32u * operandStride + row * operandStride + unit % 16u] = vec4<f16>(loaded);
      }
      workgroupBarrier();
      {
        var product = Result();
        product = subgroupMatrixMultiplyAccumulate(query0, subgroupMatrixLoad<Right, col_major>(&operands, 0u * operandStride + 0u, operandStride), product);
        product = subgroupMatrixMultiplyAccumulate(query1, subgroupMatrixLoad<Right, col_major>(&operands, 0u * operandStride + 4u, operandStride), product);
        product = subgroupMatrixMultiplyAccumulate(query2, subgroupMatrixLoad<Right, col_major>(&operands, 0u * operandStride + 8u, operandStride), product);
        product = subgroupMatrixMultiplyAccumulate(query3, subgroupMatrixLoad<Right, col_major>(&operands, 0u * operandStride + 12u, operandStride), product);
        subgroupMatrixStore<row_major>(&scores, subgroup * 16u * scoreStride + 0u, product, scoreStride);
      }
      {
        var product = Result();
        product = subgroupMatrixMultiplyAccumulate(query0, subgroupMatrixLoad<Right, col_major>(&operands, 16u * operandStride + 0u, operandStride), product);
        product = subgroupMatrixMultiplyAccumulate(query1, subgroupMatrixLoad<Right, col_major>(&operands, 16u * operandStride + 4u, operandStride), product);
        product = subgroupMatrixMultiplyAccumulate(query2, subgroupMatrixLoad<Right, col_major>(&operands, 16u * operandStride + 8u, operandStride), product);
        product = subgroupMatrixMultiplyAccumulate(query3, subgroupMatrixLoad<Right, col_major>(&operands, 16u * operandStride + 12u, operandStride), product);
        subgroupMatrixStore<row_major>(&scores, subgroup * 16u * scoreStride + 4u, product, scoreStride);
      }
      workgroupBarrier();
      var score0 = scores[tileRow * scoreStride + part * 4u + 0u] * scale;
      var score1 = scores[tileRow * scoreStride + part * 4u + 1u] * scale;
      var score2 = scores[tileRow * scoreStride + part * 4u + 2u] * scale;
      var score3 = scores[tileRow * scoreStride + part * 4u + 3u] * scale;

      score0 = clamp(score0, vec4<f32>(hidden), vec4<f32>(-hidden));
      score1 = clamp(score1, vec4<f32>(hidden), vec4<f32>(-hidden));
      score2 = clamp(score2, vec4<f32>(hidden), vec4<f32>(-hidden));
      score3 = clamp(score3, vec4<f32>(hidden), vec4<f32>(-hidden));
      if (!full) {
        if (!(firstKey + column + 0u < keyCount && visible(i32(batch), i32(head), position, queryIndex, i32(firstKey + column + 0u)))) { score0.x = hidden; }
        if (!(firstKey + column + 1u < keyCount && visible(i32(batch), i32(head), position, queryIndex, i32(firstKey + column + 1u)))) { score0.y = hidden; }
        if (!(firstKey + column + 2u < keyCount && visible(i32(batch), i32(head), position, queryIndex, i32(firstKey + column + 2u)))) { score0.z = hidden; }
        if (!(firstKey + column + 3u < keyCount && visible(i32(batch), i32(head), position, queryIndex, i32(firstKey + column + 3u)))) { score0.w = hidden; }
        if (!(firstKey + column + 4u < keyCount && visible(i32(batch), i32(head), position, queryIndex, i32(firstKey + column + 4u)))) { score1.x = hidden; }
        if (!(firstKey + column + 5u < keyCount && visible(i32(batch), i32(head), position, queryIndex, i32(firstKey + column + 5u)))) { score1.y = hidden; }
        if (!(firstKey + column + 6u < keyCount && visible(i32(batch), i32(head), position, queryIndex, i32(firstKey + column + 6u)))) { score1.z = hidden; }
        if (!(firstKey + column + 7u < keyCount && visible(i32(batch), i32(head), position, queryIndex, i32(firstKey + column + 7u)))) { score1.w = hidden; }
        if (!(firstKey + column + 8u < keyCount && visible(i32(batch), i32(head), position, queryIndex, i32(firstKey + column + 8u)))) { score2.x = hidden; }
        if (!(firstKey + column + 9u < keyCount && visible(i32(batch), i32(head), position, queryIndex, i32(firstKey + column + 9u)))) { score2.y = hidden; }
        if (!(firstKey + column + 10u < keyCount && visible(i32(batch), i32(head), position, queryIndex, i32(firstKey + column + 10u)))) { score2.z = hidden; }
        if (!(firstKey + column + 11u < keyCount && visible(i32(batch), i32(head), position, queryIndex, i32(firstKey + column + 11u)))) { score2.w = hidden; }
        if (!(firstKey + column + 12u < keyCount && visible(i32(batch), i32(head), position, queryIndex, i32(firstKey + column + 12u)))) { score3.x = hidden; }
        if (!(firstKey + column + 13u < keyCount && visible(i32(batch), i32(head), position, queryIndex, i32(firstKey + column + 13u)))) { score3.y = hidden; }
        if (!(firstKey + column + 14u < keyCount && visible(i32(batch), i32(head), position, queryIndex, i32(firstKey + column + 14u)))) { score3.z = hidden; }
        if (!(firstKey + column + 15u < keyCount && visible(i32(batch), i32(head), position, queryIndex, i32(firstKey + column + 15u)))) { score3.w = hidden; }
      }
      let best = max(max(max(score0, score1), score2), score3);
      var top = max(max(best.x, best.y), max(best.z, best.w));
      top = max(top, subgroupShuffleXor(top, 1u));
      let grows = top > reference + slack;
      let moved = select(reference, top, grows);
      let decay = exp(reference - moved);
      reference = moved;
      score0 = exp(score0 - vec4<f32>(reference));
      score1 = exp(score1 - vec4<f32>(reference));
      score2 = exp(score2 - vec4<f32>(reference));
      score3 = exp(score3 - vec4<f32>(reference));
      sum = sum * decay + dot(score0, vec4<f32>(1.0)) + dot(score1, vec4<f32>(1.0)) + dot(score2, vec4<f32>(1.0)) + dot(score3, vec4<f32>(1.0));
      probabilities[tileRow * probabilityStride + part * 4u + 0u] = vec4<f16>(score0);
      probabilities[tileRow * probabilityStride + part * 4u + 1u] = vec4<f16>(score1);
      probabilities[tileRow * probabilityStride + part * 4u + 2u] = vec4<f16>(score2);
      probabilities[tileRow * probabilityStride + part * 4u + 3u] = vec4<f16>(score3);
      let anyGrows = subgroupAny(grows);
      if (lane == 0u) { outgrown[subgroup] = u32(anyGrows); }
      // Also the barrier between the probabilities' stores and loads.
      let grown = workgroupUniformLoad(&outgrown);
      if (grown[0] + grown[1] + grown[2] + grown[3] > 0u) {
        subgroupMatrixStore<row_major>(&scores, subgroup * 16u * scoreStride + 0u, output0, scoreStride);
        subgroupMatrixStore<row_major>(&scores, subgroup * 16u * scoreStride + 4u, output1, scoreStride);
        workgroupBarrier();
        scores[tileRow * scoreStride + part * 4u + 0u] *= decay;
        scores[tileRow * scoreStride + part * 4u + 1u] *= decay;
        scores[tileRow * scoreStride + part * 4u + 2u] *= decay;
        scores[tileRow * scoreStride + part * 4u + 3u] *= decay;
        workgroupBarrier();
        output0 = subgroupMatrixLoad<Result, row_major>(&scores, subgroup * 16u * scoreStride + 0u, scoreStride);
        output1 = subgroupMatrixLoad<Result, row_major>(&scores, subgroup * 16u * scoreStride + 4u, scoreStride);
        workgroupBarrier();
        subgroupMatrixStore<row_major>(&scores, subgroup * 16u * scoreStride + 0u, output2, scoreStride);
        subgroupMatrixStore<row_major>(&scores, subgroup * 16u * scoreStride + 4u, output3, scoreStride);
        workgroupBarrier();
        scores[tileRow * scoreStride + part * 4u + 0u] *= decay;
        scores[tileRow * scoreStride + part * 4u + 1u] *= decay;
        scores[tileRow * scoreStride + part * 4u + 2u] *= decay;
        scores[tileRow * scoreStride + part * 4u + 3u] *= decay;
        workgroupBarrier();
        output2 = subgroupMatrixLoad<Result, row_major>(&scores, subgroup * 16u * scoreStride + 0u, scoreStride);
        output3 = subgroupMatrixLoad<Result, row_major>(&scores, subgroup * 16u * scoreStride + 4u, scoreStride);
        workgroupBarrier();
      }
      {
        let weights = subgroupMatrixLoad<Left, row_major>(&probabilities, subgroup * 16u * probabilityStride + 0u, probabilityStride);
        output0 = subgroupMatrixMultiplyAccumulate(weights, subgroupMatrixLoad<Right, row_major>(&operands, 32u * operandStride + 0u * operandStride + 0u, operandStride), output0);
        output1 = subgroupMatrixMultiplyAccumulate(weights, subgroupMatrixLoad<Right, row_major>(&operands, 32u * operandStride + 0u * operandStride + 4u, operandStride), output1);
        output2 = subgroupMatrixMultiplyAccumulate(weights, subgroupMatrixLoad<Right, row_major>(&operands, 32u * operandStride + 0u * operandStride + 8u, operandStride), output2);
        output3 = subgroupMatrixMultiplyAccumulate(weights, subgroupMatrixLoad<Right, row_major>(&operands, 32u * operandStride + 0u * operandStride + 12u, operandStride), output3);
      }
      {
        let weights = subgroupMatrixLoad<Left, row_major>(&probabilities, subgroup * 16u * probabilityStride + 4u, probabilityStride);
        output0 = subgroupMatrixMultiplyAccumulate(weights, subgroupMatrixLoad<Right, row_major>(&operands, 32u * operandStride + 16u * operandStride + 0u, operandStride), output0);
        output1 = subgroupMatrixMultiplyAccumulate(weights, subgroupMatrixLoad<Right, row_major>(&operands, 32u * operandStride + 16u * operandStride + 4u, operandStride), output1);
        output2 = subgroupMatrixMultiplyAccumulate(weights, subgroupMatrixLoad<Right, row_major>(&operands, 32u * operandStride + 16u * operandStride + 8u, operandStride), output2);
        output3 = subgroupMatrixMultiplyAccumulate(weights, subgroupMatrixLoad<Right, row_major>(&operands, 32u * operandStride + 16u * operandStride + 12u, operandStride), output3);
      }
    }
  }

  sum += subgroupShuffleXor(sum, 1u);
  let queryRow = firstQuery + tileRow;
  let inside = queryRow <= lastQuery;
  let place = params.logSumExpOffset + (batch * params.heads + head) * params.queryLength + min(queryRow, lastQuery);
  let outputBase = params.outputOffset + batch * params.outputBatch + head * params.outputHead + queryRow * params.outputRow;
  let seen = sum > 0.0;
  var own = select(0.0, 1.0 / sum, seen);
  var keep = 0.0;
  var result = select(hidden, reference + log(sum), seen);
  if (params.mergeWithOutput != 0u) {
    let previous = logSumExp[place];
    if (previous > hidden) {
      let larger = max(previous, result);
      let previousPart = exp(previous - larger);
      let ownPart = exp(result - larger);
      own *= ownPart / (previousPart + ownPart);
      keep = previousPart / (previousPart + ownPart);
      result = larger + log(previousPart + ownPart);
    }
  }
  workgroupBarrier();
  if (inside && part == 0u) {
    logSumExp[place] = select(bitcast<f32>(params.negativeInfinity), result, result > hidden);
  }
  subgroupMatrixStore<row_major>(&scores, subgroup * 16u * scoreStride + 0u, output0, scoreStride);
  subgroupMatrixStore<row_major>(&scores, subgroup * 16u * scoreStride + 4u, output1, scoreStride);
  workgroupBarrier();
  if (inside && 0u + part * 4u + 0u < valueVectors) {
    var value = scores[tileRow * scoreStride + part * 4u + 0u] * own;
    if (keep > 0.0) { value += loadOutput(outputBase, 0u + part * 4u + 0u) * keep; }
    storeOutput(outputBase, 0u + part * 4u + 0u, value);
  }
  if (inside && 0u + part * 4u + 1u < valueVectors) {
    var value = scores[tileRow * scoreStride + part * 4u + 1u] * own;
    if (keep > 0.0) { value += loadOutput(outputBase, 0u + part * 4u + 1u) * keep; }
    storeOutput(outputBase, 0u + part * 4u + 1u, value);
  }
  if (inside && 0u + part * 4u + 2u < valueVectors) {
    var value = scores[tileRow * scoreStride + part * 4u + 2u] * own;
    if (keep > 0.0) { value += loadOutput(outputBase, 0u + part * 4u + 2u) * keep; }
    storeOutput(outputBase, 0u + part * 4u + 2u, value);
  }
  if (inside && 0u + part * 4u + 3u < valueVectors) {
    var value = scores[tileRow * scoreStride + part * 4u + 3u] * own;
    if (keep > 0.0) { value += loadOutput(outputBase, 0u + part * 4u + 3u) * keep; }
    storeOutput(outputBase, 0u + part * 4u + 3u, value);
  }
  workgroupBarrier();

  subgroupMatrixStore<row_major>(&scores, subgroup * 16u * scoreStride + 0u, output2, scoreStride);
  subgroupMatrixStore<row_major>(&scores, subgroup * 16u * scoreStride + 4u, output3, scoreStride);
  workgroupBarrier();
  if (inside && 8u + part * 4u + 0u < valueVectors) {
    var value = scores[tileRow * scoreStride + part * 4u + 0u] * own;
    if (keep > 0.0) { value += loadOutput(outputBase, 8u + part * 4u + 0u) * keep; }
    storeOutput(outputBase, 8u + part * 4u + 0u, value);
  }
  if (inside && 8u + part * 4u + 1u < valueVectors) {
    var value = scores[tileRow * scoreStride + part * 4u + 1u] * own;
    if (keep > 0.0) { value += loadOutput(outputBase, 8u + part * 4u + 1u) * keep; }
    storeOutput(outputBase, 8u + part * 4u + 1u, value);
  }
  if (inside && 8u + part * 4u + 2u < valueVectors) {
    var value = scores[tileRow * scoreStride + part * 4u + 2u] * own;
    if (keep > 0.0) { value += loadOutput(outputBase, 8u + part * 4u + 2u) * keep; }
    storeOutput(outputBase, 8u + part * 4u + 2u, value);
  }
  if (inside && 8u + part * 4u + 3u < valueVectors) {
    var value = scores[tileRow * scoreStride + part * 4u + 3u] * own;
    if (keep > 0.0) { value += loadOutput(outputBase, 8u + part * 4u + 3u) * keep; }
    storeOutput(outputBase, 8u + part * 4u + 3u, value);
  }
  workgroupBarrier();

}
