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
const tileKeys = 16u;
const valueVectors = 16u;
const scoreStride = 6u;
const probabilityStride = 6u;
const log2e = 1.4426950408889634;
// Bits between a sample's maximum and the reference: room above it, and precision below.
const headroom = 8.0;
const exactHeadroom = -8.0;
// Float16 holds up to 65504, and a sum of probabilities holds each of them.
const mostTileSum = 60000.0;
// Rows with a reference of their own come to more than this; others may be too small to be precise.
const leastSum = 0.001953125;
const unseen = -3.0e38;

var<workgroup> keyRows: array<vec4<f16>, 288>;
var<workgroup> valueRows: array<vec4<f16>, 288>;
// Of each subgroup: the scores, and the output where it is written; the probabilities.
var<workgroup> scores: array<array<vec4<f32>, 96>, 4>;
var<workgroup> probabilities: array<array<vec4<f16>, 96>, 4>;
// What the lanes found: rows that outgrew their references, and values that are not finite. Like the
// others a multiple of 16 bytes: matrices must begin at one, and drivers lay arrays out back to back.
var<workgroup> found: vec4<u32>;

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

// Zeros in place of halves that are not finite.
fn finiteHalves(words: vec2<u32>) -> vec2<u32> {
  let low = select(vec2<u32>(0xffffu), vec2<u32>(0u), (words & vec2<u32>(0x7c00u)) == vec2<u32>(0x7c00u));
  let high = select(vec2<u32>(0xffff0000u), vec2<u32>(0u), (words & vec2<u32>(0x7c000000u)) == vec2<u32>(0x7c000000u));
  return words & (low | high);
}

