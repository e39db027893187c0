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
@group(0) @binding(1) var<storage, read> query: array<u32>;
@group(0) @binding(2) var<storage, read> key: array<u32>;
@group(0) @binding(3) var<storage, read> value: array<u32>;
@group(0) @binding(4) var<storage, read_write> output: array<u32>;
@group(0) @binding(5) var<storage, read_write> logSumExp: array<f32>;
@group(0) @binding(6) var<storage, read> blockMap: array<u32>;
// Query offset and key count of every sequence, then the tables of the expressions.
@group(0) @binding(7) var<storage, read> data: array<u32>;

const tileQueries = 32u;
const tileKeys = 32u;
const valueVectors = 2u;
const queryRegion = 72u;
const keyRegion = 0u;
const valueRegion = 0u;
const probabilityRegion = 256u;
const reductionRegion = 256u;
const careRegion = 544u;
// Finite, so that exp(-Infinity - maximum) is 0 even where nothing is visible; no score is below it.
const smallestMaximum = -3.4028234663852886e38;

fn isNotANumber(x: f32) -> bool {
  return (bitcast<u32>(x) & 0x7fffffffu) > 0x7f800000u;
}

fn exponential(x: f32) -> f32 {
  return select(exp(x), x, isNotANumber(x));
}

fn logarithm(x: f32) -> f32 {
  return select(log(x), x, isNotANumber(x));
}

const hiddenBits = 0xff800000u; // a score of -Infinity, or a log-sum-exp
const hiddenWeightBits = 0x80000000u; // its weight is -0, which no exponential is, not if it underflows

fn pairWeights(scores: vec4<f32>, reference: vec4<f32>) -> vec4<f32> {
  return exp(scores - reference);
}

fn markedWeights(scores: vec4<f32>, reference: vec4<f32>) -> vec4<f32> {
  let weights = bitcast<vec4<u32>>(pairWeights(scores, reference));
  return bitcast<vec4<f32>>(select(weights, vec4<u32>(hiddenWeightBits), bitcast<vec4<u32>>(scores) == vec4<u32>(hiddenBits)));
}

// Marked weights as a round counts them.
fn countedWeights(weights: vec4<f32>, round: u32) -> vec4<f32> {
  let bits = bitcast<vec4<u32>>(weights);
  let none = (bits & vec4<u32>(0x7fffffffu)) == vec4<u32>(0u);
  let visible = bits != vec4<u32>(hiddenWeightBits);
  let counted = select(weights, select(vec4<f32>(1.0), vec4<f32>(0.0), none), vec4<bool>(round > 1u));
  return select(counted, select(vec4<f32>(0.0), vec4<f32>(1.0), none & visible), vec4<bool>(round == 4u));
}

fn roundValues(values: vec4<f32>, round: u32) -> vec4<f32> {
  let bits = bitcast<vec4<u32>>(values);
  let strange = (bits & vec4<u32>(0x7f800000u)) == vec4<u32>(0x7f800000u);
  let other = select(select(0u, 0x7f800000u, round == 3u), 0xff800000u, round == 2u);
  let counted = select(vec4<f32>(0.0), vec4<f32>(1.0), strange & (bits != vec4<u32>(other)));
  return select(counted, select(values, vec4<f32>(0.0), strange), vec4<bool>(round == 1u));
}

fn allFinite(values: vec4<f32>) -> bool {
  return all((bitcast<vec4<u32>>(values) & vec4<u32>(0x7f800000u)) != vec4<u32>(0x7f800000u));
}

// 16 bytes times: Q 72 and K 72, or V 256; row maxima 64, or P 288; 1 for care
var<workgroup> tile: array<vec4<f32>, 545>;

fn unpackHalves(words: vec2<u32>) -> vec4<f32> {
  return vec4<f32>(unpack2x16float(words.x), unpack2x16float(words.y));
}

fn unpackHalf(word: u32, index: u32) -> f32 {
  let both = unpack2x16float(word);
  return select(both.x, both.y, (index & 1u) == 1u);
}

