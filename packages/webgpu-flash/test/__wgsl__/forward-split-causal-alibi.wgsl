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
  queryExponents: u32,
  keyExponents: u32,
  valueExponents: u32,
  @align(16) tables: array<vec4<u32>, 1>,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> query: array<vec4<f16>>;
@group(0) @binding(2) var<storage, read> key: array<vec4<u32>>;
@group(0) @binding(3) var<storage, read> value: array<vec4<u32>>;
@group(0) @binding(4) var<storage, read_write> output: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read_write> logSumExp: array<f32>;
@group(0) @binding(6) var<storage, read> blockMap: array<u32>;
// Query offset and key count of every sequence, then the tables of the expressions.
@group(0) @binding(7) var<storage, read> data: array<u32>;

alias Left = subgroup_matrix_left<f16, 16, 16>;
alias Right = subgroup_matrix_right<f16, 16, 16>;
alias Result = subgroup_matrix_result<f32, 16, 16>;
const tileQueries = 64u;
const tileKeys = 16u;
const valueVectors = 16u;
const scoreStride = 6u;
const probabilityStride = 10u;
const log2e = 1.4426950408889634;
// Bits between a sample's maximum and the reference: room above it, and precision below.
const headroom = -4.0;
const exactHeadroom = -4.0;
// Float16 holds up to 65504, and a sum of probabilities holds each of them.
const mostTileSum = 60000.0;
// Rows with a reference of their own come to more than this; others may be too small to be precise.
const leastSum = 1.0;
const unseen = -3.0e38;

// Rows of keys and values: first halves, then second ones.
var<workgroup> keyRows: array<vec4<f16>, 544>;
var<workgroup> valueRows: array<vec4<f16>, 544>;
// Of each subgroup: the scores, and the output where it moves; the probabilities as halves.
var<workgroup> scores: array<array<vec4<f32>, 96>, 4>;
var<workgroup> probabilities: array<array<vec4<f16>, 160>, 4>;
// Whether any row outgrew its reference; a multiple of 16 bytes, as matrices have to begin at one.
var<workgroup> found: vec4<u32>;

fn loadOutput(base: u32, vector: u32) -> vec4<f32> {
  return output[base + vector];
}

fn storeOutput(base: u32, vector: u32, value: vec4<f32>) {
  output[base + vector] = value;
}

fn powerOfTwo(exponent: i32) -> f32 {
  return bitcast<f32>(u32(clamp(exponent, -126, 127) + 127) << 23u);
}

struct RowEnd {
  own: f32,
  previous: f32,
  logSumExp: f32,
}

// `sum` is relative to 2^reference. The row is `own` times the weighted sum, and `previous` times the output.
fn endRow(head: u32, place: u32, sum: f32, reference: f32) -> RowEnd {
  let seen = bitcast<u32>(sum) != 0u; // and not sum > 0, since a sum of NaN is one
  let logarithm = select(unseen, (reference + log2(sum)) / log2e, seen);
  var end = RowEnd(select(0.0, 1.0 / sum, seen), 0.0, select(bitcast<f32>(params.negativeInfinity), logarithm, seen));
  if (params.mergeWithOutput != 0u) {
    let previous = logSumExp[place];
    if (bitcast<u32>(previous) != bitcast<u32>(params.negativeInfinity)) {
      let larger = max(previous, logarithm);
      let previousPart = exp(previous - larger);
      let ownPart = select(0.0, exp(logarithm - larger), seen);
      let all = previousPart + ownPart;
      end = RowEnd(end.own * (ownPart / all), previousPart / all, larger + log(all));
    }
  }
  return end;
}

fn clampIndex(index: i32, size: u32) -> u32 {
  return u32(clamp(index, 0, i32(size) - 1));
}

fn visible(batch: i32, head: i32, query: i32, queryIndex: i32, key: i32) -> bool {
  return (key <= query);
}

struct HeadValues {
  head0: f32,
}

fn headValues(head: i32) -> HeadValues {
  let head0 = bitcast<f32>(data[params.tables[0].x + clampIndex(head, params.tables[0].y)]);
  return HeadValues(head0);
}

struct TileValues {
  tile0: f32,
}

fn tileValues(headValue: HeadValues, query: i32, key: i32) -> TileValues {
  let tile0 = f32((query - key));
  return TileValues(tile0);
}

fn modified(score: f32, headValue: HeadValues, tile0: f32) -> f32 {
  let score1 = (score - (headValue.head0 * tile0));
  return score1;
}

fn beginShown(batch: i32, head: i32, query: i32, queryIndex: i32) -> i32 {
  return 0;
}

fn endShown(batch: i32, head: i32, query: i32, queryIndex: i32) -> i32 {
  return min(1073741824, (min(query, 1073741824) + 1));
}

