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
  logSumExpBatch: u32,
  logSumExpHead: u32,
  logSumExpRow: u32,
  firstRow: u32,
  endRow: u32,
  headCount: u32,
  chosenHeads: u32,
  queryTileEnd: u32,
  keys: u32,
  factor: u32,
  continues: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> query: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> key: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> logSumExp: array<f32>;
@group(0) @binding(4) var<storage, read_write> weights: array<f32>;
// Query offset and key count of every sequence, then the heads that are asked for.
@group(0) @binding(5) var<storage, read> chosen: array<u32>;
// Those of the plan, then the tables of the expressions.
@group(0) @binding(6) var<storage, read> data: array<u32>;

const tileQueries = 16u;
const tileKeys = 64u;
const queryRegion = 272u;
const keyRegion = 0u;
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

// 16 bytes times: K 272 and Q 80, or 256 for what threads share at the end
var<workgroup> tile: array<vec4<f32>, 352>;

fn loadQuery(base: u32, vector: u32) -> vec4<f32> {
  return query[base + vector];
}

fn loadKey(base: u32, vector: u32) -> vec4<f32> {
  return key[base + vector];
}

fn visible(batch: i32, head: i32, query: i32, queryIndex: i32, key: i32) -> bool {
  return (key <= query);
}

fn largest(a: vec4<f32>, b: vec4<f32>) -> vec4<f32> {
  let strange = vec4<u32>(0x7f800000u);
  let magnitude = vec4<u32>(0x7fffffffu);
  let known = select(max(a, b), b, (bitcast<vec4<u32>>(b) & magnitude) > strange);
  return select(known, a, (bitcast<vec4<u32>>(a) & magnitude) > strange);
}

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(local_invocation_index) thread: u32,
) {
  let column = thread % 16u;
  let row = thread / 16u;
  let scale = bitcast<f32>(params.scale);
  let factor = bitcast<f32>(params.factor);
  let hidden = bitcast<f32>(params.negativeInfinity);
  let batch = params.batchBase + workgroup.z / params.headCount;
  let place = params.headBase + workgroup.z % params.headCount;
  let rows = params.endRow - params.firstRow;
  var best0 = vec4<f32>(hidden);
  var best1 = vec4<f32>(hidden);
  var best2 = vec4<f32>(hidden);
  var best3 = vec4<f32>(hidden);
  let head = chosen[2u * params.mapBatches + place];
  let keyHead = head / params.headsPerKeyHead;
  let queryOffset = bitcast<i32>(chosen[2u * batch]);
  let keyCount = chosen[2u * batch + 1u];
  let queryBase = params.queryOffset + batch * params.queryBatch + head * params.queryHead;
  let keyBase = params.keyOffset + batch * params.keyBatch + keyHead * params.keyHead;
  let sumBase = params.logSumExpOffset + batch * params.logSumExpBatch + head * params.logSumExpHead;
  let lastQuery = params.endRow - 1u;
  let lastKey = max(keyCount, 1u) - 1u; // rows past it may hold anything, so they are never read

  let queryTile = params.queryTileBase + workgroup.y;
  for (var keyTile = params.keyTileBegin; keyTile < params.keyTileEnd; keyTile++) {
    let firstQuery = params.firstRow + queryTile * tileQueries;
    let firstKey = keyTile * tileKeys;
    let full = false;
    let queryIndex = i32(firstQuery + row * 4u);
    let position = queryOffset + queryIndex;
    var score0_0 = vec4<f32>(0.0);
    var score1_0 = vec4<f32>(0.0);
    var score2_0 = vec4<f32>(0.0);
    var score3_0 = vec4<f32>(0.0);
    {
      var key0_0 = vec4<f32>(0.0);
      var key0_1 = vec4<f32>(0.0);
      var key0_2 = vec4<f32>(0.0);
      var key0_3 = vec4<f32>(0.0);
      key0_0 = loadKey(keyBase + min(firstKey + (((thread >> 1u) & 3u) | ((thread >> 4u) << 2u)) + 0u, lastKey) * params.keyRow, 0u + ((thread & 1u) | (((thread >> 3u) & 1u) << 1u)));
      key0_1 = loadKey(keyBase + min(firstKey + (((thread >> 1u) & 3u) | ((thread >> 4u) << 2u)) + 16u, lastKey) * params.keyRow, 0u + ((thread & 1u) | (((thread >> 3u) & 1u) << 1u)));
      key0_2 = loadKey(keyBase + min(firstKey + (((thread >> 1u) & 3u) | ((thread >> 4u) << 2u)) + 32u, lastKey) * params.keyRow, 0u + ((thread & 1u) | (((thread >> 3u) & 1u) << 1u)));
      key0_3 = loadKey(keyBase + min(firstKey + (((thread >> 1u) & 3u) | ((thread >> 4u) << 2u)) + 48u, lastKey) * params.keyRow, 0u + ((thread & 1u) | (((thread >> 3u) & 1u) << 1u)));
      var query0_0 = vec4<f32>(0.0);
      var query0_1 = vec4<f32>(0.0);
      var query0_2 = vec4<f32>(0.0);
      var query0_3 = vec4<f32>(0.0);
      if (thread < 16u) {
        query0_0 = loadQuery(queryBase + min(firstQuery + 4u * (((thread >> 1u) & 3u) | ((thread >> 4u) << 2u)) + 0u, lastQuery) * params.queryRow, 0u + ((thread & 1u) | (((thread >> 3u) & 1u) << 1u)));
        query0_1 = loadQuery(queryBase + min(firstQuery + 4u * (((thread >> 1u) & 3u) | ((thread >> 4u) << 2u)) + 1u, lastQuery) * params.queryRow, 0u + ((thread & 1u) | (((thread >> 3u) & 1u) << 1u)));
        query0_2 = loadQuery(queryBase + min(firstQuery + 4u * (((thread >> 1u) & 3u) | ((thread >> 4u) << 2u)) + 2u, lastQuery) * params.queryRow, 0u + ((thread & 1u) | (((thread >> 3u) & 1u) << 1u)));
        query0_3 = loadQuery(queryBase + min(firstQuery + 4u * (((thread >> 1u) & 3u) | ((thread >> 4u) << 2u)) + 3u, lastQuery) * params.queryRow, 0u + ((thread & 1u) | (((thread >> 3u) & 1u) << 1u)));
      }
      for (var chunk = 0u; chunk < 4u; chunk++) {
        workgroupBarrier();
        tile[keyRegion + (4u * ((thread & 1u) | (((thread >> 3u) & 1u) << 1u)) + 0u) * 17u + (((thread >> 1u) & 3u) | ((thread >> 4u) << 2u))] = vec4<f32>(key0_0[0], key0_1[0], key0_2[0], key0_3[0]);
        tile[keyRegion + (4u * ((thread & 1u) | (((thread >> 3u) & 1u) << 1u)) + 1u) * 17u + (((thread >> 1u) & 3u) | ((thread >> 4u) << 2u))] = vec4<f32>(key0_0[1], key0_1[1], key0_2[1], key0_3[1]);
        tile[keyRegion + (4u * ((thread & 1u) | (((thread >> 3u) & 1u) << 1u)) + 2u) * 17u + (((thread >> 1u) & 3u) | ((thread >> 4u) << 2u))] = vec4<f32>(key0_0[2], key0_1[2], key0_2[2], key0_3[2]);
        tile[keyRegion + (4u * ((thread & 1u) | (((thread >> 3u) & 1u) << 1u)) + 3u) * 17u + (((thread >> 1u) & 3u) | ((thread >> 4u) << 2u))] = vec4<f32>(key0_0[3], key0_1[3], key0_2[3], key0_3[3]);
        if (thread < 16u) {
          tile[queryRegion + (4u * ((thread & 1u) | (((thread >> 3u) & 1u) << 1u)) + 0u) * 5u + (((thread >> 1u) & 3u) | ((thread >> 4u) << 2u))] = vec4<f32>(query0_0[0], query0_1[0], query0_2[0], query0_3[0]);
          tile[queryRegion + (4u * ((thread & 1u) | (((thread >> 3u) & 1u) << 1u)) + 1u) * 5u + (((thread >> 1u) & 3u) | ((thread >> 4u) << 2u))] = vec4<f32>(query0_0[1], query0_1[1], query0_2[1], query0_3[1]);
          tile[queryRegion + (4u * ((thread & 1u) | (((thread >> 3u) & 1u) << 1u)) + 2u) * 5u + (((thread >> 1u) & 3u) | ((thread >> 4u) << 2u))] = vec4<f32>(query0_0[2], query0_1[2], query0_2[2], query0_3[2]);
          tile[queryRegion + (4u * ((thread & 1u) | (((thread >> 3u) & 1u) << 1u)) + 3u) * 5u + (((thread >> 1u) & 3u) | ((thread >> 4u) << 2u))] = vec4<f32>(query0_0[3], query0_1[3], query0_2[3], query0_3[3]);
        }
        workgroupBarrier();
        if (chunk < 3u) {
          key0_0 = loadKey(keyBase + min(firstKey + (((thread >> 1u) & 3u) | ((thread >> 4u) << 2u)) + 0u, lastKey) * params.keyRow, (chunk + 1u) * 4u + ((thread & 1u) | (((thread >> 3u) & 1u) << 1u)));
          key0_1 = loadKey(keyBase + min(firstKey + (((thread >> 1u) & 3u) | ((thread >> 4u) << 2u)) + 16u, lastKey) * params.keyRow, (chunk + 1u) * 4u + ((thread & 1u) | (((thread >> 3u) & 1u) << 1u)));
          key0_2 = loadKey(keyBase + min(firstKey + (((thread >> 1u) & 3u) | ((thread >> 4u) << 2u)) + 32u, lastKey) * params.keyRow, (chunk + 1u) * 4u + ((thread & 1u) | (((thread >> 3u) & 1u) << 1u)));
          key0_3 = loadKey(keyBase + min(firstKey + (((thread >> 1u) & 3u) | ((thread >> 4u) << 2u)) + 48u, lastKey) * params.keyRow, (chunk + 1u) * 4u + ((thread & 1u) | (((thread >> 3u) & 1u) << 1u)));
          if (thread < 16u) {
            query0_0 = loadQuery(queryBase + min(firstQuery + 4u * (((thread >> 1u) & 3u) | ((thread >> 4u) << 2u)) + 0u, lastQuery) * params.queryRow, (chunk + 1u) * 4u + ((thread & 1u) | (((thread >> 3u) & 1u) << 1u)));
            query0_1 = loadQuery(queryBase + min(firstQuery + 4u * (((thread >> 1u) & 3u) | ((thread >> 4u) << 2u)) + 1u, lastQuery) * params.queryRow, (chunk + 1u) * 4u + ((thread & 1u) | (((thread >> 3u) & 1u) << 1u)));
            query0_2 = loadQuery(queryBase + min(firstQuery + 4u * (((thread >> 1u) & 3u) | ((thread >> 4u) << 2u)) + 2u, lastQuery) * params.queryRow, (chunk + 1u) * 4u + ((thread & 1u) | (((thread >> 3u) & 1u) << 1u)));
            query0_3 = loadQuery(queryBase + min(firstQuery + 4u * (((thread >> 1u) & 3u) | ((thread >> 4u) << 2u)) + 3u, lastQuery) * params.queryRow, (chunk + 1u) * 4u + ((thread & 1u) | (((thread >> 3u) & 1u) << 1u)));
          }
        }
        for (var dim = 0u; dim < 16u; dim++) {
          let a0 = tile[queryRegion + dim * 5u + row * 1u + 0u];
          let b0 = tile[keyRegion + dim * 17u + column + 0u];
          score0_0 = fma(vec4<f32>(a0.x), b0, score0_0);
          score1_0 = fma(vec4<f32>(a0.y), b0, score1_0);
          score2_0 = fma(vec4<f32>(a0.z), b0, score2_0);
          score3_0 = fma(vec4<f32>(a0.w), b0, score3_0);
        }
      }
    }
    score0_0 *= scale;
    score1_0 *= scale;
    score2_0 *= scale;
    score3_0 *= scale;
    if (!full) {
      if (!(firstKey + column + 0u < keyCount && visible(i32(batch), i32(head), position + 0, queryIndex + 0, i32(firstKey + column + 0u)))) { score0_0.x = hidden; }
      if (!(firstKey + column + 16u < keyCount && visible(i32(batch), i32(head), position + 0, queryIndex + 0, i32(firstKey + column + 16u)))) { score0_0.y = hidden; }
      if (!(firstKey + column + 32u < keyCount && visible(i32(batch), i32(head), position + 0, queryIndex + 0, i32(firstKey + column + 32u)))) { score0_0.z = hidden; }
      if (!(firstKey + column + 48u < keyCount && visible(i32(batch), i32(head), position + 0, queryIndex + 0, i32(firstKey + column + 48u)))) { score0_0.w = hidden; }
      if (!(firstKey + column + 0u < keyCount && visible(i32(batch), i32(head), position + 1, queryIndex + 1, i32(firstKey + column + 0u)))) { score1_0.x = hidden; }
      if (!(firstKey + column + 16u < keyCount && visible(i32(batch), i32(head), position + 1, queryIndex + 1, i32(firstKey + column + 16u)))) { score1_0.y = hidden; }
      if (!(firstKey + column + 32u < keyCount && visible(i32(batch), i32(head), position + 1, queryIndex + 1, i32(firstKey + column + 32u)))) { score1_0.z = hidden; }
      if (!(firstKey + column + 48u < keyCount && visible(i32(batch), i32(head), position + 1, queryIndex + 1, i32(firstKey + column + 48u)))) { score1_0.w = hidden; }
      if (!(firstKey + column + 0u < keyCount && visible(i32(batch), i32(head), position + 2, queryIndex + 2, i32(firstKey + column + 0u)))) { score2_0.x = hidden; }
      if (!(firstKey + column + 16u < keyCount && visible(i32(batch), i32(head), position + 2, queryIndex + 2, i32(firstKey + column + 16u)))) { score2_0.y = hidden; }
      if (!(firstKey + column + 32u < keyCount && visible(i32(batch), i32(head), position + 2, queryIndex + 2, i32(firstKey + column + 32u)))) { score2_0.z = hidden; }
      if (!(firstKey + column + 48u < keyCount && visible(i32(batch), i32(head), position + 2, queryIndex + 2, i32(firstKey + column + 48u)))) { score2_0.w = hidden; }
      if (!(firstKey + column + 0u < keyCount && visible(i32(batch), i32(head), position + 3, queryIndex + 3, i32(firstKey + column + 0u)))) { score3_0.x = hidden; }
      if (!(firstKey + column + 16u < keyCount && visible(i32(batch), i32(head), position + 3, queryIndex + 3, i32(firstKey + column + 16u)))) { score3_0.y = hidden; }
      if (!(firstKey + column + 32u < keyCount && visible(i32(batch), i32(head), position + 3, queryIndex + 3, i32(firstKey + column + 32u)))) { score3_0.z = hidden; }
      if (!(firstKey + column + 48u < keyCount && visible(i32(batch), i32(head), position + 3, queryIndex + 3, i32(firstKey + column + 48u)))) { score3_0.w = hidden; }
    }
    best0 = largest(best0, score0_0);
    best1 = largest(best1, score1_0);
    best2 = largest(best2, score2_0);
    best3 = largest(best3, score3_0);
  }
  workgroupBarrier();
  tile[(row * 4u + 0u) * 16u + column] = best0;
  tile[(row * 4u + 1u) * 16u + column] = best1;
  tile[(row * 4u + 2u) * 16u + column] = best2;
  tile[(row * 4u + 3u) * 16u + column] = best3;
  workgroupBarrier();
  if (column == 0u) {
    for (var own = 0u; own < 4u; own++) {
      let tileRow = row * 4u + own;
      var best = tile[tileRow * 16u];
      for (var other = 1u; other < 16u; other++) {
        best = largest(best, tile[tileRow * 16u + other]);
      }
      let queryRow = params.firstRow + queryTile * tileQueries + tileRow;
      if (queryRow < params.endRow) {
        let at = params.outputOffset + (batch * params.chosenHeads + place) * rows + queryRow - params.firstRow;
        best = largest(best, best.yzwx);
        best = largest(best, best.zwxy);
        if (params.continues != 0u) { best = largest(best, vec4<f32>(weights[at])); }
        weights[at] = best.x;
      }
    }
  }
}