fn packHalves(values: vec2<f32>) -> u32 {
  let bits = bitcast<vec2<u32>>(values);
  let size = bits & vec2<u32>(0x7fffffffu);
  let beyond = size > vec2<u32>(0x477fe000u);
  let largest = select(vec2<u32>(0x7bffu), vec2<u32>(0x7c00u), size >= vec2<u32>(0x477ff000u));
  let strange = select(largest, vec2<u32>(0x7e00u), size > vec2<u32>(0x7f800000u));
  let packed = pack2x16float(select(values, vec2<f32>(0.0), beyond));
  let signs = (bits >> vec2<u32>(16u)) & vec2<u32>(0x8000u);
  let halves = select(vec2<u32>(packed & 0xffffu, packed >> 16u), signs | strange, beyond);
  return halves.x | (halves.y << 16u);
}

fn loadQuery(base: u32, vector: u32) -> vec4<f32> {
  var result = vec4<f32>(0.0);
  if (4u * vector + 0u < 37u) { result.x = unpackHalf(query[(base + (4u * vector + 0u) * params.queryDim) >> 1u], base + (4u * vector + 0u) * params.queryDim); }
  if (4u * vector + 1u < 37u) { result.y = unpackHalf(query[(base + (4u * vector + 1u) * params.queryDim) >> 1u], base + (4u * vector + 1u) * params.queryDim); }
  if (4u * vector + 2u < 37u) { result.z = unpackHalf(query[(base + (4u * vector + 2u) * params.queryDim) >> 1u], base + (4u * vector + 2u) * params.queryDim); }
  if (4u * vector + 3u < 37u) { result.w = unpackHalf(query[(base + (4u * vector + 3u) * params.queryDim) >> 1u], base + (4u * vector + 3u) * params.queryDim); }
  return result;
}

fn loadKey(base: u32, vector: u32) -> vec4<f32> {
  var result = vec4<f32>(0.0);
  if (4u * vector + 0u < 37u) { result.x = unpackHalf(key[(base + (4u * vector + 0u) * params.keyDim) >> 1u], base + (4u * vector + 0u) * params.keyDim); }
  if (4u * vector + 1u < 37u) { result.y = unpackHalf(key[(base + (4u * vector + 1u) * params.keyDim) >> 1u], base + (4u * vector + 1u) * params.keyDim); }
  if (4u * vector + 2u < 37u) { result.z = unpackHalf(key[(base + (4u * vector + 2u) * params.keyDim) >> 1u], base + (4u * vector + 2u) * params.keyDim); }
  if (4u * vector + 3u < 37u) { result.w = unpackHalf(key[(base + (4u * vector + 3u) * params.keyDim) >> 1u], base + (4u * vector + 3u) * params.keyDim); }
  return result;
}

fn loadValue(base: u32, vector: u32) -> vec4<f32> {
  var result = vec4<f32>(0.0);
  if (4u * vector + 0u < 5u) { result.x = unpackHalf(value[(base + (4u * vector + 0u) * params.valueDim) >> 1u], base + (4u * vector + 0u) * params.valueDim); }
  if (4u * vector + 1u < 5u) { result.y = unpackHalf(value[(base + (4u * vector + 1u) * params.valueDim) >> 1u], base + (4u * vector + 1u) * params.valueDim); }
  if (4u * vector + 2u < 5u) { result.z = unpackHalf(value[(base + (4u * vector + 2u) * params.valueDim) >> 1u], base + (4u * vector + 2u) * params.valueDim); }
  if (4u * vector + 3u < 5u) { result.w = unpackHalf(value[(base + (4u * vector + 3u) * params.valueDim) >> 1u], base + (4u * vector + 3u) * params.valueDim); }
  return result;
}

