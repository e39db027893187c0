enable f16;
enable subgroups;
requires packed_4x8_integer_dot_product;

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

const rows = 4u;
const chunkKeys = 32u;
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

// 6912 bytes. A chunk's keys, or its values, as they are stored; first the queries, at last the output.
var<workgroup> tile: array<vec2<u32>, 544>;
// Of four dims the first digits of each row, the second and the third.
var<workgroup> digits: array<vec4<u32>, 96>;
// Of four keys and each block the first digits of each row's weights, and the second.
var<workgroup> weights: array<vec4<u32>, 64>;

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

fn largestOfThreads(own: vec4<f32>, lane: u32, place: u32) -> vec4<f32> {
  let upper = (lane & 1u) != 0u;
  let two = max(select(own.xy, own.zw, upper), subgroupShuffleXor(select(own.zw, own.xy, upper), 1u));
  let odd = (lane & 2u) != 0u;
  var one = max(select(two.x, two.y, odd), subgroupShuffleXor(select(two.y, two.x, odd), 2u));
  one = max(one, subgroupShuffleXor(one, 4u));
  one = max(one, subgroupShuffleXor(one, 8u));
  one = max(one, subgroupShuffleXor(one, 16u));
  return vec4<f32>(subgroupShuffle(one, 0u), subgroupShuffle(one, 2u), subgroupShuffle(one, 1u), subgroupShuffle(one, 3u));
}

fn sumOfThreads(own: vec4<f32>, lane: u32, place: u32) -> vec4<f32> {
  var all = own;
  all = all + subgroupShuffleXor(all, 1u);
  all = all + subgroupShuffleXor(all, 2u);
  all = all + subgroupShuffleXor(all, 4u);
  all = all + subgroupShuffleXor(all, 8u);
  all = all + subgroupShuffleXor(all, 16u);
  return all;
}

