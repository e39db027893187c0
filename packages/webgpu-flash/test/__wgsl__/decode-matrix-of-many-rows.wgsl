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
  rowTiles: u32,
  parts: u32,
  partBase: u32,
  partChunks: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> query: array<vec4<f16>>;
@group(0) @binding(2) var<storage, read> key: array<vec4<u32>>;
@group(0) @binding(3) var<storage, read> value: array<vec4<u32>>;
@group(0) @binding(4) var<storage, read_write> output: array<vec4<f32>>;
// Of a part of the keys: maximum and sum of each row.
@group(0) @binding(5) var<storage, read_write> logSumExp: array<f32>;
@group(0) @binding(6) var<storage, read> lengths: array<u32>;
// Tables of the expressions.
@group(0) @binding(7) var<storage, read> data: array<u32>;

alias Left = subgroup_matrix_left<f16, 16, 16>;
alias Right = subgroup_matrix_right<f16, 8, 16>;
alias Result = subgroup_matrix_result<f32, 8, 16>;
const rows = 16u;
const chunkKeys = 32u;
const valueVectors = 16u;
// Finite, so that exp(-Infinity - maximum) is 0 even where nothing is visible; no score is below it.
const smallestMaximum = -3.4028234663852886e38;

const hiddenBits = 0xff800000u; // a score of -Infinity, or a log-sum-exp
const hiddenWeightBits = 0x80000000u; // its weight is -0, which no exponential is, not if it underflows

fn pairWeights(scores: vec4<f32>, reference: vec4<f32>) -> vec4<f32> {
  let weights = bitcast<vec4<u32>>(exp(scores - reference));
  return bitcast<vec4<f32>>(select(weights, vec4<u32>(hiddenWeightBits), bitcast<vec4<u32>>(scores) == vec4<u32>(hiddenBits)));
}

fn addVisible(sum: vec4<f32>, weight: f32, row: vec4<f32>) -> vec4<f32> {
  return select(fma(vec4<f32>(weight), row, sum), sum, bitcast<u32>(weight) == hiddenWeightBits);
}

fn allFinite(values: vec4<f32>) -> bool {
  return all((bitcast<vec4<u32>>(values) & vec4<u32>(0x7f800000u)) != vec4<u32>(0x7f800000u));
}

fn isNotANumber(x: f32) -> bool {
  return (bitcast<u32>(x) & 0x7fffffffu) > 0x7f800000u;
}

fn exponential(x: f32) -> f32 {
  return select(exp(x), x, isNotANumber(x));
}

fn logarithm(x: f32) -> f32 {
  return select(log(x), x, isNotANumber(x));
}

fn pairWeight(score: f32, reference: f32) -> f32 {
  return pairWeights(vec4<f32>(score), vec4<f32>(reference)).x;
}

// 10832 bytes. Of each subgroup its keys, or its dims of all values; first the queries.
var<workgroup> tile: array<array<vec4<f16>, 328>, 2>;
var<workgroup> weights: array<vec4<f16>, 160>;
// Of each subgroup the scores of its keys, or some of its dims of the output.
var<workgroup> scores: array<array<vec4<f32>, 128>, 2>;
// Of each row: what it is to be scaled by, its reference and its sum.
var<workgroup> rowNumbers: array<f32, 48>;
// Whether rows are to be scaled; whether something is not finite.
var<workgroup> found: vec4<u32>;

fn loadQuery(base: u32, vector: u32) -> vec4<f32> {
  return vec4<f32>(query[base + vector]);
}

fn loadKey(base: u32, vector: u32) -> vec4<f32> {
  let words = key[(base + vector) >> 1u];
  return vec4<f32>(bitcast<vec4<f16>>(select(words.xy, words.zw, ((base + vector) & 1u) == 1u)));
}

fn loadValue(base: u32, vector: u32) -> vec4<f32> {
  let words = value[(base + vector) >> 1u];
  return vec4<f32>(bitcast<vec4<f16>>(select(words.xy, words.zw, ((base + vector) & 1u) == 1u)));
}