// Zeros in place of numbers that are finite.
fn strangePart(values: vec4<f32>) -> vec4<f32> {
  let exponents = bitcast<vec4<u32>>(values) & vec4<u32>(0x7f800000u);
  return select(vec4<f32>(0.0), values, exponents == vec4<u32>(0x7f800000u));
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

fn visible(batch: i32, head: i32, query: i32, queryIndex: i32, key: i32) -> bool {
  return (key <= query);
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

  let exponentScale = scale * log2e;
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
  var keyNext0 = vec4<f16>();
  var keyNext1 = vec4<f16>();
  var valueNext0 = vec4<f16>();
  var valueNext1 = vec4<f16>();
  var output0_0 = Result();
  var output0_1 = Result();
  var output0_2 = Result();
  var output0_3 = Result();
  var reference0 = 0.0;
  var sum0 = 0.0;
  var exact = false;
  var strange = false;
  var anyStrange = false;
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
              keyNext0 = key[keyBase + min(keyTile * tileKeys + thread / 16u, lastKey) * params.keyRow + thread % 16u];
              keyNext1 = key[keyBase + min(keyTile * tileKeys + (thread + 128u) / 16u, lastKey) * params.keyRow + (thread + 128u) % 16u];
              keyRows[thread / 16u * 18u + thread % 16u] = keyNext0;
              keyRows[(thread + 128u) / 16u * 18u + (thread + 128u) % 16u] = keyNext1;
              workgroupBarrier();
              {
                var product0_0 = Result();
                {
                  let keys = subgroupMatrixLoad<Right, col_major>(&keyRows, 0u, 18u);
                  product0_0 = subgroupMatrixMultiplyAccumulate(query0_0, keys, product0_0);
                }
                {
                  let keys = subgroupMatrixLoad<Right, col_major>(&keyRows, 4u, 18u);
                  product0_0 = subgroupMatrixMultiplyAccumulate(query0_1, keys, product0_0);
                }
                {
                  let keys = subgroupMatrixLoad<Right, col_major>(&keyRows, 8u, 18u);
                  product0_0 = subgroupMatrixMultiplyAccumulate(query0_2, keys, product0_0);
                }
                {
                  let keys = subgroupMatrixLoad<Right, col_major>(&keyRows, 12u, 18u);
                  product0_0 = subgroupMatrixMultiplyAccumulate(query0_3, keys, product0_0);
                }
                subgroupMatrixStore<row_major>(&scores[subgroup], 0u, product0_0, scoreStride);
              }
              workgroupBarrier();
              var score0_0 = scores[subgroup][ownRow0 * scoreStride + part];
              var score0_1 = scores[subgroup][ownRow0 * scoreStride + part + 2u];
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
    output0_0 = Result();
    output0_1 = Result();
    output0_2 = Result();
    output0_3 = Result();
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
      keyNext0 = key[keyBase + min(keyTile * tileKeys + thread / 16u, lastKey) * params.keyRow + thread % 16u];
      keyNext1 = key[keyBase + min(keyTile * tileKeys + (thread + 128u) / 16u, lastKey) * params.keyRow + (thread + 128u) % 16u];
      keyRows[thread / 16u * 18u + thread % 16u] = keyNext0;
      keyRows[(thread + 128u) / 16u * 18u + (thread + 128u) % 16u] = keyNext1;
      valueNext0 = value[valueBase + min(keyTile * tileKeys + thread / 16u, lastKey) * params.valueRow + thread % 16u];
      valueNext1 = value[valueBase + min(keyTile * tileKeys + (thread + 128u) / 16u, lastKey) * params.valueRow + (thread + 128u) % 16u];
    }
    if (visitsNext) {
      keyNext0 = key[keyBase + min(nextTile * tileKeys + thread / 16u, lastKey) * params.keyRow + thread % 16u];
      keyNext1 = key[keyBase + min(nextTile * tileKeys + (thread + 128u) / 16u, lastKey) * params.keyRow + (thread + 128u) % 16u];
    }
    workgroupBarrier();
    {
      var product0_0 = Result();
      {
        let keys = subgroupMatrixLoad<Right, col_major>(&keyRows, 0u, 18u);
        product0_0 = subgroupMatrixMultiplyAccumulate(query0_0, keys, product0_0);
      }
      {
        let keys = subgroupMatrixLoad<Right, col_major>(&keyRows, 4u, 18u);
        product0_0 = subgroupMatrixMultiplyAccumulate(query0_1, keys, product0_0);
      }
      {
        let keys = subgroupMatrixLoad<Right, col_major>(&keyRows, 8u, 18u);
        product0_0 = subgroupMatrixMultiplyAccumulate(query0_2, keys, product0_0);
      }
      {
        let keys = subgroupMatrixLoad<Right, col_major>(&keyRows, 12u, 18u);
        product0_0 = subgroupMatrixMultiplyAccumulate(query0_3, keys, product0_0);
      }
      subgroupMatrixStore<row_major>(&scores[subgroup], 0u, product0_0, scoreStride);
    }
    while (visits) {
      if (nothing == 0u) {
        let firstKey = keyTile * tileKeys;
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
        if (!full) {
          {
            let words = bitcast<vec2<u32>>(valueNext0);
            let clean = finiteHalves(words);
            strange = strange || any(clean != words);
            valueNext0 = bitcast<vec4<f16>>(clean);
          }
          {
            let words = bitcast<vec2<u32>>(valueNext1);
            let clean = finiteHalves(words);
            strange = strange || any(clean != words);
            valueNext1 = bitcast<vec4<f16>>(clean);
          }
        }
        valueRows[thread / 16u * 18u + thread % 16u] = valueNext0;
        valueRows[(thread + 128u) / 16u * 18u + (thread + 128u) % 16u] = valueNext1;
        keyRows[thread / 16u * 18u + thread % 16u] = keyNext0;
        keyRows[(thread + 128u) / 16u * 18u + (thread + 128u) % 16u] = keyNext1;
        if (visitsNext) {
          valueNext0 = value[valueBase + min(nextTile * tileKeys + thread / 16u, lastKey) * params.valueRow + thread % 16u];
          valueNext1 = value[valueBase + min(nextTile * tileKeys + (thread + 128u) / 16u, lastKey) * params.valueRow + (thread + 128u) % 16u];
        }
        if (visitsLater) {
          keyNext0 = key[keyBase + min(laterTile * tileKeys + thread / 16u, lastKey) * params.keyRow + thread % 16u];
          keyNext1 = key[keyBase + min(laterTile * tileKeys + (thread + 128u) / 16u, lastKey) * params.keyRow + (thread + 128u) % 16u];
        }
        var score0_0 = scores[subgroup][ownRow0 * scoreStride + part];
        var score0_1 = scores[subgroup][ownRow0 * scoreStride + part + 2u];
        var share0_0 = exp2(fma(score0_0, vec4<f32>(exponentScale), vec4<f32>(-reference0)));
        var share0_1 = exp2(fma(score0_1, vec4<f32>(exponentScale), vec4<f32>(-reference0)));
        share0_0 = select(share0_0, vec4<f32>(0.0), vec4<u32>(firstKey + column - shownBegin0) + vec4<u32>(0u, 1u, 2u, 3u) >= vec4<u32>(shownCount0));
        share0_1 = select(share0_1, vec4<f32>(0.0), vec4<u32>(firstKey + column - shownBegin0) + vec4<u32>(8u, 9u, 10u, 11u) >= vec4<u32>(shownCount0));
        let tileSum0 = dot((share0_0 + share0_1), vec4<f32>(1.0));
        sum0 += tileSum0;
        largest = max(largest, tileSum0);
        probabilities[subgroup][ownRow0 * probabilityStride + part] = vec4<f16>(share0_0);
        probabilities[subgroup][ownRow0 * probabilityStride + part + 2u] = vec4<f16>(share0_1);
        workgroupBarrier();
        {
          var product0_0 = Result();
          let weights0_0 = subgroupMatrixLoad<Left, row_major>(&probabilities[subgroup], 0u, probabilityStride);
          {
            let keys = subgroupMatrixLoad<Right, col_major>(&keyRows, 0u, 18u);
            product0_0 = subgroupMatrixMultiplyAccumulate(query0_0, keys, product0_0);
          }
          {
            let values = subgroupMatrixLoad<Right, row_major>(&valueRows, 0u, 18u);
            output0_0 = subgroupMatrixMultiplyAccumulate(weights0_0, values, output0_0);
          }
          {
            let keys = subgroupMatrixLoad<Right, col_major>(&keyRows, 4u, 18u);
            product0_0 = subgroupMatrixMultiplyAccumulate(query0_1, keys, product0_0);
          }
          {
            let values = subgroupMatrixLoad<Right, row_major>(&valueRows, 4u, 18u);
            output0_1 = subgroupMatrixMultiplyAccumulate(weights0_0, values, output0_1);
          }
          {
            let keys = subgroupMatrixLoad<Right, col_major>(&keyRows, 8u, 18u);
            product0_0 = subgroupMatrixMultiplyAccumulate(query0_2, keys, product0_0);
          }
          {
            let values = subgroupMatrixLoad<Right, row_major>(&valueRows, 8u, 18u);
            output0_2 = subgroupMatrixMultiplyAccumulate(weights0_0, values, output0_2);
          }
          {
            let keys = subgroupMatrixLoad<Right, col_major>(&keyRows, 12u, 18u);
            product0_0 = subgroupMatrixMultiplyAccumulate(query0_3, keys, product0_0);
          }
          {
            let values = subgroupMatrixLoad<Right, row_major>(&valueRows, 12u, 18u);
            output0_3 = subgroupMatrixMultiplyAccumulate(weights0_0, values, output0_3);
          }
          subgroupMatrixStore<row_major>(&scores[subgroup], 0u, product0_0, scoreStride);
        }
        keyTile = nextTile;
        nextTile = laterTile;
        visits = visitsNext;
        visitsNext = visitsLater;
        full = nextFull;
        nextFull = laterFull;
      } else {
        visits = false;
      }
    }

    var outgrown = bitcast<u32>(largest) >= bitcast<u32>(mostTileSum);
    sum0 += subgroupShuffleXor(sum0, 1u);
    outgrown = outgrown || (queryRow0 <= lastQuery && (bitcast<u32>(sum0) < bitcast<u32>(leastSum) || bitcast<u32>(sum0) >= 0x7f800000u));
    if (outgrown) { found.x = 1u; }
    if (strange) { found.y = 1u; }
    let all = workgroupUniformLoad(&found);
    anyStrange = all.y != 0u;
    if (exact || all.x == 0u) { break; }
    exact = true;
  }

  let place0 = params.logSumExpOffset + (batch * params.heads + head) * params.queryLength + min(queryRow0, lastQuery);
  let outputBase0 = params.outputOffset + batch * params.outputBatch + head * params.outputHead + queryRow0 * params.outputRow;
  let inside0 = queryRow0 <= lastQuery;
  let end0 = endRow(head, place0, sum0, reference0);
  workgroupBarrier();
  if (inside0 && part == 0u) { logSumExp[place0] = end0.logSumExp; }
  for (var portion = 0u; portion < 4u; portion = (portion + 1u) ^ nothing) {
    if (portion == 0u) {
      subgroupMatrixStore<row_major>(&scores[subgroup], 0u, output0_0, scoreStride);
    } else if (portion == 1u) {
      subgroupMatrixStore<row_major>(&scores[subgroup], 0u, output0_1, scoreStride);
    } else if (portion == 2u) {
      subgroupMatrixStore<row_major>(&scores[subgroup], 0u, output0_2, scoreStride);
    } else if (portion == 3u) {
      subgroupMatrixStore<row_major>(&scores[subgroup], 0u, output0_3, scoreStride);
    }
    workgroupBarrier();
    if (inside0 && portion * 4u + part < valueVectors) {
      var value = scores[subgroup][ownRow0 * scoreStride + part] * end0.own;
      if (end0.previous > 0.0) { value += loadOutput(outputBase0, portion * 4u + part) * end0.previous; }
      storeOutput(outputBase0, portion * 4u + part, value);
    }
    if (inside0 && portion * 4u + part + 2u < valueVectors) {
      var value = scores[subgroup][ownRow0 * scoreStride + part + 2u] * end0.own;
      if (end0.previous > 0.0) { value += loadOutput(outputBase0, portion * 4u + part + 2u) * end0.previous; }
      storeOutput(outputBase0, portion * 4u + part + 2u, value);
    }
    workgroupBarrier();
  }
  if (anyStrange) {
    for (var r = 0u; r < 1u; r++) {
      let ownRow = ownRow0 + r * 16u;
      let queryRow = firstQuery + subgroup * 16u + ownRow;
      if (queryRow > lastQuery) { break; }
      let outputBase = params.outputOffset + batch * params.outputBatch + head * params.outputHead + queryRow * params.outputRow;
      for (var run = firstRun; run < endRun; run++) {
        let start = blockMap[params.mapRunsBase + 2u * run];
        let packed = blockMap[params.mapRunsBase + 2u * run + 1u];
        let full = (packed & 1u) == 1u;
        let endTile = min(start + (packed >> 1u), params.keyTileEnd);
        for (var keyTile = max(start, params.keyTileBegin); keyTile < endTile; keyTile++) {
          if (!full) {
            for (var key = keyTile * tileKeys; key < keyTile * tileKeys + tileKeys; key++) {
              if (!(key < keyCount && visible(i32(batch), i32(head), queryOffset + i32(queryRow), i32(queryRow), i32(key)))) { continue; }
              for (var v = part; v < valueVectors; v += 2u) {
                let strange = strangePart(loadValue(valueBase + key * params.valueRow, v));
                if (any(bitcast<vec4<u32>>(strange) != vec4<u32>(0u))) {
                  storeOutput(outputBase, v, loadOutput(outputBase, v) + strange);
                }
              }
            }
          }
        }
      }
    }
  }
}
