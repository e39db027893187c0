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
const rows = 4u;
const chunkKeys = 16u;
const valueVectors = 32u;
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

// 5888 bytes. Of each subgroup its keys, or its dims of all values; first the queries.
var<workgroup> tile: array<array<vec4<f16>, 552>, 1>;
var<workgroup> weights: array<vec4<f16>, 48>;
// Of each subgroup the scores of its keys, or some of its dims of the output.
var<workgroup> scores: array<array<vec4<f32>, 64>, 1>;
// Of each row: what it is to be scaled by, its reference and its sum.
var<workgroup> rowNumbers: array<f32, 12>;
// Whether rows are to be scaled; whether something is not finite.
var<workgroup> found: vec4<u32>;

fn loadQuery(base: u32, vector: u32) -> vec4<f32> {
  return vec4<f32>(query[base + vector]);
}

fn rawKey(half: u32) -> u32 {
  return (key[half >> 3u][(half >> 1u) & 3u] >> ((half & 1u) << 4u)) & 0xffffu;
}

fn loadKey(row: u32, vector: u32) -> vec4<f32> {
  let block = vector / 8u * 17u;
  let first = row + block + 1u + 2u * (vector % 8u);
  let word = rawKey(first) | (rawKey(first + 1u) << 16u);
  let codes = vec4<f32>((vec4<i32>(i32(word)) << vec4<u32>(24u, 16u, 8u, 0u)) >> vec4<u32>(24u));
  return codes * unpack2x16float(rawKey(row + block)).x;
}

fn rawValue(half: u32) -> u32 {
  return (value[half >> 3u][(half >> 1u) & 3u] >> ((half & 1u) << 4u)) & 0xffffu;
}

fn loadValue(row: u32, vector: u32) -> vec4<f32> {
  let block = vector / 8u * 9u;
  let first = row + block + 1u + 2u * (vector % 4u);
  let word = rawValue(first) | (rawValue(first + 1u) << 16u);
  let shift = vector % 8u / 4u * 4u;
  let codes = vec4<f32>((vec4<u32>(word) >> (vec4<u32>(0u, 8u, 16u, 24u) + vec4<u32>(shift))) & vec4<u32>(15u)) - vec4<f32>(8.0);
  return codes * unpack2x16float(rawValue(row + block)).x;
}

struct Eight {
  low: vec4<f16>,
  high: vec4<f16>,
}

fn eightBits(word: u32, mask: u32, scale: f16) -> vec4<f16> {
  let low = bitcast<vec2<f16>>((word & mask) ^ 0x64806480u);
  let high = bitcast<vec2<f16>>(((word >> 8u) & mask) ^ 0x64806480u);
  return vec4<f16>((low - vec2<f16>(1152.0h)) * scale, (high - vec2<f16>(1152.0h)) * scale);
}

fn fourBits(word: u32, mask: u32, scale: f16) -> Eight {
  let a = bitcast<vec2<f16>>((word & mask) | 0x64006400u);
  let b = bitcast<vec2<f16>>(((word >> 4u) & mask) | 0x64006400u);
  let c = bitcast<vec2<f16>>(((word >> 8u) & mask) | 0x64006400u);
  let d = bitcast<vec2<f16>>(((word >> 12u) & mask) | 0x64006400u);
  let less = vec2<f16>(1032.0h);
  return Eight(
    vec4<f16>((a - less) * scale, (b - less) * scale),
    vec4<f16>((c - less) * scale, (d - less) * scale),
  );
}

fn keyDim(exchanged: u32) -> u32 {
  let place = exchanged ^ ((exchanged >> 4u) & 4u);
  let inWord = ((place & 1u) << 1u) | ((place >> 1u) & 1u);
  let byte = ((place & 28u) + inWord + ((place >> 4u) & 2u) + 30u) & 31u;
  return (place & ~31u) | byte;
}

fn valuePlace(dim: u32) -> u32 {
  let byte = ((dim & 15u) + 2u - ((dim >> 4u) & 2u)) & 15u;
  let place = (dim & ~31u) | (byte & 4u) | ((byte & 8u) << 1u) | ((byte & 1u) << 3u) | ((byte >> 1u) & 1u) | ((dim >> 3u) & 2u);
  return place ^ ((place >> 4u) & 4u);
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
  return start + index;
}

