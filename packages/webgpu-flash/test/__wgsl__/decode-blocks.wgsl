enable f16;
enable subgroups;

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
@group(0) @binding(2) var<storage, read> key: array<u32>;
@group(0) @binding(3) var<storage, read> value: array<u32>;
@group(0) @binding(4) var<storage, read_write> output: array<vec4<f32>>;
// Of a part of the keys: maximum and sum of each row.
@group(0) @binding(5) var<storage, read_write> logSumExp: array<f32>;
@group(0) @binding(6) var<storage, read> lengths: array<u32>;
// Tables of the expressions.
@group(0) @binding(7) var<storage, read> data: array<u32>;

const lanes = 16u;
const slots = 8u;
const rows = 2u;
const scores = 8u; // of one slot in a chunk
const chunkKeys = 32u;
const stride = 3u;
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

// 4228 bytes: products of each thread, or its sums of values; scores, or maxima and sums.
var<workgroup> tile: array<vec4<f32>, 256>;
var<workgroup> scalars: array<f32, 33>;

fn eights(word: u32) -> vec4<f32> {
  let even = bitcast<vec2<f16>>((word & 0x00ff00ffu) ^ 0x64806480u) - vec2<f16>(1152.0h);
  let odd = bitcast<vec2<f16>>(((word >> 8u) & 0x00ff00ffu) ^ 0x64806480u) - vec2<f16>(1152.0h);
  return vec4<f32>(vec4<f16>(even.x, odd.x, even.y, odd.y));
}

fn fours(word: u32) -> vec4<f32> {
  let even = bitcast<vec2<f16>>((word & 0x000f000fu) | 0x64006400u) - vec2<f16>(1032.0h);
  let odd = bitcast<vec2<f16>>(((word >> 8u) & 0x000f000fu) | 0x64006400u) - vec2<f16>(1032.0h);
  return vec4<f32>(vec4<f16>(even.x, odd.x, even.y, odd.y));
}

fn loadQuery(base: u32, vector: u32) -> vec4<f32> {
  return vec4<f32>(query[base + vector]);
}

fn partDims(place: u32) -> vec2<u32> {
  if ((place & 32u) != 0u) { return vec2<u32>(place, place + 2u); }
  return (vec2<u32>(place) & vec2<u32>(~31u)) | ((vec2<u32>(place) + vec2<u32>(2u, 4u)) & vec2<u32>(31u));
}

fn partPlace(dim: u32) -> u32 {
  return select((dim & ~31u) | ((dim + 30u) & 31u), dim, (dim & 32u) != 0u);
}

