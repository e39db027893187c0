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
const tileQueries = 128u;
const tileKeys = 16u;
const valueVectors = 16u;
const scoreStride = 5u;
const probabilityStride = 6u;
// How far, as a power of e, probabilities may outgrow 1 before the output is rescaled.
const slack = 8.0;
// Finite stand-ins: WGSL may assume there are no infinities. A hidden score is far below the
// smallest maximum, so that exp(hidden - maximum) is exactly 0 even where nothing is visible.
const hidden = -3.0e38;
const smallestMaximum = -1.0e30;

var<workgroup> keyRows: array<vec4<f16>, 288>;
var<workgroup> valueRows: array<vec4<f16>, 288>;
// Of each subgroup: the scores, and the output where it is rescaled or written; the probabilities.
var<workgroup> scores: array<array<vec4<f32>, 80>, 8>;
var<workgroup> probabilities: array<array<vec4<f16>, 96>, 8>;
// Whether any row of a subgroup has outgrown its reference. Like the others a multiple of 16 bytes:
// matrices must begin at one, and drivers lay arrays out back to back.
var<workgroup> outgrown: array<u32, 8>;

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

@compute @workgroup_size(256)
fn main(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(subgroup_id) subgroupId: u32,
  @builtin(subgroup_invocation_id) invocation: u32,
) {
  let subgroup = subgroupId & 7u;
  let lane = invocation & 31u;
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
  // In the softmax, lanes of a row: 2.
  let ownRow = lane / 2u;
  let part = lane % 2u;
  let column = part * 8u;
  let queryIndex = i32(firstQuery + subgroup * 16u + ownRow);
  let position = queryOffset + queryIndex;


  workgroupBarrier();
  for (var unit = lane; unit < 64u; unit += 32u) {
    let queryRow = min(firstQuery + subgroup * 16u + unit / 4u, lastQuery);
    probabilities[subgroup][unit / 4u * probabilityStride + unit % 4u] = query[queryBase + queryRow * params.queryRow + unit % 4u];
  }
  workgroupBarrier();
  let query0_0 = subgroupMatrixLoad<Left, row_major>(&probabilities[subgroup], 0u, probabilityStride);
  workgroupBarrier();
  for (var unit = lane; unit < 64u; unit += 32u) {
    let queryRow = min(firstQuery + subgroup * 16u + unit / 4u, lastQuery);
    probabilities[subgroup][unit / 4u * probabilityStride + unit % 4u] = query[queryBase + queryRow * params.queryRow + 4u + unit % 4u];
  }
  workgroupBarrier();
  let query0_1 = subgroupMatrixLoad<Left, row_major>(&probabilities[subgroup], 0u, probabilityStride);
  workgroupBarrier();
  for (var unit = lane; unit < 64u; unit += 32u) {
    let queryRow = min(firstQuery + subgroup * 16u + unit / 4u, lastQuery);
    probabilities[subgroup][unit / 4u * probabilityStride + unit % 4u] = query[queryBase + queryRow * params.queryRow + 8u + unit % 4u];
  }
  workgroupBarrier();
  let query0_2 = subgroupMatrixLoad<Left, row_major>(&probabilities[subgroup], 0u, probabilityStride);
  workgroupBarrier();
  for (var unit = lane; unit < 64u; unit += 32u) {
    let queryRow = min(firstQuery + subgroup * 16u + unit / 4u, lastQuery);
    probabilities[subgroup][unit / 4u * probabilityStride + unit % 4u] = query[queryBase + queryRow * params.queryRow + 12u + unit % 4u];
  }
  workgroupBarrier();
  let query0_3 = subgroupMatrixLoad<Left, row_major>(&probabilities[subgroup], 0u, probabilityStride);
  var output0_0 = Result();
  var output0_1 = Result();
  var output0_2 = Result();
  var output0_3 = Result();
  var reference = smallestMaximum;
  var sum = 0.0;

  var run = firstRun;
  var endTile = 0u;
  var full = false;
  var nextFull = false;
  var keyTile = 0u;
  var visits = false;
  while (keyTile >= endTile && run < endRun) {
    let start = blockMap[params.mapRunsBase + 2u * run];
    let packed = blockMap[params.mapRunsBase + 2u * run + 1u];
    endTile = min(start + (packed >> 1u), params.keyTileEnd);
    nextFull = (packed & 1u) == 1u;
    keyTile = max(start, params.keyTileBegin);
    run++;
  }
  visits = keyTile < endTile;
  full = nextFull;
  var nextTile = keyTile + 1u;
  var visitsNext = false;
  while (nextTile >= endTile && run < endRun) {
    let start = blockMap[params.mapRunsBase + 2u * run];
    let packed = blockMap[params.mapRunsBase + 2u * run + 1u];
    endTile = min(start + (packed >> 1u), params.keyTileEnd);
    nextFull = (packed & 1u) == 1u;
    nextTile = max(start, params.keyTileBegin);
    run++;
  }
  visitsNext = nextTile < endTile;
  var keyNext0 = vec4<f16>();
  var valueNext0 = vec4<f16>();
  if (visits) {
    keyNext0 = key[keyBase + min(keyTile * tileKeys + thread / 16u, lastKey) * params.keyRow + thread % 16u];
    keyRows[thread / 16u * 18u + thread % 16u] = keyNext0;
    valueNext0 = value[valueBase + min(keyTile * tileKeys + thread / 16u, lastKey) * params.valueRow + thread % 16u];
  }
  if (visitsNext) {
    keyNext0 = key[keyBase + min(nextTile * tileKeys + thread / 16u, lastKey) * params.keyRow + thread % 16u];
  }
  workgroupBarrier();
  while (visits) {
    let firstKey = keyTile * tileKeys;
    {
      var product0 = Result();
      let keys0 = subgroupMatrixLoad<Right, col_major>(&keyRows, 0u, 18u);
      product0 = subgroupMatrixMultiplyAccumulate(query0_0, keys0, product0);
      let keys1 = subgroupMatrixLoad<Right, col_major>(&keyRows, 4u, 18u);
      product0 = subgroupMatrixMultiplyAccumulate(query0_1, keys1, product0);
      let keys2 = subgroupMatrixLoad<Right, col_major>(&keyRows, 8u, 18u);
      product0 = subgroupMatrixMultiplyAccumulate(query0_2, keys2, product0);
      let keys3 = subgroupMatrixLoad<Right, col_major>(&keyRows, 12u, 18u);
      product0 = subgroupMatrixMultiplyAccumulate(query0_3, keys3, product0);
      subgroupMatrixStore<row_major>(&scores[subgroup], 0u, product0, scoreStride);
    }
    workgroupBarrier();
    valueRows[thread / 16u * 18u + thread % 16u] = valueNext0;
    keyRows[thread / 16u * 18u + thread % 16u] = keyNext0;
    var score0 = scores[subgroup][ownRow * scoreStride + part * 2u + 0u] * scale;
    var score1 = scores[subgroup][ownRow * scoreStride + part * 2u + 1u] * scale;

    score0 = clamp(score0, vec4<f32>(hidden), vec4<f32>(-hidden));
    score1 = clamp(score1, vec4<f32>(hidden), vec4<f32>(-hidden));
    if (!full) {
      if (!(firstKey + column + 0u < keyCount && visible(i32(batch), i32(head), position, queryIndex, i32(firstKey + column + 0u)))) { score0.x = hidden; }
      if (!(firstKey + column + 1u < keyCount && visible(i32(batch), i32(head), position, queryIndex, i32(firstKey + column + 1u)))) { score0.y = hidden; }
      if (!(firstKey + column + 2u < keyCount && visible(i32(batch), i32(head), position, queryIndex, i32(firstKey + column + 2u)))) { score0.z = hidden; }
      if (!(firstKey + column + 3u < keyCount && visible(i32(batch), i32(head), position, queryIndex, i32(firstKey + column + 3u)))) { score0.w = hidden; }
      if (!(firstKey + column + 4u < keyCount && visible(i32(batch), i32(head), position, queryIndex, i32(firstKey + column + 4u)))) { score1.x = hidden; }
      if (!(firstKey + column + 5u < keyCount && visible(i32(batch), i32(head), position, queryIndex, i32(firstKey + column + 5u)))) { score1.y = hidden; }
      if (!(firstKey + column + 6u < keyCount && visible(i32(batch), i32(head), position, queryIndex, i32(firstKey + column + 6u)))) { score1.z = hidden; }
      if (!(firstKey + column + 7u < keyCount && visible(i32(batch), i32(head), position, queryIndex, i32(firstKey + column + 7u)))) { score1.w = hidden; }
    }
    let best = max(score0, score1);
    var top = max(max(best.x, best.y), max(best.z, best.w));
    top = max(top, subgroupShuffleXor(top, 1u));
    let grows = top > reference + slack;
    let moved = select(reference, top, grows);
    let decay = exp(reference - moved);
    reference = moved;
    score0 = exp(score0 - vec4<f32>(reference));
    score1 = exp(score1 - vec4<f32>(reference));
    sum = sum * decay + dot(score0, vec4<f32>(1.0)) + dot(score1, vec4<f32>(1.0));
    probabilities[subgroup][ownRow * probabilityStride + part * 2u + 0u] = vec4<f16>(score0);
    probabilities[subgroup][ownRow * probabilityStride + part * 2u + 1u] = vec4<f16>(score1);
    let anyGrows = subgroupAny(grows);
    if (lane == 0u) { outgrown[subgroup] = u32(anyGrows); }
    // Also the barrier between the probabilities' stores and loads.
    let grown = workgroupUniformLoad(&outgrown);
    if (grown[0] + grown[1] + grown[2] + grown[3] + grown[4] + grown[5] + grown[6] + grown[7] > 0u) {
      subgroupMatrixStore<row_major>(&scores[subgroup], 0u, output0_0, scoreStride);
      workgroupBarrier();
      scores[subgroup][ownRow * scoreStride + part * 2u + 0u] *= decay;
      scores[subgroup][ownRow * scoreStride + part * 2u + 1u] *= decay;
      workgroupBarrier();
      output0_0 = subgroupMatrixLoad<Result, row_major>(&scores[subgroup], 0u, scoreStride);
      workgroupBarrier();
      subgroupMatrixStore<row_major>(&scores[subgroup], 0u, output0_1, scoreStride);
      workgroupBarrier();
      scores[subgroup][ownRow * scoreStride + part * 2u + 0u] *= decay;
      scores[subgroup][ownRow * scoreStride + part * 2u + 1u] *= decay;
      workgroupBarrier();
      output0_1 = subgroupMatrixLoad<Result, row_major>(&scores[subgroup], 0u, scoreStride);
      workgroupBarrier();
      subgroupMatrixStore<row_major>(&scores[subgroup], 0u, output0_2, scoreStride);
      workgroupBarrier();
      scores[subgroup][ownRow * scoreStride + part * 2u + 0u] *= decay;
      scores[subgroup][ownRow * scoreStride + part * 2u + 1u] *= decay;
      workgroupBarrier();
      output0_2 = subgroupMatrixLoad<Result, row_major>(&scores[subgroup], 0u, scoreStride);
      workgroupBarrier();
      subgroupMatrixStore<row_major>(&scores[subgroup], 0u, output0_3, scoreStride);
      workgroupBarrier();
      scores[subgroup][ownRow * scoreStride + part * 2u + 0u] *= decay;
      scores[subgroup][ownRow * scoreStride + part * 2u + 1u] *= decay;
      workgroupBarrier();
      output0_3 = subgroupMatrixLoad<Result, row_major>(&scores[subgroup], 0u, scoreStride);
      workgroupBarrier();
    }
    var laterTile = nextTile + 1u;
    var laterFull = nextFull;
    var visitsLater = false;
    while (laterTile >= endTile && run < endRun) {
      let start = blockMap[params.mapRunsBase + 2u * run];
      let packed = blockMap[params.mapRunsBase + 2u * run + 1u];
      endTile = min(start + (packed >> 1u), params.keyTileEnd);
      laterFull = (packed & 1u) == 1u;
      laterTile = max(start, params.keyTileBegin);
      run++;
    }
    visitsLater = laterTile < endTile;
    if (visitsNext) {
      valueNext0 = value[valueBase + min(nextTile * tileKeys + thread / 16u, lastKey) * params.valueRow + thread % 16u];
    }
    if (visitsLater) {
      keyNext0 = key[keyBase + min(laterTile * tileKeys + thread / 16u, lastKey) * params.keyRow + thread % 16u];
    }
    {
      let weights0 = subgroupMatrixLoad<Left, row_major>(&probabilities[subgroup], 0u, probabilityStride);
      let values0 = subgroupMatrixLoad<Right, row_major>(&valueRows, 0u, 18u);
      output0_0 = subgroupMatrixMultiplyAccumulate(weights0, values0, output0_0);
      let values1 = subgroupMatrixLoad<Right, row_major>(&valueRows, 4u, 18u);
      output0_1 = subgroupMatrixMultiplyAccumulate(weights0, values1, output0_1);
      let values2 = subgroupMatrixLoad<Right, row_major>(&valueRows, 8u, 18u);
      output0_2 = subgroupMatrixMultiplyAccumulate(weights0, values2, output0_2);
      let values3 = subgroupMatrixLoad<Right, row_major>(&valueRows, 12u, 18u);
      output0_3 = subgroupMatrixMultiplyAccumulate(weights0, values3, output0_3);
    }
    keyTile = nextTile;
    nextTile = laterTile;
    visits = visitsNext;
    visitsNext = visitsLater;
    full = nextFull;
    nextFull = laterFull;
  }

  sum += subgroupShuffleXor(sum, 1u);
  let queryRow = firstQuery + subgroup * 16u + ownRow;
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
  subgroupMatrixStore<row_major>(&scores[subgroup], 0u, output0_0, scoreStride);
  workgroupBarrier();
  if (inside && 0u + part * 2u + 0u < valueVectors) {
    var value = scores[subgroup][ownRow * scoreStride + part * 2u + 0u] * own;
    if (keep > 0.0) { value += loadOutput(outputBase, 0u + part * 2u + 0u) * keep; }
    storeOutput(outputBase, 0u + part * 2u + 0u, value);
  }
  if (inside && 0u + part * 2u + 1u < valueVectors) {
    var value = scores[subgroup][ownRow * scoreStride + part * 2u + 1u] * own;
    if (keep > 0.0) { value += loadOutput(outputBase, 0u + part * 2u + 1u) * keep; }
    storeOutput(outputBase, 0u + part * 2u + 1u, value);
  }
  workgroupBarrier();

  subgroupMatrixStore<row_major>(&scores[subgroup], 0u, output0_1, scoreStride);
  workgroupBarrier();
  if (inside && 4u + part * 2u + 0u < valueVectors) {
    var value = scores[subgroup][ownRow * scoreStride + part * 2u + 0u] * own;
    if (keep > 0.0) { value += loadOutput(outputBase, 4u + part * 2u + 0u) * keep; }
    storeOutput(outputBase, 4u + part * 2u + 0u, value);
  }
  if (inside && 4u + part * 2u + 1u < valueVectors) {
    var value = scores[subgroup][ownRow * scoreStride + part * 2u + 1u] * own;
    if (keep > 0.0) { value += loadOutput(outputBase, 4u + part * 2u + 1u) * keep; }
    storeOutput(outputBase, 4u + part * 2u + 1u, value);
  }
  workgroupBarrier();

  subgroupMatrixStore<row_major>(&scores[subgroup], 0u, output0_2, scoreStride);
  workgroupBarrier();
  if (inside && 8u + part * 2u + 0u < valueVectors) {
    var value = scores[subgroup][ownRow * scoreStride + part * 2u + 0u] * own;
    if (keep > 0.0) { value += loadOutput(outputBase, 8u + part * 2u + 0u) * keep; }
    storeOutput(outputBase, 8u + part * 2u + 0u, value);
  }
  if (inside && 8u + part * 2u + 1u < valueVectors) {
    var value = scores[subgroup][ownRow * scoreStride + part * 2u + 1u] * own;
    if (keep > 0.0) { value += loadOutput(outputBase, 8u + part * 2u + 1u) * keep; }
    storeOutput(outputBase, 8u + part * 2u + 1u, value);
  }
  workgroupBarrier();

  subgroupMatrixStore<row_major>(&scores[subgroup], 0u, output0_3, scoreStride);
  workgroupBarrier();
  if (inside && 12u + part * 2u + 0u < valueVectors) {
    var value = scores[subgroup][ownRow * scoreStride + part * 2u + 0u] * own;
    if (keep > 0.0) { value += loadOutput(outputBase, 12u + part * 2u + 0u) * keep; }
    storeOutput(outputBase, 12u + part * 2u + 0u, value);
  }
  if (inside && 12u + part * 2u + 1u < valueVectors) {
    var value = scores[subgroup][ownRow * scoreStride + part * 2u + 1u] * own;
    if (keep > 0.0) { value += loadOutput(outputBase, 12u + part * 2u + 1u) * keep; }
    storeOutput(outputBase, 12u + part * 2u + 1u, value);
  }
  workgroupBarrier();

}