fn loadOutput(base: u32, vector: u32) -> vec4<f32> {
  var result = vec4<f32>(0.0);
  if (4u * vector + 0u < 5u) { result.x = unpackHalf(output[(base + (4u * vector + 0u) * params.outputDim) >> 1u], base + (4u * vector + 0u) * params.outputDim); }
  if (4u * vector + 1u < 5u) { result.y = unpackHalf(output[(base + (4u * vector + 1u) * params.outputDim) >> 1u], base + (4u * vector + 1u) * params.outputDim); }
  if (4u * vector + 2u < 5u) { result.z = unpackHalf(output[(base + (4u * vector + 2u) * params.outputDim) >> 1u], base + (4u * vector + 2u) * params.outputDim); }
  if (4u * vector + 3u < 5u) { result.w = unpackHalf(output[(base + (4u * vector + 3u) * params.outputDim) >> 1u], base + (4u * vector + 3u) * params.outputDim); }
  return result;
}

fn storeOutput(base: u32, vector: u32, value: vec4<f32>) {
  let place = (base + 4u * vector) >> 1u;
  if (4u * vector < 5u) { output[place] = packHalves(value.xy); }
  if (4u * vector + 2u < 5u) { output[place + 1u] = packHalves(value.zw); }
}

fn logSumExpPlace(batch: u32, head: u32, queryRow: u32) -> u32 {
  return params.logSumExpOffset + (batch * params.heads + head) * params.queryLength + queryRow;
}