fn queryDims(base: u32, dims: vec2<u32>) -> vec4<f32> {
  let first = loadQuery(base, dims.x >> 2u);
  let second = loadQuery(base, dims.y >> 2u);
  return vec4<f32>(
    select(first.xy, first.zw, (dims.x & 2u) != 0u),
    select(second.xy, second.zw, (dims.y & 2u) != 0u),
  );
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

@compute @workgroup_size(128)
fn main(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(subgroup_id) subgroup: u32,
  @builtin(subgroup_size) subgroupSize: u32,
  @builtin(subgroup_invocation_id) invocation: u32,
) {
  let thread = subgroup * subgroupSize + invocation;
  let lane = thread % lanes;
  let slot = thread / lanes;
  let batch = params.batchBase + workgroup.z;
  let keyHead = params.headBase + workgroup.y;
  let firstRow = (workgroup.x % params.rowTiles) * rows;
  let part = params.partBase + workgroup.x / params.rowTiles;
  let groupRows = params.headsPerKeyHead * params.queryLength;
  let queryOffset = bitcast<i32>(lengths[lengthWords * batch]);
  let keyCount = lengths[lengthWords * batch + 1u];
  let firstChunk = part * params.partChunks;
  let endChunk = min(firstChunk + params.partChunks, chunkCount(batch));
  if (firstChunk >= endChunk) { return; }
  let keyBase = params.keyOffset + batch * params.keyBatch + keyHead * params.keyHead;
  let valueBase = params.valueOffset + batch * params.valueBatch + keyHead * params.valueHead;
  let lastKey = max(keyCount, 1u) - 1u; // rows past it may hold anything, so they are never read
  let scale = bitcast<f32>(params.scale);
  let row0 = min(firstRow + 0u, groupRows - 1u);
  let queryBase0 = params.queryOffset + batch * params.queryBatch + (keyHead * params.headsPerKeyHead + row0 / params.queryLength) * params.queryHead + (row0 % params.queryLength) * params.queryRow;
  let query0_0 = queryDims(queryBase0, partDims(8u * lane + 0u));
  let query0_1 = queryDims(queryBase0, partDims(8u * lane + 4u));
  let row1 = min(firstRow + 1u, groupRows - 1u);
  let queryBase1 = params.queryOffset + batch * params.queryBatch + (keyHead * params.headsPerKeyHead + row1 / params.queryLength) * params.queryHead + (row1 % params.queryLength) * params.queryRow;
  let query1_0 = queryDims(queryBase1, partDims(8u * lane + 0u));
  let query1_1 = queryDims(queryBase1, partDims(8u * lane + 4u));
  let keyWords = params.keyRow >> 1u;
  let keyPart = lane % 8u;
  let keyPair = bitcast<u32>(bitcast<i32>(keyBase) >> 1u) + lane / 8u * 17u;
  let keySecond = keyPart >= 4u;
  let keyScales = keyPair + select(0u, 8u, keySecond);
  let keyShift = select(0u, 16u, keySecond);
  let keyElements = keyPair + 1u + 2u * keyPart;
  let keyBeside = select(0u, 0xffff0000u, keyPart == 3u); // bits of its last word that lie beside the scale
  let valueWords = params.valueRow >> 1u;
  let valueGroup0block = ((lane + 0u) >> 2u) * 9u;
  let valueGroup0first = valueGroup0block + 1u + 2u * ((lane + 0u) & 3u);
  let valueGroup0scale = bitcast<u32>(bitcast<i32>(valueBase + valueGroup0block) >> 1u);
  let valueGroup0word = bitcast<u32>(bitcast<i32>(valueBase + valueGroup0first) >> 1u);
  let valueGroup0shift = (valueGroup0block & 1u) << 4u;
  let valueGroup0odd = (valueGroup0first & 1u) == 1u;
  let hidden = bitcast<f32>(params.negativeInfinity);
  let number0 = lane / 2u;
  let ownRow0 = min(firstRow + number0 % rows, groupRows - 1u);
  let ownHead0 = keyHead * params.headsPerKeyHead + ownRow0 / params.queryLength;
  let ownQuery0 = i32(ownRow0 % params.queryLength);
  let firstLane = invocation - lane;
  // The second time with care; see kernels/careful.ts.
  var careful = false;
  var care = 0u; // the same as a number, 1 or 0, which no compiler knows
  if (thread == 0u) { scalars[32] = f32(0.0); }
  loop {
    let shift = select(0.0, 22.180709777918249, careful);
    var ownMaximum = smallestMaximum;
    var ownSum = 0.0;
    var output0_0 = vec4<f32>(0.0);
    var output0_1 = vec4<f32>(0.0);
    var output1_0 = vec4<f32>(0.0);
    var output1_1 = vec4<f32>(0.0);
    var largestScale = 0.0;
    var firstKey = chunkAt(batch, min(firstChunk, max(endChunk, 1u) - 1u)) * chunkKeys + slot;
    var place0 = min(firstKey + 0u * slots, lastKey);
    var place1 = min(firstKey + 1u * slots, lastKey);
    var place2 = min(firstKey + 2u * slots, lastKey);
    var place3 = min(firstKey + 3u * slots, lastKey);
    var key0_row = place0 * keyWords;
    var key0_scale = key[keyScales + key0_row];
    var key0_word0 = key[keyElements + key0_row + 0u];
    var key0_word1 = key[keyElements + key0_row + 1u];
    var key1_row = place1 * keyWords;
    var key1_scale = key[keyScales + key1_row];
    var key1_word0 = key[keyElements + key1_row + 0u];
    var key1_word1 = key[keyElements + key1_row + 1u];
    var key2_row = place2 * keyWords;
    var key2_scale = key[keyScales + key2_row];
    var key2_word0 = key[keyElements + key2_row + 0u];
    var key2_word1 = key[keyElements + key2_row + 1u];
    var key3_row = place3 * keyWords;
    var key3_scale = key[keyScales + key3_row];
    var key3_word0 = key[keyElements + key3_row + 0u];
    var key3_word1 = key[keyElements + key3_row + 1u];
    var value0_0row = place0 * valueWords;
    var value0_0scale = value[valueGroup0scale + value0_0row];
    var value0_0word0 = value[valueGroup0word + value0_0row + 0u];
    var value0_0word1 = value[valueGroup0word + value0_0row + 1u];
    var value1_0row = place1 * valueWords;
    var value1_0scale = value[valueGroup0scale + value1_0row];
    var value1_0word0 = value[valueGroup0word + value1_0row + 0u];
    var value1_0word1 = value[valueGroup0word + value1_0row + 1u];
    var value2_0row = place2 * valueWords;
    var value2_0scale = value[valueGroup0scale + value2_0row];
    var value2_0word0 = value[valueGroup0word + value2_0row + 0u];
    var value2_0word1 = value[valueGroup0word + value2_0row + 1u];
    var value3_0row = place3 * valueWords;
    var value3_0scale = value[valueGroup0scale + value3_0row];
    var value3_0word0 = value[valueGroup0word + value3_0row + 0u];
    var value3_0word1 = value[valueGroup0word + value3_0row + 1u];
    if (careful) {
      for (var chunk = firstChunk; chunk < endChunk; chunk++) {
        let k0_0 = eights(key0_word0);
        let k0_1 = eights((key0_word1 & ~keyBeside) | (key0_scale & keyBeside));
        let kScale0_0 = unpack2x16float(key0_scale >> keyShift).x;
        let k1_0 = eights(key1_word0);
        let k1_1 = eights((key1_word1 & ~keyBeside) | (key1_scale & keyBeside));
        let kScale1_0 = unpack2x16float(key1_scale >> keyShift).x;
        let k2_0 = eights(key2_word0);
        let k2_1 = eights((key2_word1 & ~keyBeside) | (key2_scale & keyBeside));
        let kScale2_0 = unpack2x16float(key2_scale >> keyShift).x;
        let k3_0 = eights(key3_word0);
        let k3_1 = eights((key3_word1 & ~keyBeside) | (key3_scale & keyBeside));
        let kScale3_0 = unpack2x16float(key3_scale >> keyShift).x;
        let product0 = dot(query0_0, k0_0 * kScale0_0) + dot(query0_1, k0_1 * kScale0_0);
        let product1 = dot(query1_0, k0_0 * kScale0_0) + dot(query1_1, k0_1 * kScale0_0);
        let product2 = dot(query0_0, k1_0 * kScale1_0) + dot(query0_1, k1_1 * kScale1_0);
        let product3 = dot(query1_0, k1_0 * kScale1_0) + dot(query1_1, k1_1 * kScale1_0);
        let product4 = dot(query0_0, k2_0 * kScale2_0) + dot(query0_1, k2_1 * kScale2_0);
        let product5 = dot(query1_0, k2_0 * kScale2_0) + dot(query1_1, k2_1 * kScale2_0);
        let product6 = dot(query0_0, k3_0 * kScale3_0) + dot(query0_1, k3_1 * kScale3_0);
        let product7 = dot(query1_0, k3_0 * kScale3_0) + dot(query1_1, k3_1 * kScale3_0);
        let ownFirst = firstKey;
        firstKey = chunkAt(batch, min(chunk + 1u, endChunk - 1u)) * chunkKeys + slot;
        place0 = min(firstKey + 0u * slots, lastKey);
        place1 = min(firstKey + 1u * slots, lastKey);
        place2 = min(firstKey + 2u * slots, lastKey);
        place3 = min(firstKey + 3u * slots, lastKey);
        key0_row = place0 * keyWords;
        key0_scale = key[keyScales + key0_row];
        key0_word0 = key[keyElements + key0_row + 0u];
        key0_word1 = key[keyElements + key0_row + 1u];
        key1_row = place1 * keyWords;
        key1_scale = key[keyScales + key1_row];
        key1_word0 = key[keyElements + key1_row + 0u];
        key1_word1 = key[keyElements + key1_row + 1u];
        key2_row = place2 * keyWords;
        key2_scale = key[keyScales + key2_row];
        key2_word0 = key[keyElements + key2_row + 0u];
        key2_word1 = key[keyElements + key2_row + 1u];
        key3_row = place3 * keyWords;
        key3_scale = key[keyScales + key3_row];
        key3_word0 = key[keyElements + key3_row + 0u];
        key3_word1 = key[keyElements + key3_row + 1u];
        let shared0_0 = select(product0, product4, (lane & 8u) != 0u) + subgroupShuffleXor(select(product4, product0, (lane & 8u) != 0u), 8u);
        let shared0_1 = select(product1, product5, (lane & 8u) != 0u) + subgroupShuffleXor(select(product5, product1, (lane & 8u) != 0u), 8u);
        let shared0_2 = select(product2, product6, (lane & 8u) != 0u) + subgroupShuffleXor(select(product6, product2, (lane & 8u) != 0u), 8u);
        let shared0_3 = select(product3, product7, (lane & 8u) != 0u) + subgroupShuffleXor(select(product7, product3, (lane & 8u) != 0u), 8u);
        let shared1_0 = select(shared0_0, shared0_2, (lane & 4u) != 0u) + subgroupShuffleXor(select(shared0_2, shared0_0, (lane & 4u) != 0u), 4u);
        let shared1_1 = select(shared0_1, shared0_3, (lane & 4u) != 0u) + subgroupShuffleXor(select(shared0_3, shared0_1, (lane & 4u) != 0u), 4u);
        let shared2_0 = select(shared1_0, shared1_1, (lane & 2u) != 0u) + subgroupShuffleXor(select(shared1_1, shared1_0, (lane & 2u) != 0u), 2u);
        let shared3_0 = shared2_0 + subgroupShuffleXor(shared2_0, 1u);
        var own0: f32;
        {
          let total0 = shared3_0;
          let ownKey0 = ownFirst + number0 / rows * slots;
          var score0 = total0 * scale;
          if (!(ownKey0 < keyCount)) { score0 = hidden; }
          own0 = score0;
        }
        var best = own0;
        best = max(best, subgroupShuffleXor(best, 4u));
        best = max(best, subgroupShuffleXor(best, 8u));
        let ownTop = max(ownMaximum, best);
        let ownDecay = exp(ownMaximum - ownTop);
        let ownShare = pairWeight(own0, ownTop + shift);
        ownMaximum = ownTop;
        ownSum = ownSum * ownDecay + ownShare;
        let ownWeight = ownShare;
        let weight0 = subgroupShuffle(ownWeight, firstLane + 0u);
        let weight1 = subgroupShuffle(ownWeight, firstLane + 2u);
        let weight2 = subgroupShuffle(ownWeight, firstLane + 4u);
        let weight3 = subgroupShuffle(ownWeight, firstLane + 6u);
        let weight4 = subgroupShuffle(ownWeight, firstLane + 8u);
        let weight5 = subgroupShuffle(ownWeight, firstLane + 10u);
        let weight6 = subgroupShuffle(ownWeight, firstLane + 12u);
        let weight7 = subgroupShuffle(ownWeight, firstLane + 14u);
        let decay0 = subgroupShuffle(ownDecay, firstLane + 0u);
        let decay1 = subgroupShuffle(ownDecay, firstLane + 2u);
        let v0_0 = fours(select(value0_0word0, (value0_0word0 >> 16u) | (value0_0word1 << 16u), valueGroup0odd));
        let v0_1 = fours(select(value0_0word0, (value0_0word0 >> 16u) | (value0_0word1 << 16u), valueGroup0odd) >> 4u);
        let vScale0_0 = unpack2x16float(value0_0scale >> valueGroup0shift).x;
        let v1_0 = fours(select(value1_0word0, (value1_0word0 >> 16u) | (value1_0word1 << 16u), valueGroup0odd));
        let v1_1 = fours(select(value1_0word0, (value1_0word0 >> 16u) | (value1_0word1 << 16u), valueGroup0odd) >> 4u);
        let vScale1_0 = unpack2x16float(value1_0scale >> valueGroup0shift).x;
        let v2_0 = fours(select(value2_0word0, (value2_0word0 >> 16u) | (value2_0word1 << 16u), valueGroup0odd));
        let v2_1 = fours(select(value2_0word0, (value2_0word0 >> 16u) | (value2_0word1 << 16u), valueGroup0odd) >> 4u);
        let vScale2_0 = unpack2x16float(value2_0scale >> valueGroup0shift).x;
        let v3_0 = fours(select(value3_0word0, (value3_0word0 >> 16u) | (value3_0word1 << 16u), valueGroup0odd));
        let v3_1 = fours(select(value3_0word0, (value3_0word0 >> 16u) | (value3_0word1 << 16u), valueGroup0odd) >> 4u);
        let vScale3_0 = unpack2x16float(value3_0scale >> valueGroup0shift).x;
        output0_0 *= decay0;
        output0_0 = addVisible(output0_0, weight0, v0_0 * vScale0_0);
        output0_0 = addVisible(output0_0, weight2, v1_0 * vScale1_0);
        output0_0 = addVisible(output0_0, weight4, v2_0 * vScale2_0);
        output0_0 = addVisible(output0_0, weight6, v3_0 * vScale3_0);
        output0_1 *= decay0;
        output0_1 = addVisible(output0_1, weight0, v0_1 * vScale0_0);
        output0_1 = addVisible(output0_1, weight2, v1_1 * vScale1_0);
        output0_1 = addVisible(output0_1, weight4, v2_1 * vScale2_0);
        output0_1 = addVisible(output0_1, weight6, v3_1 * vScale3_0);
        output1_0 *= decay1;
        output1_0 = addVisible(output1_0, weight1, v0_0 * vScale0_0);
        output1_0 = addVisible(output1_0, weight3, v1_0 * vScale1_0);
        output1_0 = addVisible(output1_0, weight5, v2_0 * vScale2_0);
        output1_0 = addVisible(output1_0, weight7, v3_0 * vScale3_0);
        output1_1 *= decay1;
        output1_1 = addVisible(output1_1, weight1, v0_1 * vScale0_0);
        output1_1 = addVisible(output1_1, weight3, v1_1 * vScale1_0);
        output1_1 = addVisible(output1_1, weight5, v2_1 * vScale2_0);
        output1_1 = addVisible(output1_1, weight7, v3_1 * vScale3_0);
        value0_0row = place0 * valueWords;
        value0_0scale = value[valueGroup0scale + value0_0row];
        value0_0word0 = value[valueGroup0word + value0_0row + 0u];
        value0_0word1 = value[valueGroup0word + value0_0row + 1u];
        value1_0row = place1 * valueWords;
        value1_0scale = value[valueGroup0scale + value1_0row];
        value1_0word0 = value[valueGroup0word + value1_0row + 0u];
        value1_0word1 = value[valueGroup0word + value1_0row + 1u];
        value2_0row = place2 * valueWords;
        value2_0scale = value[valueGroup0scale + value2_0row];
        value2_0word0 = value[valueGroup0word + value2_0row + 0u];
        value2_0word1 = value[valueGroup0word + value2_0row + 1u];
        value3_0row = place3 * valueWords;
        value3_0scale = value[valueGroup0scale + value3_0row];
        value3_0word0 = value[valueGroup0word + value3_0row + 0u];
        value3_0word1 = value[valueGroup0word + value3_0row + 1u];
      }
    } else {
      for (var chunk = firstChunk; chunk < endChunk; chunk++) {
        let k0_0 = eights(key0_word0);
        let k0_1 = eights((key0_word1 & ~keyBeside) | (key0_scale & keyBeside));
        let kScale0_0 = unpack2x16float(key0_scale >> keyShift).x;
        let k1_0 = eights(key1_word0);
        let k1_1 = eights((key1_word1 & ~keyBeside) | (key1_scale & keyBeside));
        let kScale1_0 = unpack2x16float(key1_scale >> keyShift).x;
        let k2_0 = eights(key2_word0);
        let k2_1 = eights((key2_word1 & ~keyBeside) | (key2_scale & keyBeside));
        let kScale2_0 = unpack2x16float(key2_scale >> keyShift).x;
        let k3_0 = eights(key3_word0);
        let k3_1 = eights((key3_word1 & ~keyBeside) | (key3_scale & keyBeside));
        let kScale3_0 = unpack2x16float(key3_scale >> keyShift).x;
        largestScale = max(largestScale, abs(kScale0_0));
        largestScale = max(largestScale, abs(kScale1_0));
        largestScale = max(largestScale, abs(kScale2_0));
        largestScale = max(largestScale, abs(kScale3_0));
        let product0 = (dot(query0_0, k0_0) + dot(query0_1, k0_1)) * kScale0_0;
        let product1 = (dot(query1_0, k0_0) + dot(query1_1, k0_1)) * kScale0_0;
        let product2 = (dot(query0_0, k1_0) + dot(query0_1, k1_1)) * kScale1_0;
        let product3 = (dot(query1_0, k1_0) + dot(query1_1, k1_1)) * kScale1_0;
        let product4 = (dot(query0_0, k2_0) + dot(query0_1, k2_1)) * kScale2_0;
        let product5 = (dot(query1_0, k2_0) + dot(query1_1, k2_1)) * kScale2_0;
        let product6 = (dot(query0_0, k3_0) + dot(query0_1, k3_1)) * kScale3_0;
        let product7 = (dot(query1_0, k3_0) + dot(query1_1, k3_1)) * kScale3_0;
        let ownFirst = firstKey;
        firstKey = chunkAt(batch, min(chunk + 1u, endChunk - 1u)) * chunkKeys + slot;
        place0 = min(firstKey + 0u * slots, lastKey);
        place1 = min(firstKey + 1u * slots, lastKey);
        place2 = min(firstKey + 2u * slots, lastKey);
        place3 = min(firstKey + 3u * slots, lastKey);
        key0_row = place0 * keyWords;
        key0_scale = key[keyScales + key0_row];
        key0_word0 = key[keyElements + key0_row + 0u];
        key0_word1 = key[keyElements + key0_row + 1u];
        key1_row = place1 * keyWords;
        key1_scale = key[keyScales + key1_row];
        key1_word0 = key[keyElements + key1_row + 0u];
        key1_word1 = key[keyElements + key1_row + 1u];
        key2_row = place2 * keyWords;
        key2_scale = key[keyScales + key2_row];
        key2_word0 = key[keyElements + key2_row + 0u];
        key2_word1 = key[keyElements + key2_row + 1u];
        key3_row = place3 * keyWords;
        key3_scale = key[keyScales + key3_row];
        key3_word0 = key[keyElements + key3_row + 0u];
        key3_word1 = key[keyElements + key3_row + 1u];
        let shared0_0 = select(product0, product4, (lane & 8u) != 0u) + subgroupShuffleXor(select(product4, product0, (lane & 8u) != 0u), 8u);
        let shared0_1 = select(product1, product5, (lane & 8u) != 0u) + subgroupShuffleXor(select(product5, product1, (lane & 8u) != 0u), 8u);
        let shared0_2 = select(product2, product6, (lane & 8u) != 0u) + subgroupShuffleXor(select(product6, product2, (lane & 8u) != 0u), 8u);
        let shared0_3 = select(product3, product7, (lane & 8u) != 0u) + subgroupShuffleXor(select(product7, product3, (lane & 8u) != 0u), 8u);
        let shared1_0 = select(shared0_0, shared0_2, (lane & 4u) != 0u) + subgroupShuffleXor(select(shared0_2, shared0_0, (lane & 4u) != 0u), 4u);
        let shared1_1 = select(shared0_1, shared0_3, (lane & 4u) != 0u) + subgroupShuffleXor(select(shared0_3, shared0_1, (lane & 4u) != 0u), 4u);
        let shared2_0 = select(shared1_0, shared1_1, (lane & 2u) != 0u) + subgroupShuffleXor(select(shared1_1, shared1_0, (lane & 2u) != 0u), 2u);
        let shared3_0 = shared2_0 + subgroupShuffleXor(shared2_0, 1u);
        var own0: f32;
        {
          let total0 = shared3_0;
          let ownKey0 = ownFirst + number0 / rows * slots;
          var score0 = total0 * scale;
          if (!(ownKey0 < keyCount)) { score0 = hidden; }
          own0 = score0;
        }
        var best = own0;
        best = max(best, subgroupShuffleXor(best, 4u));
        best = max(best, subgroupShuffleXor(best, 8u));
        let ownTop = max(ownMaximum, best);
        let ownDecay = exp(ownMaximum - ownTop);
        let ownShare = pairWeight(own0, ownTop + shift);
        ownMaximum = ownTop;
        ownSum = ownSum * ownDecay + ownShare;
        let ownWeight = ownShare;
        let weight0 = subgroupShuffle(ownWeight, firstLane + 0u);
        let weight1 = subgroupShuffle(ownWeight, firstLane + 2u);
        let weight2 = subgroupShuffle(ownWeight, firstLane + 4u);
        let weight3 = subgroupShuffle(ownWeight, firstLane + 6u);
        let weight4 = subgroupShuffle(ownWeight, firstLane + 8u);
        let weight5 = subgroupShuffle(ownWeight, firstLane + 10u);
        let weight6 = subgroupShuffle(ownWeight, firstLane + 12u);
        let weight7 = subgroupShuffle(ownWeight, firstLane + 14u);
        let decay0 = subgroupShuffle(ownDecay, firstLane + 0u);
        let decay1 = subgroupShuffle(ownDecay, firstLane + 2u);
        let v0_0 = fours(select(value0_0word0, (value0_0word0 >> 16u) | (value0_0word1 << 16u), valueGroup0odd));
        let v0_1 = fours(select(value0_0word0, (value0_0word0 >> 16u) | (value0_0word1 << 16u), valueGroup0odd) >> 4u);
        let vScale0_0 = unpack2x16float(value0_0scale >> valueGroup0shift).x;
        let v1_0 = fours(select(value1_0word0, (value1_0word0 >> 16u) | (value1_0word1 << 16u), valueGroup0odd));
        let v1_1 = fours(select(value1_0word0, (value1_0word0 >> 16u) | (value1_0word1 << 16u), valueGroup0odd) >> 4u);
        let vScale1_0 = unpack2x16float(value1_0scale >> valueGroup0shift).x;
        let v2_0 = fours(select(value2_0word0, (value2_0word0 >> 16u) | (value2_0word1 << 16u), valueGroup0odd));
        let v2_1 = fours(select(value2_0word0, (value2_0word0 >> 16u) | (value2_0word1 << 16u), valueGroup0odd) >> 4u);
        let vScale2_0 = unpack2x16float(value2_0scale >> valueGroup0shift).x;
        let v3_0 = fours(select(value3_0word0, (value3_0word0 >> 16u) | (value3_0word1 << 16u), valueGroup0odd));
        let v3_1 = fours(select(value3_0word0, (value3_0word0 >> 16u) | (value3_0word1 << 16u), valueGroup0odd) >> 4u);
        let vScale3_0 = unpack2x16float(value3_0scale >> valueGroup0shift).x;
        output0_0 = output0_0 * decay0 + (weight0 * vScale0_0) * v0_0 + (weight2 * vScale1_0) * v1_0 + (weight4 * vScale2_0) * v2_0 + (weight6 * vScale3_0) * v3_0;
        output0_1 = output0_1 * decay0 + (weight0 * vScale0_0) * v0_1 + (weight2 * vScale1_0) * v1_1 + (weight4 * vScale2_0) * v2_1 + (weight6 * vScale3_0) * v3_1;
        output1_0 = output1_0 * decay1 + (weight1 * vScale0_0) * v0_0 + (weight3 * vScale1_0) * v1_0 + (weight5 * vScale2_0) * v2_0 + (weight7 * vScale3_0) * v3_0;
        output1_1 = output1_1 * decay1 + (weight1 * vScale0_0) * v0_1 + (weight3 * vScale1_0) * v1_1 + (weight5 * vScale2_0) * v2_1 + (weight7 * vScale3_0) * v3_1;
        value0_0row = place0 * valueWords;
        value0_0scale = value[valueGroup0scale + value0_0row];
        value0_0word0 = value[valueGroup0word + value0_0row + 0u];
        value0_0word1 = value[valueGroup0word + value0_0row + 1u];
        value1_0row = place1 * valueWords;
        value1_0scale = value[valueGroup0scale + value1_0row];
        value1_0word0 = value[valueGroup0word + value1_0row + 0u];
        value1_0word1 = value[valueGroup0word + value1_0row + 1u];
        value2_0row = place2 * valueWords;
        value2_0scale = value[valueGroup0scale + value2_0row];
        value2_0word0 = value[valueGroup0word + value2_0row + 0u];
        value2_0word1 = value[valueGroup0word + value2_0row + 1u];
        value3_0row = place3 * valueWords;
        value3_0scale = value[valueGroup0scale + value3_0row];
        value3_0word0 = value[valueGroup0word + value3_0row + 0u];
        value3_0word1 = value[valueGroup0word + value3_0row + 1u];
      }
    }
    ownSum += subgroupShuffleXor(ownSum, 4u);
    ownSum += subgroupShuffleXor(ownSum, 8u);
    let maximum0 = subgroupShuffle(ownMaximum, firstLane + 0u);
    let sum0 = subgroupShuffle(ownSum, firstLane + 0u);
    let maximum1 = subgroupShuffle(ownMaximum, firstLane + 2u);
    let sum1 = subgroupShuffle(ownSum, firstLane + 2u);
    if (!careful) {
      // Sums may overflow here: then care is taken for nothing.
      if (!allFinite(output0_0 + output0_1 + output1_0 + output1_1 + vec4<f32>(largestScale))) { scalars[32] = f32(1.0); }
      care = u32(workgroupUniformLoad(&scalars[32]));
      careful = care != 0u;
      if (careful) { continue; }
    }
    workgroupBarrier();
    if (lane == 0u) {
      scalars[slot * rows + 0u] = maximum0;
      scalars[slot * rows + 1u] = maximum1;
    }
    workgroupBarrier();
    var top0 = maximum0;
    var top1 = maximum1;
    for (var other = 0u; other < slots; other++) {
      top0 = max(top0, scalars[other * rows + 0u]);
      top1 = max(top1, scalars[other * rows + 1u]);
    }
    let share0 = exponential(maximum0 - top0);
    output0_0 *= share0 * 0.125;
    output0_1 *= share0 * 0.125;
    let share1 = exponential(maximum1 - top1);
    output1_0 *= share1 * 0.125;
    output1_1 *= share1 * 0.125;
    if (lane == 0u) {
      scalars[slots * rows + slot * rows + 0u] = sum0 * share0;
      scalars[slots * rows + slot * rows + 1u] = sum1 * share1;
    }
    tile[(0u + slot) * 32u + 8u * ((lane + 0u) >> 2u) + ((lane + 0u) & 3u) + 0u] = output0_0;
    tile[(0u + slot) * 32u + 8u * ((lane + 0u) >> 2u) + ((lane + 0u) & 3u) + 4u] = output0_1;
    workgroupBarrier();
    for (var unit = thread; unit < 1u * valueVectors; unit += 128u) {
      let row = firstRow + 0u + unit / valueVectors;
      let tileRow = 0u + unit / valueVectors;
      let vector = unit % valueVectors;
      var sum = vec4<f32>(0.0);
      var total = 0.0;
      var maximum = smallestMaximum;
      for (var other = 0u; other < slots; other++) {
        sum += tile[((unit / valueVectors) * slots + other) * 32u + vector];
        total += scalars[slots * rows + other * rows + tileRow];
        maximum = max(maximum, scalars[other * rows + tileRow]);
      }
      if (row < groupRows) {
        let head = keyHead * params.headsPerKeyHead + row / params.queryLength;
        let queryIndex = row % params.queryLength;
        let place = ((batch * params.heads + head) * params.queryLength + queryIndex) * params.parts + part;
        output[place * valueVectors + vector] = sum;
        if (vector == 0u) {
          logSumExp[2u * place] = maximum + shift;
          logSumExp[2u * place + 1u] = total;
        }
      }
    }
    workgroupBarrier();
    tile[(0u + slot) * 32u + 8u * ((lane + 0u) >> 2u) + ((lane + 0u) & 3u) + 0u] = output1_0;
    tile[(0u + slot) * 32u + 8u * ((lane + 0u) >> 2u) + ((lane + 0u) & 3u) + 4u] = output1_1;
    workgroupBarrier();
    for (var unit = thread; unit < 1u * valueVectors; unit += 128u) {
      let row = firstRow + 1u + unit / valueVectors;
      let tileRow = 1u + unit / valueVectors;
      let vector = unit % valueVectors;
      var sum = vec4<f32>(0.0);
      var total = 0.0;
      var maximum = smallestMaximum;
      for (var other = 0u; other < slots; other++) {
        sum += tile[((unit / valueVectors) * slots + other) * 32u + vector];
        total += scalars[slots * rows + other * rows + tileRow];
        maximum = max(maximum, scalars[other * rows + tileRow]);
      }
      if (row < groupRows) {
        let head = keyHead * params.headsPerKeyHead + row / params.queryLength;
        let queryIndex = row % params.queryLength;
        let place = ((batch * params.heads + head) * params.queryLength + queryIndex) * params.parts + part;
        output[place * valueVectors + vector] = sum;
        if (vector == 0u) {
          logSumExp[2u * place] = maximum + shift;
          logSumExp[2u * place + 1u] = total;
        }
      }
    }
    break;
  }
}