@compute @workgroup_size(32)
fn main(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(subgroup_id) subgroupId: u32,
  @builtin(subgroup_invocation_id) invocation: u32,
) {
  let subgroup = 0u;
  let lane = invocation % 32u;
  let thread = lane;
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
  var keyNext4 = vec4<u32>();
  var valueNext0 = vec4<u32>();
  var valueNext1 = vec4<u32>();
  var valueNext2 = vec4<u32>();
  var keyNext0_1 = vec4<u32>();
  var keyNext1_1 = vec4<u32>();
  var keyNext2_1 = vec4<u32>();
  var keyNext3_1 = vec4<u32>();
  var keyNext4_1 = vec4<u32>();
  var valueNext0_1 = vec4<u32>();
  var valueNext1_1 = vec4<u32>();
  var valueNext2_1 = vec4<u32>();
  if (firstChunk < endChunk) {
    let firstKey = chunkOf(chunkStart, chunkList, firstChunk) * chunkKeys;
    let place0 = min(firstKey + 0u, lastKey);
    let firstVector = keyBase + (place0 >> 2u) * 34u + subgroup * 136u;
    keyNext0 = key[firstVector + lane + 0u];
    keyNext1 = key[firstVector + lane + 32u];
    keyNext2 = key[firstVector + lane + 64u];
    keyNext3 = key[firstVector + lane + 96u];
    keyNext4 = key[firstVector + min(lane + 128u, 135u)];
  }
  if (firstChunk < endChunk) {
    let firstKey = chunkOf(chunkStart, chunkList, firstChunk) * chunkKeys;
    let place0 = min(firstKey + 0u, lastKey);
    let firstVector = valueBase + (place0 >> 2u) * 18u + subgroup * 72u;
    valueNext0 = value[firstVector + lane + 0u];
    valueNext1 = value[firstVector + lane + 32u];
    valueNext2 = value[firstVector + min(lane + 64u, 71u)];
  }
  if ((firstChunk + 1u) < endChunk) {
    let firstKey = chunkOf(chunkStart, chunkList, (firstChunk + 1u)) * chunkKeys;
    let place0 = min(firstKey + 0u, lastKey);
    let firstVector = keyBase + (place0 >> 2u) * 34u + subgroup * 136u;
    keyNext0_1 = key[firstVector + lane + 0u];
    keyNext1_1 = key[firstVector + lane + 32u];
    keyNext2_1 = key[firstVector + lane + 64u];
    keyNext3_1 = key[firstVector + lane + 96u];
    keyNext4_1 = key[firstVector + min(lane + 128u, 135u)];
  }
  if ((firstChunk + 1u) < endChunk) {
    let firstKey = chunkOf(chunkStart, chunkList, (firstChunk + 1u)) * chunkKeys;
    let place0 = min(firstKey + 0u, lastKey);
    let firstVector = valueBase + (place0 >> 2u) * 18u + subgroup * 72u;
    valueNext0_1 = value[firstVector + lane + 0u];
    valueNext1_1 = value[firstVector + lane + 32u];
    valueNext2_1 = value[firstVector + min(lane + 64u, 71u)];
  }
  {
    let row = min(firstRow + 0u + lane / 32u, groupRows - 1u);
    let vector = lane % 32u;
    let queryBase = params.queryOffset + batch * params.queryBatch + (keyHead * params.headsPerKeyHead + row / params.queryLength) * params.queryHead + (row % params.queryLength) * params.queryRow;
    tile[subgroup][lane / 32u * 34u + vector] = vec4<f16>(f16(loadQuery(queryBase, keyDim(4u * vector + 0u) / 4u)[keyDim(4u * vector + 0u) % 4u]), f16(loadQuery(queryBase, keyDim(4u * vector + 1u) / 4u)[keyDim(4u * vector + 1u) % 4u]), f16(loadQuery(queryBase, keyDim(4u * vector + 2u) / 4u)[keyDim(4u * vector + 2u) % 4u]), f16(loadQuery(queryBase, keyDim(4u * vector + 3u) / 4u)[keyDim(4u * vector + 3u) % 4u]));
  }
  {
    let row = min(firstRow + 0u + (lane + 32u) / 32u, groupRows - 1u);
    let vector = (lane + 32u) % 32u;
    let queryBase = params.queryOffset + batch * params.queryBatch + (keyHead * params.headsPerKeyHead + row / params.queryLength) * params.queryHead + (row % params.queryLength) * params.queryRow;
    tile[subgroup][(lane + 32u) / 32u * 34u + vector] = vec4<f16>(f16(loadQuery(queryBase, keyDim(4u * vector + 0u) / 4u)[keyDim(4u * vector + 0u) % 4u]), f16(loadQuery(queryBase, keyDim(4u * vector + 1u) / 4u)[keyDim(4u * vector + 1u) % 4u]), f16(loadQuery(queryBase, keyDim(4u * vector + 2u) / 4u)[keyDim(4u * vector + 2u) % 4u]), f16(loadQuery(queryBase, keyDim(4u * vector + 3u) / 4u)[keyDim(4u * vector + 3u) % 4u]));
  }
  {
    let row = min(firstRow + 0u + (lane + 64u) / 32u, groupRows - 1u);
    let vector = (lane + 64u) % 32u;
    let queryBase = params.queryOffset + batch * params.queryBatch + (keyHead * params.headsPerKeyHead + row / params.queryLength) * params.queryHead + (row % params.queryLength) * params.queryRow;
    tile[subgroup][(lane + 64u) / 32u * 34u + vector] = vec4<f16>(f16(loadQuery(queryBase, keyDim(4u * vector + 0u) / 4u)[keyDim(4u * vector + 0u) % 4u]), f16(loadQuery(queryBase, keyDim(4u * vector + 1u) / 4u)[keyDim(4u * vector + 1u) % 4u]), f16(loadQuery(queryBase, keyDim(4u * vector + 2u) / 4u)[keyDim(4u * vector + 2u) % 4u]), f16(loadQuery(queryBase, keyDim(4u * vector + 3u) / 4u)[keyDim(4u * vector + 3u) % 4u]));
  }
  {
    let row = min(firstRow + 0u + (lane + 96u) / 32u, groupRows - 1u);
    let vector = (lane + 96u) % 32u;
    let queryBase = params.queryOffset + batch * params.queryBatch + (keyHead * params.headsPerKeyHead + row / params.queryLength) * params.queryHead + (row % params.queryLength) * params.queryRow;
    tile[subgroup][(lane + 96u) / 32u * 34u + vector] = vec4<f16>(f16(loadQuery(queryBase, keyDim(4u * vector + 0u) / 4u)[keyDim(4u * vector + 0u) % 4u]), f16(loadQuery(queryBase, keyDim(4u * vector + 1u) / 4u)[keyDim(4u * vector + 1u) % 4u]), f16(loadQuery(queryBase, keyDim(4u * vector + 2u) / 4u)[keyDim(4u * vector + 2u) % 4u]), f16(loadQuery(queryBase, keyDim(4u * vector + 3u) / 4u)[keyDim(4u * vector + 3u) % 4u]));
  }
  workgroupBarrier();
  let query0_0 = subgroupMatrixLoad<Right, col_major>(&tile[subgroup], 0u, 34u);
  let query0_1 = subgroupMatrixLoad<Right, col_major>(&tile[subgroup], 4u, 34u);
  let query0_2 = subgroupMatrixLoad<Right, col_major>(&tile[subgroup], 8u, 34u);
  let query0_3 = subgroupMatrixLoad<Right, col_major>(&tile[subgroup], 12u, 34u);
  let query0_4 = subgroupMatrixLoad<Right, col_major>(&tile[subgroup], 16u, 34u);
  let query0_5 = subgroupMatrixLoad<Right, col_major>(&tile[subgroup], 20u, 34u);
  let query0_6 = subgroupMatrixLoad<Right, col_major>(&tile[subgroup], 24u, 34u);
  let query0_7 = subgroupMatrixLoad<Right, col_major>(&tile[subgroup], 28u, 34u);
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
  var output0_2 = Result();
  var output0_3 = Result();
  var output0_4 = Result();
  var output0_5 = Result();
  var output0_6 = Result();
  var output0_7 = Result();
  let nothing = params.negativeInfinity ^ 0xff800000u;
  let masks = vec2<u32>(0x00ff00ffu, 0x000f000fu) ^ vec2<u32>(nothing); // in registers: an instruction takes one constant
  var largestScale = vec2<f16>(0.0h); // of the largest half the part that an element may come to
  for (var firstOfTurns = firstChunk; firstOfTurns < endChunk; firstOfTurns += 2u) {
    {
      let chunk = firstOfTurns + 0u;
      let firstKey = chunkOf(chunkStart, chunkList, chunk) * chunkKeys;
      tile[subgroup][2u * lane + 0u] = bitcast<vec4<f16>>(keyNext0.xy);
      tile[subgroup][2u * lane + 1u] = bitcast<vec4<f16>>(keyNext0.zw);
      tile[subgroup][2u * lane + 64u] = bitcast<vec4<f16>>(keyNext1.xy);
      tile[subgroup][2u * lane + 65u] = bitcast<vec4<f16>>(keyNext1.zw);
      tile[subgroup][2u * lane + 128u] = bitcast<vec4<f16>>(keyNext2.xy);
      tile[subgroup][2u * lane + 129u] = bitcast<vec4<f16>>(keyNext2.zw);
      tile[subgroup][2u * lane + 192u] = bitcast<vec4<f16>>(keyNext3.xy);
      tile[subgroup][2u * lane + 193u] = bitcast<vec4<f16>>(keyNext3.zw);
      if (lane < 8u) {
        tile[subgroup][2u * lane + 256u] = bitcast<vec4<f16>>(keyNext4.xy);
        tile[subgroup][2u * lane + 257u] = bitcast<vec4<f16>>(keyNext4.zw);
      }
      tile[subgroup][2u * lane + 272u] = bitcast<vec4<f16>>(valueNext0.xy);
      tile[subgroup][2u * lane + 273u] = bitcast<vec4<f16>>(valueNext0.zw);
      tile[subgroup][2u * lane + 336u] = bitcast<vec4<f16>>(valueNext1.xy);
      tile[subgroup][2u * lane + 337u] = bitcast<vec4<f16>>(valueNext1.zw);
      if (lane < 8u) {
        tile[subgroup][2u * lane + 400u] = bitcast<vec4<f16>>(valueNext2.xy);
        tile[subgroup][2u * lane + 401u] = bitcast<vec4<f16>>(valueNext2.zw);
      }
      if ((chunk + 2u) < endChunk) {
        let firstKey = chunkOf(chunkStart, chunkList, (chunk + 2u)) * chunkKeys;
        let place0 = min(firstKey + 0u, lastKey);
        let firstVector = keyBase + (place0 >> 2u) * 34u + subgroup * 136u;
        keyNext0 = key[firstVector + lane + 0u];
        keyNext1 = key[firstVector + lane + 32u];
        keyNext2 = key[firstVector + lane + 64u];
        keyNext3 = key[firstVector + lane + 96u];
        keyNext4 = key[firstVector + min(lane + 128u, 135u)];
      }
      if ((chunk + 2u) < endChunk) {
        let firstKey = chunkOf(chunkStart, chunkList, (chunk + 2u)) * chunkKeys;
        let place0 = min(firstKey + 0u, lastKey);
        let firstVector = valueBase + (place0 >> 2u) * 18u + subgroup * 72u;
        valueNext0 = value[firstVector + lane + 0u];
        valueNext1 = value[firstVector + lane + 32u];
        valueNext2 = value[firstVector + min(lane + 64u, 71u)];
      }
      workgroupBarrier();
      let pair_key0 = lane / 8u % 2u;
      let ownRow_key0 = lane % 8u + lane / 16u % 2u * 8u;
      let row_key0 = subgroup * 16u + ownRow_key0;
      let firstWord_key0 = (ownRow_key0 * 2u + pair_key0) * 17u;
      let odd_key0 = firstWord_key0 % 2u != 0u;
      let eight0_key0 = bitcast<vec2<u32>>(tile[subgroup][firstWord_key0 / 2u + 0u]);
      let eight1_key0 = bitcast<vec2<u32>>(tile[subgroup][firstWord_key0 / 2u + 1u]);
      let eight2_key0 = bitcast<vec2<u32>>(tile[subgroup][firstWord_key0 / 2u + 2u]);
      let eight3_key0 = bitcast<vec2<u32>>(tile[subgroup][firstWord_key0 / 2u + 3u]);
      let eight4_key0 = bitcast<vec2<u32>>(tile[subgroup][firstWord_key0 / 2u + 4u]);
      let eight5_key0 = bitcast<vec2<u32>>(tile[subgroup][firstWord_key0 / 2u + 5u]);
      let eight6_key0 = bitcast<vec2<u32>>(tile[subgroup][firstWord_key0 / 2u + 6u]);
      let eight7_key0 = bitcast<vec2<u32>>(tile[subgroup][firstWord_key0 / 2u + 7u]);
      let eight8_key0 = bitcast<vec2<u32>>(tile[subgroup][firstWord_key0 / 2u + 8u]);
      let word0_key0 = select(eight0_key0.x, eight0_key0.y, odd_key0);
      let word1_key0 = select(eight0_key0.y, eight1_key0.x, odd_key0);
      let word2_key0 = select(eight1_key0.x, eight1_key0.y, odd_key0);
      let word3_key0 = select(eight1_key0.y, eight2_key0.x, odd_key0);
      let word4_key0 = select(eight2_key0.x, eight2_key0.y, odd_key0);
      let word5_key0 = select(eight2_key0.y, eight3_key0.x, odd_key0);
      let word6_key0 = select(eight3_key0.x, eight3_key0.y, odd_key0);
      let word7_key0 = select(eight3_key0.y, eight4_key0.x, odd_key0);
      let word8_key0 = select(eight4_key0.x, eight4_key0.y, odd_key0);
      let word9_key0 = select(eight4_key0.y, eight5_key0.x, odd_key0);
      let word10_key0 = select(eight5_key0.x, eight5_key0.y, odd_key0);
      let word11_key0 = select(eight5_key0.y, eight6_key0.x, odd_key0);
      let word12_key0 = select(eight6_key0.x, eight6_key0.y, odd_key0);
      let word13_key0 = select(eight6_key0.y, eight7_key0.x, odd_key0);
      let word14_key0 = select(eight7_key0.x, eight7_key0.y, odd_key0);
      let word15_key0 = select(eight7_key0.y, eight8_key0.x, odd_key0);
      let word16_key0 = select(eight8_key0.x, eight8_key0.y, odd_key0);
      let pair_value0 = lane / 8u % 2u;
      let ownRow_value0 = (lane % 8u + lane / 16u % 2u * 8u + pair_value0 % 2u * 4u) % 16u;
      let row_value0 = subgroup * 16u + ownRow_value0;
      let firstWord_value0 = (ownRow_value0 * 2u + pair_value0) * 9u;
      let odd_value0 = firstWord_value0 % 2u != 0u;
      let eight0_value0 = bitcast<vec2<u32>>(tile[subgroup][firstWord_value0 / 2u + 272u]);
      let eight1_value0 = bitcast<vec2<u32>>(tile[subgroup][firstWord_value0 / 2u + 273u]);
      let eight2_value0 = bitcast<vec2<u32>>(tile[subgroup][firstWord_value0 / 2u + 274u]);
      let eight3_value0 = bitcast<vec2<u32>>(tile[subgroup][firstWord_value0 / 2u + 275u]);
      let eight4_value0 = bitcast<vec2<u32>>(tile[subgroup][firstWord_value0 / 2u + 276u]);
      let word0_value0 = select(eight0_value0.x, eight0_value0.y, odd_value0);
      let word1_value0 = select(eight0_value0.y, eight1_value0.x, odd_value0);
      let word2_value0 = select(eight1_value0.x, eight1_value0.y, odd_value0);
      let word3_value0 = select(eight1_value0.y, eight2_value0.x, odd_value0);
      let word4_value0 = select(eight2_value0.x, eight2_value0.y, odd_value0);
      let word5_value0 = select(eight2_value0.y, eight3_value0.x, odd_value0);
      let word6_value0 = select(eight3_value0.x, eight3_value0.y, odd_value0);
      let word7_value0 = select(eight3_value0.y, eight4_value0.x, odd_value0);
      let word8_value0 = select(eight4_value0.x, eight4_value0.y, odd_value0);
      workgroupBarrier();
      {
        let row = row_key0;
        let even = pair_key0 * 16u + pair_key0 % 2u;
        let odd = pair_key0 * 16u + (pair_key0 + 1u) % 2u;
        let mixed = (word8_key0 & 0xffffu) | (word0_key0 & 0xffff0000u);
        // Rows past the last may hold anything.
        let bothScales = (word0_key0 & 0xffffu) | (word8_key0 & 0xffff0000u);
        let scales = bitcast<vec2<f16>>(select(0u, bothScales, firstKey + row <= lastKey));
        largestScale = max(largestScale, abs(scales) * 0.001953125h);
        {
          let scale = scales.x;
          tile[0][row % 16u * 34u + (even + 0u)] = eightBits(mixed, masks.x, scale);
          tile[0][row % 16u * 34u + (odd + 0u)] = eightBits(word1_key0, masks.x, scale);
          tile[0][row % 16u * 34u + (even + 2u)] = eightBits(word2_key0, masks.x, scale);
          tile[0][row % 16u * 34u + (odd + 2u)] = eightBits(word3_key0, masks.x, scale);
          tile[0][row % 16u * 34u + (even + 4u)] = eightBits(word4_key0, masks.x, scale);
          tile[0][row % 16u * 34u + (odd + 4u)] = eightBits(word5_key0, masks.x, scale);
          tile[0][row % 16u * 34u + (even + 6u)] = eightBits(word6_key0, masks.x, scale);
          tile[0][row % 16u * 34u + (odd + 6u)] = eightBits(word7_key0, masks.x, scale);
        }
        {
          let scale = scales.y;
          tile[0][row % 16u * 34u + (even + 8u)] = eightBits(word9_key0, masks.x, scale);
          tile[0][row % 16u * 34u + (odd + 8u)] = eightBits(word10_key0, masks.x, scale);
          tile[0][row % 16u * 34u + (even + 10u)] = eightBits(word11_key0, masks.x, scale);
          tile[0][row % 16u * 34u + (odd + 10u)] = eightBits(word12_key0, masks.x, scale);
          tile[0][row % 16u * 34u + (even + 12u)] = eightBits(word13_key0, masks.x, scale);
          tile[0][row % 16u * 34u + (odd + 12u)] = eightBits(word14_key0, masks.x, scale);
          tile[0][row % 16u * 34u + (even + 14u)] = eightBits(word15_key0, masks.x, scale);
          tile[0][row % 16u * 34u + (odd + 14u)] = eightBits(word16_key0, masks.x, scale);
        }
      }
      workgroupBarrier();
      {
        var product0_0 = Result();
        {
          let keys = subgroupMatrixLoad<Left, row_major>(&tile[subgroup], 0u, 34u);
          product0_0 = subgroupMatrixMultiplyAccumulate(keys, query0_0, product0_0);
        }
        {
          let keys = subgroupMatrixLoad<Left, row_major>(&tile[subgroup], 4u, 34u);
          product0_0 = subgroupMatrixMultiplyAccumulate(keys, query0_1, product0_0);
        }
        {
          let keys = subgroupMatrixLoad<Left, row_major>(&tile[subgroup], 8u, 34u);
          product0_0 = subgroupMatrixMultiplyAccumulate(keys, query0_2, product0_0);
        }
        {
          let keys = subgroupMatrixLoad<Left, row_major>(&tile[subgroup], 12u, 34u);
          product0_0 = subgroupMatrixMultiplyAccumulate(keys, query0_3, product0_0);
        }
        {
          let keys = subgroupMatrixLoad<Left, row_major>(&tile[subgroup], 16u, 34u);
          product0_0 = subgroupMatrixMultiplyAccumulate(keys, query0_4, product0_0);
        }
        {
          let keys = subgroupMatrixLoad<Left, row_major>(&tile[subgroup], 20u, 34u);
          product0_0 = subgroupMatrixMultiplyAccumulate(keys, query0_5, product0_0);
        }
        {
          let keys = subgroupMatrixLoad<Left, row_major>(&tile[subgroup], 24u, 34u);
          product0_0 = subgroupMatrixMultiplyAccumulate(keys, query0_6, product0_0);
        }
        {
          let keys = subgroupMatrixLoad<Left, row_major>(&tile[subgroup], 28u, 34u);
          product0_0 = subgroupMatrixMultiplyAccumulate(keys, query0_7, product0_0);
        }
        subgroupMatrixStore<col_major>(&scores[subgroup], 0u, product0_0, 5u);
      }
      workgroupBarrier();
      {
        let row = row_value0;
        let even = pair_value0 * 16u + pair_value0 % 2u;
        let odd = pair_value0 * 16u + (pair_value0 + 1u) % 2u;
        let mixed = (word4_value0 & 0xffffu) | (word0_value0 & 0xffff0000u);
        // Rows past the last may hold anything.
        let bothScales = (word0_value0 & 0xffffu) | (word4_value0 & 0xffff0000u);
        let scales = bitcast<vec2<f16>>(select(0u, bothScales, firstKey + row <= lastKey));
        largestScale = max(largestScale, abs(scales) * 0.0001220703125h);
        {
          let scale = scales.x;
          {
            let first = fourBits(mixed, masks.y, scale);
            let second = fourBits(word1_value0, masks.y, scale);
            tile[0][row * 34u + (even + 0u)] = first.low;
            tile[0][row * 34u + (odd + 0u)] = second.low;
            tile[0][row * 34u + (even + 2u)] = first.high;
            tile[0][row * 34u + (odd + 2u)] = second.high;
          }
          {
            let first = fourBits(word2_value0, masks.y, scale);
            let second = fourBits(word3_value0, masks.y, scale);
            tile[0][row * 34u + (even + 4u)] = first.low;
            tile[0][row * 34u + (odd + 4u)] = second.low;
            tile[0][row * 34u + (even + 6u)] = first.high;
            tile[0][row * 34u + (odd + 6u)] = second.high;
          }
        }
        {
          let scale = scales.y;
          {
            let first = fourBits(word5_value0, masks.y, scale);
            let second = fourBits(word6_value0, masks.y, scale);
            tile[0][row * 34u + (even + 8u)] = first.low;
            tile[0][row * 34u + (odd + 8u)] = second.low;
            tile[0][row * 34u + (even + 10u)] = first.high;
            tile[0][row * 34u + (odd + 10u)] = second.high;
          }
          {
            let first = fourBits(word7_value0, masks.y, scale);
            let second = fourBits(word8_value0, masks.y, scale);
            tile[0][row * 34u + (even + 12u)] = first.low;
            tile[0][row * 34u + (odd + 12u)] = second.low;
            tile[0][row * 34u + (even + 14u)] = first.high;
            tile[0][row * 34u + (odd + 14u)] = second.high;
          }
        }
      }
      {
        let vector0 = ownLane + 0u;
        var score0 = scores[vector0 / 4u][ownTile * 5u + vector0 % 4u] * scale;
        score0 = select(vec4<f32>(hidden), score0, vec4<u32>(firstKey + 4u * vector0) + vec4<u32>(0u, 1u, 2u, 3u) < vec4<u32>(keyCount));
        let bests = score0;
        var top = max(max(bests.x, bests.y), max(bests.z, bests.w));
        if (ownSlot < rows && top > reference + 8.0) { found.x = 1u; }
        var weight0 = pairWeights(score0, vec4<f32>(reference));

        if (ownSlot < rows) {
          weights[ownTile * 6u + vector0] = vec4<f16>(weight0);
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

          if (ownSlot < rows) {
            weights[ownTile * 6u + vector0] = vec4<f16>(weight0);
          }
          workgroupBarrier();
          if (thread == 0u) { found.x = 0u; }
          if (chunk > firstChunk) {
            subgroupMatrixStore<col_major>(&scores[subgroup], 0u, output0_0, 8u);
            subgroupMatrixStore<col_major>(&scores[subgroup], 4u, output0_1, 8u);
            workgroupBarrier();
            for (var unit = lane; unit < 32u; unit += 32u) {
              scores[subgroup][unit] *= rowNumbers[unit / 8u];
            }
            workgroupBarrier();
            output0_0 = subgroupMatrixLoad<Result, col_major>(&scores[subgroup], 0u, 8u);
            output0_1 = subgroupMatrixLoad<Result, col_major>(&scores[subgroup], 4u, 8u);
            workgroupBarrier();
            subgroupMatrixStore<col_major>(&scores[subgroup], 0u, output0_2, 8u);
            subgroupMatrixStore<col_major>(&scores[subgroup], 4u, output0_3, 8u);
            workgroupBarrier();
            for (var unit = lane; unit < 32u; unit += 32u) {
              scores[subgroup][unit] *= rowNumbers[unit / 8u];
            }
            workgroupBarrier();
            output0_2 = subgroupMatrixLoad<Result, col_major>(&scores[subgroup], 0u, 8u);
            output0_3 = subgroupMatrixLoad<Result, col_major>(&scores[subgroup], 4u, 8u);
            workgroupBarrier();
            subgroupMatrixStore<col_major>(&scores[subgroup], 0u, output0_4, 8u);
            subgroupMatrixStore<col_major>(&scores[subgroup], 4u, output0_5, 8u);
            workgroupBarrier();
            for (var unit = lane; unit < 32u; unit += 32u) {
              scores[subgroup][unit] *= rowNumbers[unit / 8u];
            }
            workgroupBarrier();
            output0_4 = subgroupMatrixLoad<Result, col_major>(&scores[subgroup], 0u, 8u);
            output0_5 = subgroupMatrixLoad<Result, col_major>(&scores[subgroup], 4u, 8u);
            workgroupBarrier();
            subgroupMatrixStore<col_major>(&scores[subgroup], 0u, output0_6, 8u);
            subgroupMatrixStore<col_major>(&scores[subgroup], 4u, output0_7, 8u);
            workgroupBarrier();
            for (var unit = lane; unit < 32u; unit += 32u) {
              scores[subgroup][unit] *= rowNumbers[unit / 8u];
            }
            workgroupBarrier();
            output0_6 = subgroupMatrixLoad<Result, col_major>(&scores[subgroup], 0u, 8u);
            output0_7 = subgroupMatrixLoad<Result, col_major>(&scores[subgroup], 4u, 8u);
            workgroupBarrier();
          }
        }
        rowSum += dot(weight0, vec4<f32>(1.0));
      }
      {
        let weights0 = subgroupMatrixLoad<Right, col_major>(&weights, 0u, 6u);
        {
          let values = subgroupMatrixLoad<Left, col_major>(&tile[subgroup], 0u, 34u);
          output0_0 = subgroupMatrixMultiplyAccumulate(values, weights0, output0_0);
        }
        {
          let values = subgroupMatrixLoad<Left, col_major>(&tile[subgroup], 4u, 34u);
          output0_1 = subgroupMatrixMultiplyAccumulate(values, weights0, output0_1);
        }
        {
          let values = subgroupMatrixLoad<Left, col_major>(&tile[subgroup], 8u, 34u);
          output0_2 = subgroupMatrixMultiplyAccumulate(values, weights0, output0_2);
        }
        {
          let values = subgroupMatrixLoad<Left, col_major>(&tile[subgroup], 12u, 34u);
          output0_3 = subgroupMatrixMultiplyAccumulate(values, weights0, output0_3);
        }
        {
          let values = subgroupMatrixLoad<Left, col_major>(&tile[subgroup], 16u, 34u);
          output0_4 = subgroupMatrixMultiplyAccumulate(values, weights0, output0_4);
        }
        {
          let values = subgroupMatrixLoad<Left, col_major>(&tile[subgroup], 20u, 34u);
          output0_5 = subgroupMatrixMultiplyAccumulate(values, weights0, output0_5);
        }
        {
          let values = subgroupMatrixLoad<Left, col_major>(&tile[subgroup], 24u, 34u);
          output0_6 = subgroupMatrixMultiplyAccumulate(values, weights0, output0_6);
        }
        {
          let values = subgroupMatrixLoad<Left, col_major>(&tile[subgroup], 28u, 34u);
          output0_7 = subgroupMatrixMultiplyAccumulate(values, weights0, output0_7);
        }
      }
      workgroupBarrier();
    }
    if (firstOfTurns + 1u < endChunk) {
      let chunk = firstOfTurns + 1u;
      let firstKey = chunkOf(chunkStart, chunkList, chunk) * chunkKeys;
      tile[subgroup][2u * lane + 0u] = bitcast<vec4<f16>>(keyNext0_1.xy);
      tile[subgroup][2u * lane + 1u] = bitcast<vec4<f16>>(keyNext0_1.zw);
      tile[subgroup][2u * lane + 64u] = bitcast<vec4<f16>>(keyNext1_1.xy);
      tile[subgroup][2u * lane + 65u] = bitcast<vec4<f16>>(keyNext1_1.zw);
      tile[subgroup][2u * lane + 128u] = bitcast<vec4<f16>>(keyNext2_1.xy);
      tile[subgroup][2u * lane + 129u] = bitcast<vec4<f16>>(keyNext2_1.zw);
      tile[subgroup][2u * lane + 192u] = bitcast<vec4<f16>>(keyNext3_1.xy);
      tile[subgroup][2u * lane + 193u] = bitcast<vec4<f16>>(keyNext3_1.zw);
      if (lane < 8u) {
        tile[subgroup][2u * lane + 256u] = bitcast<vec4<f16>>(keyNext4_1.xy);
        tile[subgroup][2u * lane + 257u] = bitcast<vec4<f16>>(keyNext4_1.zw);
      }
      tile[subgroup][2u * lane + 272u] = bitcast<vec4<f16>>(valueNext0_1.xy);
      tile[subgroup][2u * lane + 273u] = bitcast<vec4<f16>>(valueNext0_1.zw);
      tile[subgroup][2u * lane + 336u] = bitcast<vec4<f16>>(valueNext1_1.xy);
      tile[subgroup][2u * lane + 337u] = bitcast<vec4<f16>>(valueNext1_1.zw);
      if (lane < 8u) {
        tile[subgroup][2u * lane + 400u] = bitcast<vec4<f16>>(valueNext2_1.xy);
        tile[subgroup][2u * lane + 401u] = bitcast<vec4<f16>>(valueNext2_1.zw);
      }
      if ((chunk + 2u) < endChunk) {
        let firstKey = chunkOf(chunkStart, chunkList, (chunk + 2u)) * chunkKeys;
        let place0 = min(firstKey + 0u, lastKey);
        let firstVector = keyBase + (place0 >> 2u) * 34u + subgroup * 136u;
        keyNext0_1 = key[firstVector + lane + 0u];
        keyNext1_1 = key[firstVector + lane + 32u];
        keyNext2_1 = key[firstVector + lane + 64u];
        keyNext3_1 = key[firstVector + lane + 96u];
        keyNext4_1 = key[firstVector + min(lane + 128u, 135u)];
      }
      if ((chunk + 2u) < endChunk) {
        let firstKey = chunkOf(chunkStart, chunkList, (chunk + 2u)) * chunkKeys;
        let place0 = min(firstKey + 0u, lastKey);
        let firstVector = valueBase + (place0 >> 2u) * 18u + subgroup * 72u;
        valueNext0_1 = value[firstVector + lane + 0u];
        valueNext1_1 = value[firstVector + lane + 32u];
        valueNext2_1 = value[firstVector + min(lane + 64u, 71u)];
      }
      workgroupBarrier();
      let pair_key0 = lane / 8u % 2u;
      let ownRow_key0 = lane % 8u + lane / 16u % 2u * 8u;
      let row_key0 = subgroup * 16u + ownRow_key0;
      let firstWord_key0 = (ownRow_key0 * 2u + pair_key0) * 17u;
      let odd_key0 = firstWord_key0 % 2u != 0u;
      let eight0_key0 = bitcast<vec2<u32>>(tile[subgroup][firstWord_key0 / 2u + 0u]);
      let eight1_key0 = bitcast<vec2<u32>>(tile[subgroup][firstWord_key0 / 2u + 1u]);
      let eight2_key0 = bitcast<vec2<u32>>(tile[subgroup][firstWord_key0 / 2u + 2u]);
      let eight3_key0 = bitcast<vec2<u32>>(tile[subgroup][firstWord_key0 / 2u + 3u]);
      let eight4_key0 = bitcast<vec2<u32>>(tile[subgroup][firstWord_key0 / 2u + 4u]);
      let eight5_key0 = bitcast<vec2<u32>>(tile[subgroup][firstWord_key0 / 2u + 5u]);
      let eight6_key0 = bitcast<vec2<u32>>(tile[subgroup][firstWord_key0 / 2u + 6u]);
      let eight7_key0 = bitcast<vec2<u32>>(tile[subgroup][firstWord_key0 / 2u + 7u]);
      let eight8_key0 = bitcast<vec2<u32>>(tile[subgroup][firstWord_key0 / 2u + 8u]);
      let word0_key0 = select(eight0_key0.x, eight0_key0.y, odd_key0);
      let word1_key0 = select(eight0_key0.y, eight1_key0.x, odd_key0);
      let word2_key0 = select(eight1_key0.x, eight1_key0.y, odd_key0);
      let word3_key0 = select(eight1_key0.y, eight2_key0.x, odd_key0);
      let word4_key0 = select(eight2_key0.x, eight2_key0.y, odd_key0);
      let word5_key0 = select(eight2_key0.y, eight3_key0.x, odd_key0);
      let word6_key0 = select(eight3_key0.x, eight3_key0.y, odd_key0);
      let word7_key0 = select(eight3_key0.y, eight4_key0.x, odd_key0);
      let word8_key0 = select(eight4_key0.x, eight4_key0.y, odd_key0);
      let word9_key0 = select(eight4_key0.y, eight5_key0.x, odd_key0);
      let word10_key0 = select(eight5_key0.x, eight5_key0.y, odd_key0);
      let word11_key0 = select(eight5_key0.y, eight6_key0.x, odd_key0);
      let word12_key0 = select(eight6_key0.x, eight6_key0.y, odd_key0);
      let word13_key0 = select(eight6_key0.y, eight7_key0.x, odd_key0);
      let word14_key0 = select(eight7_key0.x, eight7_key0.y, odd_key0);
      let word15_key0 = select(eight7_key0.y, eight8_key0.x, odd_key0);
      let word16_key0 = select(eight8_key0.x, eight8_key0.y, odd_key0);
      let pair_value0 = lane / 8u % 2u;
      let ownRow_value0 = (lane % 8u + lane / 16u % 2u * 8u + pair_value0 % 2u * 4u) % 16u;
      let row_value0 = subgroup * 16u + ownRow_value0;
      let firstWord_value0 = (ownRow_value0 * 2u + pair_value0) * 9u;
      let odd_value0 = firstWord_value0 % 2u != 0u;
      let eight0_value0 = bitcast<vec2<u32>>(tile[subgroup][firstWord_value0 / 2u + 272u]);
      let eight1_value0 = bitcast<vec2<u32>>(tile[subgroup][firstWord_value0 / 2u + 273u]);
      let eight2_value0 = bitcast<vec2<u32>>(tile[subgroup][firstWord_value0 / 2u + 274u]);
      let eight3_value0 = bitcast<vec2<u32>>(tile[subgroup][firstWord_value0 / 2u + 275u]);
      let eight4_value0 = bitcast<vec2<u32>>(tile[subgroup][firstWord_value0 / 2u + 276u]);
      let word0_value0 = select(eight0_value0.x, eight0_value0.y, odd_value0);
      let word1_value0 = select(eight0_value0.y, eight1_value0.x, odd_value0);
      let word2_value0 = select(eight1_value0.x, eight1_value0.y, odd_value0);
      let word3_value0 = select(eight1_value0.y, eight2_value0.x, odd_value0);
      let word4_value0 = select(eight2_value0.x, eight2_value0.y, odd_value0);
      let word5_value0 = select(eight2_value0.y, eight3_value0.x, odd_value0);
      let word6_value0 = select(eight3_value0.x, eight3_value0.y, odd_value0);
      let word7_value0 = select(eight3_value0.y, eight4_value0.x, odd_value0);
      let word8_value0 = select(eight4_value0.x, eight4_value0.y, odd_value0);
      workgroupBarrier();
      {
        let row = row_key0;
        let even = pair_key0 * 16u + pair_key0 % 2u;
        let odd = pair_key0 * 16u + (pair_key0 + 1u) % 2u;
        let mixed = (word8_key0 & 0xffffu) | (word0_key0 & 0xffff0000u);
        // Rows past the last may hold anything.
        let bothScales = (word0_key0 & 0xffffu) | (word8_key0 & 0xffff0000u);
        let scales = bitcast<vec2<f16>>(select(0u, bothScales, firstKey + row <= lastKey));
        largestScale = max(largestScale, abs(scales) * 0.001953125h);
        {
          let scale = scales.x;
          tile[0][row % 16u * 34u + (even + 0u)] = eightBits(mixed, masks.x, scale);
          tile[0][row % 16u * 34u + (odd + 0u)] = eightBits(word1_key0, masks.x, scale);
          tile[0][row % 16u * 34u + (even + 2u)] = eightBits(word2_key0, masks.x, scale);
          tile[0][row % 16u * 34u + (odd + 2u)] = eightBits(word3_key0, masks.x, scale);
          tile[0][row % 16u * 34u + (even + 4u)] = eightBits(word4_key0, masks.x, scale);
          tile[0][row % 16u * 34u + (odd + 4u)] = eightBits(word5_key0, masks.x, scale);
          tile[0][row % 16u * 34u + (even + 6u)] = eightBits(word6_key0, masks.x, scale);
          tile[0][row % 16u * 34u + (odd + 6u)] = eightBits(word7_key0, masks.x, scale);
        }
        {
          let scale = scales.y;
          tile[0][row % 16u * 34u + (even + 8u)] = eightBits(word9_key0, masks.x, scale);
          tile[0][row % 16u * 34u + (odd + 8u)] = eightBits(word10_key0, masks.x, scale);
          tile[0][row % 16u * 34u + (even + 10u)] = eightBits(word11_key0, masks.x, scale);
          tile[0][row % 16u * 34u + (odd + 10u)] = eightBits(word12_key0, masks.x, scale);
          tile[0][row % 16u * 34u + (even + 12u)] = eightBits(word13_key0, masks.x, scale);
          tile[0][row % 16u * 34u + (odd + 12u)] = eightBits(word14_key0, masks.x, scale);
          tile[0][row % 16u * 34u + (even + 14u)] = eightBits(word15_key0, masks.x, scale);
          tile[0][row % 16u * 34u + (odd + 14u)] = eightBits(word16_key0, masks.x, scale);
        }
      }
      workgroupBarrier();
      {
        var product0_0 = Result();
        {
          let keys = subgroupMatrixLoad<Left, row_major>(&tile[subgroup], 0u, 34u);
          product0_0 = subgroupMatrixMultiplyAccumulate(keys, query0_0, product0_0);
        }
        {
          let keys = subgroupMatrixLoad<Left, row_major>(&tile[subgroup], 4u, 34u);
          product0_0 = subgroupMatrixMultiplyAccumulate(keys, query0_1, product0_0);
        }
        {
          let keys = subgroupMatrixLoad<Left, row_major>(&tile[subgroup], 8u, 34u);
          product0_0 = subgroupMatrixMultiplyAccumulate(keys, query0_2, product0_0);
        }
        {
          let keys = subgroupMatrixLoad<Left, row_major>(&tile[subgroup], 12u, 34u);
          product0_0 = subgroupMatrixMultiplyAccumulate(keys, query0_3, product0_0);
        }
        {
          let keys = subgroupMatrixLoad<Left, row_major>(&tile[subgroup], 16u, 34u);
          product0_0 = subgroupMatrixMultiplyAccumulate(keys, query0_4, product0_0);
        }
        {
          let keys = subgroupMatrixLoad<Left, row_major>(&tile[subgroup], 20u, 34u);
          product0_0 = subgroupMatrixMultiplyAccumulate(keys, query0_5, product0_0);
        }
        {
          let keys = subgroupMatrixLoad<Left, row_major>(&tile[subgroup], 24u, 34u);
          product0_0 = subgroupMatrixMultiplyAccumulate(keys, query0_6, product0_0);
        }
        {
          let keys = subgroupMatrixLoad<Left, row_major>(&tile[subgroup], 28u, 34u);
          product0_0 = subgroupMatrixMultiplyAccumulate(keys, query0_7, product0_0);
        }
        subgroupMatrixStore<col_major>(&scores[subgroup], 0u, product0_0, 5u);
      }
      workgroupBarrier();
      {
        let row = row_value0;
        let even = pair_value0 * 16u + pair_value0 % 2u;
        let odd = pair_value0 * 16u + (pair_value0 + 1u) % 2u;
        let mixed = (word4_value0 & 0xffffu) | (word0_value0 & 0xffff0000u);
        // Rows past the last may hold anything.
        let bothScales = (word0_value0 & 0xffffu) | (word4_value0 & 0xffff0000u);
        let scales = bitcast<vec2<f16>>(select(0u, bothScales, firstKey + row <= lastKey));
        largestScale = max(largestScale, abs(scales) * 0.0001220703125h);
        {
          let scale = scales.x;
          {
            let first = fourBits(mixed, masks.y, scale);
            let second = fourBits(word1_value0, masks.y, scale);
            tile[0][row * 34u + (even + 0u)] = first.low;
            tile[0][row * 34u + (odd + 0u)] = second.low;
            tile[0][row * 34u + (even + 2u)] = first.high;
            tile[0][row * 34u + (odd + 2u)] = second.high;
          }
          {
            let first = fourBits(word2_value0, masks.y, scale);
            let second = fourBits(word3_value0, masks.y, scale);
            tile[0][row * 34u + (even + 4u)] = first.low;
            tile[0][row * 34u + (odd + 4u)] = second.low;
            tile[0][row * 34u + (even + 6u)] = first.high;
            tile[0][row * 34u + (odd + 6u)] = second.high;
          }
        }
        {
          let scale = scales.y;
          {
            let first = fourBits(word5_value0, masks.y, scale);
            let second = fourBits(word6_value0, masks.y, scale);
            tile[0][row * 34u + (even + 8u)] = first.low;
            tile[0][row * 34u + (odd + 8u)] = second.low;
            tile[0][row * 34u + (even + 10u)] = first.high;
            tile[0][row * 34u + (odd + 10u)] = second.high;
          }
          {
            let first = fourBits(word7_value0, masks.y, scale);
            let second = fourBits(word8_value0, masks.y, scale);
            tile[0][row * 34u + (even + 12u)] = first.low;
            tile[0][row * 34u + (odd + 12u)] = second.low;
            tile[0][row * 34u + (even + 14u)] = first.high;
            tile[0][row * 34u + (odd + 14u)] = second.high;
          }
        }
      }
      {
        let vector0 = ownLane + 0u;
        var score0 = scores[vector0 / 4u][ownTile * 5u + vector0 % 4u] * scale;
        score0 = select(vec4<f32>(hidden), score0, vec4<u32>(firstKey + 4u * vector0) + vec4<u32>(0u, 1u, 2u, 3u) < vec4<u32>(keyCount));
        let bests = score0;
        var top = max(max(bests.x, bests.y), max(bests.z, bests.w));
        if (ownSlot < rows && top > reference + 8.0) { found.x = 1u; }
        var weight0 = pairWeights(score0, vec4<f32>(reference));

        if (ownSlot < rows) {
          weights[ownTile * 6u + vector0] = vec4<f16>(weight0);
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

          if (ownSlot < rows) {
            weights[ownTile * 6u + vector0] = vec4<f16>(weight0);
          }
          workgroupBarrier();
          if (thread == 0u) { found.x = 0u; }
          if (chunk > firstChunk) {
            subgroupMatrixStore<col_major>(&scores[subgroup], 0u, output0_0, 8u);
            subgroupMatrixStore<col_major>(&scores[subgroup], 4u, output0_1, 8u);
            workgroupBarrier();
            for (var unit = lane; unit < 32u; unit += 32u) {
              scores[subgroup][unit] *= rowNumbers[unit / 8u];
            }
            workgroupBarrier();
            output0_0 = subgroupMatrixLoad<Result, col_major>(&scores[subgroup], 0u, 8u);
            output0_1 = subgroupMatrixLoad<Result, col_major>(&scores[subgroup], 4u, 8u);
            workgroupBarrier();
            subgroupMatrixStore<col_major>(&scores[subgroup], 0u, output0_2, 8u);
            subgroupMatrixStore<col_major>(&scores[subgroup], 4u, output0_3, 8u);
            workgroupBarrier();
            for (var unit = lane; unit < 32u; unit += 32u) {
              scores[subgroup][unit] *= rowNumbers[unit / 8u];
            }
            workgroupBarrier();
            output0_2 = subgroupMatrixLoad<Result, col_major>(&scores[subgroup], 0u, 8u);
            output0_3 = subgroupMatrixLoad<Result, col_major>(&scores[subgroup], 4u, 8u);
            workgroupBarrier();
            subgroupMatrixStore<col_major>(&scores[subgroup], 0u, output0_4, 8u);
            subgroupMatrixStore<col_major>(&scores[subgroup], 4u, output0_5, 8u);
            workgroupBarrier();
            for (var unit = lane; unit < 32u; unit += 32u) {
              scores[subgroup][unit] *= rowNumbers[unit / 8u];
            }
            workgroupBarrier();
            output0_4 = subgroupMatrixLoad<Result, col_major>(&scores[subgroup], 0u, 8u);
            output0_5 = subgroupMatrixLoad<Result, col_major>(&scores[subgroup], 4u, 8u);
            workgroupBarrier();
            subgroupMatrixStore<col_major>(&scores[subgroup], 0u, output0_6, 8u);
            subgroupMatrixStore<col_major>(&scores[subgroup], 4u, output0_7, 8u);
            workgroupBarrier();
            for (var unit = lane; unit < 32u; unit += 32u) {
              scores[subgroup][unit] *= rowNumbers[unit / 8u];
            }
            workgroupBarrier();
            output0_6 = subgroupMatrixLoad<Result, col_major>(&scores[subgroup], 0u, 8u);
            output0_7 = subgroupMatrixLoad<Result, col_major>(&scores[subgroup], 4u, 8u);
            workgroupBarrier();
          }
        }
        rowSum += dot(weight0, vec4<f32>(1.0));
      }
      {
        let weights0 = subgroupMatrixLoad<Right, col_major>(&weights, 0u, 6u);
        {
          let values = subgroupMatrixLoad<Left, col_major>(&tile[subgroup], 0u, 34u);
          output0_0 = subgroupMatrixMultiplyAccumulate(values, weights0, output0_0);
        }
        {
          let values = subgroupMatrixLoad<Left, col_major>(&tile[subgroup], 4u, 34u);
          output0_1 = subgroupMatrixMultiplyAccumulate(values, weights0, output0_1);
        }
        {
          let values = subgroupMatrixLoad<Left, col_major>(&tile[subgroup], 8u, 34u);
          output0_2 = subgroupMatrixMultiplyAccumulate(values, weights0, output0_2);
        }
        {
          let values = subgroupMatrixLoad<Left, col_major>(&tile[subgroup], 12u, 34u);
          output0_3 = subgroupMatrixMultiplyAccumulate(values, weights0, output0_3);
        }
        {
          let values = subgroupMatrixLoad<Left, col_major>(&tile[subgroup], 16u, 34u);
          output0_4 = subgroupMatrixMultiplyAccumulate(values, weights0, output0_4);
        }
        {
          let values = subgroupMatrixLoad<Left, col_major>(&tile[subgroup], 20u, 34u);
          output0_5 = subgroupMatrixMultiplyAccumulate(values, weights0, output0_5);
        }
        {
          let values = subgroupMatrixLoad<Left, col_major>(&tile[subgroup], 24u, 34u);
          output0_6 = subgroupMatrixMultiplyAccumulate(values, weights0, output0_6);
        }
        {
          let values = subgroupMatrixLoad<Left, col_major>(&tile[subgroup], 28u, 34u);
          output0_7 = subgroupMatrixMultiplyAccumulate(values, weights0, output0_7);
        }
      }
      workgroupBarrier();
    }
  }
  rowSum += subgroupShuffleXor(rowSum, 1u);
  rowSum += subgroupShuffleXor(rowSum, 2u);
  if (ownLane == 0u && ownSlot < rows) {
    rowNumbers[rows + ownTile] = reference;
    rowNumbers[2u * rows + ownTile] = rowSum;
  }
  workgroupBarrier();
  // Elements beyond the largest half, which sums may hide.
  if (!all(largestScale < vec2<f16>(1.0h))) { found.y = 1u; }
  subgroupMatrixStore<col_major>(&scores[subgroup], 0u, output0_0, 8u);
  subgroupMatrixStore<col_major>(&scores[subgroup], 4u, output0_1, 8u);
  workgroupBarrier();
  for (var unit = thread; unit < 32u; unit += 32u) {
    let tileRow = unit / 8u;
    let place = unit % 8u / 8u * 32u + 0u + unit % 8u;
    let vector = place;
    let sum = vec4<f32>(scores[unit % 8u / 8u][tileRow * 8u + (valuePlace(4u * vector + 0u) % 32u) / 4u][(valuePlace(4u * vector + 0u) % 32u) % 4u], scores[unit % 8u / 8u][tileRow * 8u + (valuePlace(4u * vector + 1u) % 32u) / 4u][(valuePlace(4u * vector + 1u) % 32u) % 4u], scores[unit % 8u / 8u][tileRow * 8u + (valuePlace(4u * vector + 2u) % 32u) / 4u][(valuePlace(4u * vector + 2u) % 32u) % 4u], scores[unit % 8u / 8u][tileRow * 8u + (valuePlace(4u * vector + 3u) % 32u) / 4u][(valuePlace(4u * vector + 3u) % 32u) % 4u]);
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
  subgroupMatrixStore<col_major>(&scores[subgroup], 0u, output0_2, 8u);
  subgroupMatrixStore<col_major>(&scores[subgroup], 4u, output0_3, 8u);
  workgroupBarrier();
  for (var unit = thread; unit < 32u; unit += 32u) {
    let tileRow = unit / 8u;
    let place = unit % 8u / 8u * 32u + 8u + unit % 8u;
    let vector = place;
    let sum = vec4<f32>(scores[unit % 8u / 8u][tileRow * 8u + (valuePlace(4u * vector + 0u) % 32u) / 4u][(valuePlace(4u * vector + 0u) % 32u) % 4u], scores[unit % 8u / 8u][tileRow * 8u + (valuePlace(4u * vector + 1u) % 32u) / 4u][(valuePlace(4u * vector + 1u) % 32u) % 4u], scores[unit % 8u / 8u][tileRow * 8u + (valuePlace(4u * vector + 2u) % 32u) / 4u][(valuePlace(4u * vector + 2u) % 32u) % 4u], scores[unit % 8u / 8u][tileRow * 8u + (valuePlace(4u * vector + 3u) % 32u) / 4u][(valuePlace(4u * vector + 3u) % 32u) % 4u]);
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
  subgroupMatrixStore<col_major>(&scores[subgroup], 0u, output0_4, 8u);
  subgroupMatrixStore<col_major>(&scores[subgroup], 4u, output0_5, 8u);
  workgroupBarrier();
  for (var unit = thread; unit < 32u; unit += 32u) {
    let tileRow = unit / 8u;
    let place = unit % 8u / 8u * 32u + 16u + unit % 8u;
    let vector = place;
    let sum = vec4<f32>(scores[unit % 8u / 8u][tileRow * 8u + (valuePlace(4u * vector + 0u) % 32u) / 4u][(valuePlace(4u * vector + 0u) % 32u) % 4u], scores[unit % 8u / 8u][tileRow * 8u + (valuePlace(4u * vector + 1u) % 32u) / 4u][(valuePlace(4u * vector + 1u) % 32u) % 4u], scores[unit % 8u / 8u][tileRow * 8u + (valuePlace(4u * vector + 2u) % 32u) / 4u][(valuePlace(4u * vector + 2u) % 32u) % 4u], scores[unit % 8u / 8u][tileRow * 8u + (valuePlace(4u * vector + 3u) % 32u) / 4u][(valuePlace(4u * vector + 3u) % 32u) % 4u]);
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
  subgroupMatrixStore<col_major>(&scores[subgroup], 0u, output0_6, 8u);
  subgroupMatrixStore<col_major>(&scores[subgroup], 4u, output0_7, 8u);
  workgroupBarrier();
  for (var unit = thread; unit < 32u; unit += 32u) {
    let tileRow = unit / 8u;
    let place = unit % 8u / 8u * 32u + 24u + unit % 8u;
    let vector = place;
    let sum = vec4<f32>(scores[unit % 8u / 8u][tileRow * 8u + (valuePlace(4u * vector + 0u) % 32u) / 4u][(valuePlace(4u * vector + 0u) % 32u) % 4u], scores[unit % 8u / 8u][tileRow * 8u + (valuePlace(4u * vector + 1u) % 32u) / 4u][(valuePlace(4u * vector + 1u) % 32u) % 4u], scores[unit % 8u / 8u][tileRow * 8u + (valuePlace(4u * vector + 2u) % 32u) / 4u][(valuePlace(4u * vector + 2u) % 32u) % 4u], scores[unit % 8u / 8u][tileRow * 8u + (valuePlace(4u * vector + 3u) % 32u) / 4u][(valuePlace(4u * vector + 3u) % 32u) % 4u]);
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
      for (var unit = thread; unit < 16u; unit += 32u) {
        let row = min(firstRow + unit / 4u, groupRows - 1u);
        let queryBase = params.queryOffset + batch * params.queryBatch + (keyHead * params.headsPerKeyHead + row / params.queryLength) * params.queryHead + (row % params.queryLength) * params.queryRow;
        var four = vec4<f32>();
        for (var i = 0u; i < 4u; i++) {
          let key = 4u * (unit % 4u) + i;
          let place0 = min(firstKey + key, lastKey);
          var total = 0.0;
          for (var d = 0u; d < 32u; d++) {
            total += dot(loadQuery(queryBase, d), loadKey(8u * keyBase + place0 * 68u, d));
          }
          four[i] = total;
        }
        scores[unit % 4u / 4u][unit / 4u * 5u + unit % 4u] = four;
      }
      workgroupBarrier();
      {
        let vector0 = ownLane + 0u;
        var score0 = scores[vector0 / 4u][ownTile * 5u + vector0 % 4u] * scale;
        score0 = select(vec4<f32>(hidden), score0, vec4<u32>(firstKey + 4u * vector0) + vec4<u32>(0u, 1u, 2u, 3u) < vec4<u32>(keyCount));
        let bests = score0;
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

        if (ownSlot < rows) {
          scores[vector0 / 4u][ownTile * 5u + vector0 % 4u] = weight0;
        }
        rowSum += dot(weight0, vec4<f32>(1.0));
      }
      workgroupBarrier();
      for (var own = 0u; own < 4u; own++) {
        let unit = own * 32u + thread;
        let tileRow = unit / valueVectors;
        let vector = unit % valueVectors;
        if (tileRow < rows) {
          var sum = sums[own] * rowNumbers[tileRow];
          for (var key = 0u; key < chunkKeys; key++) {
            let place0 = min(firstKey + key, lastKey);
            let weight = scores[key / 16u][tileRow * 5u + key % 16u / 4u][key % 4u];
            sum = addVisible(sum, weight, loadValue(8u * valueBase + place0 * 36u, vector));
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
      let unit = own * 32u + thread;
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