fn finishRow(batch: u32, head: u32, queryRow: u32, column: u32, previous: f32, total: f32, maximum: f32, o0: vec4<f32>) {
  let base = params.outputOffset + batch * params.outputBatch + head * params.outputHead + queryRow * params.outputRow;
  let vector0 = column + 0u;
  let seen = bitcast<u32>(total) != 0u; // and not total > 0, since a sum of NaN is one
  let weight = select(0.0, 1.0 / total, seen);
  var result = select(bitcast<f32>(params.negativeInfinity), maximum + logarithm(total), seen);
  var r0 = o0 * weight;
  if (params.mergeWithOutput != 0u && bitcast<u32>(previous) != hiddenBits) {
    let larger = max(previous, result);
    let previousPart = exponential(previous - larger);
    let ownPart = exponential(result - larger);
    let sum = previousPart + ownPart;
    result = larger + logarithm(sum);
    // Divided before they are added, so that large values do not overflow.
    r0 = loadOutput(base, min(vector0, valueVectors - 1u)) * (previousPart / sum) + r0 * (ownPart / sum);
  }
  if (vector0 < valueVectors) { storeOutput(base, vector0, r0); }
  if (column == 0u) {
    logSumExp[logSumExpPlace(batch, head, queryRow)] = result;
  }
}

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(local_invocation_index) thread: u32,
) {
  let column = thread % 8u;
  let row = thread / 8u;
  let head = params.headBase + workgroup.y;
  let batch = params.batchBase + workgroup.z;
  let keyHead = head / params.headsPerKeyHead;
  let queryOffset = bitcast<i32>(data[2u * batch]);
  let keyCount = data[2u * batch + 1u];
  let queryTile = params.queryTileBase + workgroup.x;
  let queryBase = params.queryOffset + batch * params.queryBatch + head * params.queryHead;
  let keyBase = params.keyOffset + batch * params.keyBatch + keyHead * params.keyHead;
  let valueBase = params.valueOffset + batch * params.valueBatch + keyHead * params.valueHead;
  let firstQuery = queryTile * tileQueries;
  let lastQuery = params.queryLength - 1u;
  let lastKey = max(keyCount, 1u) - 1u; // rows past it may hold anything, so they are never read
  let scale = bitcast<f32>(params.scale);
  let hidden = bitcast<f32>(params.negativeInfinity);
  let queryIndex = i32(firstQuery + row * 4u);
  let position = queryOffset + queryIndex;


  // More than one where something is not finite; see kernels/careful-rounds.ts.
  var round = 0u;
  if (thread == 0u) { tile[careRegion] = vec4<f32>(0.0); }
  loop {
    let shift = select(0.0, 22.180709777918249, round != 0u);
    var maximum0 = smallestMaximum;
    var sum0 = 0.0;
    var maximum1 = smallestMaximum;
    var sum1 = 0.0;
    var maximum2 = smallestMaximum;
    var sum2 = 0.0;
    var maximum3 = smallestMaximum;
    var sum3 = 0.0;
    var output0_0 = vec4<f32>(0.0);
    var output1_0 = vec4<f32>(0.0);
    var output2_0 = vec4<f32>(0.0);
    var output3_0 = vec4<f32>(0.0);

    let endTile = min((keyCount + tileKeys - 1u) / tileKeys, params.keyTileEnd);
    for (var keyTile = params.keyTileBegin; keyTile < endTile; keyTile++) {
      let full = (keyTile + 1u) * tileKeys <= keyCount;
      let firstKey = keyTile * tileKeys;
      var score0_0 = vec4<f32>(0.0);
      var score1_0 = vec4<f32>(0.0);
      var score2_0 = vec4<f32>(0.0);
      var score3_0 = vec4<f32>(0.0);
      {
        var key0_0 = vec4<f32>(0.0);
        var key0_1 = vec4<f32>(0.0);
        var key0_2 = vec4<f32>(0.0);
        var key0_3 = vec4<f32>(0.0);
        if (thread < 16u) {
          if (0u + ((thread & 1u) | (((thread >> 3u) & 0u) << 1u)) < 10u) {
            key0_0 = loadKey(keyBase + min(firstKey + (((thread >> 1u) & 3u) | ((thread >> 3u) << 2u)) + 0u, lastKey) * params.keyRow, 0u + ((thread & 1u) | (((thread >> 3u) & 0u) << 1u)));
            key0_1 = loadKey(keyBase + min(firstKey + (((thread >> 1u) & 3u) | ((thread >> 3u) << 2u)) + 8u, lastKey) * params.keyRow, 0u + ((thread & 1u) | (((thread >> 3u) & 0u) << 1u)));
            key0_2 = loadKey(keyBase + min(firstKey + (((thread >> 1u) & 3u) | ((thread >> 3u) << 2u)) + 16u, lastKey) * params.keyRow, 0u + ((thread & 1u) | (((thread >> 3u) & 0u) << 1u)));
            key0_3 = loadKey(keyBase + min(firstKey + (((thread >> 1u) & 3u) | ((thread >> 3u) << 2u)) + 24u, lastKey) * params.keyRow, 0u + ((thread & 1u) | (((thread >> 3u) & 0u) << 1u)));
          } else {
            key0_0 = vec4<f32>(0.0);
            key0_1 = vec4<f32>(0.0);
            key0_2 = vec4<f32>(0.0);
            key0_3 = vec4<f32>(0.0);
          }
        }
        var query0_0 = vec4<f32>(0.0);
        var query0_1 = vec4<f32>(0.0);
        var query0_2 = vec4<f32>(0.0);
        var query0_3 = vec4<f32>(0.0);
        if (thread < 16u) {
          if (0u + ((thread & 1u) | (((thread >> 3u) & 0u) << 1u)) < 10u) {
            query0_0 = loadQuery(queryBase + min(firstQuery + 4u * (((thread >> 1u) & 3u) | ((thread >> 3u) << 2u)) + 0u, lastQuery) * params.queryRow, 0u + ((thread & 1u) | (((thread >> 3u) & 0u) << 1u)));
            query0_1 = loadQuery(queryBase + min(firstQuery + 4u * (((thread >> 1u) & 3u) | ((thread >> 3u) << 2u)) + 1u, lastQuery) * params.queryRow, 0u + ((thread & 1u) | (((thread >> 3u) & 0u) << 1u)));
            query0_2 = loadQuery(queryBase + min(firstQuery + 4u * (((thread >> 1u) & 3u) | ((thread >> 3u) << 2u)) + 2u, lastQuery) * params.queryRow, 0u + ((thread & 1u) | (((thread >> 3u) & 0u) << 1u)));
            query0_3 = loadQuery(queryBase + min(firstQuery + 4u * (((thread >> 1u) & 3u) | ((thread >> 3u) << 2u)) + 3u, lastQuery) * params.queryRow, 0u + ((thread & 1u) | (((thread >> 3u) & 0u) << 1u)));
          } else {
            query0_0 = vec4<f32>(0.0);
            query0_1 = vec4<f32>(0.0);
            query0_2 = vec4<f32>(0.0);
            query0_3 = vec4<f32>(0.0);
          }
        }
        for (var chunk = 0u; chunk < 5u; chunk++) {
          workgroupBarrier();
          if (thread < 16u) {
            tile[keyRegion + (4u * ((thread & 1u) | (((thread >> 3u) & 0u) << 1u)) + 0u) * 9u + (((thread >> 1u) & 3u) | ((thread >> 3u) << 2u))] = vec4<f32>(key0_0[0], key0_1[0], key0_2[0], key0_3[0]);
            tile[keyRegion + (4u * ((thread & 1u) | (((thread >> 3u) & 0u) << 1u)) + 1u) * 9u + (((thread >> 1u) & 3u) | ((thread >> 3u) << 2u))] = vec4<f32>(key0_0[1], key0_1[1], key0_2[1], key0_3[1]);
            tile[keyRegion + (4u * ((thread & 1u) | (((thread >> 3u) & 0u) << 1u)) + 2u) * 9u + (((thread >> 1u) & 3u) | ((thread >> 3u) << 2u))] = vec4<f32>(key0_0[2], key0_1[2], key0_2[2], key0_3[2]);
            tile[keyRegion + (4u * ((thread & 1u) | (((thread >> 3u) & 0u) << 1u)) + 3u) * 9u + (((thread >> 1u) & 3u) | ((thread >> 3u) << 2u))] = vec4<f32>(key0_0[3], key0_1[3], key0_2[3], key0_3[3]);
          }
          if (thread < 16u) {
            tile[queryRegion + (4u * ((thread & 1u) | (((thread >> 3u) & 0u) << 1u)) + 0u) * 9u + (((thread >> 1u) & 3u) | ((thread >> 3u) << 2u))] = vec4<f32>(query0_0[0], query0_1[0], query0_2[0], query0_3[0]);
            tile[queryRegion + (4u * ((thread & 1u) | (((thread >> 3u) & 0u) << 1u)) + 1u) * 9u + (((thread >> 1u) & 3u) | ((thread >> 3u) << 2u))] = vec4<f32>(query0_0[1], query0_1[1], query0_2[1], query0_3[1]);
            tile[queryRegion + (4u * ((thread & 1u) | (((thread >> 3u) & 0u) << 1u)) + 2u) * 9u + (((thread >> 1u) & 3u) | ((thread >> 3u) << 2u))] = vec4<f32>(query0_0[2], query0_1[2], query0_2[2], query0_3[2]);
            tile[queryRegion + (4u * ((thread & 1u) | (((thread >> 3u) & 0u) << 1u)) + 3u) * 9u + (((thread >> 1u) & 3u) | ((thread >> 3u) << 2u))] = vec4<f32>(query0_0[3], query0_1[3], query0_2[3], query0_3[3]);
          }
          workgroupBarrier();
          if (chunk < 4u) {
            if (thread < 16u) {
              if ((chunk + 1u) * 2u + ((thread & 1u) | (((thread >> 3u) & 0u) << 1u)) < 10u) {
                key0_0 = loadKey(keyBase + min(firstKey + (((thread >> 1u) & 3u) | ((thread >> 3u) << 2u)) + 0u, lastKey) * params.keyRow, (chunk + 1u) * 2u + ((thread & 1u) | (((thread >> 3u) & 0u) << 1u)));
                key0_1 = loadKey(keyBase + min(firstKey + (((thread >> 1u) & 3u) | ((thread >> 3u) << 2u)) + 8u, lastKey) * params.keyRow, (chunk + 1u) * 2u + ((thread & 1u) | (((thread >> 3u) & 0u) << 1u)));
                key0_2 = loadKey(keyBase + min(firstKey + (((thread >> 1u) & 3u) | ((thread >> 3u) << 2u)) + 16u, lastKey) * params.keyRow, (chunk + 1u) * 2u + ((thread & 1u) | (((thread >> 3u) & 0u) << 1u)));
                key0_3 = loadKey(keyBase + min(firstKey + (((thread >> 1u) & 3u) | ((thread >> 3u) << 2u)) + 24u, lastKey) * params.keyRow, (chunk + 1u) * 2u + ((thread & 1u) | (((thread >> 3u) & 0u) << 1u)));
              } else {
                key0_0 = vec4<f32>(0.0);
                key0_1 = vec4<f32>(0.0);
                key0_2 = vec4<f32>(0.0);
                key0_3 = vec4<f32>(0.0);
              }
            }
            if (thread < 16u) {
              if ((chunk + 1u) * 2u + ((thread & 1u) | (((thread >> 3u) & 0u) << 1u)) < 10u) {
                query0_0 = loadQuery(queryBase + min(firstQuery + 4u * (((thread >> 1u) & 3u) | ((thread >> 3u) << 2u)) + 0u, lastQuery) * params.queryRow, (chunk + 1u) * 2u + ((thread & 1u) | (((thread >> 3u) & 0u) << 1u)));
                query0_1 = loadQuery(queryBase + min(firstQuery + 4u * (((thread >> 1u) & 3u) | ((thread >> 3u) << 2u)) + 1u, lastQuery) * params.queryRow, (chunk + 1u) * 2u + ((thread & 1u) | (((thread >> 3u) & 0u) << 1u)));
                query0_2 = loadQuery(queryBase + min(firstQuery + 4u * (((thread >> 1u) & 3u) | ((thread >> 3u) << 2u)) + 2u, lastQuery) * params.queryRow, (chunk + 1u) * 2u + ((thread & 1u) | (((thread >> 3u) & 0u) << 1u)));
                query0_3 = loadQuery(queryBase + min(firstQuery + 4u * (((thread >> 1u) & 3u) | ((thread >> 3u) << 2u)) + 3u, lastQuery) * params.queryRow, (chunk + 1u) * 2u + ((thread & 1u) | (((thread >> 3u) & 0u) << 1u)));
              } else {
                query0_0 = vec4<f32>(0.0);
                query0_1 = vec4<f32>(0.0);
                query0_2 = vec4<f32>(0.0);
                query0_3 = vec4<f32>(0.0);
              }
            }
          }
          for (var dim = 0u; dim < 8u; dim++) {
            let a0 = tile[queryRegion + dim * 9u + row * 1u + 0u];
            let b0 = tile[keyRegion + dim * 9u + column + 0u];
            score0_0 = fma(vec4<f32>(a0.x), b0, score0_0);
            score1_0 = fma(vec4<f32>(a0.y), b0, score1_0);
            score2_0 = fma(vec4<f32>(a0.z), b0, score2_0);
            score3_0 = fma(vec4<f32>(a0.w), b0, score3_0);
          }
        }
      }
      var valueRow0 = vec4<f32>(0.0);
      var valueRow1 = vec4<f32>(0.0);
      var valueRow2 = vec4<f32>(0.0);
      var valueRow3 = vec4<f32>(0.0);
      if (thread % 8u < 2u) { valueRow0 = loadValue(valueBase + min(firstKey + 0u + thread / 8u, lastKey) * params.valueRow, thread % 8u); }
      if ((thread + 64u) % 8u < 2u) { valueRow1 = loadValue(valueBase + min(firstKey + 0u + (thread + 64u) / 8u, lastKey) * params.valueRow, (thread + 64u) % 8u); }
      if ((thread + 128u) % 8u < 2u) { valueRow2 = loadValue(valueBase + min(firstKey + 0u + (thread + 128u) / 8u, lastKey) * params.valueRow, (thread + 128u) % 8u); }
      if ((thread + 192u) % 8u < 2u) { valueRow3 = loadValue(valueBase + min(firstKey + 0u + (thread + 192u) / 8u, lastKey) * params.valueRow, (thread + 192u) % 8u); }
      score0_0 *= scale;
      score1_0 *= scale;
      score2_0 *= scale;
      score3_0 *= scale;
      if (!full) {
        let outside0 = vec4<u32>(firstKey + column) + vec4<u32>(0u, 8u, 16u, 24u) >= vec4<u32>(keyCount);
        score0_0 = select(score0_0, vec4<f32>(hidden), outside0);
        score1_0 = select(score1_0, vec4<f32>(hidden), outside0);
        score2_0 = select(score2_0, vec4<f32>(hidden), outside0);
        score3_0 = select(score3_0, vec4<f32>(hidden), outside0);
      }
      let best0 = score0_0;
      let best1 = score1_0;
      let best2 = score2_0;
      let best3 = score3_0;
      tile[reductionRegion + column * 8u + row * 1u + 0u] = vec4<f32>(max(max(best0.x, best0.y), max(best0.z, best0.w)), max(max(best1.x, best1.y), max(best1.z, best1.w)), max(max(best2.x, best2.y), max(best2.z, best2.w)), max(max(best3.x, best3.y), max(best3.z, best3.w)));
      workgroupBarrier();
      var top0 = vec4<f32>(maximum0, maximum1, maximum2, maximum3);
      for (var other = 0u; other < 8u; other++) {
        top0 = max(top0, tile[reductionRegion + other * 8u + row * 1u + 0u]);
      }
      let decay0 = select(exp(maximum0 - top0.x), 1.0, round > 1u);
      maximum0 = top0.x;
      let reference0 = vec4<f32>(maximum0 + shift);
      let decay1 = select(exp(maximum1 - top0.y), 1.0, round > 1u);
      maximum1 = top0.y;
      let reference1 = vec4<f32>(maximum1 + shift);
      let decay2 = select(exp(maximum2 - top0.z), 1.0, round > 1u);
      maximum2 = top0.z;
      let reference2 = vec4<f32>(maximum2 + shift);
      let decay3 = select(exp(maximum3 - top0.w), 1.0, round > 1u);
      maximum3 = top0.w;
      let reference3 = vec4<f32>(maximum3 + shift);
      if (round == 0u) {
        score0_0 = pairWeights(score0_0, reference0);
        score1_0 = pairWeights(score1_0, reference1);
        score2_0 = pairWeights(score2_0, reference2);
        score3_0 = pairWeights(score3_0, reference3);
      } else {
        score0_0 = markedWeights(score0_0, reference0);
        score1_0 = markedWeights(score1_0, reference1);
        score2_0 = markedWeights(score2_0, reference2);
        score3_0 = markedWeights(score3_0, reference3);
      }
      sum0 = sum0 * decay0 + dot(score0_0, vec4<f32>(1.0));
      output0_0 *= decay0;
      sum1 = sum1 * decay1 + dot(score1_0, vec4<f32>(1.0));
      output1_0 *= decay1;
      sum2 = sum2 * decay2 + dot(score2_0, vec4<f32>(1.0));
      output2_0 *= decay2;
      sum3 = sum3 * decay3 + dot(score3_0, vec4<f32>(1.0));
      output3_0 *= decay3;
      if (round > 1u) {
        score0_0 = countedWeights(score0_0, round);
        score1_0 = countedWeights(score1_0, round);
        score2_0 = countedWeights(score2_0, round);
        score3_0 = countedWeights(score3_0, round);
      }
      workgroupBarrier();
      tile[probabilityRegion + (column + 0u) * 9u + row * 1u + 0u] = vec4<f32>(score0_0.x, score1_0.x, score2_0.x, score3_0.x);
      tile[probabilityRegion + (column + 8u) * 9u + row * 1u + 0u] = vec4<f32>(score0_0.y, score1_0.y, score2_0.y, score3_0.y);
      tile[probabilityRegion + (column + 16u) * 9u + row * 1u + 0u] = vec4<f32>(score0_0.z, score1_0.z, score2_0.z, score3_0.z);
      tile[probabilityRegion + (column + 24u) * 9u + row * 1u + 0u] = vec4<f32>(score0_0.w, score1_0.w, score2_0.w, score3_0.w);
      {
        workgroupBarrier();
        tile[valueRegion + thread] = valueRow0;
        tile[valueRegion + (thread + 64u)] = valueRow1;
        tile[valueRegion + (thread + 128u)] = valueRow2;
        tile[valueRegion + (thread + 192u)] = valueRow3;
        workgroupBarrier();
        if (round != 0u) {
          for (var i = thread; i < 256u; i += 64u) {
            tile[valueRegion + i] = roundValues(tile[valueRegion + i], round);
          }
          workgroupBarrier();
        }
        for (var token = 0u; token < 32u; token++) {
          let w0 = tile[probabilityRegion + token * 9u + row * 1u + 0u];
          let x0 = tile[valueRegion + token * 8u + column + 0u];
          output0_0 = fma(vec4<f32>(w0.x), x0, output0_0);
          output1_0 = fma(vec4<f32>(w0.y), x0, output1_0);
          output2_0 = fma(vec4<f32>(w0.z), x0, output2_0);
          output3_0 = fma(vec4<f32>(w0.w), x0, output3_0);
        }
      }
    }
    if (round == 0u) {
      // Sums may overflow here: then care is taken for nothing.
      if (!allFinite(output0_0 + output1_0 + output2_0 + output3_0)) { tile[careRegion] = vec4<f32>(1.0); }
      if (workgroupUniformLoad(&tile[careRegion]).x != 0.0) {
        round = 1u;
        continue;
      }
    }
    if (round < 2u) {
      var previous = array<f32, 4>();
      if (params.mergeWithOutput != 0u) {
        // Read before the barrier, since column 0 writes them after it.
        for (var i = 0u; i < 4u; i++) {
          previous[i] = logSumExp[logSumExpPlace(batch, head, min(firstQuery + row * 4u + i, lastQuery))];
        }
      }
      workgroupBarrier();
      tile[reductionRegion + column * 8u + row * 1u + 0u] = vec4<f32>(sum0, sum1, sum2, sum3);
      workgroupBarrier();
      var maxima = array<f32, 4>(maximum0, maximum1, maximum2, maximum3);
      var outputs = array<vec4<f32>, 4>(output0_0, output1_0, output2_0, output3_0);
      for (var i = 0u; i < 4u; i++) {
        let tileRow = row * 4u + i;
        var total = 0.0;
        for (var other = 0u; other < 8u; other++) {
          total += tile[reductionRegion + other * (tileQueries / 4u) + (tileRow >> 2u)][tileRow & 3u];
        }
        let queryRow = firstQuery + tileRow;
        if (queryRow <= lastQuery) {
          finishRow(batch, head, queryRow, column, previous[i], total, maxima[i] + shift, outputs[i * 1u + 0u]);
        }
      }
    } else {
      let bits = params.negativeInfinity;
      let left = bitcast<f32>(select(select(bits | 0x400000u, bits, round == 3u), bits & 0x7fffffffu, round == 2u));
      var outputs = array<vec4<f32>, 4>(output0_0, output1_0, output2_0, output3_0);
      for (var i = 0u; i < 4u; i++) {
        let tileRow = row * 4u + i;
        let queryRow = firstQuery + tileRow;
        if (queryRow > lastQuery) { continue; }
        let base = params.outputOffset + batch * params.outputBatch + head * params.outputHead + queryRow * params.outputRow;
        for (var c = 0u; c < 1u; c++) {
          let sums = outputs[i * 1u + c];
          let vector = column + c * 8u;
          if (vector < valueVectors && any(sums != vec4<f32>(0.0))) {
            let written = loadOutput(base, vector);
            storeOutput(base, vector, select(written, written + left, sums != vec4<f32>(0.0)));
          }
        }
      }
    }
    if (round == 0u || round == 4u) { break; }
    round++;
  }
}