@compute @workgroup_size(32)
fn main(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(subgroup_id) subgroup: u32,
  @builtin(subgroup_size) subgroupSize: u32,
  @builtin(subgroup_invocation_id) invocation: u32,
) {
  let lane = (subgroup * subgroupSize + invocation) % 32u;
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
  let lastKey = max(keyCount, 1u) - 1u; // rows past it may hold anything
  let scale = bitcast<f32>(params.scale);
  let hidden = bitcast<f32>(params.negativeInfinity);
  var keyNext0 = vec4<u32>();
  var keyNext1 = vec4<u32>();
  var keyNext2 = vec4<u32>();
  var keyNext3 = vec4<u32>();
  var keyNext4 = vec4<u32>();
  var keyNext5 = vec4<u32>();
  var keyNext6 = vec4<u32>();
  var keyNext7 = vec4<u32>();
  var keyNext8 = vec4<u32>();
  var valueNext0 = vec4<u32>();
  var valueNext1 = vec4<u32>();
  var valueNext2 = vec4<u32>();
  var valueNext3 = vec4<u32>();
  var valueNext4 = vec4<u32>();
  if (firstChunk < endChunk) {
    let firstKey = chunkOf(chunkStart, chunkList, firstChunk) * chunkKeys;
    let place0 = min(firstKey, lastKey);
    let first = keyBase + (place0 >> 2u) * 34u;
    keyNext0 = key[first + lane + 0u];
    keyNext1 = key[first + lane + 32u];
    keyNext2 = key[first + lane + 64u];
    keyNext3 = key[first + lane + 96u];
    keyNext4 = key[first + lane + 128u];
    keyNext5 = key[first + lane + 160u];
    keyNext6 = key[first + lane + 192u];
    keyNext7 = key[first + lane + 224u];
    keyNext8 = key[first + min(lane + 256u, 271u)];
  }
  if (firstChunk < endChunk) {
    let firstKey = chunkOf(chunkStart, chunkList, firstChunk) * chunkKeys;
    let place0 = min(firstKey, lastKey);
    let first = valueBase + (place0 >> 2u) * 18u;
    valueNext0 = value[first + lane + 0u];
    valueNext1 = value[first + lane + 32u];
    valueNext2 = value[first + lane + 64u];
    valueNext3 = value[first + lane + 96u];
    valueNext4 = value[first + min(lane + 128u, 143u)];
  }
  var notFinite = 0u; // see noteScales
  {
    // Eight threads have a row.
    let row = min(firstRow + lane / 8u, groupRows - 1u);
    let queryBase = params.queryOffset + batch * params.queryBatch + (keyHead * params.headsPerKeyHead + row / params.queryLength) * params.queryHead + (row % params.queryLength) * params.queryRow;
    let elements0 = loadQuery(queryBase, lane % 8u * 4u + 0u);
    let elements1 = loadQuery(queryBase, lane % 8u * 4u + 1u);
    let elements2 = loadQuery(queryBase, lane % 8u * 4u + 2u);
    let elements3 = loadQuery(queryBase, lane % 8u * 4u + 3u);
    var largest = 0.0;
    if (!allFinite(elements0)) { notFinite = 0x80008000u; }
    largest = max(largest, max(max(abs(elements0.x), abs(elements0.y)), max(abs(elements0.z), abs(elements0.w))));
    if (!allFinite(elements1)) { notFinite = 0x80008000u; }
    largest = max(largest, max(max(abs(elements1.x), abs(elements1.y)), max(abs(elements1.z), abs(elements1.w))));
    if (!allFinite(elements2)) { notFinite = 0x80008000u; }
    largest = max(largest, max(max(abs(elements2.x), abs(elements2.y)), max(abs(elements2.z), abs(elements2.w))));
    if (!allFinite(elements3)) { notFinite = 0x80008000u; }
    largest = max(largest, max(max(abs(elements3.x), abs(elements3.y)), max(abs(elements3.z), abs(elements3.w))));
    tile[lane].x = bitcast<u32>(largest);
    workgroupBarrier();
    for (var i = 0u; i < 8u; i++) { largest = max(largest, bitcast<f32>(tile[lane / 8u * 8u + i].x)); }
    workgroupBarrier();
    let inverse = select(0.0, 8323072.0 / largest, largest > 0.0);
    {
      let numbers = bitcast<vec4<u32>>(vec4<i32>(round(elements0 * inverse)));
      let at = lane * 8u + 0u;
      tile[at] = numbers.xy;
      tile[at + 1u] = numbers.zw;
    }
    {
      let numbers = bitcast<vec4<u32>>(vec4<i32>(round(elements1 * inverse)));
      let at = lane * 8u + 2u;
      tile[at] = numbers.xy;
      tile[at + 1u] = numbers.zw;
    }
    {
      let numbers = bitcast<vec4<u32>>(vec4<i32>(round(elements2 * inverse)));
      let at = lane * 8u + 4u;
      tile[at] = numbers.xy;
      tile[at + 1u] = numbers.zw;
    }
    {
      let numbers = bitcast<vec4<u32>>(vec4<i32>(round(elements3 * inverse)));
      let at = lane * 8u + 6u;
      tile[at] = numbers.xy;
      tile[at + 1u] = numbers.zw;
    }
    if (lane % 8u == 0u) { weights[0][lane / 8u] = bitcast<u32>(largest * scale * 0.00003075787401574803); }
  }
  workgroupBarrier();
  let queryUnits = bitcast<vec4<f32>>(weights[0]);
  for (var unit = lane; unit < 128u; unit += 32u) {
    let row = unit % rows;
    let place = unit / rows;
    let word = place;
    let block = word / 8u;
    let begin = 32u * block;
    var bytes = array<u32, 3>();
    for (var i = 0u; i < 4u; i++) {
      let dim = begin + ((4u * (word % 8u) + i + select(0u, 2u, block % 2u == 0u)) & 31u);
      var number = bitcast<i32>(tile[row * 64u + dim / 2u][dim % 2u]);
      for (var digit = 3u; digit > 0u; digit--) {
        bytes[digit - 1u] |= (bitcast<u32>(number) & 255u) << (8u * i);
        number = (number + 128) >> 8u; // what is left once the digit, which is signed, is taken away
      }
    }
    for (var digit = 0u; digit < 3u; digit++) { digits[3u * place + digit][row] = bytes[digit]; }
  }
  workgroupBarrier();
  let ownBlock = (lane & 15u) / 4u;
  let ownWord = (lane & 15u) % 4u;
  let inRow = ownBlock / 2u * 9u + ownBlock % 2u * 4u + 1u + ownWord;
  let inRowHalf = inRow / 2u;
  let inHalf = inRow % 2u;
  let ownShift = select(4u, 0u, lane >= 16u);
  // Two neighbouring dims, and other two.
  var ownDims = vec2<u32>(32u * ownBlock + 16u * (lane >> 4u) + ((4u * ownWord + 0u + select(0u, 2u, ownBlock % 2u == 0u)) & 15u), 32u * ownBlock + 16u * (lane >> 4u) + ((4u * ownWord + 2u + select(0u, 2u, ownBlock % 2u == 0u)) & 15u));
  var sum0 = vec4<f32>();
  var sum1 = vec4<f32>();
  var sum2 = vec4<f32>();
  var sum3 = vec4<f32>();
  var maximum = vec4<f32>(smallestMaximum);
  var rowSums = vec4<f32>(); // of the thread's keys
  for (var chunk = firstChunk; chunk < endChunk; chunk++) {
    let firstKey = chunkOf(chunkStart, chunkList, chunk) * chunkKeys;
    let exists = firstKey + lane <= lastKey;
    tile[2u * lane + 0u] = keyNext0.xy;
    tile[2u * lane + 1u] = keyNext0.zw;
    tile[2u * lane + 64u] = keyNext1.xy;
    tile[2u * lane + 65u] = keyNext1.zw;
    tile[2u * lane + 128u] = keyNext2.xy;
    tile[2u * lane + 129u] = keyNext2.zw;
    tile[2u * lane + 192u] = keyNext3.xy;
    tile[2u * lane + 193u] = keyNext3.zw;
    tile[2u * lane + 256u] = keyNext4.xy;
    tile[2u * lane + 257u] = keyNext4.zw;
    tile[2u * lane + 320u] = keyNext5.xy;
    tile[2u * lane + 321u] = keyNext5.zw;
    tile[2u * lane + 384u] = keyNext6.xy;
    tile[2u * lane + 385u] = keyNext6.zw;
    tile[2u * lane + 448u] = keyNext7.xy;
    tile[2u * lane + 449u] = keyNext7.zw;
    if (lane < 16u) {
      tile[2u * lane + 512u] = keyNext8.xy;
      tile[2u * lane + 513u] = keyNext8.zw;
    }
    workgroupBarrier();
    if ((chunk + 1u) < endChunk) {
      let firstKey = chunkOf(chunkStart, chunkList, (chunk + 1u)) * chunkKeys;
      let place0 = min(firstKey, lastKey);
      let first = keyBase + (place0 >> 2u) * 34u;
      keyNext0 = key[first + lane + 0u];
      keyNext1 = key[first + lane + 32u];
      keyNext2 = key[first + lane + 64u];
      keyNext3 = key[first + lane + 96u];
      keyNext4 = key[first + lane + 128u];
      keyNext5 = key[first + lane + 160u];
      keyNext6 = key[first + lane + 192u];
      keyNext7 = key[first + lane + 224u];
      keyNext8 = key[first + min(lane + 256u, 271u)];
    }
    var scores = vec4<f32>();
    let eight0 = tile[lane * 17u + 0u];
    let word0 = eight0.x;
    let word1 = eight0.y;
    let eight1 = tile[lane * 17u + 1u];
    let word2 = eight1.x;
    let word3 = eight1.y;
    let eight2 = tile[lane * 17u + 2u];
    let word4 = eight2.x;
    let word5 = eight2.y;
    let eight3 = tile[lane * 17u + 3u];
    let word6 = eight3.x;
    let word7 = eight3.y;
    let eight4 = tile[lane * 17u + 4u];
    let word8 = eight4.x;
    let word9 = eight4.y;
    let eight5 = tile[lane * 17u + 5u];
    let word10 = eight5.x;
    let word11 = eight5.y;
    let eight6 = tile[lane * 17u + 6u];
    let word12 = eight6.x;
    let word13 = eight6.y;
    let eight7 = tile[lane * 17u + 7u];
    let word14 = eight7.x;
    let word15 = eight7.y;
    let eight8 = tile[lane * 17u + 8u];
    let word16 = eight8.x;
    let word17 = eight8.y;
    let eight9 = tile[lane * 17u + 9u];
    let word18 = eight9.x;
    let word19 = eight9.y;
    let eight10 = tile[lane * 17u + 10u];
    let word20 = eight10.x;
    let word21 = eight10.y;
    let eight11 = tile[lane * 17u + 11u];
    let word22 = eight11.x;
    let word23 = eight11.y;
    let eight12 = tile[lane * 17u + 12u];
    let word24 = eight12.x;
    let word25 = eight12.y;
    let eight13 = tile[lane * 17u + 13u];
    let word26 = eight13.x;
    let word27 = eight13.y;
    let eight14 = tile[lane * 17u + 14u];
    let word28 = eight14.x;
    let word29 = eight14.y;
    let eight15 = tile[lane * 17u + 15u];
    let word30 = eight15.x;
    let word31 = eight15.y;
    let eight16 = tile[lane * 17u + 16u];
    let word32 = eight16.x;
    let word33 = eight16.y;
    {
      let pairScales = (word0 & 0xffffu) | (word8 & 0xffff0000u);
      let together = (word8 & 0xffffu) | (word0 & 0xffff0000u);
      let scales = unpack2x16float(pairScales);
      notFinite |= (select(0u, pairScales, exists) & 0x7c007c00u) + 0x04000400u;
      {
        var first = vec4<i32>();
        var second = vec4<i32>();
        var third = vec4<i32>();
        {
          let codes0 = word1;
          let first0 = digits[0];
          let second0 = digits[1];
          let third0 = digits[2];
          let codes1 = word2;
          let first1 = digits[3];
          let second1 = digits[4];
          let third1 = digits[5];
          first.x += dot4I8Packed(codes0, first0.x) + dot4I8Packed(codes1, first1.x);
          first.y += dot4I8Packed(codes0, first0.y) + dot4I8Packed(codes1, first1.y);
          first.z += dot4I8Packed(codes0, first0.z) + dot4I8Packed(codes1, first1.z);
          first.w += dot4I8Packed(codes0, first0.w) + dot4I8Packed(codes1, first1.w);
          second.x += dot4I8Packed(codes0, second0.x) + dot4I8Packed(codes1, second1.x);
          second.y += dot4I8Packed(codes0, second0.y) + dot4I8Packed(codes1, second1.y);
          second.z += dot4I8Packed(codes0, second0.z) + dot4I8Packed(codes1, second1.z);
          second.w += dot4I8Packed(codes0, second0.w) + dot4I8Packed(codes1, second1.w);
          third.x += dot4I8Packed(codes0, third0.x) + dot4I8Packed(codes1, third1.x);
          third.y += dot4I8Packed(codes0, third0.y) + dot4I8Packed(codes1, third1.y);
          third.z += dot4I8Packed(codes0, third0.z) + dot4I8Packed(codes1, third1.z);
          third.w += dot4I8Packed(codes0, third0.w) + dot4I8Packed(codes1, third1.w);
        }
        {
          let codes0 = word3;
          let first0 = digits[6];
          let second0 = digits[7];
          let third0 = digits[8];
          let codes1 = word4;
          let first1 = digits[9];
          let second1 = digits[10];
          let third1 = digits[11];
          first.x += dot4I8Packed(codes0, first0.x) + dot4I8Packed(codes1, first1.x);
          first.y += dot4I8Packed(codes0, first0.y) + dot4I8Packed(codes1, first1.y);
          first.z += dot4I8Packed(codes0, first0.z) + dot4I8Packed(codes1, first1.z);
          first.w += dot4I8Packed(codes0, first0.w) + dot4I8Packed(codes1, first1.w);
          second.x += dot4I8Packed(codes0, second0.x) + dot4I8Packed(codes1, second1.x);
          second.y += dot4I8Packed(codes0, second0.y) + dot4I8Packed(codes1, second1.y);
          second.z += dot4I8Packed(codes0, second0.z) + dot4I8Packed(codes1, second1.z);
          second.w += dot4I8Packed(codes0, second0.w) + dot4I8Packed(codes1, second1.w);
          third.x += dot4I8Packed(codes0, third0.x) + dot4I8Packed(codes1, third1.x);
          third.y += dot4I8Packed(codes0, third0.y) + dot4I8Packed(codes1, third1.y);
          third.z += dot4I8Packed(codes0, third0.z) + dot4I8Packed(codes1, third1.z);
          third.w += dot4I8Packed(codes0, third0.w) + dot4I8Packed(codes1, third1.w);
        }
        {
          let codes0 = word5;
          let first0 = digits[12];
          let second0 = digits[13];
          let third0 = digits[14];
          let codes1 = word6;
          let first1 = digits[15];
          let second1 = digits[16];
          let third1 = digits[17];
          first.x += dot4I8Packed(codes0, first0.x) + dot4I8Packed(codes1, first1.x);
          first.y += dot4I8Packed(codes0, first0.y) + dot4I8Packed(codes1, first1.y);
          first.z += dot4I8Packed(codes0, first0.z) + dot4I8Packed(codes1, first1.z);
          first.w += dot4I8Packed(codes0, first0.w) + dot4I8Packed(codes1, first1.w);
          second.x += dot4I8Packed(codes0, second0.x) + dot4I8Packed(codes1, second1.x);
          second.y += dot4I8Packed(codes0, second0.y) + dot4I8Packed(codes1, second1.y);
          second.z += dot4I8Packed(codes0, second0.z) + dot4I8Packed(codes1, second1.z);
          second.w += dot4I8Packed(codes0, second0.w) + dot4I8Packed(codes1, second1.w);
          third.x += dot4I8Packed(codes0, third0.x) + dot4I8Packed(codes1, third1.x);
          third.y += dot4I8Packed(codes0, third0.y) + dot4I8Packed(codes1, third1.y);
          third.z += dot4I8Packed(codes0, third0.z) + dot4I8Packed(codes1, third1.z);
          third.w += dot4I8Packed(codes0, third0.w) + dot4I8Packed(codes1, third1.w);
        }
        {
          let codes0 = word7;
          let first0 = digits[18];
          let second0 = digits[19];
          let third0 = digits[20];
          let codes1 = together;
          let first1 = digits[21];
          let second1 = digits[22];
          let third1 = digits[23];
          first.x += dot4I8Packed(codes0, first0.x) + dot4I8Packed(codes1, first1.x);
          first.y += dot4I8Packed(codes0, first0.y) + dot4I8Packed(codes1, first1.y);
          first.z += dot4I8Packed(codes0, first0.z) + dot4I8Packed(codes1, first1.z);
          first.w += dot4I8Packed(codes0, first0.w) + dot4I8Packed(codes1, first1.w);
          second.x += dot4I8Packed(codes0, second0.x) + dot4I8Packed(codes1, second1.x);
          second.y += dot4I8Packed(codes0, second0.y) + dot4I8Packed(codes1, second1.y);
          second.z += dot4I8Packed(codes0, second0.z) + dot4I8Packed(codes1, second1.z);
          second.w += dot4I8Packed(codes0, second0.w) + dot4I8Packed(codes1, second1.w);
          third.x += dot4I8Packed(codes0, third0.x) + dot4I8Packed(codes1, third1.x);
          third.y += dot4I8Packed(codes0, third0.y) + dot4I8Packed(codes1, third1.y);
          third.z += dot4I8Packed(codes0, third0.z) + dot4I8Packed(codes1, third1.z);
          third.w += dot4I8Packed(codes0, third0.w) + dot4I8Packed(codes1, third1.w);
        }
        scores += vec4<f32>((first << vec4<u32>(8u)) + second + (third >> vec4<u32>(8u))) * scales.x;
      }
      {
        var first = vec4<i32>();
        var second = vec4<i32>();
        var third = vec4<i32>();
        {
          let codes0 = word9;
          let first0 = digits[24];
          let second0 = digits[25];
          let third0 = digits[26];
          let codes1 = word10;
          let first1 = digits[27];
          let second1 = digits[28];
          let third1 = digits[29];
          first.x += dot4I8Packed(codes0, first0.x) + dot4I8Packed(codes1, first1.x);
          first.y += dot4I8Packed(codes0, first0.y) + dot4I8Packed(codes1, first1.y);
          first.z += dot4I8Packed(codes0, first0.z) + dot4I8Packed(codes1, first1.z);
          first.w += dot4I8Packed(codes0, first0.w) + dot4I8Packed(codes1, first1.w);
          second.x += dot4I8Packed(codes0, second0.x) + dot4I8Packed(codes1, second1.x);
          second.y += dot4I8Packed(codes0, second0.y) + dot4I8Packed(codes1, second1.y);
          second.z += dot4I8Packed(codes0, second0.z) + dot4I8Packed(codes1, second1.z);
          second.w += dot4I8Packed(codes0, second0.w) + dot4I8Packed(codes1, second1.w);
          third.x += dot4I8Packed(codes0, third0.x) + dot4I8Packed(codes1, third1.x);
          third.y += dot4I8Packed(codes0, third0.y) + dot4I8Packed(codes1, third1.y);
          third.z += dot4I8Packed(codes0, third0.z) + dot4I8Packed(codes1, third1.z);
          third.w += dot4I8Packed(codes0, third0.w) + dot4I8Packed(codes1, third1.w);
        }
        {
          let codes0 = word11;
          let first0 = digits[30];
          let second0 = digits[31];
          let third0 = digits[32];
          let codes1 = word12;
          let first1 = digits[33];
          let second1 = digits[34];
          let third1 = digits[35];
          first.x += dot4I8Packed(codes0, first0.x) + dot4I8Packed(codes1, first1.x);
          first.y += dot4I8Packed(codes0, first0.y) + dot4I8Packed(codes1, first1.y);
          first.z += dot4I8Packed(codes0, first0.z) + dot4I8Packed(codes1, first1.z);
          first.w += dot4I8Packed(codes0, first0.w) + dot4I8Packed(codes1, first1.w);
          second.x += dot4I8Packed(codes0, second0.x) + dot4I8Packed(codes1, second1.x);
          second.y += dot4I8Packed(codes0, second0.y) + dot4I8Packed(codes1, second1.y);
          second.z += dot4I8Packed(codes0, second0.z) + dot4I8Packed(codes1, second1.z);
          second.w += dot4I8Packed(codes0, second0.w) + dot4I8Packed(codes1, second1.w);
          third.x += dot4I8Packed(codes0, third0.x) + dot4I8Packed(codes1, third1.x);
          third.y += dot4I8Packed(codes0, third0.y) + dot4I8Packed(codes1, third1.y);
          third.z += dot4I8Packed(codes0, third0.z) + dot4I8Packed(codes1, third1.z);
          third.w += dot4I8Packed(codes0, third0.w) + dot4I8Packed(codes1, third1.w);
        }
        {
          let codes0 = word13;
          let first0 = digits[36];
          let second0 = digits[37];
          let third0 = digits[38];
          let codes1 = word14;
          let first1 = digits[39];
          let second1 = digits[40];
          let third1 = digits[41];
          first.x += dot4I8Packed(codes0, first0.x) + dot4I8Packed(codes1, first1.x);
          first.y += dot4I8Packed(codes0, first0.y) + dot4I8Packed(codes1, first1.y);
          first.z += dot4I8Packed(codes0, first0.z) + dot4I8Packed(codes1, first1.z);
          first.w += dot4I8Packed(codes0, first0.w) + dot4I8Packed(codes1, first1.w);
          second.x += dot4I8Packed(codes0, second0.x) + dot4I8Packed(codes1, second1.x);
          second.y += dot4I8Packed(codes0, second0.y) + dot4I8Packed(codes1, second1.y);
          second.z += dot4I8Packed(codes0, second0.z) + dot4I8Packed(codes1, second1.z);
          second.w += dot4I8Packed(codes0, second0.w) + dot4I8Packed(codes1, second1.w);
          third.x += dot4I8Packed(codes0, third0.x) + dot4I8Packed(codes1, third1.x);
          third.y += dot4I8Packed(codes0, third0.y) + dot4I8Packed(codes1, third1.y);
          third.z += dot4I8Packed(codes0, third0.z) + dot4I8Packed(codes1, third1.z);
          third.w += dot4I8Packed(codes0, third0.w) + dot4I8Packed(codes1, third1.w);
        }
        {
          let codes0 = word15;
          let first0 = digits[42];
          let second0 = digits[43];
          let third0 = digits[44];
          let codes1 = word16;
          let first1 = digits[45];
          let second1 = digits[46];
          let third1 = digits[47];
          first.x += dot4I8Packed(codes0, first0.x) + dot4I8Packed(codes1, first1.x);
          first.y += dot4I8Packed(codes0, first0.y) + dot4I8Packed(codes1, first1.y);
          first.z += dot4I8Packed(codes0, first0.z) + dot4I8Packed(codes1, first1.z);
          first.w += dot4I8Packed(codes0, first0.w) + dot4I8Packed(codes1, first1.w);
          second.x += dot4I8Packed(codes0, second0.x) + dot4I8Packed(codes1, second1.x);
          second.y += dot4I8Packed(codes0, second0.y) + dot4I8Packed(codes1, second1.y);
          second.z += dot4I8Packed(codes0, second0.z) + dot4I8Packed(codes1, second1.z);
          second.w += dot4I8Packed(codes0, second0.w) + dot4I8Packed(codes1, second1.w);
          third.x += dot4I8Packed(codes0, third0.x) + dot4I8Packed(codes1, third1.x);
          third.y += dot4I8Packed(codes0, third0.y) + dot4I8Packed(codes1, third1.y);
          third.z += dot4I8Packed(codes0, third0.z) + dot4I8Packed(codes1, third1.z);
          third.w += dot4I8Packed(codes0, third0.w) + dot4I8Packed(codes1, third1.w);
        }
        scores += vec4<f32>((first << vec4<u32>(8u)) + second + (third >> vec4<u32>(8u))) * scales.y;
      }
    }
    {
      let pairScales = (word17 & 0xffffu) | (word25 & 0xffff0000u);
      let together = (word25 & 0xffffu) | (word17 & 0xffff0000u);
      let scales = unpack2x16float(pairScales);
      notFinite |= (select(0u, pairScales, exists) & 0x7c007c00u) + 0x04000400u;
      {
        var first = vec4<i32>();
        var second = vec4<i32>();
        var third = vec4<i32>();
        {
          let codes0 = word18;
          let first0 = digits[48];
          let second0 = digits[49];
          let third0 = digits[50];
          let codes1 = word19;
          let first1 = digits[51];
          let second1 = digits[52];
          let third1 = digits[53];
          first.x += dot4I8Packed(codes0, first0.x) + dot4I8Packed(codes1, first1.x);
          first.y += dot4I8Packed(codes0, first0.y) + dot4I8Packed(codes1, first1.y);
          first.z += dot4I8Packed(codes0, first0.z) + dot4I8Packed(codes1, first1.z);
          first.w += dot4I8Packed(codes0, first0.w) + dot4I8Packed(codes1, first1.w);
          second.x += dot4I8Packed(codes0, second0.x) + dot4I8Packed(codes1, second1.x);
          second.y += dot4I8Packed(codes0, second0.y) + dot4I8Packed(codes1, second1.y);
          second.z += dot4I8Packed(codes0, second0.z) + dot4I8Packed(codes1, second1.z);
          second.w += dot4I8Packed(codes0, second0.w) + dot4I8Packed(codes1, second1.w);
          third.x += dot4I8Packed(codes0, third0.x) + dot4I8Packed(codes1, third1.x);
          third.y += dot4I8Packed(codes0, third0.y) + dot4I8Packed(codes1, third1.y);
          third.z += dot4I8Packed(codes0, third0.z) + dot4I8Packed(codes1, third1.z);
          third.w += dot4I8Packed(codes0, third0.w) + dot4I8Packed(codes1, third1.w);
        }
        {
          let codes0 = word20;
          let first0 = digits[54];
          let second0 = digits[55];
          let third0 = digits[56];
          let codes1 = word21;
          let first1 = digits[57];
          let second1 = digits[58];
          let third1 = digits[59];
          first.x += dot4I8Packed(codes0, first0.x) + dot4I8Packed(codes1, first1.x);
          first.y += dot4I8Packed(codes0, first0.y) + dot4I8Packed(codes1, first1.y);
          first.z += dot4I8Packed(codes0, first0.z) + dot4I8Packed(codes1, first1.z);
          first.w += dot4I8Packed(codes0, first0.w) + dot4I8Packed(codes1, first1.w);
          second.x += dot4I8Packed(codes0, second0.x) + dot4I8Packed(codes1, second1.x);
          second.y += dot4I8Packed(codes0, second0.y) + dot4I8Packed(codes1, second1.y);
          second.z += dot4I8Packed(codes0, second0.z) + dot4I8Packed(codes1, second1.z);
          second.w += dot4I8Packed(codes0, second0.w) + dot4I8Packed(codes1, second1.w);
          third.x += dot4I8Packed(codes0, third0.x) + dot4I8Packed(codes1, third1.x);
          third.y += dot4I8Packed(codes0, third0.y) + dot4I8Packed(codes1, third1.y);
          third.z += dot4I8Packed(codes0, third0.z) + dot4I8Packed(codes1, third1.z);
          third.w += dot4I8Packed(codes0, third0.w) + dot4I8Packed(codes1, third1.w);
        }
        {
          let codes0 = word22;
          let first0 = digits[60];
          let second0 = digits[61];
          let third0 = digits[62];
          let codes1 = word23;
          let first1 = digits[63];
          let second1 = digits[64];
          let third1 = digits[65];
          first.x += dot4I8Packed(codes0, first0.x) + dot4I8Packed(codes1, first1.x);
          first.y += dot4I8Packed(codes0, first0.y) + dot4I8Packed(codes1, first1.y);
          first.z += dot4I8Packed(codes0, first0.z) + dot4I8Packed(codes1, first1.z);
          first.w += dot4I8Packed(codes0, first0.w) + dot4I8Packed(codes1, first1.w);
          second.x += dot4I8Packed(codes0, second0.x) + dot4I8Packed(codes1, second1.x);
          second.y += dot4I8Packed(codes0, second0.y) + dot4I8Packed(codes1, second1.y);
          second.z += dot4I8Packed(codes0, second0.z) + dot4I8Packed(codes1, second1.z);
          second.w += dot4I8Packed(codes0, second0.w) + dot4I8Packed(codes1, second1.w);
          third.x += dot4I8Packed(codes0, third0.x) + dot4I8Packed(codes1, third1.x);
          third.y += dot4I8Packed(codes0, third0.y) + dot4I8Packed(codes1, third1.y);
          third.z += dot4I8Packed(codes0, third0.z) + dot4I8Packed(codes1, third1.z);
          third.w += dot4I8Packed(codes0, third0.w) + dot4I8Packed(codes1, third1.w);
        }
        {
          let codes0 = word24;
          let first0 = digits[66];
          let second0 = digits[67];
          let third0 = digits[68];
          let codes1 = together;
          let first1 = digits[69];
          let second1 = digits[70];
          let third1 = digits[71];
          first.x += dot4I8Packed(codes0, first0.x) + dot4I8Packed(codes1, first1.x);
          first.y += dot4I8Packed(codes0, first0.y) + dot4I8Packed(codes1, first1.y);
          first.z += dot4I8Packed(codes0, first0.z) + dot4I8Packed(codes1, first1.z);
          first.w += dot4I8Packed(codes0, first0.w) + dot4I8Packed(codes1, first1.w);
          second.x += dot4I8Packed(codes0, second0.x) + dot4I8Packed(codes1, second1.x);
          second.y += dot4I8Packed(codes0, second0.y) + dot4I8Packed(codes1, second1.y);
          second.z += dot4I8Packed(codes0, second0.z) + dot4I8Packed(codes1, second1.z);
          second.w += dot4I8Packed(codes0, second0.w) + dot4I8Packed(codes1, second1.w);
          third.x += dot4I8Packed(codes0, third0.x) + dot4I8Packed(codes1, third1.x);
          third.y += dot4I8Packed(codes0, third0.y) + dot4I8Packed(codes1, third1.y);
          third.z += dot4I8Packed(codes0, third0.z) + dot4I8Packed(codes1, third1.z);
          third.w += dot4I8Packed(codes0, third0.w) + dot4I8Packed(codes1, third1.w);
        }
        scores += vec4<f32>((first << vec4<u32>(8u)) + second + (third >> vec4<u32>(8u))) * scales.x;
      }
      {
        var first = vec4<i32>();
        var second = vec4<i32>();
        var third = vec4<i32>();
        {
          let codes0 = word26;
          let first0 = digits[72];
          let second0 = digits[73];
          let third0 = digits[74];
          let codes1 = word27;
          let first1 = digits[75];
          let second1 = digits[76];
          let third1 = digits[77];
          first.x += dot4I8Packed(codes0, first0.x) + dot4I8Packed(codes1, first1.x);
          first.y += dot4I8Packed(codes0, first0.y) + dot4I8Packed(codes1, first1.y);
          first.z += dot4I8Packed(codes0, first0.z) + dot4I8Packed(codes1, first1.z);
          first.w += dot4I8Packed(codes0, first0.w) + dot4I8Packed(codes1, first1.w);
          second.x += dot4I8Packed(codes0, second0.x) + dot4I8Packed(codes1, second1.x);
          second.y += dot4I8Packed(codes0, second0.y) + dot4I8Packed(codes1, second1.y);
          second.z += dot4I8Packed(codes0, second0.z) + dot4I8Packed(codes1, second1.z);
          second.w += dot4I8Packed(codes0, second0.w) + dot4I8Packed(codes1, second1.w);
          third.x += dot4I8Packed(codes0, third0.x) + dot4I8Packed(codes1, third1.x);
          third.y += dot4I8Packed(codes0, third0.y) + dot4I8Packed(codes1, third1.y);
          third.z += dot4I8Packed(codes0, third0.z) + dot4I8Packed(codes1, third1.z);
          third.w += dot4I8Packed(codes0, third0.w) + dot4I8Packed(codes1, third1.w);
        }
        {
          let codes0 = word28;
          let first0 = digits[78];
          let second0 = digits[79];
          let third0 = digits[80];
          let codes1 = word29;
          let first1 = digits[81];
          let second1 = digits[82];
          let third1 = digits[83];
          first.x += dot4I8Packed(codes0, first0.x) + dot4I8Packed(codes1, first1.x);
          first.y += dot4I8Packed(codes0, first0.y) + dot4I8Packed(codes1, first1.y);
          first.z += dot4I8Packed(codes0, first0.z) + dot4I8Packed(codes1, first1.z);
          first.w += dot4I8Packed(codes0, first0.w) + dot4I8Packed(codes1, first1.w);
          second.x += dot4I8Packed(codes0, second0.x) + dot4I8Packed(codes1, second1.x);
          second.y += dot4I8Packed(codes0, second0.y) + dot4I8Packed(codes1, second1.y);
          second.z += dot4I8Packed(codes0, second0.z) + dot4I8Packed(codes1, second1.z);
          second.w += dot4I8Packed(codes0, second0.w) + dot4I8Packed(codes1, second1.w);
          third.x += dot4I8Packed(codes0, third0.x) + dot4I8Packed(codes1, third1.x);
          third.y += dot4I8Packed(codes0, third0.y) + dot4I8Packed(codes1, third1.y);
          third.z += dot4I8Packed(codes0, third0.z) + dot4I8Packed(codes1, third1.z);
          third.w += dot4I8Packed(codes0, third0.w) + dot4I8Packed(codes1, third1.w);
        }
        {
          let codes0 = word30;
          let first0 = digits[84];
          let second0 = digits[85];
          let third0 = digits[86];
          let codes1 = word31;
          let first1 = digits[87];
          let second1 = digits[88];
          let third1 = digits[89];
          first.x += dot4I8Packed(codes0, first0.x) + dot4I8Packed(codes1, first1.x);
          first.y += dot4I8Packed(codes0, first0.y) + dot4I8Packed(codes1, first1.y);
          first.z += dot4I8Packed(codes0, first0.z) + dot4I8Packed(codes1, first1.z);
          first.w += dot4I8Packed(codes0, first0.w) + dot4I8Packed(codes1, first1.w);
          second.x += dot4I8Packed(codes0, second0.x) + dot4I8Packed(codes1, second1.x);
          second.y += dot4I8Packed(codes0, second0.y) + dot4I8Packed(codes1, second1.y);
          second.z += dot4I8Packed(codes0, second0.z) + dot4I8Packed(codes1, second1.z);
          second.w += dot4I8Packed(codes0, second0.w) + dot4I8Packed(codes1, second1.w);
          third.x += dot4I8Packed(codes0, third0.x) + dot4I8Packed(codes1, third1.x);
          third.y += dot4I8Packed(codes0, third0.y) + dot4I8Packed(codes1, third1.y);
          third.z += dot4I8Packed(codes0, third0.z) + dot4I8Packed(codes1, third1.z);
          third.w += dot4I8Packed(codes0, third0.w) + dot4I8Packed(codes1, third1.w);
        }
        {
          let codes0 = word32;
          let first0 = digits[90];
          let second0 = digits[91];
          let third0 = digits[92];
          let codes1 = word33;
          let first1 = digits[93];
          let second1 = digits[94];
          let third1 = digits[95];
          first.x += dot4I8Packed(codes0, first0.x) + dot4I8Packed(codes1, first1.x);
          first.y += dot4I8Packed(codes0, first0.y) + dot4I8Packed(codes1, first1.y);
          first.z += dot4I8Packed(codes0, first0.z) + dot4I8Packed(codes1, first1.z);
          first.w += dot4I8Packed(codes0, first0.w) + dot4I8Packed(codes1, first1.w);
          second.x += dot4I8Packed(codes0, second0.x) + dot4I8Packed(codes1, second1.x);
          second.y += dot4I8Packed(codes0, second0.y) + dot4I8Packed(codes1, second1.y);
          second.z += dot4I8Packed(codes0, second0.z) + dot4I8Packed(codes1, second1.z);
          second.w += dot4I8Packed(codes0, second0.w) + dot4I8Packed(codes1, second1.w);
          third.x += dot4I8Packed(codes0, third0.x) + dot4I8Packed(codes1, third1.x);
          third.y += dot4I8Packed(codes0, third0.y) + dot4I8Packed(codes1, third1.y);
          third.z += dot4I8Packed(codes0, third0.z) + dot4I8Packed(codes1, third1.z);
          third.w += dot4I8Packed(codes0, third0.w) + dot4I8Packed(codes1, third1.w);
        }
        scores += vec4<f32>((first << vec4<u32>(8u)) + second + (third >> vec4<u32>(8u))) * scales.y;
      }
    }
    scores *= queryUnits;
    scores = select(vec4<f32>(hidden), scores, firstKey + lane < keyCount);
    workgroupBarrier();
    tile[2u * lane + 0u] = valueNext0.xy;
    tile[2u * lane + 1u] = valueNext0.zw;
    tile[2u * lane + 64u] = valueNext1.xy;
    tile[2u * lane + 65u] = valueNext1.zw;
    tile[2u * lane + 128u] = valueNext2.xy;
    tile[2u * lane + 129u] = valueNext2.zw;
    tile[2u * lane + 192u] = valueNext3.xy;
    tile[2u * lane + 193u] = valueNext3.zw;
    if (lane < 16u) {
      tile[2u * lane + 256u] = valueNext4.xy;
      tile[2u * lane + 257u] = valueNext4.zw;
    }
    if ((chunk + 1u) < endChunk) {
      let firstKey = chunkOf(chunkStart, chunkList, (chunk + 1u)) * chunkKeys;
      let place0 = min(firstKey, lastKey);
      let first = valueBase + (place0 >> 2u) * 18u;
      valueNext0 = value[first + lane + 0u];
      valueNext1 = value[first + lane + 32u];
      valueNext2 = value[first + lane + 64u];
      valueNext3 = value[first + lane + 96u];
      valueNext4 = value[first + min(lane + 128u, 143u)];
    }
    let top = max(largestOfThreads(scores, lane, 0u), vec4<f32>(smallestMaximum));
    let shares = pairWeights(scores, top);
    let newMaximum = max(maximum, top);
    let decay = exp(maximum - newMaximum);
    let gain = exp(top - newMaximum);
    maximum = newMaximum;
    rowSums = rowSums * decay + shares * gain;
    workgroupBarrier();
    var ownUnit: f32;
    {
      let first0 = tile[lane * 9u + 0u].x;
      let middle0 = tile[lane * 9u + 2u].x;
      let both0 = select(0u, (first0 & 0xffffu) | (middle0 & 0xffff0000u), exists);
      tile[lane * 9u + 2u].x = (middle0 & 0xffffu) | (first0 & 0xffff0000u);
      notFinite |= (both0 & 0x7c007c00u) + 0x04000400u;
      let first1 = tile[lane * 9u + 4u].y;
      let middle1 = tile[lane * 9u + 6u].y;
      let both1 = select(0u, (first1 & 0xffffu) | (middle1 & 0xffff0000u), exists);
      tile[lane * 9u + 6u].y = (middle1 & 0xffffu) | (first1 & 0xffff0000u);
      notFinite |= (both1 & 0x7c007c00u) + 0x04000400u;
      let scales = vec4<f32>(unpack2x16float(both0), unpack2x16float(both1));
      let importance = max(max(shares.x, shares.y), max(shares.z, shares.w));
      let largest = largestOfThreads(abs(scales) * importance, lane, 32u);
      let inverse = select(vec4<f32>(0.0), 32512.0 / largest, largest > vec4<f32>(1e-30));
      let own = scales * inverse;
      for (var block = 0u; block < 4u; block++) {
        // The bits below the point of a float so large, and with 128 more: so the upper byte is the first digit.
        let numbers = bitcast<vec4<u32>>(fma(shares, vec4<f32>(own[block]), vec4<f32>(12583040.0)));
        let at = 16u * block + lane / 2u;
        weights[at][lane % 2u * 2u] = (numbers.x & 0xffffu) | (numbers.y << 16u);
        weights[at][lane % 2u * 2u + 1u] = (numbers.z & 0xffffu) | (numbers.w << 16u);
      }
      ownUnit = largest[ownBlock] * 0.000001922367125984252;
    }
    workgroupBarrier();
    {
      let at = lane % 4u * 16u + lane / 4u * 2u;
      let one = weights[at];
      let other = weights[at + 1u];
      workgroupBarrier();
      let lows = vec2<u32>(0x00ff00ffu);
      let low01 = (one.xy & lows) | ((one.zw << vec2<u32>(8u)) & ~lows);
      let high01 = ((one.xy >> vec2<u32>(8u)) & lows) | (one.zw & ~lows);
      let low23 = (other.xy & lows) | ((other.zw << vec2<u32>(8u)) & ~lows);
      let high23 = ((other.xy >> vec2<u32>(8u)) & lows) | (other.zw & ~lows);
      let firstRows = vec2<u32>(0xffffu);
      let up = vec2<u32>(16u);
      let highEven = (high01 & firstRows) | (high23 << up);
      let highOdd = (high01 >> up) | (high23 & ~firstRows);
      let lowEven = (low01 & firstRows) | (low23 << up);
      let lowOdd = (low01 >> up) | (low23 & ~firstRows);
      let place = lane / 4u * 8u + lane % 4u;
      weights[place] = vec4<u32>(highEven.x, highOdd.x, highEven.y, highOdd.y);
      weights[place + 4u] = vec4<u32>(lowEven.x, lowOdd.x, lowEven.y, lowOdd.y) ^ vec4<u32>(0x80808080u);
    }
    workgroupBarrier();
    var high0 = vec4<i32>();
    var low0 = vec4<i32>();
    var high1 = vec4<i32>();
    var low1 = vec4<i32>();
    var high2 = vec4<i32>();
    var low2 = vec4<i32>();
    var high3 = vec4<i32>();
    var low3 = vec4<i32>();
    {
      let higha = weights[0u + ownBlock];
      let lowa = weights[4u + ownBlock];
      let key0a = tile[0u + inRowHalf][inHalf];
      let key1a = tile[9u + inRowHalf][inHalf];
      let key2a = tile[18u + inRowHalf][inHalf];
      let key3a = tile[27u + inRowHalf][inHalf];
      let even01a = (key0a & 0x00ff00ffu) | ((key1a << 8u) & 0xff00ff00u);
      let odd01a = ((key0a >> 8u) & 0x00ff00ffu) | (key1a & 0xff00ff00u);
      let even23a = (key2a & 0x00ff00ffu) | ((key3a << 8u) & 0xff00ff00u);
      let odd23a = ((key2a >> 8u) & 0x00ff00ffu) | (key3a & 0xff00ff00u);
      let codes0a = ((((even01a & 0xffffu) | (even23a << 16u)) << ownShift) & 0xf0f0f0f0u) ^ 0x80808080u;
      let codes1a = ((((odd01a & 0xffffu) | (odd23a << 16u)) << ownShift) & 0xf0f0f0f0u) ^ 0x80808080u;
      let codes2a = ((((even01a >> 16u) | (even23a & 0xffff0000u)) << ownShift) & 0xf0f0f0f0u) ^ 0x80808080u;
      let codes3a = ((((odd01a >> 16u) | (odd23a & 0xffff0000u)) << ownShift) & 0xf0f0f0f0u) ^ 0x80808080u;
      let highb = weights[8u + ownBlock];
      let lowb = weights[12u + ownBlock];
      let key0b = tile[36u + inRowHalf][inHalf];
      let key1b = tile[45u + inRowHalf][inHalf];
      let key2b = tile[54u + inRowHalf][inHalf];
      let key3b = tile[63u + inRowHalf][inHalf];
      let even01b = (key0b & 0x00ff00ffu) | ((key1b << 8u) & 0xff00ff00u);
      let odd01b = ((key0b >> 8u) & 0x00ff00ffu) | (key1b & 0xff00ff00u);
      let even23b = (key2b & 0x00ff00ffu) | ((key3b << 8u) & 0xff00ff00u);
      let odd23b = ((key2b >> 8u) & 0x00ff00ffu) | (key3b & 0xff00ff00u);
      let codes0b = ((((even01b & 0xffffu) | (even23b << 16u)) << ownShift) & 0xf0f0f0f0u) ^ 0x80808080u;
      let codes1b = ((((odd01b & 0xffffu) | (odd23b << 16u)) << ownShift) & 0xf0f0f0f0u) ^ 0x80808080u;
      let codes2b = ((((even01b >> 16u) | (even23b & 0xffff0000u)) << ownShift) & 0xf0f0f0f0u) ^ 0x80808080u;
      let codes3b = ((((odd01b >> 16u) | (odd23b & 0xffff0000u)) << ownShift) & 0xf0f0f0f0u) ^ 0x80808080u;
      high0[0] += dot4I8Packed(codes0a, higha[0]) + dot4I8Packed(codes0b, highb[0]);
      high0[1] += dot4I8Packed(codes1a, higha[0]) + dot4I8Packed(codes1b, highb[0]);
      high0[2] += dot4I8Packed(codes2a, higha[0]) + dot4I8Packed(codes2b, highb[0]);
      high0[3] += dot4I8Packed(codes3a, higha[0]) + dot4I8Packed(codes3b, highb[0]);
      high1[0] += dot4I8Packed(codes0a, higha[1]) + dot4I8Packed(codes0b, highb[1]);
      high1[1] += dot4I8Packed(codes1a, higha[1]) + dot4I8Packed(codes1b, highb[1]);
      high1[2] += dot4I8Packed(codes2a, higha[1]) + dot4I8Packed(codes2b, highb[1]);
      high1[3] += dot4I8Packed(codes3a, higha[1]) + dot4I8Packed(codes3b, highb[1]);
      high2[0] += dot4I8Packed(codes0a, higha[2]) + dot4I8Packed(codes0b, highb[2]);
      high2[1] += dot4I8Packed(codes1a, higha[2]) + dot4I8Packed(codes1b, highb[2]);
      high2[2] += dot4I8Packed(codes2a, higha[2]) + dot4I8Packed(codes2b, highb[2]);
      high2[3] += dot4I8Packed(codes3a, higha[2]) + dot4I8Packed(codes3b, highb[2]);
      high3[0] += dot4I8Packed(codes0a, higha[3]) + dot4I8Packed(codes0b, highb[3]);
      high3[1] += dot4I8Packed(codes1a, higha[3]) + dot4I8Packed(codes1b, highb[3]);
      high3[2] += dot4I8Packed(codes2a, higha[3]) + dot4I8Packed(codes2b, highb[3]);
      high3[3] += dot4I8Packed(codes3a, higha[3]) + dot4I8Packed(codes3b, highb[3]);
      low0[0] += dot4I8Packed(codes0a, lowa[0]) + dot4I8Packed(codes0b, lowb[0]);
      low0[1] += dot4I8Packed(codes1a, lowa[0]) + dot4I8Packed(codes1b, lowb[0]);
      low0[2] += dot4I8Packed(codes2a, lowa[0]) + dot4I8Packed(codes2b, lowb[0]);
      low0[3] += dot4I8Packed(codes3a, lowa[0]) + dot4I8Packed(codes3b, lowb[0]);
      low1[0] += dot4I8Packed(codes0a, lowa[1]) + dot4I8Packed(codes0b, lowb[1]);
      low1[1] += dot4I8Packed(codes1a, lowa[1]) + dot4I8Packed(codes1b, lowb[1]);
      low1[2] += dot4I8Packed(codes2a, lowa[1]) + dot4I8Packed(codes2b, lowb[1]);
      low1[3] += dot4I8Packed(codes3a, lowa[1]) + dot4I8Packed(codes3b, lowb[1]);
      low2[0] += dot4I8Packed(codes0a, lowa[2]) + dot4I8Packed(codes0b, lowb[2]);
      low2[1] += dot4I8Packed(codes1a, lowa[2]) + dot4I8Packed(codes1b, lowb[2]);
      low2[2] += dot4I8Packed(codes2a, lowa[2]) + dot4I8Packed(codes2b, lowb[2]);
      low2[3] += dot4I8Packed(codes3a, lowa[2]) + dot4I8Packed(codes3b, lowb[2]);
      low3[0] += dot4I8Packed(codes0a, lowa[3]) + dot4I8Packed(codes0b, lowb[3]);
      low3[1] += dot4I8Packed(codes1a, lowa[3]) + dot4I8Packed(codes1b, lowb[3]);
      low3[2] += dot4I8Packed(codes2a, lowa[3]) + dot4I8Packed(codes2b, lowb[3]);
      low3[3] += dot4I8Packed(codes3a, lowa[3]) + dot4I8Packed(codes3b, lowb[3]);
    }
    {
      let higha = weights[16u + ownBlock];
      let lowa = weights[20u + ownBlock];
      let key0a = tile[72u + inRowHalf][inHalf];
      let key1a = tile[81u + inRowHalf][inHalf];
      let key2a = tile[90u + inRowHalf][inHalf];
      let key3a = tile[99u + inRowHalf][inHalf];
      let even01a = (key0a & 0x00ff00ffu) | ((key1a << 8u) & 0xff00ff00u);
      let odd01a = ((key0a >> 8u) & 0x00ff00ffu) | (key1a & 0xff00ff00u);
      let even23a = (key2a & 0x00ff00ffu) | ((key3a << 8u) & 0xff00ff00u);
      let odd23a = ((key2a >> 8u) & 0x00ff00ffu) | (key3a & 0xff00ff00u);
      let codes0a = ((((even01a & 0xffffu) | (even23a << 16u)) << ownShift) & 0xf0f0f0f0u) ^ 0x80808080u;
      let codes1a = ((((odd01a & 0xffffu) | (odd23a << 16u)) << ownShift) & 0xf0f0f0f0u) ^ 0x80808080u;
      let codes2a = ((((even01a >> 16u) | (even23a & 0xffff0000u)) << ownShift) & 0xf0f0f0f0u) ^ 0x80808080u;
      let codes3a = ((((odd01a >> 16u) | (odd23a & 0xffff0000u)) << ownShift) & 0xf0f0f0f0u) ^ 0x80808080u;
      let highb = weights[24u + ownBlock];
      let lowb = weights[28u + ownBlock];
      let key0b = tile[108u + inRowHalf][inHalf];
      let key1b = tile[117u + inRowHalf][inHalf];
      let key2b = tile[126u + inRowHalf][inHalf];
      let key3b = tile[135u + inRowHalf][inHalf];
      let even01b = (key0b & 0x00ff00ffu) | ((key1b << 8u) & 0xff00ff00u);
      let odd01b = ((key0b >> 8u) & 0x00ff00ffu) | (key1b & 0xff00ff00u);
      let even23b = (key2b & 0x00ff00ffu) | ((key3b << 8u) & 0xff00ff00u);
      let odd23b = ((key2b >> 8u) & 0x00ff00ffu) | (key3b & 0xff00ff00u);
      let codes0b = ((((even01b & 0xffffu) | (even23b << 16u)) << ownShift) & 0xf0f0f0f0u) ^ 0x80808080u;
      let codes1b = ((((odd01b & 0xffffu) | (odd23b << 16u)) << ownShift) & 0xf0f0f0f0u) ^ 0x80808080u;
      let codes2b = ((((even01b >> 16u) | (even23b & 0xffff0000u)) << ownShift) & 0xf0f0f0f0u) ^ 0x80808080u;
      let codes3b = ((((odd01b >> 16u) | (odd23b & 0xffff0000u)) << ownShift) & 0xf0f0f0f0u) ^ 0x80808080u;
      high0[0] += dot4I8Packed(codes0a, higha[0]) + dot4I8Packed(codes0b, highb[0]);
      high0[1] += dot4I8Packed(codes1a, higha[0]) + dot4I8Packed(codes1b, highb[0]);
      high0[2] += dot4I8Packed(codes2a, higha[0]) + dot4I8Packed(codes2b, highb[0]);
      high0[3] += dot4I8Packed(codes3a, higha[0]) + dot4I8Packed(codes3b, highb[0]);
      high1[0] += dot4I8Packed(codes0a, higha[1]) + dot4I8Packed(codes0b, highb[1]);
      high1[1] += dot4I8Packed(codes1a, higha[1]) + dot4I8Packed(codes1b, highb[1]);
      high1[2] += dot4I8Packed(codes2a, higha[1]) + dot4I8Packed(codes2b, highb[1]);
      high1[3] += dot4I8Packed(codes3a, higha[1]) + dot4I8Packed(codes3b, highb[1]);
      high2[0] += dot4I8Packed(codes0a, higha[2]) + dot4I8Packed(codes0b, highb[2]);
      high2[1] += dot4I8Packed(codes1a, higha[2]) + dot4I8Packed(codes1b, highb[2]);
      high2[2] += dot4I8Packed(codes2a, higha[2]) + dot4I8Packed(codes2b, highb[2]);
      high2[3] += dot4I8Packed(codes3a, higha[2]) + dot4I8Packed(codes3b, highb[2]);
      high3[0] += dot4I8Packed(codes0a, higha[3]) + dot4I8Packed(codes0b, highb[3]);
      high3[1] += dot4I8Packed(codes1a, higha[3]) + dot4I8Packed(codes1b, highb[3]);
      high3[2] += dot4I8Packed(codes2a, higha[3]) + dot4I8Packed(codes2b, highb[3]);
      high3[3] += dot4I8Packed(codes3a, higha[3]) + dot4I8Packed(codes3b, highb[3]);
      low0[0] += dot4I8Packed(codes0a, lowa[0]) + dot4I8Packed(codes0b, lowb[0]);
      low0[1] += dot4I8Packed(codes1a, lowa[0]) + dot4I8Packed(codes1b, lowb[0]);
      low0[2] += dot4I8Packed(codes2a, lowa[0]) + dot4I8Packed(codes2b, lowb[0]);
      low0[3] += dot4I8Packed(codes3a, lowa[0]) + dot4I8Packed(codes3b, lowb[0]);
      low1[0] += dot4I8Packed(codes0a, lowa[1]) + dot4I8Packed(codes0b, lowb[1]);
      low1[1] += dot4I8Packed(codes1a, lowa[1]) + dot4I8Packed(codes1b, lowb[1]);
      low1[2] += dot4I8Packed(codes2a, lowa[1]) + dot4I8Packed(codes2b, lowb[1]);
      low1[3] += dot4I8Packed(codes3a, lowa[1]) + dot4I8Packed(codes3b, lowb[1]);
      low2[0] += dot4I8Packed(codes0a, lowa[2]) + dot4I8Packed(codes0b, lowb[2]);
      low2[1] += dot4I8Packed(codes1a, lowa[2]) + dot4I8Packed(codes1b, lowb[2]);
      low2[2] += dot4I8Packed(codes2a, lowa[2]) + dot4I8Packed(codes2b, lowb[2]);
      low2[3] += dot4I8Packed(codes3a, lowa[2]) + dot4I8Packed(codes3b, lowb[2]);
      low3[0] += dot4I8Packed(codes0a, lowa[3]) + dot4I8Packed(codes0b, lowb[3]);
      low3[1] += dot4I8Packed(codes1a, lowa[3]) + dot4I8Packed(codes1b, lowb[3]);
      low3[2] += dot4I8Packed(codes2a, lowa[3]) + dot4I8Packed(codes2b, lowb[3]);
      low3[3] += dot4I8Packed(codes3a, lowa[3]) + dot4I8Packed(codes3b, lowb[3]);
    }
    {
      let higha = weights[32u + ownBlock];
      let lowa = weights[36u + ownBlock];
      let key0a = tile[144u + inRowHalf][inHalf];
      let key1a = tile[153u + inRowHalf][inHalf];
      let key2a = tile[162u + inRowHalf][inHalf];
      let key3a = tile[171u + inRowHalf][inHalf];
      let even01a = (key0a & 0x00ff00ffu) | ((key1a << 8u) & 0xff00ff00u);
      let odd01a = ((key0a >> 8u) & 0x00ff00ffu) | (key1a & 0xff00ff00u);
      let even23a = (key2a & 0x00ff00ffu) | ((key3a << 8u) & 0xff00ff00u);
      let odd23a = ((key2a >> 8u) & 0x00ff00ffu) | (key3a & 0xff00ff00u);
      let codes0a = ((((even01a & 0xffffu) | (even23a << 16u)) << ownShift) & 0xf0f0f0f0u) ^ 0x80808080u;
      let codes1a = ((((odd01a & 0xffffu) | (odd23a << 16u)) << ownShift) & 0xf0f0f0f0u) ^ 0x80808080u;
      let codes2a = ((((even01a >> 16u) | (even23a & 0xffff0000u)) << ownShift) & 0xf0f0f0f0u) ^ 0x80808080u;
      let codes3a = ((((odd01a >> 16u) | (odd23a & 0xffff0000u)) << ownShift) & 0xf0f0f0f0u) ^ 0x80808080u;
      let highb = weights[40u + ownBlock];
      let lowb = weights[44u + ownBlock];
      let key0b = tile[180u + inRowHalf][inHalf];
      let key1b = tile[189u + inRowHalf][inHalf];
      let key2b = tile[198u + inRowHalf][inHalf];
      let key3b = tile[207u + inRowHalf][inHalf];
      let even01b = (key0b & 0x00ff00ffu) | ((key1b << 8u) & 0xff00ff00u);
      let odd01b = ((key0b >> 8u) & 0x00ff00ffu) | (key1b & 0xff00ff00u);
      let even23b = (key2b & 0x00ff00ffu) | ((key3b << 8u) & 0xff00ff00u);
      let odd23b = ((key2b >> 8u) & 0x00ff00ffu) | (key3b & 0xff00ff00u);
      let codes0b = ((((even01b & 0xffffu) | (even23b << 16u)) << ownShift) & 0xf0f0f0f0u) ^ 0x80808080u;
      let codes1b = ((((odd01b & 0xffffu) | (odd23b << 16u)) << ownShift) & 0xf0f0f0f0u) ^ 0x80808080u;
      let codes2b = ((((even01b >> 16u) | (even23b & 0xffff0000u)) << ownShift) & 0xf0f0f0f0u) ^ 0x80808080u;
      let codes3b = ((((odd01b >> 16u) | (odd23b & 0xffff0000u)) << ownShift) & 0xf0f0f0f0u) ^ 0x80808080u;
      high0[0] += dot4I8Packed(codes0a, higha[0]) + dot4I8Packed(codes0b, highb[0]);
      high0[1] += dot4I8Packed(codes1a, higha[0]) + dot4I8Packed(codes1b, highb[0]);
      high0[2] += dot4I8Packed(codes2a, higha[0]) + dot4I8Packed(codes2b, highb[0]);
      high0[3] += dot4I8Packed(codes3a, higha[0]) + dot4I8Packed(codes3b, highb[0]);
      high1[0] += dot4I8Packed(codes0a, higha[1]) + dot4I8Packed(codes0b, highb[1]);
      high1[1] += dot4I8Packed(codes1a, higha[1]) + dot4I8Packed(codes1b, highb[1]);
      high1[2] += dot4I8Packed(codes2a, higha[1]) + dot4I8Packed(codes2b, highb[1]);
      high1[3] += dot4I8Packed(codes3a, higha[1]) + dot4I8Packed(codes3b, highb[1]);
      high2[0] += dot4I8Packed(codes0a, higha[2]) + dot4I8Packed(codes0b, highb[2]);
      high2[1] += dot4I8Packed(codes1a, higha[2]) + dot4I8Packed(codes1b, highb[2]);
      high2[2] += dot4I8Packed(codes2a, higha[2]) + dot4I8Packed(codes2b, highb[2]);
      high2[3] += dot4I8Packed(codes3a, higha[2]) + dot4I8Packed(codes3b, highb[2]);
      high3[0] += dot4I8Packed(codes0a, higha[3]) + dot4I8Packed(codes0b, highb[3]);
      high3[1] += dot4I8Packed(codes1a, higha[3]) + dot4I8Packed(codes1b, highb[3]);
      high3[2] += dot4I8Packed(codes2a, higha[3]) + dot4I8Packed(codes2b, highb[3]);
      high3[3] += dot4I8Packed(codes3a, higha[3]) + dot4I8Packed(codes3b, highb[3]);
      low0[0] += dot4I8Packed(codes0a, lowa[0]) + dot4I8Packed(codes0b, lowb[0]);
      low0[1] += dot4I8Packed(codes1a, lowa[0]) + dot4I8Packed(codes1b, lowb[0]);
      low0[2] += dot4I8Packed(codes2a, lowa[0]) + dot4I8Packed(codes2b, lowb[0]);
      low0[3] += dot4I8Packed(codes3a, lowa[0]) + dot4I8Packed(codes3b, lowb[0]);
      low1[0] += dot4I8Packed(codes0a, lowa[1]) + dot4I8Packed(codes0b, lowb[1]);
      low1[1] += dot4I8Packed(codes1a, lowa[1]) + dot4I8Packed(codes1b, lowb[1]);
      low1[2] += dot4I8Packed(codes2a, lowa[1]) + dot4I8Packed(codes2b, lowb[1]);
      low1[3] += dot4I8Packed(codes3a, lowa[1]) + dot4I8Packed(codes3b, lowb[1]);
      low2[0] += dot4I8Packed(codes0a, lowa[2]) + dot4I8Packed(codes0b, lowb[2]);
      low2[1] += dot4I8Packed(codes1a, lowa[2]) + dot4I8Packed(codes1b, lowb[2]);
      low2[2] += dot4I8Packed(codes2a, lowa[2]) + dot4I8Packed(codes2b, lowb[2]);
      low2[3] += dot4I8Packed(codes3a, lowa[2]) + dot4I8Packed(codes3b, lowb[2]);
      low3[0] += dot4I8Packed(codes0a, lowa[3]) + dot4I8Packed(codes0b, lowb[3]);
      low3[1] += dot4I8Packed(codes1a, lowa[3]) + dot4I8Packed(codes1b, lowb[3]);
      low3[2] += dot4I8Packed(codes2a, lowa[3]) + dot4I8Packed(codes2b, lowb[3]);
      low3[3] += dot4I8Packed(codes3a, lowa[3]) + dot4I8Packed(codes3b, lowb[3]);
    }
    {
      let higha = weights[48u + ownBlock];
      let lowa = weights[52u + ownBlock];
      let key0a = tile[216u + inRowHalf][inHalf];
      let key1a = tile[225u + inRowHalf][inHalf];
      let key2a = tile[234u + inRowHalf][inHalf];
      let key3a = tile[243u + inRowHalf][inHalf];
      let even01a = (key0a & 0x00ff00ffu) | ((key1a << 8u) & 0xff00ff00u);
      let odd01a = ((key0a >> 8u) & 0x00ff00ffu) | (key1a & 0xff00ff00u);
      let even23a = (key2a & 0x00ff00ffu) | ((key3a << 8u) & 0xff00ff00u);
      let odd23a = ((key2a >> 8u) & 0x00ff00ffu) | (key3a & 0xff00ff00u);
      let codes0a = ((((even01a & 0xffffu) | (even23a << 16u)) << ownShift) & 0xf0f0f0f0u) ^ 0x80808080u;
      let codes1a = ((((odd01a & 0xffffu) | (odd23a << 16u)) << ownShift) & 0xf0f0f0f0u) ^ 0x80808080u;
      let codes2a = ((((even01a >> 16u) | (even23a & 0xffff0000u)) << ownShift) & 0xf0f0f0f0u) ^ 0x80808080u;
      let codes3a = ((((odd01a >> 16u) | (odd23a & 0xffff0000u)) << ownShift) & 0xf0f0f0f0u) ^ 0x80808080u;
      let highb = weights[56u + ownBlock];
      let lowb = weights[60u + ownBlock];
      let key0b = tile[252u + inRowHalf][inHalf];
      let key1b = tile[261u + inRowHalf][inHalf];
      let key2b = tile[270u + inRowHalf][inHalf];
      let key3b = tile[279u + inRowHalf][inHalf];
      let even01b = (key0b & 0x00ff00ffu) | ((key1b << 8u) & 0xff00ff00u);
      let odd01b = ((key0b >> 8u) & 0x00ff00ffu) | (key1b & 0xff00ff00u);
      let even23b = (key2b & 0x00ff00ffu) | ((key3b << 8u) & 0xff00ff00u);
      let odd23b = ((key2b >> 8u) & 0x00ff00ffu) | (key3b & 0xff00ff00u);
      let codes0b = ((((even01b & 0xffffu) | (even23b << 16u)) << ownShift) & 0xf0f0f0f0u) ^ 0x80808080u;
      let codes1b = ((((odd01b & 0xffffu) | (odd23b << 16u)) << ownShift) & 0xf0f0f0f0u) ^ 0x80808080u;
      let codes2b = ((((even01b >> 16u) | (even23b & 0xffff0000u)) << ownShift) & 0xf0f0f0f0u) ^ 0x80808080u;
      let codes3b = ((((odd01b >> 16u) | (odd23b & 0xffff0000u)) << ownShift) & 0xf0f0f0f0u) ^ 0x80808080u;
      high0[0] += dot4I8Packed(codes0a, higha[0]) + dot4I8Packed(codes0b, highb[0]);
      high0[1] += dot4I8Packed(codes1a, higha[0]) + dot4I8Packed(codes1b, highb[0]);
      high0[2] += dot4I8Packed(codes2a, higha[0]) + dot4I8Packed(codes2b, highb[0]);
      high0[3] += dot4I8Packed(codes3a, higha[0]) + dot4I8Packed(codes3b, highb[0]);
      high1[0] += dot4I8Packed(codes0a, higha[1]) + dot4I8Packed(codes0b, highb[1]);
      high1[1] += dot4I8Packed(codes1a, higha[1]) + dot4I8Packed(codes1b, highb[1]);
      high1[2] += dot4I8Packed(codes2a, higha[1]) + dot4I8Packed(codes2b, highb[1]);
      high1[3] += dot4I8Packed(codes3a, higha[1]) + dot4I8Packed(codes3b, highb[1]);
      high2[0] += dot4I8Packed(codes0a, higha[2]) + dot4I8Packed(codes0b, highb[2]);
      high2[1] += dot4I8Packed(codes1a, higha[2]) + dot4I8Packed(codes1b, highb[2]);
      high2[2] += dot4I8Packed(codes2a, higha[2]) + dot4I8Packed(codes2b, highb[2]);
      high2[3] += dot4I8Packed(codes3a, higha[2]) + dot4I8Packed(codes3b, highb[2]);
      high3[0] += dot4I8Packed(codes0a, higha[3]) + dot4I8Packed(codes0b, highb[3]);
      high3[1] += dot4I8Packed(codes1a, higha[3]) + dot4I8Packed(codes1b, highb[3]);
      high3[2] += dot4I8Packed(codes2a, higha[3]) + dot4I8Packed(codes2b, highb[3]);
      high3[3] += dot4I8Packed(codes3a, higha[3]) + dot4I8Packed(codes3b, highb[3]);
      low0[0] += dot4I8Packed(codes0a, lowa[0]) + dot4I8Packed(codes0b, lowb[0]);
      low0[1] += dot4I8Packed(codes1a, lowa[0]) + dot4I8Packed(codes1b, lowb[0]);
      low0[2] += dot4I8Packed(codes2a, lowa[0]) + dot4I8Packed(codes2b, lowb[0]);
      low0[3] += dot4I8Packed(codes3a, lowa[0]) + dot4I8Packed(codes3b, lowb[0]);
      low1[0] += dot4I8Packed(codes0a, lowa[1]) + dot4I8Packed(codes0b, lowb[1]);
      low1[1] += dot4I8Packed(codes1a, lowa[1]) + dot4I8Packed(codes1b, lowb[1]);
      low1[2] += dot4I8Packed(codes2a, lowa[1]) + dot4I8Packed(codes2b, lowb[1]);
      low1[3] += dot4I8Packed(codes3a, lowa[1]) + dot4I8Packed(codes3b, lowb[1]);
      low2[0] += dot4I8Packed(codes0a, lowa[2]) + dot4I8Packed(codes0b, lowb[2]);
      low2[1] += dot4I8Packed(codes1a, lowa[2]) + dot4I8Packed(codes1b, lowb[2]);
      low2[2] += dot4I8Packed(codes2a, lowa[2]) + dot4I8Packed(codes2b, lowb[2]);
      low2[3] += dot4I8Packed(codes3a, lowa[2]) + dot4I8Packed(codes3b, lowb[2]);
      low3[0] += dot4I8Packed(codes0a, lowa[3]) + dot4I8Packed(codes0b, lowb[3]);
      low3[1] += dot4I8Packed(codes1a, lowa[3]) + dot4I8Packed(codes1b, lowb[3]);
      low3[2] += dot4I8Packed(codes2a, lowa[3]) + dot4I8Packed(codes2b, lowb[3]);
      low3[3] += dot4I8Packed(codes3a, lowa[3]) + dot4I8Packed(codes3b, lowb[3]);
    }
    sum0 = sum0 * decay[0] + vec4<f32>((high0 << vec4<u32>(8u)) + low0) * (ownUnit * gain[0]);
    sum1 = sum1 * decay[1] + vec4<f32>((high1 << vec4<u32>(8u)) + low1) * (ownUnit * gain[1]);
    sum2 = sum2 * decay[2] + vec4<f32>((high2 << vec4<u32>(8u)) + low2) * (ownUnit * gain[2]);
    sum3 = sum3 * decay[3] + vec4<f32>((high3 << vec4<u32>(8u)) + low3) * (ownUnit * gain[3]);
    workgroupBarrier();
  }
  rowSums = sumOfThreads(rowSums, lane, 0u);
  if (lane == 0u) { digits[0].x = 0u; }
  workgroupBarrier();
  if ((notFinite & 0x80008000u) != 0u || !allFinite(rowSums) || !allFinite(sum0 + sum1 + sum2 + sum3)) { digits[0].x = 1u; }
  if (workgroupUniformLoad(&digits[0]).x != 0u) {
    ownDims = vec2<u32>(4u * lane, 4u * lane + 2u);
    maximum = vec4<f32>(smallestMaximum);
    rowSums = vec4<f32>();
    sum0 = vec4<f32>();
    sum1 = vec4<f32>();
    sum2 = vec4<f32>();
    sum3 = vec4<f32>();
    for (var chunk = firstChunk; chunk < endChunk; chunk++) {
      let firstKey = chunkOf(chunkStart, chunkList, chunk) * chunkKeys;
      var scores = vec4<f32>();
      {
        let place0 = min(firstKey + lane, lastKey);
        for (var r = 0u; r < rows; r++) {
          let row = min(firstRow + r, groupRows - 1u);
          let queryBase = params.queryOffset + batch * params.queryBatch + (keyHead * params.headsPerKeyHead + row / params.queryLength) * params.queryHead + (row % params.queryLength) * params.queryRow;
          var total = 0.0;
          for (var d = 0u; d < 32u; d++) {
            total += dot(loadQuery(queryBase, d), loadKey(8u * keyBase + place0 * 68u, d));
          }
          scores[r] = total * scale;
        }
      }
      scores = select(vec4<f32>(hidden), scores, firstKey + lane < keyCount);
      let newMaximum = max(maximum, largestOfThreads(scores, lane, 0u));
      let decay = exp(maximum - newMaximum);
      let shares = pairWeights(scores, newMaximum);
      maximum = newMaximum;
      rowSums = rowSums * decay + shares;
      workgroupBarrier();
      weights[lane] = bitcast<vec4<u32>>(shares);
      workgroupBarrier();
      sum0 *= decay[0];
      sum1 *= decay[1];
      sum2 *= decay[2];
      sum3 *= decay[3];
      for (var key = 0u; key < chunkKeys; key++) {
        let place0 = min(firstKey + key, lastKey);
        let elements = loadValue(8u * valueBase + place0 * 36u, lane);
        let weight = bitcast<vec4<f32>>(weights[key]);
        sum0 = addVisible(sum0, weight[0], elements);
        sum1 = addVisible(sum1, weight[1], elements);
        sum2 = addVisible(sum2, weight[2], elements);
        sum3 = addVisible(sum3, weight[3], elements);
      }
      workgroupBarrier();
    }
    rowSums = sumOfThreads(rowSums, lane, 0u);
  }
  workgroupBarrier();
  tile[0u + ownDims.x / 2u] = bitcast<vec2<u32>>(sum0.xy);
  tile[0u + ownDims.y / 2u] = bitcast<vec2<u32>>(sum0.zw);
  tile[64u + ownDims.x / 2u] = bitcast<vec2<u32>>(sum1.xy);
  tile[64u + ownDims.y / 2u] = bitcast<vec2<u32>>(sum1.zw);
  tile[128u + ownDims.x / 2u] = bitcast<vec2<u32>>(sum2.xy);
  tile[128u + ownDims.y / 2u] = bitcast<vec2<u32>>(sum2.zw);
  tile[192u + ownDims.x / 2u] = bitcast<vec2<u32>>(sum3.xy);
  tile[192u + ownDims.y / 2u] = bitcast<vec2<u32>>(sum3.zw);
  workgroupBarrier();
  for (var tileRow = 0u; tileRow < rows; tileRow++) {
    let vector = lane;
    let at = 64u * tileRow + 2u * lane;
    let sum = bitcast<vec4<f32>>(vec4<u32>(tile[at], tile[at + 1u]));
    let row = firstRow + tileRow;
    if (row < groupRows) {
      let head = keyHead * params.headsPerKeyHead + row / params.queryLength;
      let queryIndex = row % params.queryLength;
      let maximum = maximum[tileRow];
      let total = rowSums[tileRow];
      let place = ((batch * params.heads + head) * params.queryLength + queryIndex) * params.parts + part;
      output[place * valueVectors + vector] = sum;
      if (vector == 0u) {
        logSumExp[2u * place] = maximum;
        logSumExp[2u * place + 1u] = total;
      }
    }
  }
}