@compute @workgroup_size(128)
fn main(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(subgroup_id) subgroupId: u32,
  @builtin(subgroup_invocation_id) invocation: u32,
) {
  let subgroup = subgroupId & 3u;
  let lane = invocation & 31u;
  let thread = subgroup * 32u + lane;
  let head = params.headBase + workgroup.x;
  let batch = params.batchBase + workgroup.z;
  let keyHead = head / params.headsPerKeyHead;
  let queryOffset = bitcast<i32>(data[2u * batch]);
  let keyCount = data[2u * batch + 1u];
  let outer = min(batch, params.mapBatches - 1u) * params.mapHeads + min(head, params.mapHeads - 1u);
  let mapRow = outer * params.mapQueryTiles;
  let queryTile = blockMap[params.mapOrderBase + mapRow + params.queryTileBase + workgroup.y];
  let firstRun = blockMap[mapRow + queryTile];
  let endRun = blockMap[mapRow + queryTile + 1u];
  let queryBase = params.queryOffset + batch * params.queryBatch + head * params.queryHead;
  let keyBase = params.keyOffset + batch * params.keyBatch + keyHead * params.keyHead;
  let valueBase = params.valueOffset + batch * params.valueBatch + keyHead * params.valueHead;
  let firstQuery = queryTile * tileQueries;
  let lastQuery = params.queryLength - 1u;
  let lastKey = max(keyCount, 1u) - 1u; // rows past it may hold anything, so they are never read
  let scale = bitcast<f32>(params.scale);
  let hidden = bitcast<f32>(params.negativeInfinity);
  let keyPlane = batch * (params.heads / params.headsPerKeyHead) + keyHead;
  let queryExponent = i32(query[params.queryExponents + 2u * (batch * params.heads + head)].x);
  let keyExponent = i32(bitcast<vec4<f16>>(key[params.keyExponents + keyPlane].xy).x);
  let valueExponent = i32(bitcast<vec4<f16>>(value[params.valueExponents + keyPlane].xy).x);
  let scoreScale = scale * powerOfTwo(-queryExponent - keyExponent);
  let valueScale = powerOfTwo(-valueExponent);
  // In the softmax, lanes of a row: 2; rows of a lane: 1.
  let part = lane % 2u;
  let ownRow0 = lane / 2u;
  let column = part * 4u;
  let queryIndex = i32(firstQuery + subgroup * 16u + ownRow0);
  let position = queryOffset + queryIndex;
  let queryRow0 = firstQuery + subgroup * 16u + ownRow0;
  let shownEnd0 = min(u32(max(endShown(i32(batch), i32(head), position + 0, queryIndex + 0), 0)), keyCount);
  let shownBegin0 = min(u32(beginShown(i32(batch), i32(head), position + 0, queryIndex + 0)), shownEnd0);
  let shownCount0 = shownEnd0 - shownBegin0;
  let headValue = headValues(i32(head));
  let exponentScale = log2e;
  // Of scores; 0 where all of them are as good as 0.
  let perBit = select(1.0 / exponentScale, 0.0, abs(exponentScale) < 1e-30);
  var sampleTile = 0xffffffffu;
  for (var run = firstRun; run < endRun; run++) {
    let start = blockMap[params.mapRunsBase + 2u * run];
    let packed = blockMap[params.mapRunsBase + 2u * run + 1u];
    let begin = max(start, params.keyTileBegin);
    let full = (packed & 1u) == 1u;
    if (begin < min(start + (packed >> 1u), params.keyTileEnd) && (full || sampleTile == 0xffffffffu)) {
      sampleTile = begin;
      if (full) { break; }
    }
  }

  let nothing = params.negativeInfinity ^ 0xff800000u;
  let swap = (lane >> 3u) & 1u;
  var query0Next0 = vec4<f16>();
  var query0Next1 = vec4<f16>();
  query0Next0 = query[queryBase + min(firstQuery + subgroup * 16u + lane / 4u, lastQuery) * params.queryRow + lane % 4u];
  query0Next1 = query[queryBase + min(firstQuery + subgroup * 16u + (lane + 32u) / 4u, lastQuery) * params.queryRow + (lane + 32u) % 4u];
  var query1Next0 = vec4<f16>();
  var query1Next1 = vec4<f16>();
  query1Next0 = query[queryBase + min(firstQuery + subgroup * 16u + lane / 4u, lastQuery) * params.queryRow + 4u + lane % 4u];
  query1Next1 = query[queryBase + min(firstQuery + subgroup * 16u + (lane + 32u) / 4u, lastQuery) * params.queryRow + 4u + (lane + 32u) % 4u];
  var query2Next0 = vec4<f16>();
  var query2Next1 = vec4<f16>();
  query2Next0 = query[queryBase + min(firstQuery + subgroup * 16u + lane / 4u, lastQuery) * params.queryRow + 8u + lane % 4u];
  query2Next1 = query[queryBase + min(firstQuery + subgroup * 16u + (lane + 32u) / 4u, lastQuery) * params.queryRow + 8u + (lane + 32u) % 4u];
  var query3Next0 = vec4<f16>();
  var query3Next1 = vec4<f16>();
  query3Next0 = query[queryBase + min(firstQuery + subgroup * 16u + lane / 4u, lastQuery) * params.queryRow + 12u + lane % 4u];
  query3Next1 = query[queryBase + min(firstQuery + subgroup * 16u + (lane + 32u) / 4u, lastQuery) * params.queryRow + 12u + (lane + 32u) % 4u];
  var query4Next0 = vec4<f16>();
  var query4Next1 = vec4<f16>();
  query4Next0 = query[queryBase + min(firstQuery + subgroup * 16u + lane / 4u, lastQuery) * params.queryRow + 16u + lane % 4u];
  query4Next1 = query[queryBase + min(firstQuery + subgroup * 16u + (lane + 32u) / 4u, lastQuery) * params.queryRow + 16u + (lane + 32u) % 4u];
  var query5Next0 = vec4<f16>();
  var query5Next1 = vec4<f16>();
  query5Next0 = query[queryBase + min(firstQuery + subgroup * 16u + lane / 4u, lastQuery) * params.queryRow + 20u + lane % 4u];
  query5Next1 = query[queryBase + min(firstQuery + subgroup * 16u + (lane + 32u) / 4u, lastQuery) * params.queryRow + 20u + (lane + 32u) % 4u];
  var query6Next0 = vec4<f16>();
  var query6Next1 = vec4<f16>();
  query6Next0 = query[queryBase + min(firstQuery + subgroup * 16u + lane / 4u, lastQuery) * params.queryRow + 24u + lane % 4u];
  query6Next1 = query[queryBase + min(firstQuery + subgroup * 16u + (lane + 32u) / 4u, lastQuery) * params.queryRow + 24u + (lane + 32u) % 4u];
  var query7Next0 = vec4<f16>();
  var query7Next1 = vec4<f16>();
  query7Next0 = query[queryBase + min(firstQuery + subgroup * 16u + lane / 4u, lastQuery) * params.queryRow + 28u + lane % 4u];
  query7Next1 = query[queryBase + min(firstQuery + subgroup * 16u + (lane + 32u) / 4u, lastQuery) * params.queryRow + 28u + (lane + 32u) % 4u];
  workgroupBarrier();
  probabilities[subgroup][lane / 4u * probabilityStride + lane % 4u] = query0Next0;
  probabilities[subgroup][(lane + 32u) / 4u * probabilityStride + (lane + 32u) % 4u] = query0Next1;
  workgroupBarrier();
  let query0_0 = subgroupMatrixLoad<Left, row_major>(&probabilities[subgroup], 0u, probabilityStride);
  workgroupBarrier();
  probabilities[subgroup][lane / 4u * probabilityStride + lane % 4u] = query1Next0;
  probabilities[subgroup][(lane + 32u) / 4u * probabilityStride + (lane + 32u) % 4u] = query1Next1;
  workgroupBarrier();
  let query0_1 = subgroupMatrixLoad<Left, row_major>(&probabilities[subgroup], 0u, probabilityStride);
  workgroupBarrier();
  probabilities[subgroup][lane / 4u * probabilityStride + lane % 4u] = query2Next0;
  probabilities[subgroup][(lane + 32u) / 4u * probabilityStride + (lane + 32u) % 4u] = query2Next1;
  workgroupBarrier();
  let query0_2 = subgroupMatrixLoad<Left, row_major>(&probabilities[subgroup], 0u, probabilityStride);
  workgroupBarrier();
  probabilities[subgroup][lane / 4u * probabilityStride + lane % 4u] = query3Next0;
  probabilities[subgroup][(lane + 32u) / 4u * probabilityStride + (lane + 32u) % 4u] = query3Next1;
  workgroupBarrier();
  let query0_3 = subgroupMatrixLoad<Left, row_major>(&probabilities[subgroup], 0u, probabilityStride);
  workgroupBarrier();
  probabilities[subgroup][lane / 4u * probabilityStride + lane % 4u] = query4Next0;
  probabilities[subgroup][(lane + 32u) / 4u * probabilityStride + (lane + 32u) % 4u] = query4Next1;
  workgroupBarrier();
  let query0_4 = subgroupMatrixLoad<Left, row_major>(&probabilities[subgroup], 0u, probabilityStride);
  workgroupBarrier();
  probabilities[subgroup][lane / 4u * probabilityStride + lane % 4u] = query5Next0;
  probabilities[subgroup][(lane + 32u) / 4u * probabilityStride + (lane + 32u) % 4u] = query5Next1;
  workgroupBarrier();
  let query0_5 = subgroupMatrixLoad<Left, row_major>(&probabilities[subgroup], 0u, probabilityStride);
  workgroupBarrier();
  probabilities[subgroup][lane / 4u * probabilityStride + lane % 4u] = query6Next0;
  probabilities[subgroup][(lane + 32u) / 4u * probabilityStride + (lane + 32u) % 4u] = query6Next1;
  workgroupBarrier();
  let query0_6 = subgroupMatrixLoad<Left, row_major>(&probabilities[subgroup], 0u, probabilityStride);
  workgroupBarrier();
  probabilities[subgroup][lane / 4u * probabilityStride + lane % 4u] = query7Next0;
  probabilities[subgroup][(lane + 32u) / 4u * probabilityStride + (lane + 32u) % 4u] = query7Next1;
  workgroupBarrier();
  let query0_7 = subgroupMatrixLoad<Left, row_major>(&probabilities[subgroup], 0u, probabilityStride);
  var keyNext0 = vec4<u32>();
  var keyNext1 = vec4<u32>();
  var valueNext0 = vec4<u32>();
  var valueNext1 = vec4<u32>();
  var output0_0 = Result();
  var output0_1 = Result();
  var output0_2 = Result();
  var output0_3 = Result();
  var total0_0_0 = vec4<f32>(0.0);
  var total0_0_1 = vec4<f32>(0.0);
  var total0_1_0 = vec4<f32>(0.0);
  var total0_1_1 = vec4<f32>(0.0);
  var total0_2_0 = vec4<f32>(0.0);
  var total0_2_1 = vec4<f32>(0.0);
  var total0_3_0 = vec4<f32>(0.0);
  var total0_3_1 = vec4<f32>(0.0);
  var reference0 = 0.0;
  var base0 = 0.0; // the same as a score
  var sum0 = 0.0;
  var exact = false;
  loop {
    if (thread == 0u) { found = vec4<u32>(0u); }
    {
      var top0 = unseen;
      for (var run = firstRun; run < endRun; run++) {
        let start = blockMap[params.mapRunsBase + 2u * run];
        let packed = blockMap[params.mapRunsBase + 2u * run + 1u];
        let full = (packed & 1u) == 1u;
        let endTile = min(start + (packed >> 1u), params.keyTileEnd);
        let begin = max(start, params.keyTileBegin);
        if (exact || (begin <= sampleTile && sampleTile < endTile)) {
          var keyTile = select(sampleTile, begin, exact);
          var looks = keyTile < endTile;
          while (looks) {
            if (nothing == 0u) {
              let firstKey = keyTile * tileKeys;
              workgroupBarrier();
              keyNext0 = key[(keyBase + min(keyTile * tileKeys + thread / 16u, lastKey) * params.keyRow) / 2u + thread % 16u];
              keyNext1 = key[(keyBase + min(keyTile * tileKeys + (thread + 128u) / 16u, lastKey) * params.keyRow) / 2u + (thread + 128u) % 16u];
              {
                let place = thread / 16u * 34u + thread % 16u + thread % 16u;
                keyRows[place + swap] = bitcast<vec4<f16>>(select(keyNext0.xy, keyNext0.zw, swap == 1u));
                keyRows[place + 1u - swap] = bitcast<vec4<f16>>(select(keyNext0.zw, keyNext0.xy, swap == 1u));
              }
              {
                let place = (thread + 128u) / 16u * 34u + (thread + 128u) % 16u + (thread + 128u) % 16u;
                keyRows[place + swap] = bitcast<vec4<f16>>(select(keyNext1.xy, keyNext1.zw, swap == 1u));
                keyRows[place + 1u - swap] = bitcast<vec4<f16>>(select(keyNext1.zw, keyNext1.xy, swap == 1u));
              }
              workgroupBarrier();
              {
                var product0 = Result();
                let keys0 = subgroupMatrixLoad<Right, col_major>(&keyRows, 0u, 34u);
                {
                  let seconds = subgroupMatrixLoad<Right, col_major>(&keyRows, 16u, 34u);
                  product0 = subgroupMatrixMultiplyAccumulate(query0_0, seconds, product0);
                }
                product0 = subgroupMatrixMultiplyAccumulate(query0_4, keys0, product0);
                let keys1 = subgroupMatrixLoad<Right, col_major>(&keyRows, 4u, 34u);
                {
                  let seconds = subgroupMatrixLoad<Right, col_major>(&keyRows, 20u, 34u);
                  product0 = subgroupMatrixMultiplyAccumulate(query0_1, seconds, product0);
                }
                product0 = subgroupMatrixMultiplyAccumulate(query0_5, keys1, product0);
                let keys2 = subgroupMatrixLoad<Right, col_major>(&keyRows, 8u, 34u);
                {
                  let seconds = subgroupMatrixLoad<Right, col_major>(&keyRows, 24u, 34u);
                  product0 = subgroupMatrixMultiplyAccumulate(query0_2, seconds, product0);
                }
                product0 = subgroupMatrixMultiplyAccumulate(query0_6, keys2, product0);
                let keys3 = subgroupMatrixLoad<Right, col_major>(&keyRows, 12u, 34u);
                {
                  let seconds = subgroupMatrixLoad<Right, col_major>(&keyRows, 28u, 34u);
                  product0 = subgroupMatrixMultiplyAccumulate(query0_3, seconds, product0);
                }
                product0 = subgroupMatrixMultiplyAccumulate(query0_7, keys3, product0);
                product0 = subgroupMatrixMultiplyAccumulate(query0_0, keys0, product0);
                product0 = subgroupMatrixMultiplyAccumulate(query0_1, keys1, product0);
                product0 = subgroupMatrixMultiplyAccumulate(query0_2, keys2, product0);
                product0 = subgroupMatrixMultiplyAccumulate(query0_3, keys3, product0);
                subgroupMatrixStore<row_major>(&scores[subgroup], 0u, product0, scoreStride);
              }
              workgroupBarrier();
              var score0_0 = scores[subgroup][ownRow0 * scoreStride + part] * scoreScale;
              var score0_1 = scores[subgroup][ownRow0 * scoreStride + part + 2u] * scoreScale;
              {
                let keyPosition = i32(firstKey + column);
                let tileValue = tileValues(headValue, position, keyPosition);
                score0_0.x = modified(score0_0.x, headValue, tileValue.tile0);
                score0_0.y = modified(score0_0.y, headValue, tileValue.tile0 - 1.0);
                score0_0.z = modified(score0_0.z, headValue, tileValue.tile0 - 2.0);
                score0_0.w = modified(score0_0.w, headValue, tileValue.tile0 - 3.0);
                score0_1.x = modified(score0_1.x, headValue, tileValue.tile0 - 8.0);
                score0_1.y = modified(score0_1.y, headValue, tileValue.tile0 - 9.0);
                score0_1.z = modified(score0_1.z, headValue, tileValue.tile0 - 10.0);
                score0_1.w = modified(score0_1.w, headValue, tileValue.tile0 - 11.0);
              }
              score0_0 *= exponentScale;
              score0_1 *= exponentScale;
              score0_0 = select(score0_0, vec4<f32>(unseen), vec4<u32>(firstKey + column - shownBegin0) + vec4<u32>(0u, 1u, 2u, 3u) >= vec4<u32>(shownCount0));
              score0_1 = select(score0_1, vec4<f32>(unseen), vec4<u32>(firstKey + column - shownBegin0) + vec4<u32>(8u, 9u, 10u, 11u) >= vec4<u32>(shownCount0));
              let best0 = max(score0_0, score0_1);
              top0 = max(top0, max(max(best0.x, best0.y), max(best0.z, best0.w)));
              keyTile += select(endTile, 1u, exact);
              looks = keyTile < endTile;
            } else {
              looks = false;
            }
          }
        }
      }
      var others = unseen;
      top0 = max(top0, subgroupShuffleXor(top0, 1u));
      others = max(others, top0);
      // Rows that the sample shows nothing to are likely to be as their neighbours.
      others = subgroupMax(others);
      others = select(0.0, others, others > unseen);
      reference0 = select(others, top0, top0 > unseen) + select(headroom, exactHeadroom, exact);
    }
    base0 = reference0 * perBit;
    output0_0 = Result();
    output0_1 = Result();
    output0_2 = Result();
    output0_3 = Result();
    total0_0_0 = vec4<f32>(0.0);
    total0_0_1 = vec4<f32>(0.0);
    total0_1_0 = vec4<f32>(0.0);
    total0_1_1 = vec4<f32>(0.0);
    total0_2_0 = vec4<f32>(0.0);
    total0_2_1 = vec4<f32>(0.0);
    total0_3_0 = vec4<f32>(0.0);
    total0_3_1 = vec4<f32>(0.0);
    sum0 = 0.0;
    var largest = 0.0;
    workgroupBarrier();

    var run = firstRun;
    var runEnd = 0u;
    var full = false;
    var nextFull = false;
    var keyTile = 0u;
    var visits = false;
    while (keyTile >= runEnd && run < endRun) {
      let start = blockMap[params.mapRunsBase + 2u * run];
      let packed = blockMap[params.mapRunsBase + 2u * run + 1u];
      runEnd = min(start + (packed >> 1u), params.keyTileEnd);
      nextFull = (packed & 1u) == 1u;
      keyTile = max(start, params.keyTileBegin);
      run++;
    }
    visits = keyTile < runEnd;
    full = nextFull;
    var nextTile = keyTile + 1u;
    var visitsNext = false;
    while (nextTile >= runEnd && run < endRun) {
      let start = blockMap[params.mapRunsBase + 2u * run];
      let packed = blockMap[params.mapRunsBase + 2u * run + 1u];
      runEnd = min(start + (packed >> 1u), params.keyTileEnd);
      nextFull = (packed & 1u) == 1u;
      nextTile = max(start, params.keyTileBegin);
      run++;
    }
    visitsNext = nextTile < runEnd;
    if (visits) {
      keyNext0 = key[(keyBase + min(keyTile * tileKeys + thread / 16u, lastKey) * params.keyRow) / 2u + thread % 16u];
      keyNext1 = key[(keyBase + min(keyTile * tileKeys + (thread + 128u) / 16u, lastKey) * params.keyRow) / 2u + (thread + 128u) % 16u];
      {
        let place = thread / 16u * 34u + thread % 16u + thread % 16u;
        keyRows[place + swap] = bitcast<vec4<f16>>(select(keyNext0.xy, keyNext0.zw, swap == 1u));
        keyRows[place + 1u - swap] = bitcast<vec4<f16>>(select(keyNext0.zw, keyNext0.xy, swap == 1u));
      }
      {
        let place = (thread + 128u) / 16u * 34u + (thread + 128u) % 16u + (thread + 128u) % 16u;
        keyRows[place + swap] = bitcast<vec4<f16>>(select(keyNext1.xy, keyNext1.zw, swap == 1u));
        keyRows[place + 1u - swap] = bitcast<vec4<f16>>(select(keyNext1.zw, keyNext1.xy, swap == 1u));
      }
      valueNext0 = value[(valueBase + min(keyTile * tileKeys + thread / 16u, lastKey) * params.valueRow) / 2u + thread % 16u];
      valueNext1 = value[(valueBase + min(keyTile * tileKeys + (thread + 128u) / 16u, lastKey) * params.valueRow) / 2u + (thread + 128u) % 16u];
    }
    if (visitsNext) {
      keyNext0 = key[(keyBase + min(nextTile * tileKeys + thread / 16u, lastKey) * params.keyRow) / 2u + thread % 16u];
      keyNext1 = key[(keyBase + min(nextTile * tileKeys + (thread + 128u) / 16u, lastKey) * params.keyRow) / 2u + (thread + 128u) % 16u];
    }
    workgroupBarrier();
    while (visits) {
      var some = 0u;
      var goesOn = true;
      for (var round = 0u; round < 0x7fffffffu; round++) {
        if (!goesOn) { break; }
        if (nothing == 0u) {
          {
            let firstKey = keyTile * tileKeys;
            {
              var product0 = Result();
              let keys0 = subgroupMatrixLoad<Right, col_major>(&keyRows, 0u, 34u);
              {
                let seconds = subgroupMatrixLoad<Right, col_major>(&keyRows, 16u, 34u);
                product0 = subgroupMatrixMultiplyAccumulate(query0_0, seconds, product0);
              }
              product0 = subgroupMatrixMultiplyAccumulate(query0_4, keys0, product0);
              let keys1 = subgroupMatrixLoad<Right, col_major>(&keyRows, 4u, 34u);
              {
                let seconds = subgroupMatrixLoad<Right, col_major>(&keyRows, 20u, 34u);
                product0 = subgroupMatrixMultiplyAccumulate(query0_1, seconds, product0);
              }
              product0 = subgroupMatrixMultiplyAccumulate(query0_5, keys1, product0);
              let keys2 = subgroupMatrixLoad<Right, col_major>(&keyRows, 8u, 34u);
              {
                let seconds = subgroupMatrixLoad<Right, col_major>(&keyRows, 24u, 34u);
                product0 = subgroupMatrixMultiplyAccumulate(query0_2, seconds, product0);
              }
              product0 = subgroupMatrixMultiplyAccumulate(query0_6, keys2, product0);
              let keys3 = subgroupMatrixLoad<Right, col_major>(&keyRows, 12u, 34u);
              {
                let seconds = subgroupMatrixLoad<Right, col_major>(&keyRows, 28u, 34u);
                product0 = subgroupMatrixMultiplyAccumulate(query0_3, seconds, product0);
              }
              product0 = subgroupMatrixMultiplyAccumulate(query0_7, keys3, product0);
              product0 = subgroupMatrixMultiplyAccumulate(query0_0, keys0, product0);
              product0 = subgroupMatrixMultiplyAccumulate(query0_1, keys1, product0);
              product0 = subgroupMatrixMultiplyAccumulate(query0_2, keys2, product0);
              product0 = subgroupMatrixMultiplyAccumulate(query0_3, keys3, product0);
              subgroupMatrixStore<row_major>(&scores[subgroup], 0u, product0, scoreStride);
            }
            workgroupBarrier();
            var laterTile = nextTile + 1u;
            var laterFull = nextFull;
            var visitsLater = false;
            while (laterTile >= runEnd && run < endRun) {
              let start = blockMap[params.mapRunsBase + 2u * run];
              let packed = blockMap[params.mapRunsBase + 2u * run + 1u];
              runEnd = min(start + (packed >> 1u), params.keyTileEnd);
              laterFull = (packed & 1u) == 1u;
              laterTile = max(start, params.keyTileBegin);
              run++;
            }
            visitsLater = laterTile < runEnd;
            {
              let place = thread / 16u * 34u + thread % 16u + thread % 16u;
              valueRows[place + swap] = bitcast<vec4<f16>>(select(valueNext0.xy, valueNext0.zw, swap == 1u));
              valueRows[place + 1u - swap] = bitcast<vec4<f16>>(select(valueNext0.zw, valueNext0.xy, swap == 1u));
            }
            {
              let place = (thread + 128u) / 16u * 34u + (thread + 128u) % 16u + (thread + 128u) % 16u;
              valueRows[place + swap] = bitcast<vec4<f16>>(select(valueNext1.xy, valueNext1.zw, swap == 1u));
              valueRows[place + 1u - swap] = bitcast<vec4<f16>>(select(valueNext1.zw, valueNext1.xy, swap == 1u));
            }
            {
              let place = thread / 16u * 34u + thread % 16u + thread % 16u;
              keyRows[place + swap] = bitcast<vec4<f16>>(select(keyNext0.xy, keyNext0.zw, swap == 1u));
              keyRows[place + 1u - swap] = bitcast<vec4<f16>>(select(keyNext0.zw, keyNext0.xy, swap == 1u));
            }
            {
              let place = (thread + 128u) / 16u * 34u + (thread + 128u) % 16u + (thread + 128u) % 16u;
              keyRows[place + swap] = bitcast<vec4<f16>>(select(keyNext1.xy, keyNext1.zw, swap == 1u));
              keyRows[place + 1u - swap] = bitcast<vec4<f16>>(select(keyNext1.zw, keyNext1.xy, swap == 1u));
            }
            if (visitsNext) {
              valueNext0 = value[(valueBase + min(nextTile * tileKeys + thread / 16u, lastKey) * params.valueRow) / 2u + thread % 16u];
              valueNext1 = value[(valueBase + min(nextTile * tileKeys + (thread + 128u) / 16u, lastKey) * params.valueRow) / 2u + (thread + 128u) % 16u];
            }
            if (visitsLater) {
              keyNext0 = key[(keyBase + min(laterTile * tileKeys + thread / 16u, lastKey) * params.keyRow) / 2u + thread % 16u];
              keyNext1 = key[(keyBase + min(laterTile * tileKeys + (thread + 128u) / 16u, lastKey) * params.keyRow) / 2u + (thread + 128u) % 16u];
            }
            var score0_0 = scores[subgroup][ownRow0 * scoreStride + part] * scoreScale;
            var score0_1 = scores[subgroup][ownRow0 * scoreStride + part + 2u] * scoreScale;
            {
              let keyPosition = i32(firstKey + column);
              let tileValue = tileValues(headValue, position, keyPosition);
              score0_0.x = modified(score0_0.x, headValue, tileValue.tile0);
              score0_0.y = modified(score0_0.y, headValue, tileValue.tile0 - 1.0);
              score0_0.z = modified(score0_0.z, headValue, tileValue.tile0 - 2.0);
              score0_0.w = modified(score0_0.w, headValue, tileValue.tile0 - 3.0);
              score0_1.x = modified(score0_1.x, headValue, tileValue.tile0 - 8.0);
              score0_1.y = modified(score0_1.y, headValue, tileValue.tile0 - 9.0);
              score0_1.z = modified(score0_1.z, headValue, tileValue.tile0 - 10.0);
              score0_1.w = modified(score0_1.w, headValue, tileValue.tile0 - 11.0);
            }
            var share0_0 = exp2((score0_0 - vec4<f32>(base0)) * exponentScale);
            var share0_1 = exp2((score0_1 - vec4<f32>(base0)) * exponentScale);
            share0_0 = select(share0_0, vec4<f32>(0.0), vec4<u32>(firstKey + column - shownBegin0) + vec4<u32>(0u, 1u, 2u, 3u) >= vec4<u32>(shownCount0));
            share0_1 = select(share0_1, vec4<f32>(0.0), vec4<u32>(firstKey + column - shownBegin0) + vec4<u32>(8u, 9u, 10u, 11u) >= vec4<u32>(shownCount0));
            let tileSum0 = dot((share0_0 + share0_1), vec4<f32>(1.0));
            sum0 += tileSum0;
            largest = max(largest, tileSum0);
            {
              let first = bitcast<vec4<f32>>(bitcast<vec4<u32>>(share0_0) & vec4<u32>(0xffffe000u));
              let place = ownRow0 * probabilityStride + part;
              probabilities[subgroup][place] = vec4<f16>(first);
              probabilities[subgroup][place + 4u] = vec4<f16>(share0_0 - first);
            }
            {
              let first = bitcast<vec4<f32>>(bitcast<vec4<u32>>(share0_1) & vec4<u32>(0xffffe000u));
              let place = ownRow0 * probabilityStride + part + 2u;
              probabilities[subgroup][place] = vec4<f16>(first);
              probabilities[subgroup][place + 4u] = vec4<f16>(share0_1 - first);
            }
            workgroupBarrier();
            {
              let first0 = subgroupMatrixLoad<Left, row_major>(&probabilities[subgroup], 0u, probabilityStride);
              let second0 = subgroupMatrixLoad<Left, row_major>(&probabilities[subgroup], 4u, probabilityStride);
              {
                let values = subgroupMatrixLoad<Right, row_major>(&valueRows, 0u, 34u);
                let seconds = subgroupMatrixLoad<Right, row_major>(&valueRows, 16u, 34u);
                output0_0 = subgroupMatrixMultiplyAccumulate(first0, seconds, output0_0);
                output0_0 = subgroupMatrixMultiplyAccumulate(second0, values, output0_0);
                output0_0 = subgroupMatrixMultiplyAccumulate(first0, values, output0_0);
              }
              {
                let values = subgroupMatrixLoad<Right, row_major>(&valueRows, 4u, 34u);
                let seconds = subgroupMatrixLoad<Right, row_major>(&valueRows, 20u, 34u);
                output0_1 = subgroupMatrixMultiplyAccumulate(first0, seconds, output0_1);
                output0_1 = subgroupMatrixMultiplyAccumulate(second0, values, output0_1);
                output0_1 = subgroupMatrixMultiplyAccumulate(first0, values, output0_1);
              }
              {
                let values = subgroupMatrixLoad<Right, row_major>(&valueRows, 8u, 34u);
                let seconds = subgroupMatrixLoad<Right, row_major>(&valueRows, 24u, 34u);
                output0_2 = subgroupMatrixMultiplyAccumulate(first0, seconds, output0_2);
                output0_2 = subgroupMatrixMultiplyAccumulate(second0, values, output0_2);
                output0_2 = subgroupMatrixMultiplyAccumulate(first0, values, output0_2);
              }
              {
                let values = subgroupMatrixLoad<Right, row_major>(&valueRows, 12u, 34u);
                let seconds = subgroupMatrixLoad<Right, row_major>(&valueRows, 28u, 34u);
                output0_3 = subgroupMatrixMultiplyAccumulate(first0, seconds, output0_3);
                output0_3 = subgroupMatrixMultiplyAccumulate(second0, values, output0_3);
                output0_3 = subgroupMatrixMultiplyAccumulate(first0, values, output0_3);
              }
            }
            keyTile = nextTile;
            nextTile = laterTile;
            visits = visitsNext;
            visitsNext = visitsLater;
            full = nextFull;
            nextFull = laterFull;
            some++;
            goesOn = visits && some < 8u;
          }
          if (!goesOn) { break; }
          {
            let firstKey = keyTile * tileKeys;
            {
              var product0 = Result();
              let keys0 = subgroupMatrixLoad<Right, col_major>(&keyRows, 0u, 34u);
              {
                let seconds = subgroupMatrixLoad<Right, col_major>(&keyRows, 16u, 34u);
                product0 = subgroupMatrixMultiplyAccumulate(query0_0, seconds, product0);
              }
              product0 = subgroupMatrixMultiplyAccumulate(query0_4, keys0, product0);
              let keys1 = subgroupMatrixLoad<Right, col_major>(&keyRows, 4u, 34u);
              {
                let seconds = subgroupMatrixLoad<Right, col_major>(&keyRows, 20u, 34u);
                product0 = subgroupMatrixMultiplyAccumulate(query0_1, seconds, product0);
              }
              product0 = subgroupMatrixMultiplyAccumulate(query0_5, keys1, product0);
              let keys2 = subgroupMatrixLoad<Right, col_major>(&keyRows, 8u, 34u);
              {
                let seconds = subgroupMatrixLoad<Right, col_major>(&keyRows, 24u, 34u);
                product0 = subgroupMatrixMultiplyAccumulate(query0_2, seconds, product0);
              }
              product0 = subgroupMatrixMultiplyAccumulate(query0_6, keys2, product0);
              let keys3 = subgroupMatrixLoad<Right, col_major>(&keyRows, 12u, 34u);
              {
                let seconds = subgroupMatrixLoad<Right, col_major>(&keyRows, 28u, 34u);
                product0 = subgroupMatrixMultiplyAccumulate(query0_3, seconds, product0);
              }
              product0 = subgroupMatrixMultiplyAccumulate(query0_7, keys3, product0);
              product0 = subgroupMatrixMultiplyAccumulate(query0_0, keys0, product0);
              product0 = subgroupMatrixMultiplyAccumulate(query0_1, keys1, product0);
              product0 = subgroupMatrixMultiplyAccumulate(query0_2, keys2, product0);
              product0 = subgroupMatrixMultiplyAccumulate(query0_3, keys3, product0);
              subgroupMatrixStore<row_major>(&scores[subgroup], 0u, product0, scoreStride);
            }
            workgroupBarrier();
            var laterTile = nextTile + 1u;
            var laterFull = nextFull;
            var visitsLater = false;
            while (laterTile >= runEnd && run < endRun) {
              let start = blockMap[params.mapRunsBase + 2u * run];
              let packed = blockMap[params.mapRunsBase + 2u * run + 1u];
              runEnd = min(start + (packed >> 1u), params.keyTileEnd);
              laterFull = (packed & 1u) == 1u;
              laterTile = max(start, params.keyTileBegin);
              run++;
            }
            visitsLater = laterTile < runEnd;
            {
              let place = thread / 16u * 34u + thread % 16u + thread % 16u;
              valueRows[place + swap] = bitcast<vec4<f16>>(select(valueNext0.xy, valueNext0.zw, swap == 1u));
              valueRows[place + 1u - swap] = bitcast<vec4<f16>>(select(valueNext0.zw, valueNext0.xy, swap == 1u));
            }
            {
              let place = (thread + 128u) / 16u * 34u + (thread + 128u) % 16u + (thread + 128u) % 16u;
              valueRows[place + swap] = bitcast<vec4<f16>>(select(valueNext1.xy, valueNext1.zw, swap == 1u));
              valueRows[place + 1u - swap] = bitcast<vec4<f16>>(select(valueNext1.zw, valueNext1.xy, swap == 1u));
            }
            {
              let place = thread / 16u * 34u + thread % 16u + thread % 16u;
              keyRows[place + swap] = bitcast<vec4<f16>>(select(keyNext0.xy, keyNext0.zw, swap == 1u));
              keyRows[place + 1u - swap] = bitcast<vec4<f16>>(select(keyNext0.zw, keyNext0.xy, swap == 1u));
            }
            {
              let place = (thread + 128u) / 16u * 34u + (thread + 128u) % 16u + (thread + 128u) % 16u;
              keyRows[place + swap] = bitcast<vec4<f16>>(select(keyNext1.xy, keyNext1.zw, swap == 1u));
              keyRows[place + 1u - swap] = bitcast<vec4<f16>>(select(keyNext1.zw, keyNext1.xy, swap == 1u));
            }
            if (visitsNext) {
              valueNext0 = value[(valueBase + min(nextTile * tileKeys + thread / 16u, lastKey) * params.valueRow) / 2u + thread % 16u];
              valueNext1 = value[(valueBase + min(nextTile * tileKeys + (thread + 128u) / 16u, lastKey) * params.valueRow) / 2u + (thread + 128u) % 16u];
            }
            if (visitsLater) {
              keyNext0 = key[(keyBase + min(laterTile * tileKeys + thread / 16u, lastKey) * params.keyRow) / 2u + thread % 16u];
              keyNext1 = key[(keyBase + min(laterTile * tileKeys + (thread + 128u) / 16u, lastKey) * params.keyRow) / 2u + (thread + 128u) % 16u];
            }
            var score0_0 = scores[subgroup][ownRow0 * scoreStride + part] * scoreScale;
            var score0_1 = scores[subgroup][ownRow0 * scoreStride + part + 2u] * scoreScale;
            {
              let keyPosition = i32(firstKey + column);
              let tileValue = tileValues(headValue, position, keyPosition);
              score0_0.x = modified(score0_0.x, headValue, tileValue.tile0);
              score0_0.y = modified(score0_0.y, headValue, tileValue.tile0 - 1.0);
              score0_0.z = modified(score0_0.z, headValue, tileValue.tile0 - 2.0);
              score0_0.w = modified(score0_0.w, headValue, tileValue.tile0 - 3.0);
              score0_1.x = modified(score0_1.x, headValue, tileValue.tile0 - 8.0);
              score0_1.y = modified(score0_1.y, headValue, tileValue.tile0 - 9.0);
              score0_1.z = modified(score0_1.z, headValue, tileValue.tile0 - 10.0);
              score0_1.w = modified(score0_1.w, headValue, tileValue.tile0 - 11.0);
            }
            var share0_0 = exp2((score0_0 - vec4<f32>(base0)) * exponentScale);
            var share0_1 = exp2((score0_1 - vec4<f32>(base0)) * exponentScale);
            share0_0 = select(share0_0, vec4<f32>(0.0), vec4<u32>(firstKey + column - shownBegin0) + vec4<u32>(0u, 1u, 2u, 3u) >= vec4<u32>(shownCount0));
            share0_1 = select(share0_1, vec4<f32>(0.0), vec4<u32>(firstKey + column - shownBegin0) + vec4<u32>(8u, 9u, 10u, 11u) >= vec4<u32>(shownCount0));
            let tileSum0 = dot((share0_0 + share0_1), vec4<f32>(1.0));
            sum0 += tileSum0;
            largest = max(largest, tileSum0);
            {
              let first = bitcast<vec4<f32>>(bitcast<vec4<u32>>(share0_0) & vec4<u32>(0xffffe000u));
              let place = ownRow0 * probabilityStride + part;
              probabilities[subgroup][place] = vec4<f16>(first);
              probabilities[subgroup][place + 4u] = vec4<f16>(share0_0 - first);
            }
            {
              let first = bitcast<vec4<f32>>(bitcast<vec4<u32>>(share0_1) & vec4<u32>(0xffffe000u));
              let place = ownRow0 * probabilityStride + part + 2u;
              probabilities[subgroup][place] = vec4<f16>(first);
              probabilities[subgroup][place + 4u] = vec4<f16>(share0_1 - first);
            }
            workgroupBarrier();
            {
              let first0 = subgroupMatrixLoad<Left, row_major>(&probabilities[subgroup], 0u, probabilityStride);
              let second0 = subgroupMatrixLoad<Left, row_major>(&probabilities[subgroup], 4u, probabilityStride);
              {
                let values = subgroupMatrixLoad<Right, row_major>(&valueRows, 0u, 34u);
                let seconds = subgroupMatrixLoad<Right, row_major>(&valueRows, 16u, 34u);
                output0_0 = subgroupMatrixMultiplyAccumulate(first0, seconds, output0_0);
                output0_0 = subgroupMatrixMultiplyAccumulate(second0, values, output0_0);
                output0_0 = subgroupMatrixMultiplyAccumulate(first0, values, output0_0);
              }
              {
                let values = subgroupMatrixLoad<Right, row_major>(&valueRows, 4u, 34u);
                let seconds = subgroupMatrixLoad<Right, row_major>(&valueRows, 20u, 34u);
                output0_1 = subgroupMatrixMultiplyAccumulate(first0, seconds, output0_1);
                output0_1 = subgroupMatrixMultiplyAccumulate(second0, values, output0_1);
                output0_1 = subgroupMatrixMultiplyAccumulate(first0, values, output0_1);
              }
              {
                let values = subgroupMatrixLoad<Right, row_major>(&valueRows, 8u, 34u);
                let seconds = subgroupMatrixLoad<Right, row_major>(&valueRows, 24u, 34u);
                output0_2 = subgroupMatrixMultiplyAccumulate(first0, seconds, output0_2);
                output0_2 = subgroupMatrixMultiplyAccumulate(second0, values, output0_2);
                output0_2 = subgroupMatrixMultiplyAccumulate(first0, values, output0_2);
              }
              {
                let values = subgroupMatrixLoad<Right, row_major>(&valueRows, 12u, 34u);
                let seconds = subgroupMatrixLoad<Right, row_major>(&valueRows, 28u, 34u);
                output0_3 = subgroupMatrixMultiplyAccumulate(first0, seconds, output0_3);
                output0_3 = subgroupMatrixMultiplyAccumulate(second0, values, output0_3);
                output0_3 = subgroupMatrixMultiplyAccumulate(first0, values, output0_3);
              }
            }
            keyTile = nextTile;
            nextTile = laterTile;
            visits = visitsNext;
            visitsNext = visitsLater;
            full = nextFull;
            nextFull = laterFull;
            some++;
            goesOn = visits && some < 8u;
          }
          if (!goesOn) { break; }
          {
            let firstKey = keyTile * tileKeys;
            {
              var product0 = Result();
              let keys0 = subgroupMatrixLoad<Right, col_major>(&keyRows, 0u, 34u);
              {
                let seconds = subgroupMatrixLoad<Right, col_major>(&keyRows, 16u, 34u);
                product0 = subgroupMatrixMultiplyAccumulate(query0_0, seconds, product0);
              }
              product0 = subgroupMatrixMultiplyAccumulate(query0_4, keys0, product0);
              let keys1 = subgroupMatrixLoad<Right, col_major>(&keyRows, 4u, 34u);
              {
                let seconds = subgroupMatrixLoad<Right, col_major>(&keyRows, 20u, 34u);
                product0 = subgroupMatrixMultiplyAccumulate(query0_1, seconds, product0);
              }
              product0 = subgroupMatrixMultiplyAccumulate(query0_5, keys1, product0);
              let keys2 = subgroupMatrixLoad<Right, col_major>(&keyRows, 8u, 34u);
              {
                let seconds = subgroupMatrixLoad<Right, col_major>(&keyRows, 24u, 34u);
                product0 = subgroupMatrixMultiplyAccumulate(query0_2, seconds, product0);
              }
              product0 = subgroupMatrixMultiplyAccumulate(query0_6, keys2, product0);
              let keys3 = subgroupMatrixLoad<Right, col_major>(&keyRows, 12u, 34u);
              {
                let seconds = subgroupMatrixLoad<Right, col_major>(&keyRows, 28u, 34u);
                product0 = subgroupMatrixMultiplyAccumulate(query0_3, seconds, product0);
              }
              product0 = subgroupMatrixMultiplyAccumulate(query0_7, keys3, product0);
              product0 = subgroupMatrixMultiplyAccumulate(query0_0, keys0, product0);
              product0 = subgroupMatrixMultiplyAccumulate(query0_1, keys1, product0);
              product0 = subgroupMatrixMultiplyAccumulate(query0_2, keys2, product0);
              product0 = subgroupMatrixMultiplyAccumulate(query0_3, keys3, product0);
              subgroupMatrixStore<row_major>(&scores[subgroup], 0u, product0, scoreStride);
            }
            workgroupBarrier();
            var laterTile = nextTile + 1u;
            var laterFull = nextFull;
            var visitsLater = false;
            while (laterTile >= runEnd && run < endRun) {
              let start = blockMap[params.mapRunsBase + 2u * run];
              let packed = blockMap[params.mapRunsBase + 2u * run + 1u];
              runEnd = min(start + (packed >> 1u), params.keyTileEnd);
              laterFull = (packed & 1u) == 1u;
              laterTile = max(start, params.keyTileBegin);
              run++;
            }
            visitsLater = laterTile < runEnd;
            {
              let place = thread / 16u * 34u + thread % 16u + thread % 16u;
              valueRows[place + swap] = bitcast<vec4<f16>>(select(valueNext0.xy, valueNext0.zw, swap == 1u));
              valueRows[place + 1u - swap] = bitcast<vec4<f16>>(select(valueNext0.zw, valueNext0.xy, swap == 1u));
            }
            {
              let place = (thread + 128u) / 16u * 34u + (thread + 128u) % 16u + (thread + 128u) % 16u;
              valueRows[place + swap] = bitcast<vec4<f16>>(select(valueNext1.xy, valueNext1.zw, swap == 1u));
              valueRows[place + 1u - swap] = bitcast<vec4<f16>>(select(valueNext1.zw, valueNext1.xy, swap == 1u));
            }
            {
              let place = thread / 16u * 34u + thread % 16u + thread % 16u;
              keyRows[place + swap] = bitcast<vec4<f16>>(select(keyNext0.xy, keyNext0.zw, swap == 1u));
              keyRows[place + 1u - swap] = bitcast<vec4<f16>>(select(keyNext0.zw, keyNext0.xy, swap == 1u));
            }
            {
              let place = (thread + 128u) / 16u * 34u + (thread + 128u) % 16u + (thread + 128u) % 16u;
              keyRows[place + swap] = bitcast<vec4<f16>>(select(keyNext1.xy, keyNext1.zw, swap == 1u));
              keyRows[place + 1u - swap] = bitcast<vec4<f16>>(select(keyNext1.zw, keyNext1.xy, swap == 1u));
            }
            if (visitsNext) {
              valueNext0 = value[(valueBase + min(nextTile * tileKeys + thread / 16u, lastKey) * params.valueRow) / 2u + thread % 16u];
              valueNext1 = value[(valueBase + min(nextTile * tileKeys + (thread + 128u) / 16u, lastKey) * params.valueRow) / 2u + (thread + 128u) % 16u];
            }
            if (visitsLater) {
              keyNext0 = key[(keyBase + min(laterTile * tileKeys + thread / 16u, lastKey) * params.keyRow) / 2u + thread % 16u];
              keyNext1 = key[(keyBase + min(laterTile * tileKeys + (thread + 128u) / 16u, lastKey) * params.keyRow) / 2u + (thread + 128u) % 16u];
            }
            var score0_0 = scores[subgroup][ownRow0 * scoreStride + part] * scoreScale;
            var score0_1 = scores[subgroup][ownRow0 * scoreStride + part + 2u] * scoreScale;
            {
              let keyPosition = i32(firstKey + column);
              let tileValue = tileValues(headValue, position, keyPosition);
              score0_0.x = modified(score0_0.x, headValue, tileValue.tile0);
              score0_0.y = modified(score0_0.y, headValue, tileValue.tile0 - 1.0);
              score0_0.z = modified(score0_0.z, headValue, tileValue.tile0 - 2.0);
              score0_0.w = modified(score0_0.w, headValue, tileValue.tile0 - 3.0);
              score0_1.x = modified(score0_1.x, headValue, tileValue.tile0 - 8.0);
              score0_1.y = modified(score0_1.y, headValue, tileValue.tile0 - 9.0);
              score0_1.z = modified(score0_1.z, headValue, tileValue.tile0 - 10.0);
              score0_1.w = modified(score0_1.w, headValue, tileValue.tile0 - 11.0);
            }
            var share0_0 = exp2((score0_0 - vec4<f32>(base0)) * exponentScale);
            var share0_1 = exp2((score0_1 - vec4<f32>(base0)) * exponentScale);
            share0_0 = select(share0_0, vec4<f32>(0.0), vec4<u32>(firstKey + column - shownBegin0) + vec4<u32>(0u, 1u, 2u, 3u) >= vec4<u32>(shownCount0));
            share0_1 = select(share0_1, vec4<f32>(0.0), vec4<u32>(firstKey + column - shownBegin0) + vec4<u32>(8u, 9u, 10u, 11u) >= vec4<u32>(shownCount0));
            let tileSum0 = dot((share0_0 + share0_1), vec4<f32>(1.0));
            sum0 += tileSum0;
            largest = max(largest, tileSum0);
            {
              let first = bitcast<vec4<f32>>(bitcast<vec4<u32>>(share0_0) & vec4<u32>(0xffffe000u));
              let place = ownRow0 * probabilityStride + part;
              probabilities[subgroup][place] = vec4<f16>(first);
              probabilities[subgroup][place + 4u] = vec4<f16>(share0_0 - first);
            }
            {
              let first = bitcast<vec4<f32>>(bitcast<vec4<u32>>(share0_1) & vec4<u32>(0xffffe000u));
              let place = ownRow0 * probabilityStride + part + 2u;
              probabilities[subgroup][place] = vec4<f16>(first);
              probabilities[subgroup][place + 4u] = vec4<f16>(share0_1 - first);
            }
            workgroupBarrier();
            {
              let first0 = subgroupMatrixLoad<Left, row_major>(&probabilities[subgroup], 0u, probabilityStride);
              let second0 = subgroupMatrixLoad<Left, row_major>(&probabilities[subgroup], 4u, probabilityStride);
              {
                let values = subgroupMatrixLoad<Right, row_major>(&valueRows, 0u, 34u);
                let seconds = subgroupMatrixLoad<Right, row_major>(&valueRows, 16u, 34u);
                output0_0 = subgroupMatrixMultiplyAccumulate(first0, seconds, output0_0);
                output0_0 = subgroupMatrixMultiplyAccumulate(second0, values, output0_0);
                output0_0 = subgroupMatrixMultiplyAccumulate(first0, values, output0_0);
              }
              {
                let values = subgroupMatrixLoad<Right, row_major>(&valueRows, 4u, 34u);
                let seconds = subgroupMatrixLoad<Right, row_major>(&valueRows, 20u, 34u);
                output0_1 = subgroupMatrixMultiplyAccumulate(first0, seconds, output0_1);
                output0_1 = subgroupMatrixMultiplyAccumulate(second0, values, output0_1);
                output0_1 = subgroupMatrixMultiplyAccumulate(first0, values, output0_1);
              }
              {
                let values = subgroupMatrixLoad<Right, row_major>(&valueRows, 8u, 34u);
                let seconds = subgroupMatrixLoad<Right, row_major>(&valueRows, 24u, 34u);
                output0_2 = subgroupMatrixMultiplyAccumulate(first0, seconds, output0_2);
                output0_2 = subgroupMatrixMultiplyAccumulate(second0, values, output0_2);
                output0_2 = subgroupMatrixMultiplyAccumulate(first0, values, output0_2);
              }
              {
                let values = subgroupMatrixLoad<Right, row_major>(&valueRows, 12u, 34u);
                let seconds = subgroupMatrixLoad<Right, row_major>(&valueRows, 28u, 34u);
                output0_3 = subgroupMatrixMultiplyAccumulate(first0, seconds, output0_3);
                output0_3 = subgroupMatrixMultiplyAccumulate(second0, values, output0_3);
                output0_3 = subgroupMatrixMultiplyAccumulate(first0, values, output0_3);
              }
            }
            keyTile = nextTile;
            nextTile = laterTile;
            visits = visitsNext;
            visitsNext = visitsLater;
            full = nextFull;
            nextFull = laterFull;
            some++;
            goesOn = visits && some < 8u;
          }
          if (!goesOn) { break; }
          {
            let firstKey = keyTile * tileKeys;
            {
              var product0 = Result();
              let keys0 = subgroupMatrixLoad<Right, col_major>(&keyRows, 0u, 34u);
              {
                let seconds = subgroupMatrixLoad<Right, col_major>(&keyRows, 16u, 34u);
                product0 = subgroupMatrixMultiplyAccumulate(query0_0, seconds, product0);
              }
              product0 = subgroupMatrixMultiplyAccumulate(query0_4, keys0, product0);
              let keys1 = subgroupMatrixLoad<Right, col_major>(&keyRows, 4u, 34u);
              {
                let seconds = subgroupMatrixLoad<Right, col_major>(&keyRows, 20u, 34u);
                product0 = subgroupMatrixMultiplyAccumulate(query0_1, seconds, product0);
              }
              product0 = subgroupMatrixMultiplyAccumulate(query0_5, keys1, product0);
              let keys2 = subgroupMatrixLoad<Right, col_major>(&keyRows, 8u, 34u);
              {
                let seconds = subgroupMatrixLoad<Right, col_major>(&keyRows, 24u, 34u);
                product0 = subgroupMatrixMultiplyAccumulate(query0_2, seconds, product0);
              }
              product0 = subgroupMatrixMultiplyAccumulate(query0_6, keys2, product0);
              let keys3 = subgroupMatrixLoad<Right, col_major>(&keyRows, 12u, 34u);
              {
                let seconds = subgroupMatrixLoad<Right, col_major>(&keyRows, 28u, 34u);
                product0 = subgroupMatrixMultiplyAccumulate(query0_3, seconds, product0);
              }
              product0 = subgroupMatrixMultiplyAccumulate(query0_7, keys3, product0);
              product0 = subgroupMatrixMultiplyAccumulate(query0_0, keys0, product0);
              product0 = subgroupMatrixMultiplyAccumulate(query0_1, keys1, product0);
              product0 = subgroupMatrixMultiplyAccumulate(query0_2, keys2, product0);
              product0 = subgroupMatrixMultiplyAccumulate(query0_3, keys3, product0);
              subgroupMatrixStore<row_major>(&scores[subgroup], 0u, product0, scoreStride);
            }
            workgroupBarrier();
            var laterTile = nextTile + 1u;
            var laterFull = nextFull;
            var visitsLater = false;
            while (laterTile >= runEnd && run < endRun) {
              let start = blockMap[params.mapRunsBase + 2u * run];
              let packed = blockMap[params.mapRunsBase + 2u * run + 1u];
              runEnd = min(start + (packed >> 1u), params.keyTileEnd);
              laterFull = (packed & 1u) == 1u;
              laterTile = max(start, params.keyTileBegin);
              run++;
            }
            visitsLater = laterTile < runEnd;
            {
              let place = thread / 16u * 34u + thread % 16u + thread % 16u;
              valueRows[place + swap] = bitcast<vec4<f16>>(select(valueNext0.xy, valueNext0.zw, swap == 1u));
              valueRows[place + 1u - swap] = bitcast<vec4<f16>>(select(valueNext0.zw, valueNext0.xy, swap == 1u));
            }
            {
              let place = (thread + 128u) / 16u * 34u + (thread + 128u) % 16u + (thread + 128u) % 16u;
              valueRows[place + swap] = bitcast<vec4<f16>>(select(valueNext1.xy, valueNext1.zw, swap == 1u));
              valueRows[place + 1u - swap] = bitcast<vec4<f16>>(select(valueNext1.zw, valueNext1.xy, swap == 1u));
            }
            {
              let place = thread / 16u * 34u + thread % 16u + thread % 16u;
              keyRows[place + swap] = bitcast<vec4<f16>>(select(keyNext0.xy, keyNext0.zw, swap == 1u));
              keyRows[place + 1u - swap] = bitcast<vec4<f16>>(select(keyNext0.zw, keyNext0.xy, swap == 1u));
            }
            {
              let place = (thread + 128u) / 16u * 34u + (thread + 128u) % 16u + (thread + 128u) % 16u;
              keyRows[place + swap] = bitcast<vec4<f16>>(select(keyNext1.xy, keyNext1.zw, swap == 1u));
              keyRows[place + 1u - swap] = bitcast<vec4<f16>>(select(keyNext1.zw, keyNext1.xy, swap == 1u));
            }
            if (visitsNext) {
              valueNext0 = value[(valueBase + min(nextTile * tileKeys + thread / 16u, lastKey) * params.valueRow) / 2u + thread % 16u];
              valueNext1 = value[(valueBase + min(nextTile * tileKeys + (thread + 128u) / 16u, lastKey) * params.valueRow) / 2u + (thread + 128u) % 16u];
            }
            if (visitsLater) {
              keyNext0 = key[(keyBase + min(laterTile * tileKeys + thread / 16u, lastKey) * params.keyRow) / 2u + thread % 16u];
              keyNext1 = key[(keyBase + min(laterTile * tileKeys + (thread + 128u) / 16u, lastKey) * params.keyRow) / 2u + (thread + 128u) % 16u];
            }
            var score0_0 = scores[subgroup][ownRow0 * scoreStride + part] * scoreScale;
            var score0_1 = scores[subgroup][ownRow0 * scoreStride + part + 2u] * scoreScale;
            {
              let keyPosition = i32(firstKey + column);
              let tileValue = tileValues(headValue, position, keyPosition);
              score0_0.x = modified(score0_0.x, headValue, tileValue.tile0);
              score0_0.y = modified(score0_0.y, headValue, tileValue.tile0 - 1.0);
              score0_0.z = modified(score0_0.z, headValue, tileValue.tile0 - 2.0);
              score0_0.w = modified(score0_0.w, headValue, tileValue.tile0 - 3.0);
              score0_1.x = modified(score0_1.x, headValue, tileValue.tile0 - 8.0);
              score0_1.y = modified(score0_1.y, headValue, tileValue.tile0 - 9.0);
              score0_1.z = modified(score0_1.z, headValue, tileValue.tile0 - 10.0);
              score0_1.w = modified(score0_1.w, headValue, tileValue.tile0 - 11.0);
            }
            var share0_0 = exp2((score0_0 - vec4<f32>(base0)) * exponentScale);
            var share0_1 = exp2((score0_1 - vec4<f32>(base0)) * exponentScale);
            share0_0 = select(share0_0, vec4<f32>(0.0), vec4<u32>(firstKey + column - shownBegin0) + vec4<u32>(0u, 1u, 2u, 3u) >= vec4<u32>(shownCount0));
            share0_1 = select(share0_1, vec4<f32>(0.0), vec4<u32>(firstKey + column - shownBegin0) + vec4<u32>(8u, 9u, 10u, 11u) >= vec4<u32>(shownCount0));
            let tileSum0 = dot((share0_0 + share0_1), vec4<f32>(1.0));
            sum0 += tileSum0;
            largest = max(largest, tileSum0);
            {
              let first = bitcast<vec4<f32>>(bitcast<vec4<u32>>(share0_0) & vec4<u32>(0xffffe000u));
              let place = ownRow0 * probabilityStride + part;
              probabilities[subgroup][place] = vec4<f16>(first);
              probabilities[subgroup][place + 4u] = vec4<f16>(share0_0 - first);
            }
            {
              let first = bitcast<vec4<f32>>(bitcast<vec4<u32>>(share0_1) & vec4<u32>(0xffffe000u));
              let place = ownRow0 * probabilityStride + part + 2u;
              probabilities[subgroup][place] = vec4<f16>(first);
              probabilities[subgroup][place + 4u] = vec4<f16>(share0_1 - first);
            }
            workgroupBarrier();
            {
              let first0 = subgroupMatrixLoad<Left, row_major>(&probabilities[subgroup], 0u, probabilityStride);
              let second0 = subgroupMatrixLoad<Left, row_major>(&probabilities[subgroup], 4u, probabilityStride);
              {
                let values = subgroupMatrixLoad<Right, row_major>(&valueRows, 0u, 34u);
                let seconds = subgroupMatrixLoad<Right, row_major>(&valueRows, 16u, 34u);
                output0_0 = subgroupMatrixMultiplyAccumulate(first0, seconds, output0_0);
                output0_0 = subgroupMatrixMultiplyAccumulate(second0, values, output0_0);
                output0_0 = subgroupMatrixMultiplyAccumulate(first0, values, output0_0);
              }
              {
                let values = subgroupMatrixLoad<Right, row_major>(&valueRows, 4u, 34u);
                let seconds = subgroupMatrixLoad<Right, row_major>(&valueRows, 20u, 34u);
                output0_1 = subgroupMatrixMultiplyAccumulate(first0, seconds, output0_1);
                output0_1 = subgroupMatrixMultiplyAccumulate(second0, values, output0_1);
                output0_1 = subgroupMatrixMultiplyAccumulate(first0, values, output0_1);
              }
              {
                let values = subgroupMatrixLoad<Right, row_major>(&valueRows, 8u, 34u);
                let seconds = subgroupMatrixLoad<Right, row_major>(&valueRows, 24u, 34u);
                output0_2 = subgroupMatrixMultiplyAccumulate(first0, seconds, output0_2);
                output0_2 = subgroupMatrixMultiplyAccumulate(second0, values, output0_2);
                output0_2 = subgroupMatrixMultiplyAccumulate(first0, values, output0_2);
              }
              {
                let values = subgroupMatrixLoad<Right, row_major>(&valueRows, 12u, 34u);
                let seconds = subgroupMatrixLoad<Right, row_major>(&valueRows, 28u, 34u);
                output0_3 = subgroupMatrixMultiplyAccumulate(first0, seconds, output0_3);
                output0_3 = subgroupMatrixMultiplyAccumulate(second0, values, output0_3);
                output0_3 = subgroupMatrixMultiplyAccumulate(first0, values, output0_3);
              }
            }
            keyTile = nextTile;
            nextTile = laterTile;
            visits = visitsNext;
            visitsNext = visitsLater;
            full = nextFull;
            nextFull = laterFull;
            some++;
            goesOn = visits && some < 8u;
          }
        }
      }
      workgroupBarrier();
      subgroupMatrixStore<row_major>(&scores[subgroup], 0u, output0_0, scoreStride);
      output0_0 = Result();
      workgroupBarrier();
      total0_0_0 += scores[subgroup][ownRow0 * scoreStride + part];
      total0_0_1 += scores[subgroup][ownRow0 * scoreStride + part + 2u];
      workgroupBarrier();
      subgroupMatrixStore<row_major>(&scores[subgroup], 0u, output0_1, scoreStride);
      output0_1 = Result();
      workgroupBarrier();
      total0_1_0 += scores[subgroup][ownRow0 * scoreStride + part];
      total0_1_1 += scores[subgroup][ownRow0 * scoreStride + part + 2u];
      workgroupBarrier();
      subgroupMatrixStore<row_major>(&scores[subgroup], 0u, output0_2, scoreStride);
      output0_2 = Result();
      workgroupBarrier();
      total0_2_0 += scores[subgroup][ownRow0 * scoreStride + part];
      total0_2_1 += scores[subgroup][ownRow0 * scoreStride + part + 2u];
      workgroupBarrier();
      subgroupMatrixStore<row_major>(&scores[subgroup], 0u, output0_3, scoreStride);
      output0_3 = Result();
      workgroupBarrier();
      total0_3_0 += scores[subgroup][ownRow0 * scoreStride + part];
      total0_3_1 += scores[subgroup][ownRow0 * scoreStride + part + 2u];
      workgroupBarrier();
      {
        var whole = sum0;
        whole += subgroupShuffleXor(whole, 1u);
        let moved = select(base0, base0 + (log2(whole) - 4.0) * perBit, whole > 64.0);
        let factor = exp2((base0 - moved) * exponentScale);
        base0 = moved;
        sum0 *= factor;
        total0_0_0 *= factor;
        total0_0_1 *= factor;
        total0_1_0 *= factor;
        total0_1_1 *= factor;
        total0_2_0 *= factor;
        total0_2_1 *= factor;
        total0_3_0 *= factor;
        total0_3_1 *= factor;
      }
    }

    var outgrown = bitcast<u32>(largest) >= bitcast<u32>(mostTileSum);
    sum0 += subgroupShuffleXor(sum0, 1u);
    outgrown = outgrown || (queryRow0 <= lastQuery && (bitcast<u32>(sum0) < bitcast<u32>(leastSum) || bitcast<u32>(sum0) >= 0x7f800000u));
    if (outgrown) { found.x = 1u; }
    if (exact || workgroupUniformLoad(&found).x == 0u) { break; }
    exact = true;
  }

  let place0 = params.logSumExpOffset + (batch * params.heads + head) * params.queryLength + min(queryRow0, lastQuery);
  let outputBase0 = params.outputOffset + batch * params.outputBatch + head * params.outputHead + queryRow0 * params.outputRow;
  let inside0 = queryRow0 <= lastQuery;
  let end0 = endRow(head, place0, sum0, base0 * exponentScale);
  workgroupBarrier();
  if (inside0 && part == 0u) { logSumExp[place0] = end0.logSumExp; }
  if (inside0) {
    var totals = array<vec4<f32>, 8>(total0_0_0, total0_0_1, total0_1_0, total0_1_1, total0_2_0, total0_2_1, total0_3_0, total0_3_1);
    for (var i = 0u; i < 8u; i = (i + 1u) ^ nothing) {
      let vector = i / 2u * 4u + i % 2u * 2u + part;
      var result = totals[i] * end0.own * valueScale;
      if (end0.previous > 0.0) { result += loadOutput(outputBase0, vector) * end0.previous; }
      storeOutput(outputBase0, vector, result);
    }
  }
}