fn visible(batch: i32, head: i32, query: i32, queryIndex: i32, key: i32) -> bool {
  return (key <= query);
}

const lengthWords = 5u;

fn chunkCount(batch: u32) -> u32 {
  return lengths[lengthWords * batch + 2u];
}

fn chunkAt(batch: u32, index: u32) -> u32 {
  let list = lengths[lengthWords * batch + 4u];
  if (list != 0u) { return lengths[list + index]; }
  return lengths[lengthWords * batch + 3u] + index;
}

fn chunkOf(start: u32, list: u32, index: u32) -> u32 {
  if (list != 0u) { return lengths[list + index]; }
  return start + index;
}

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(subgroup_id) subgroupId: u32,
  @builtin(subgroup_invocation_id) invocation: u32,
) {
  let subgroup = subgroupId % 2u;
  let lane = invocation % 32u;
  let thread = subgroup * 32u + lane;
  let batch = params.batchBase + workgroup.z;
  let keyHead = params.headBase + workgroup.y;
  let firstRow = (workgroup.x % params.rowTiles) * rows;
  let part = params.partBase + workgroup.x / params.rowTiles;
  let groupRows = params.headsPerKeyHead * params.queryLength;
  let queryOffset = bitcast<i32>(lengths[lengthWords * batch]);
  let keyCount = lengths[lengthWords * batch + 1u];
  // Chunks are neighbours from the first one on, or listed.
  let chunkStart = lengths[lengthWords * batch + 3u];
  let chunkList = lengths[lengthWords * batch + 4u];
  let firstChunk = part * params.partChunks;
  let endChunk = min(firstChunk + params.partChunks, chunkCount(batch));
  if (firstChunk >= endChunk) { return; }
  let keyBase = params.keyOffset + batch * params.keyBatch + keyHead * params.keyHead;
  let valueBase = params.valueOffset + batch * params.valueBatch + keyHead * params.valueHead;
  let lastKey = max(keyCount, 1u) - 1u; // rows past it may hold anything, so they are never read
  let scale = bitcast<f32>(params.scale);
  let hidden = bitcast<f32>(params.negativeInfinity);
  var keyNext0 = vec4<u32>();
  var keyNext1 = vec4<u32>();
  var keyNext2 = vec4<u32>();
  var keyNext3 = vec4<u32>();
  var valueNext0 = vec4<u32>();
  var valueNext1 = vec4<u32>();
  var valueNext2 = vec4<u32>();
  var valueNext3 = vec4<u32>();
  if (firstChunk < endChunk) {
    let firstKey = chunkOf(chunkStart, chunkList, firstChunk) * chunkKeys;
    {
      let place0 = min(firstKey + thread / 8u + 0u, lastKey);
      keyNext0 = key[keyBase + place0 * params.keyRow + thread % 8u];
    }
    {
      let place0 = min(firstKey + thread / 8u + 8u, lastKey);
      keyNext1 = key[keyBase + place0 * params.keyRow + thread % 8u];
    }
    {
      let place0 = min(firstKey + thread / 8u + 16u, lastKey);
      keyNext2 = key[keyBase + place0 * params.keyRow + thread % 8u];
    }
    {
      let place0 = min(firstKey + thread / 8u + 24u, lastKey);
      keyNext3 = key[keyBase + place0 * params.keyRow + thread % 8u];
    }
  }
  if (firstChunk < endChunk) {
    let firstKey = chunkOf(chunkStart, chunkList, firstChunk) * chunkKeys;
    {
      let place0 = min(firstKey + thread / 8u + 0u, lastKey);
      valueNext0 = value[valueBase + place0 * params.valueRow + thread % 8u];
    }
    {
      let place0 = min(firstKey + thread / 8u + 8u, lastKey);
      valueNext1 = value[valueBase + place0 * params.valueRow + thread % 8u];
    }
    {
      let place0 = min(firstKey + thread / 8u + 16u, lastKey);
      valueNext2 = value[valueBase + place0 * params.valueRow + thread % 8u];
    }
    {
      let place0 = min(firstKey + thread / 8u + 24u, lastKey);
      valueNext3 = value[valueBase + place0 * params.valueRow + thread % 8u];
    }
  }
  {
    let row = min(firstRow + 0u + lane / 16u, groupRows - 1u);
    let vector = lane % 16u;
    let queryBase = params.queryOffset + batch * params.queryBatch + (keyHead * params.headsPerKeyHead + row / params.queryLength) * params.queryHead + (row % params.queryLength) * params.queryRow;
    tile[subgroup][lane / 16u * 18u + vector] = vec4<f16>(loadQuery(queryBase, vector % 8u * 2u + vector / 8u));
  }
  {
    let row = min(firstRow + 0u + (lane + 32u) / 16u, groupRows - 1u);
    let vector = (lane + 32u) % 16u;
    let queryBase = params.queryOffset + batch * params.queryBatch + (keyHead * params.headsPerKeyHead + row / params.queryLength) * params.queryHead + (row % params.queryLength) * params.queryRow;
    tile[subgroup][(lane + 32u) / 16u * 18u + vector] = vec4<f16>(loadQuery(queryBase, vector % 8u * 2u + vector / 8u));
  }
  {
    let row = min(firstRow + 0u + (lane + 64u) / 16u, groupRows - 1u);
    let vector = (lane + 64u) % 16u;
    let queryBase = params.queryOffset + batch * params.queryBatch + (keyHead * params.headsPerKeyHead + row / params.queryLength) * params.queryHead + (row % params.queryLength) * params.queryRow;
    tile[subgroup][(lane + 64u) / 16u * 18u + vector] = vec4<f16>(loadQuery(queryBase, vector % 8u * 2u + vector / 8u));
  }
  {
    let row = min(firstRow + 0u + (lane + 96u) / 16u, groupRows - 1u);
    let vector = (lane + 96u) % 16u;
    let queryBase = params.queryOffset + batch * params.queryBatch + (keyHead * params.headsPerKeyHead + row / params.queryLength) * params.queryHead + (row % params.queryLength) * params.queryRow;
    tile[subgroup][(lane + 96u) / 16u * 18u + vector] = vec4<f16>(loadQuery(queryBase, vector % 8u * 2u + vector / 8u));
  }
  workgroupBarrier();
  let query0_0 = subgroupMatrixLoad<Right, col_major>(&tile[subgroup], 0u, 18u);
  let query0_1 = subgroupMatrixLoad<Right, col_major>(&tile[subgroup], 4u, 18u);
  let query0_2 = subgroupMatrixLoad<Right, col_major>(&tile[subgroup], 8u, 18u);
  let query0_3 = subgroupMatrixLoad<Right, col_major>(&tile[subgroup], 12u, 18u);
  workgroupBarrier();
  {
    let row = min(firstRow + 8u + lane / 16u, groupRows - 1u);
    let vector = lane % 16u;
    let queryBase = params.queryOffset + batch * params.queryBatch + (keyHead * params.headsPerKeyHead + row / params.queryLength) * params.queryHead + (row % params.queryLength) * params.queryRow;
    tile[subgroup][lane / 16u * 18u + vector] = vec4<f16>(loadQuery(queryBase, vector % 8u * 2u + vector / 8u));
  }
  {
    let row = min(firstRow + 8u + (lane + 32u) / 16u, groupRows - 1u);
    let vector = (lane + 32u) % 16u;
    let queryBase = params.queryOffset + batch * params.queryBatch + (keyHead * params.headsPerKeyHead + row / params.queryLength) * params.queryHead + (row % params.queryLength) * params.queryRow;
    tile[subgroup][(lane + 32u) / 16u * 18u + vector] = vec4<f16>(loadQuery(queryBase, vector % 8u * 2u + vector / 8u));
  }
  {
    let row = min(firstRow + 8u + (lane + 64u) / 16u, groupRows - 1u);
    let vector = (lane + 64u) % 16u;
    let queryBase = params.queryOffset + batch * params.queryBatch + (keyHead * params.headsPerKeyHead + row / params.queryLength) * params.queryHead + (row % params.queryLength) * params.queryRow;
    tile[subgroup][(lane + 64u) / 16u * 18u + vector] = vec4<f16>(loadQuery(queryBase, vector % 8u * 2u + vector / 8u));
  }
  {
    let row = min(firstRow + 8u + (lane + 96u) / 16u, groupRows - 1u);
    let vector = (lane + 96u) % 16u;
    let queryBase = params.queryOffset + batch * params.queryBatch + (keyHead * params.headsPerKeyHead + row / params.queryLength) * params.queryHead + (row % params.queryLength) * params.queryRow;
    tile[subgroup][(lane + 96u) / 16u * 18u + vector] = vec4<f16>(loadQuery(queryBase, vector % 8u * 2u + vector / 8u));
  }
  workgroupBarrier();
  let query1_0 = subgroupMatrixLoad<Right, col_major>(&tile[subgroup], 0u, 18u);
  let query1_1 = subgroupMatrixLoad<Right, col_major>(&tile[subgroup], 4u, 18u);
  let query1_2 = subgroupMatrixLoad<Right, col_major>(&tile[subgroup], 8u, 18u);
  let query1_3 = subgroupMatrixLoad<Right, col_major>(&tile[subgroup], 12u, 18u);
  workgroupBarrier();
  // In the softmax, lanes of a row: 4.
  let ownSlot = thread / 4u;
  let ownTile = min(ownSlot, rows - 1u);
  let ownLane = thread % 4u;
  let ownRow = min(firstRow + ownTile, groupRows - 1u);
  let ownHead = keyHead * params.headsPerKeyHead + ownRow / params.queryLength;
  let ownQuery = i32(ownRow % params.queryLength);
  var reference = smallestMaximum;
  var rowSum = 0.0;
  var output0_0 = Result();
  var output0_1 = Result();
  var output1_0 = Result();
  var output1_1 = Result();
  for (var chunk = firstChunk; chunk < endChunk; chunk++) {
    let firstKey = chunkOf(chunkStart, chunkList, chunk) * chunkKeys;
    {
      let row = thread / 8u + 0u;
      let first = thread % 8u;
      tile[row / 16u][row % 16u * 18u + first] = bitcast<vec4<f16>>(keyNext0.xy);
      tile[row / 16u][row % 16u * 18u + (first + 8u)] = bitcast<vec4<f16>>(keyNext0.zw);
    }
    {
      let row = thread / 8u + 8u;
      let first = thread % 8u;
      tile[row / 16u][row % 16u * 18u + first] = bitcast<vec4<f16>>(keyNext1.xy);
      tile[row / 16u][row % 16u * 18u + (first + 8u)] = bitcast<vec4<f16>>(keyNext1.zw);
    }
    {
      let row = thread / 8u + 16u;
      let first = thread % 8u;
      tile[row / 16u][row % 16u * 18u + first] = bitcast<vec4<f16>>(keyNext2.xy);
      tile[row / 16u][row % 16u * 18u + (first + 8u)] = bitcast<vec4<f16>>(keyNext2.zw);
    }
    {
      let row = thread / 8u + 24u;
      let first = thread % 8u;
      tile[row / 16u][row % 16u * 18u + first] = bitcast<vec4<f16>>(keyNext3.xy);
      tile[row / 16u][row % 16u * 18u + (first + 8u)] = bitcast<vec4<f16>>(keyNext3.zw);
    }
    if ((chunk + 1u) < endChunk) {
      let firstKey = chunkOf(chunkStart, chunkList, (chunk + 1u)) * chunkKeys;
      {
        let place0 = min(firstKey + thread / 8u + 0u, lastKey);
        keyNext0 = key[keyBase + place0 * params.keyRow + thread % 8u];
      }
      {
        let place0 = min(firstKey + thread / 8u + 8u, lastKey);
        keyNext1 = key[keyBase + place0 * params.keyRow + thread % 8u];
      }
      {
        let place0 = min(firstKey + thread / 8u + 16u, lastKey);
        keyNext2 = key[keyBase + place0 * params.keyRow + thread % 8u];
      }
      {
        let place0 = min(firstKey + thread / 8u + 24u, lastKey);
        keyNext3 = key[keyBase + place0 * params.keyRow + thread % 8u];
      }
    }
    workgroupBarrier();
    {
      var product0_0 = Result();
      var product0_1 = Result();
      {
        let keys = subgroupMatrixLoad<Left, row_major>(&tile[subgroup], 0u, 18u);
        product0_0 = subgroupMatrixMultiplyAccumulate(keys, query0_0, product0_0);
        product0_1 = subgroupMatrixMultiplyAccumulate(keys, query1_0, product0_1);
      }
      {
        let keys = subgroupMatrixLoad<Left, row_major>(&tile[subgroup], 4u, 18u);
        product0_0 = subgroupMatrixMultiplyAccumulate(keys, query0_1, product0_0);
        product0_1 = subgroupMatrixMultiplyAccumulate(keys, query1_1, product0_1);
      }
      {
        let keys = subgroupMatrixLoad<Left, row_major>(&tile[subgroup], 8u, 18u);
        product0_0 = subgroupMatrixMultiplyAccumulate(keys, query0_2, product0_0);
        product0_1 = subgroupMatrixMultiplyAccumulate(keys, query1_2, product0_1);
      }
      {
        let keys = subgroupMatrixLoad<Left, row_major>(&tile[subgroup], 12u, 18u);
        product0_0 = subgroupMatrixMultiplyAccumulate(keys, query0_3, product0_0);
        product0_1 = subgroupMatrixMultiplyAccumulate(keys, query1_3, product0_1);
      }
      subgroupMatrixStore<col_major>(&scores[subgroup], 0u, product0_0, 5u);
      subgroupMatrixStore<col_major>(&scores[subgroup], 40u, product0_1, 5u);
    }
    workgroupBarrier();
    {
      let row = thread / 8u + 0u;
      let first = thread % 8u;
      tile[first / 8u][row * 10u + first % 8u] = bitcast<vec4<f16>>(valueNext0.xy);
      tile[(first + 8u) / 8u][row * 10u + (first + 8u) % 8u] = bitcast<vec4<f16>>(valueNext0.zw);
    }
    {
      let row = thread / 8u + 8u;
      let first = thread % 8u;
      tile[first / 8u][row * 10u + first % 8u] = bitcast<vec4<f16>>(valueNext1.xy);
      tile[(first + 8u) / 8u][row * 10u + (first + 8u) % 8u] = bitcast<vec4<f16>>(valueNext1.zw);
    }
    {
      let row = thread / 8u + 16u;
      let first = thread % 8u;
      tile[first / 8u][row * 10u + first % 8u] = bitcast<vec4<f16>>(valueNext2.xy);
      tile[(first + 8u) / 8u][row * 10u + (first + 8u) % 8u] = bitcast<vec4<f16>>(valueNext2.zw);
    }
    {
      let row = thread / 8u + 24u;
      let first = thread % 8u;
      tile[first / 8u][row * 10u + first % 8u] = bitcast<vec4<f16>>(valueNext3.xy);
      tile[(first + 8u) / 8u][row * 10u + (first + 8u) % 8u] = bitcast<vec4<f16>>(valueNext3.zw);
    }
    if ((chunk + 1u) < endChunk) {
      let firstKey = chunkOf(chunkStart, chunkList, (chunk + 1u)) * chunkKeys;
      {
        let place0 = min(firstKey + thread / 8u + 0u, lastKey);
        valueNext0 = value[valueBase + place0 * params.valueRow + thread % 8u];
      }
      {
        let place0 = min(firstKey + thread / 8u + 8u, lastKey);
        valueNext1 = value[valueBase + place0 * params.valueRow + thread % 8u];
      }
      {
        let place0 = min(firstKey + thread / 8u + 16u, lastKey);
        valueNext2 = value[valueBase + place0 * params.valueRow + thread % 8u];
      }
      {
        let place0 = min(firstKey + thread / 8u + 24u, lastKey);
        valueNext3 = value[valueBase + place0 * params.valueRow + thread % 8u];
      }
    }
    {
      let vector0 = ownLane + 0u;
      var score0 = scores[vector0 / 4u][ownTile * 5u + vector0 % 4u] * scale;
      for (var i = 0u; i < 4u; i++) {
        let place = firstKey + 4u * vector0 + i;
        let key = place;
        var score = score0[i];
        if (!(key < keyCount && visible(i32(batch), i32(ownHead), queryOffset + ownQuery, ownQuery, i32(key)))) { score = hidden; }
        score0[i] = score;
      }
      let vector1 = ownLane + 4u;
      var score1 = scores[vector1 / 4u][ownTile * 5u + vector1 % 4u] * scale;
      for (var i = 0u; i < 4u; i++) {
        let place = firstKey + 4u * vector1 + i;
        let key = place;
        var score = score1[i];
        if (!(key < keyCount && visible(i32(batch), i32(ownHead), queryOffset + ownQuery, ownQuery, i32(key)))) { score = hidden; }
        score1[i] = score;
      }
      let bests = max(score0, score1);
      var top = max(max(bests.x, bests.y), max(bests.z, bests.w));
      if (ownSlot < rows && top > reference + 8.0) { found.x = 1u; }
      var weight0 = pairWeights(score0, vec4<f32>(reference));
      var weight1 = pairWeights(score1, vec4<f32>(reference));

      if (ownSlot < rows) {
        weights[ownTile * 10u + vector0] = vec4<f16>(weight0);
        weights[ownTile * 10u + vector1] = vec4<f16>(weight1);
      }
      if (workgroupUniformLoad(&found).x != 0u) {
        top = max(top, subgroupShuffleXor(top, 1u));
        top = max(top, subgroupShuffleXor(top, 2u));
        let raised = top > reference + 8.0;
        let next = select(reference, top, raised);
        let decay = select(1.0, exp(reference - next), raised);
        rowSum *= decay;
        reference = next;
        if (ownSlot < rows && ownLane == 0u) { rowNumbers[ownTile] = decay; }
        weight0 = pairWeights(score0, vec4<f32>(reference));
        weight1 = pairWeights(score1, vec4<f32>(reference));

        if (ownSlot < rows) {
          weights[ownTile * 10u + vector0] = vec4<f16>(weight0);
          weights[ownTile * 10u + vector1] = vec4<f16>(weight1);
        }
        workgroupBarrier();
        if (thread == 0u) { found.x = 0u; }
        if (chunk > firstChunk) {
          subgroupMatrixStore<col_major>(&scores[subgroup], 0u, output0_0, 8u);
          subgroupMatrixStore<col_major>(&scores[subgroup], 4u, output0_1, 8u);
          subgroupMatrixStore<col_major>(&scores[subgroup], 64u, output1_0, 8u);
          subgroupMatrixStore<col_major>(&scores[subgroup], 68u, output1_1, 8u);
          workgroupBarrier();
          for (var unit = lane; unit < 128u; unit += 32u) {
            scores[subgroup][unit] *= rowNumbers[unit / 8u];
          }
          workgroupBarrier();
          output0_0 = subgroupMatrixLoad<Result, col_major>(&scores[subgroup], 0u, 8u);
          output0_1 = subgroupMatrixLoad<Result, col_major>(&scores[subgroup], 4u, 8u);
          output1_0 = subgroupMatrixLoad<Result, col_major>(&scores[subgroup], 64u, 8u);
          output1_1 = subgroupMatrixLoad<Result, col_major>(&scores[subgroup], 68u, 8u);
          workgroupBarrier();
        }
      }
      rowSum += dot(weight0, vec4<f32>(1.0));
      rowSum += dot(weight1, vec4<f32>(1.0));
    }
    {
      let weights0 = subgroupMatrixLoad<Right, col_major>(&weights, 0u, 10u);
      let weights1 = subgroupMatrixLoad<Right, col_major>(&weights, 80u, 10u);
      {
        let values = subgroupMatrixLoad<Left, col_major>(&tile[subgroup], 0u, 10u);
        output0_0 = subgroupMatrixMultiplyAccumulate(values, weights0, output0_0);
        output1_0 = subgroupMatrixMultiplyAccumulate(values, weights1, output1_0);
      }
      {
        let values = subgroupMatrixLoad<Left, col_major>(&tile[subgroup], 4u, 10u);
        output0_1 = subgroupMatrixMultiplyAccumulate(values, weights0, output0_1);
        output1_1 = subgroupMatrixMultiplyAccumulate(values, weights1, output1_1);
      }
    }
    {
      let weights0 = subgroupMatrixLoad<Right, col_major>(&weights, 4u, 10u);
      let weights1 = subgroupMatrixLoad<Right, col_major>(&weights, 84u, 10u);
      {
        let values = subgroupMatrixLoad<Left, col_major>(&tile[subgroup], 160u, 10u);
        output0_0 = subgroupMatrixMultiplyAccumulate(values, weights0, output0_0);
        output1_0 = subgroupMatrixMultiplyAccumulate(values, weights1, output1_0);
      }
      {
        let values = subgroupMatrixLoad<Left, col_major>(&tile[subgroup], 164u, 10u);
        output0_1 = subgroupMatrixMultiplyAccumulate(values, weights0, output0_1);
        output1_1 = subgroupMatrixMultiplyAccumulate(values, weights1, output1_1);
      }
    }
    workgroupBarrier();
  }
  rowSum += subgroupShuffleXor(rowSum, 1u);
  rowSum += subgroupShuffleXor(rowSum, 2u);
  if (ownLane == 0u && ownSlot < rows) {
    rowNumbers[rows + ownTile] = reference;
    rowNumbers[2u * rows + ownTile] = rowSum;
  }
  workgroupBarrier();
  subgroupMatrixStore<col_major>(&scores[subgroup], 0u, output0_0, 8u);
  subgroupMatrixStore<col_major>(&scores[subgroup], 4u, output0_1, 8u);
  subgroupMatrixStore<col_major>(&scores[subgroup], 64u, output1_0, 8u);
  subgroupMatrixStore<col_major>(&scores[subgroup], 68u, output1_1, 8u);
  workgroupBarrier();
  for (var unit = thread; unit < 256u; unit += 64u) {
    let tileRow = unit / 16u;
    let place = unit % 16u / 8u * 8u + 0u + unit % 8u;
    let vector = place % 8u * 2u + place / 8u;
    let sum = scores[unit % 16u / 8u][tileRow * 8u + unit % 8u];
    if (!allFinite(sum + vec4<f32>(rowNumbers[2u * rows + tileRow]))) { found.y = 1u; }
    let row = firstRow + tileRow;
    if (row < groupRows) {
      let head = keyHead * params.headsPerKeyHead + row / params.queryLength;
      let queryIndex = row % params.queryLength;
      let maximum = rowNumbers[rows + tileRow];
      let total = rowNumbers[2u * rows + tileRow];
      let place = ((batch * params.heads + head) * params.queryLength + queryIndex) * params.parts + part;
      output[place * valueVectors + vector] = sum;
      if (vector == 0u) {
        logSumExp[2u * place] = maximum;
        logSumExp[2u * place + 1u] = total;
      }
    }
  }
  workgroupBarrier();
  if (workgroupUniformLoad(&found).y != 0u) {
    storageBarrier(); // for what was stored above
    reference = smallestMaximum;
    rowSum = 0.0;
    var sums: array<vec4<f32>, 4>;
    for (var chunk = firstChunk; chunk < endChunk; chunk++) {
      let firstKey = chunkOf(chunkStart, chunkList, chunk) * chunkKeys;
      for (var unit = thread; unit < 128u; unit += 64u) {
        let row = min(firstRow + unit / 8u, groupRows - 1u);
        let queryBase = params.queryOffset + batch * params.queryBatch + (keyHead * params.headsPerKeyHead + row / params.queryLength) * params.queryHead + (row % params.queryLength) * params.queryRow;
        var four = vec4<f32>();
        for (var i = 0u; i < 4u; i++) {
          let key = 4u * (unit % 8u) + i;
          let place0 = min(firstKey + key, lastKey);
          var total = 0.0;
          for (var d = 0u; d < 16u; d++) {
            total += dot(loadQuery(queryBase, d), loadKey(2u * (keyBase + place0 * params.keyRow), d));
          }
          four[i] = total;
        }
        scores[unit % 8u / 4u][unit / 8u * 5u + unit % 4u] = four;
      }
      workgroupBarrier();
      {
        let vector0 = ownLane + 0u;
        var score0 = scores[vector0 / 4u][ownTile * 5u + vector0 % 4u] * scale;
        for (var i = 0u; i < 4u; i++) {
          let place = firstKey + 4u * vector0 + i;
          let key = place;
          var score = score0[i];
          if (!(key < keyCount && visible(i32(batch), i32(ownHead), queryOffset + ownQuery, ownQuery, i32(key)))) { score = hidden; }
          score0[i] = score;
        }
        let vector1 = ownLane + 4u;
        var score1 = scores[vector1 / 4u][ownTile * 5u + vector1 % 4u] * scale;
        for (var i = 0u; i < 4u; i++) {
          let place = firstKey + 4u * vector1 + i;
          let key = place;
          var score = score1[i];
          if (!(key < keyCount && visible(i32(batch), i32(ownHead), queryOffset + ownQuery, ownQuery, i32(key)))) { score = hidden; }
          score1[i] = score;
        }
        let bests = max(score0, score1);
        var top = max(max(bests.x, bests.y), max(bests.z, bests.w));
        top = max(top, subgroupShuffleXor(top, 1u));
        top = max(top, subgroupShuffleXor(top, 2u));
        let raised = top > reference + 8.0;
        let next = select(reference, top, raised);
        let decay = select(1.0, exp(reference - next), raised);
        rowSum *= decay;
        reference = next;
        if (ownSlot < rows && ownLane == 0u) { rowNumbers[ownTile] = decay; }
        var weight0 = pairWeights(score0, vec4<f32>(reference));
        var weight1 = pairWeights(score1, vec4<f32>(reference));

        if (ownSlot < rows) {
          scores[vector0 / 4u][ownTile * 5u + vector0 % 4u] = weight0;
          scores[vector1 / 4u][ownTile * 5u + vector1 % 4u] = weight1;
        }
        rowSum += dot(weight0, vec4<f32>(1.0));
        rowSum += dot(weight1, vec4<f32>(1.0));
      }
      workgroupBarrier();
      for (var own = 0u; own < 4u; own++) {
        let unit = own * 64u + thread;
        let tileRow = unit / valueVectors;
        let vector = unit % valueVectors;
        if (tileRow < rows) {
          var sum = sums[own] * rowNumbers[tileRow];
          for (var key = 0u; key < chunkKeys; key++) {
            let place0 = min(firstKey + key, lastKey);
            let weight = scores[key / 16u][tileRow * 5u + key % 16u / 4u][key % 4u];
            sum = addVisible(sum, weight, loadValue(2u * (valueBase + place0 * params.valueRow), vector));
          }
          sums[own] = sum;
        }
      }
      workgroupBarrier();
    }
    rowSum += subgroupShuffleXor(rowSum, 1u);
    rowSum += subgroupShuffleXor(rowSum, 2u);
    if (ownLane == 0u && ownSlot < rows) {
      rowNumbers[rows + ownTile] = reference;
      rowNumbers[2u * rows + ownTile] = rowSum;
    }
    workgroupBarrier();
    for (var own = 0u; own < 4u; own++) {
      let unit = own * 64u + thread;
      let tileRow = unit / valueVectors;
      let vector = unit % valueVectors;
      if (tileRow < rows) {
        let sum = sums[own];
        let row = firstRow + tileRow;
        if (row < groupRows) {
          let head = keyHead * params.headsPerKeyHead + row / params.queryLength;
          let queryIndex = row % params.queryLength;
          let maximum = rowNumbers[rows + tileRow];
          let total = rowNumbers[2u * rows + tileRow];
          let place = ((batch * params.heads + head) * params.queryLength + queryIndex) * params.parts + part;
          output[place * valueVectors + vector] = sum;
          if (vector == 0u) {
            logSumExp[2u * place] = maximum;
            logSumExp[2u * place + 1u] = total;
          }
        }
      }
    }
  }
}
