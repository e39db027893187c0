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
  dOutputOffset: u32,
  dOutputBatch: u32,
  dOutputHead: u32,
  dOutputRow: u32,
  dOutputDim: u32,
  dKeyOffset: u32,
  dKeyBatch: u32,
  dKeyHead: u32,
  dKeyRow: u32,
  dKeyDim: u32,
  dValueOffset: u32,
  dValueBatch: u32,
  dValueHead: u32,
  dValueRow: u32,
  dValueDim: u32,
  softmaxRowsOffset: u32,
  queryLength: u32,
  keyLength: u32,
  heads: u32,
  headsPerKeyHead: u32,
  rowTileBase: u32,
  rowTiles: u32,
  headBegin: u32,
  headEnd: u32,
  batchBase: u32,
  columnTileBegin: u32,
  columnTileEnd: u32,
  accumulate: u32,
  mapBase: u32,
  mapRunsBase: u32,
  mapOrderBase: u32,
  mapOrdered: u32,
  mapRows: u32,
  mapHeads: u32,
  mapBatches: u32,
  scale: u32,
  negativeInfinity: u32,
  rowTileEnd: u32,
  rowTileStep: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> query: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> key: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> value: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read> dOutput: array<vec4<f32>>;
// Log-sum-exp and D of every row, and the scale of dS.
@group(0) @binding(5) var<storage, read> softmaxRows: array<vec4<f32>>;
// Query offset and key count of every sequence, the tables of the expressions, the block map.
@group(0) @binding(6) var<storage, read> data: array<u32>;
@group(0) @binding(7) var<storage, read_write> dKey: array<vec4<f32>>;
@group(0) @binding(8) var<storage, read_write> dValue: array<vec4<f32>>;

const tileRows = 64u;
const tileColumns = 32u;
const careRegion = 1376u;
const rowRegion = 0u;
const columnRegion = 544u;
const sourceRegion = 0u;
const weightRegion = 832u;
// In place of -Infinity, so that exp(-Infinity - deadRow) is 0.
const deadRow = 3.4028234663852886e38;

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

// 16 bytes times: two chunks of a product 832 or one of a sum 512, and its weights 544; 1 for care
var<workgroup> tile: array<vec4<f32>, 1377>;

fn loadQuery(base: u32, vector: u32) -> vec4<f32> {
  return query[base + vector];
}

fn loadKey(base: u32, vector: u32) -> vec4<f32> {
  return key[base + vector];
}

fn loadValue(base: u32, vector: u32) -> vec4<f32> {
  return value[base + vector];
}

fn loadDOutput(base: u32, vector: u32) -> vec4<f32> {
  return dOutput[base + vector];
}

fn loadDKey(base: u32, vector: u32) -> vec4<f32> {
  return dKey[base + vector];
}

fn storeDKey(base: u32, vector: u32, value: vec4<f32>) {
  dKey[base + vector] = value;
}

fn loadDValue(base: u32, vector: u32) -> vec4<f32> {
  return dValue[base + vector];
}

fn storeDValue(base: u32, vector: u32, value: vec4<f32>) {
  dValue[base + vector] = value;
}

fn softmaxRow(batch: u32, head: u32, queryRow: u32) -> vec2<f32> {
  if (queryRow >= params.queryLength) { return vec2<f32>(deadRow, 0.0); }
  return softmaxRows[params.softmaxRowsOffset + (batch * params.heads + head) * params.queryLength + queryRow].xy;
}

fn visible(batch: i32, head: i32, query: i32, queryIndex: i32, key: i32) -> bool {
  return (key <= query);
}

fn mapPlane(batch: u32, head: u32) -> u32 {
  return (min(batch, params.mapBatches - 1u) * params.mapHeads + min(head, params.mapHeads - 1u)) * params.mapRows;
}

@compute @workgroup_size(128)
fn main(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(local_invocation_index) thread: u32,
) {
  let nothing = params.negativeInfinity ^ 0xff800000u;
  let column = thread % 8u;
  let row = thread / 8u;
  let keyHead = params.headBegin / params.headsPerKeyHead + workgroup.x;
  let firstHead = max(params.headBegin, keyHead * params.headsPerKeyHead);
  let endHead = min(params.headEnd, (keyHead + 1u) * params.headsPerKeyHead);
  let batch = params.batchBase + workgroup.z;
  let queryOffset = bitcast<i32>(data[2u * batch]);
  let keyCount = data[2u * batch + 1u];
  if (softmaxRows[params.softmaxRowsOffset + (batch * params.heads + firstHead) * params.queryLength + min(params.columnTileBegin * tileColumns, params.queryLength - 1u)].z != 0.0) { return; }
  for (var place = params.rowTileBase + workgroup.y; place < params.rowTileEnd; place += params.rowTileStep) {
    var rowTile = place;
    if (params.mapOrdered != 0u) { rowTile = data[params.mapOrderBase + mapPlane(batch, firstHead) + rowTile]; }
    let keyBase = params.keyOffset + batch * params.keyBatch + keyHead * params.keyHead;
    let valueBase = params.valueOffset + batch * params.valueBatch + keyHead * params.valueHead;
    let dKeyBase = params.dKeyOffset + batch * params.dKeyBatch + keyHead * params.dKeyHead;
    let dValueBase = params.dValueOffset + batch * params.dValueBatch + keyHead * params.dValueHead;
    let firstKey = rowTile * tileRows;
    let lastKey = max(keyCount, 1u) - 1u; // rows past it may hold anything, so they are never read
    let lastQuery = params.queryLength - 1u;
    let scale = bitcast<f32>(params.scale);
    let hidden = bitcast<f32>(params.negativeInfinity);
    let keyIndex = firstKey + row * 4u;
    var dKey0_0 = vec4<f32>(0.0);
    var dKey0_1 = vec4<f32>(0.0);
    var dKey1_0 = vec4<f32>(0.0);
    var dKey1_1 = vec4<f32>(0.0);
    var dKey2_0 = vec4<f32>(0.0);
    var dKey2_1 = vec4<f32>(0.0);
    var dKey3_0 = vec4<f32>(0.0);
    var dKey3_1 = vec4<f32>(0.0);
    var dValue0_0 = vec4<f32>(0.0);
    var dValue0_1 = vec4<f32>(0.0);
    var dValue1_0 = vec4<f32>(0.0);
    var dValue1_1 = vec4<f32>(0.0);
    var dValue2_0 = vec4<f32>(0.0);
    var dValue2_1 = vec4<f32>(0.0);
    var dValue3_0 = vec4<f32>(0.0);
    var dValue3_1 = vec4<f32>(0.0);
    for (var head = firstHead; head < endHead; head++) {
      let queryBase = params.queryOffset + batch * params.queryBatch + head * params.queryHead;
      let dOutputBase = params.dOutputOffset + batch * params.dOutputBatch + head * params.dOutputHead;
      let mapRow = params.mapBase + mapPlane(batch, head) + rowTile;
      let endRun = data[mapRow + 1u];
      for (var run = data[mapRow]; run < endRun; run++) {
        let start = data[params.mapRunsBase + 2u * run];
        let packed = data[params.mapRunsBase + 2u * run + 1u];
        let endTile = min(start + (packed >> 1u), params.columnTileEnd);
        for (var columnTile = max(start, params.columnTileBegin); columnTile < endTile; columnTile++) {
          let full = (packed & 1u) == 1u && (columnTile + 1u) * tileColumns <= params.queryLength;
          let firstQuery = columnTile * tileColumns;
          let queryIndex = i32(firstQuery + column);
          let position = queryOffset + queryIndex;
          let softmaxRow0_0 = softmaxRow(batch, head, firstQuery + column + 0u);
          let softmaxRow0_1 = softmaxRow(batch, head, firstQuery + column + 8u);
          let softmaxRow0_2 = softmaxRow(batch, head, firstQuery + column + 16u);
          let softmaxRow0_3 = softmaxRow(batch, head, firstQuery + column + 24u);
          let logSumExp0 = vec4<f32>(softmaxRow0_0.x, softmaxRow0_1.x, softmaxRow0_2.x, softmaxRow0_3.x);
          let delta0 = vec4<f32>(softmaxRow0_0.y, softmaxRow0_1.y, softmaxRow0_2.y, softmaxRow0_3.y);
          var score0_0 = vec4<f32>(0.0);
          var score1_0 = vec4<f32>(0.0);
          var score2_0 = vec4<f32>(0.0);
          var score3_0 = vec4<f32>(0.0);
          for (var chunk = 0u; chunk < 2u; chunk = (chunk + 1u) ^ nothing) {
            var query0_0 = vec4<f32>(0.0);
            var query0_1 = vec4<f32>(0.0);
            var query0_2 = vec4<f32>(0.0);
            var query0_3 = vec4<f32>(0.0);
            var key0_0 = vec4<f32>(0.0);
            var key0_1 = vec4<f32>(0.0);
            var key0_2 = vec4<f32>(0.0);
            var key0_3 = vec4<f32>(0.0);
            if (thread < 64u) {
              query0_0 = loadQuery(queryBase + min(firstQuery + (((thread >> 1u) & 3u) | ((thread >> 5u) << 2u)) + 0u, lastQuery) * params.queryRow, chunk * 8u + ((thread & 1u) | (((thread >> 3u) & 3u) << 1u)));
              query0_1 = loadQuery(queryBase + min(firstQuery + (((thread >> 1u) & 3u) | ((thread >> 5u) << 2u)) + 8u, lastQuery) * params.queryRow, chunk * 8u + ((thread & 1u) | (((thread >> 3u) & 3u) << 1u)));
              query0_2 = loadQuery(queryBase + min(firstQuery + (((thread >> 1u) & 3u) | ((thread >> 5u) << 2u)) + 16u, lastQuery) * params.queryRow, chunk * 8u + ((thread & 1u) | (((thread >> 3u) & 3u) << 1u)));
              query0_3 = loadQuery(queryBase + min(firstQuery + (((thread >> 1u) & 3u) | ((thread >> 5u) << 2u)) + 24u, lastQuery) * params.queryRow, chunk * 8u + ((thread & 1u) | (((thread >> 3u) & 3u) << 1u)));
            }
            key0_0 = loadKey(keyBase + min(firstKey + 4u * (((thread >> 1u) & 3u) | ((thread >> 5u) << 2u)) + 0u, lastKey) * params.keyRow, chunk * 8u + ((thread & 1u) | (((thread >> 3u) & 3u) << 1u)));
            key0_1 = loadKey(keyBase + min(firstKey + 4u * (((thread >> 1u) & 3u) | ((thread >> 5u) << 2u)) + 1u, lastKey) * params.keyRow, chunk * 8u + ((thread & 1u) | (((thread >> 3u) & 3u) << 1u)));
            key0_2 = loadKey(keyBase + min(firstKey + 4u * (((thread >> 1u) & 3u) | ((thread >> 5u) << 2u)) + 2u, lastKey) * params.keyRow, chunk * 8u + ((thread & 1u) | (((thread >> 3u) & 3u) << 1u)));
            key0_3 = loadKey(keyBase + min(firstKey + 4u * (((thread >> 1u) & 3u) | ((thread >> 5u) << 2u)) + 3u, lastKey) * params.keyRow, chunk * 8u + ((thread & 1u) | (((thread >> 3u) & 3u) << 1u)));
            workgroupBarrier();
            if (thread < 64u) {
              tile[columnRegion + (4u * ((thread & 1u) | (((thread >> 3u) & 3u) << 1u)) + 0u) * 9u + (((thread >> 1u) & 3u) | ((thread >> 5u) << 2u))] = vec4<f32>(query0_0[0], query0_1[0], query0_2[0], query0_3[0]);
              tile[columnRegion + (4u * ((thread & 1u) | (((thread >> 3u) & 3u) << 1u)) + 1u) * 9u + (((thread >> 1u) & 3u) | ((thread >> 5u) << 2u))] = vec4<f32>(query0_0[1], query0_1[1], query0_2[1], query0_3[1]);
              tile[columnRegion + (4u * ((thread & 1u) | (((thread >> 3u) & 3u) << 1u)) + 2u) * 9u + (((thread >> 1u) & 3u) | ((thread >> 5u) << 2u))] = vec4<f32>(query0_0[2], query0_1[2], query0_2[2], query0_3[2]);
              tile[columnRegion + (4u * ((thread & 1u) | (((thread >> 3u) & 3u) << 1u)) + 3u) * 9u + (((thread >> 1u) & 3u) | ((thread >> 5u) << 2u))] = vec4<f32>(query0_0[3], query0_1[3], query0_2[3], query0_3[3]);
            }
            tile[rowRegion + (4u * ((thread & 1u) | (((thread >> 3u) & 3u) << 1u)) + 0u) * 17u + (((thread >> 1u) & 3u) | ((thread >> 5u) << 2u))] = vec4<f32>(key0_0[0], key0_1[0], key0_2[0], key0_3[0]);
            tile[rowRegion + (4u * ((thread & 1u) | (((thread >> 3u) & 3u) << 1u)) + 1u) * 17u + (((thread >> 1u) & 3u) | ((thread >> 5u) << 2u))] = vec4<f32>(key0_0[1], key0_1[1], key0_2[1], key0_3[1]);
            tile[rowRegion + (4u * ((thread & 1u) | (((thread >> 3u) & 3u) << 1u)) + 2u) * 17u + (((thread >> 1u) & 3u) | ((thread >> 5u) << 2u))] = vec4<f32>(key0_0[2], key0_1[2], key0_2[2], key0_3[2]);
            tile[rowRegion + (4u * ((thread & 1u) | (((thread >> 3u) & 3u) << 1u)) + 3u) * 17u + (((thread >> 1u) & 3u) | ((thread >> 5u) << 2u))] = vec4<f32>(key0_0[3], key0_1[3], key0_2[3], key0_3[3]);
            workgroupBarrier();
            for (var dim = 0u; dim < 32u; dim = (dim + 1u) ^ nothing) {
              let a0 = tile[rowRegion + dim * 17u + row * 1u + 0u];
              let b0 = tile[columnRegion + dim * 9u + column + 0u];
              score0_0 = fma(vec4<f32>(a0.x), b0, score0_0);
              score1_0 = fma(vec4<f32>(a0.y), b0, score1_0);
              score2_0 = fma(vec4<f32>(a0.z), b0, score2_0);
              score3_0 = fma(vec4<f32>(a0.w), b0, score3_0);
            }
          }

          score0_0 *= scale;
          score1_0 *= scale;
          score2_0 *= scale;
          score3_0 *= scale;
          if (!full) {
            score0_0.x = select(hidden, score0_0.x, (keyIndex + 0u < keyCount) & (queryIndex + 0 < i32(params.queryLength)) & (visible(i32(batch), i32(head), position + 0, queryIndex + 0, i32(keyIndex + 0u))));
            score0_0.y = select(hidden, score0_0.y, (keyIndex + 0u < keyCount) & (queryIndex + 8 < i32(params.queryLength)) & (visible(i32(batch), i32(head), position + 8, queryIndex + 8, i32(keyIndex + 0u))));
            score0_0.z = select(hidden, score0_0.z, (keyIndex + 0u < keyCount) & (queryIndex + 16 < i32(params.queryLength)) & (visible(i32(batch), i32(head), position + 16, queryIndex + 16, i32(keyIndex + 0u))));
            score0_0.w = select(hidden, score0_0.w, (keyIndex + 0u < keyCount) & (queryIndex + 24 < i32(params.queryLength)) & (visible(i32(batch), i32(head), position + 24, queryIndex + 24, i32(keyIndex + 0u))));
            score1_0.x = select(hidden, score1_0.x, (keyIndex + 1u < keyCount) & (queryIndex + 0 < i32(params.queryLength)) & (visible(i32(batch), i32(head), position + 0, queryIndex + 0, i32(keyIndex + 1u))));
            score1_0.y = select(hidden, score1_0.y, (keyIndex + 1u < keyCount) & (queryIndex + 8 < i32(params.queryLength)) & (visible(i32(batch), i32(head), position + 8, queryIndex + 8, i32(keyIndex + 1u))));
            score1_0.z = select(hidden, score1_0.z, (keyIndex + 1u < keyCount) & (queryIndex + 16 < i32(params.queryLength)) & (visible(i32(batch), i32(head), position + 16, queryIndex + 16, i32(keyIndex + 1u))));
            score1_0.w = select(hidden, score1_0.w, (keyIndex + 1u < keyCount) & (queryIndex + 24 < i32(params.queryLength)) & (visible(i32(batch), i32(head), position + 24, queryIndex + 24, i32(keyIndex + 1u))));
            score2_0.x = select(hidden, score2_0.x, (keyIndex + 2u < keyCount) & (queryIndex + 0 < i32(params.queryLength)) & (visible(i32(batch), i32(head), position + 0, queryIndex + 0, i32(keyIndex + 2u))));
            score2_0.y = select(hidden, score2_0.y, (keyIndex + 2u < keyCount) & (queryIndex + 8 < i32(params.queryLength)) & (visible(i32(batch), i32(head), position + 8, queryIndex + 8, i32(keyIndex + 2u))));
            score2_0.z = select(hidden, score2_0.z, (keyIndex + 2u < keyCount) & (queryIndex + 16 < i32(params.queryLength)) & (visible(i32(batch), i32(head), position + 16, queryIndex + 16, i32(keyIndex + 2u))));
            score2_0.w = select(hidden, score2_0.w, (keyIndex + 2u < keyCount) & (queryIndex + 24 < i32(params.queryLength)) & (visible(i32(batch), i32(head), position + 24, queryIndex + 24, i32(keyIndex + 2u))));
            score3_0.x = select(hidden, score3_0.x, (keyIndex + 3u < keyCount) & (queryIndex + 0 < i32(params.queryLength)) & (visible(i32(batch), i32(head), position + 0, queryIndex + 0, i32(keyIndex + 3u))));
            score3_0.y = select(hidden, score3_0.y, (keyIndex + 3u < keyCount) & (queryIndex + 8 < i32(params.queryLength)) & (visible(i32(batch), i32(head), position + 8, queryIndex + 8, i32(keyIndex + 3u))));
            score3_0.z = select(hidden, score3_0.z, (keyIndex + 3u < keyCount) & (queryIndex + 16 < i32(params.queryLength)) & (visible(i32(batch), i32(head), position + 16, queryIndex + 16, i32(keyIndex + 3u))));
            score3_0.w = select(hidden, score3_0.w, (keyIndex + 3u < keyCount) & (queryIndex + 24 < i32(params.queryLength)) & (visible(i32(batch), i32(head), position + 24, queryIndex + 24, i32(keyIndex + 3u))));
          }
          score0_0 = pairWeights(score0_0, logSumExp0);
          score1_0 = pairWeights(score1_0, logSumExp0);
          score2_0 = pairWeights(score2_0, logSumExp0);
          score3_0 = pairWeights(score3_0, logSumExp0);
          var gradient0_0 = vec4<f32>(0.0);
          var gradient1_0 = vec4<f32>(0.0);
          var gradient2_0 = vec4<f32>(0.0);
          var gradient3_0 = vec4<f32>(0.0);
          for (var chunk = 0u; chunk < 2u; chunk = (chunk + 1u) ^ nothing) {
            var dOutput0_0 = vec4<f32>(0.0);
            var dOutput0_1 = vec4<f32>(0.0);
            var dOutput0_2 = vec4<f32>(0.0);
            var dOutput0_3 = vec4<f32>(0.0);
            var value0_0 = vec4<f32>(0.0);
            var value0_1 = vec4<f32>(0.0);
            var value0_2 = vec4<f32>(0.0);
            var value0_3 = vec4<f32>(0.0);
            if (thread < 64u) {
              dOutput0_0 = loadDOutput(dOutputBase + min(firstQuery + (((thread >> 1u) & 3u) | ((thread >> 5u) << 2u)) + 0u, lastQuery) * params.dOutputRow, chunk * 8u + ((thread & 1u) | (((thread >> 3u) & 3u) << 1u)));
              dOutput0_1 = loadDOutput(dOutputBase + min(firstQuery + (((thread >> 1u) & 3u) | ((thread >> 5u) << 2u)) + 8u, lastQuery) * params.dOutputRow, chunk * 8u + ((thread & 1u) | (((thread >> 3u) & 3u) << 1u)));
              dOutput0_2 = loadDOutput(dOutputBase + min(firstQuery + (((thread >> 1u) & 3u) | ((thread >> 5u) << 2u)) + 16u, lastQuery) * params.dOutputRow, chunk * 8u + ((thread & 1u) | (((thread >> 3u) & 3u) << 1u)));
              dOutput0_3 = loadDOutput(dOutputBase + min(firstQuery + (((thread >> 1u) & 3u) | ((thread >> 5u) << 2u)) + 24u, lastQuery) * params.dOutputRow, chunk * 8u + ((thread & 1u) | (((thread >> 3u) & 3u) << 1u)));
            }
            value0_0 = loadValue(valueBase + min(firstKey + 4u * (((thread >> 1u) & 3u) | ((thread >> 5u) << 2u)) + 0u, lastKey) * params.valueRow, chunk * 8u + ((thread & 1u) | (((thread >> 3u) & 3u) << 1u)));
            value0_1 = loadValue(valueBase + min(firstKey + 4u * (((thread >> 1u) & 3u) | ((thread >> 5u) << 2u)) + 1u, lastKey) * params.valueRow, chunk * 8u + ((thread & 1u) | (((thread >> 3u) & 3u) << 1u)));
            value0_2 = loadValue(valueBase + min(firstKey + 4u * (((thread >> 1u) & 3u) | ((thread >> 5u) << 2u)) + 2u, lastKey) * params.valueRow, chunk * 8u + ((thread & 1u) | (((thread >> 3u) & 3u) << 1u)));
            value0_3 = loadValue(valueBase + min(firstKey + 4u * (((thread >> 1u) & 3u) | ((thread >> 5u) << 2u)) + 3u, lastKey) * params.valueRow, chunk * 8u + ((thread & 1u) | (((thread >> 3u) & 3u) << 1u)));
            workgroupBarrier();
            if (thread < 64u) {
              tile[columnRegion + (4u * ((thread & 1u) | (((thread >> 3u) & 3u) << 1u)) + 0u) * 9u + (((thread >> 1u) & 3u) | ((thread >> 5u) << 2u))] = vec4<f32>(dOutput0_0[0], dOutput0_1[0], dOutput0_2[0], dOutput0_3[0]);
              tile[columnRegion + (4u * ((thread & 1u) | (((thread >> 3u) & 3u) << 1u)) + 1u) * 9u + (((thread >> 1u) & 3u) | ((thread >> 5u) << 2u))] = vec4<f32>(dOutput0_0[1], dOutput0_1[1], dOutput0_2[1], dOutput0_3[1]);
              tile[columnRegion + (4u * ((thread & 1u) | (((thread >> 3u) & 3u) << 1u)) + 2u) * 9u + (((thread >> 1u) & 3u) | ((thread >> 5u) << 2u))] = vec4<f32>(dOutput0_0[2], dOutput0_1[2], dOutput0_2[2], dOutput0_3[2]);
              tile[columnRegion + (4u * ((thread & 1u) | (((thread >> 3u) & 3u) << 1u)) + 3u) * 9u + (((thread >> 1u) & 3u) | ((thread >> 5u) << 2u))] = vec4<f32>(dOutput0_0[3], dOutput0_1[3], dOutput0_2[3], dOutput0_3[3]);
            }
            tile[rowRegion + (4u * ((thread & 1u) | (((thread >> 3u) & 3u) << 1u)) + 0u) * 17u + (((thread >> 1u) & 3u) | ((thread >> 5u) << 2u))] = vec4<f32>(value0_0[0], value0_1[0], value0_2[0], value0_3[0]);
            tile[rowRegion + (4u * ((thread & 1u) | (((thread >> 3u) & 3u) << 1u)) + 1u) * 17u + (((thread >> 1u) & 3u) | ((thread >> 5u) << 2u))] = vec4<f32>(value0_0[1], value0_1[1], value0_2[1], value0_3[1]);
            tile[rowRegion + (4u * ((thread & 1u) | (((thread >> 3u) & 3u) << 1u)) + 2u) * 17u + (((thread >> 1u) & 3u) | ((thread >> 5u) << 2u))] = vec4<f32>(value0_0[2], value0_1[2], value0_2[2], value0_3[2]);
            tile[rowRegion + (4u * ((thread & 1u) | (((thread >> 3u) & 3u) << 1u)) + 3u) * 17u + (((thread >> 1u) & 3u) | ((thread >> 5u) << 2u))] = vec4<f32>(value0_0[3], value0_1[3], value0_2[3], value0_3[3]);
            workgroupBarrier();
            for (var dim = 0u; dim < 32u; dim = (dim + 1u) ^ nothing) {
              let a0 = tile[rowRegion + dim * 17u + row * 1u + 0u];
              let b0 = tile[columnRegion + dim * 9u + column + 0u];
              gradient0_0 = fma(vec4<f32>(a0.x), b0, gradient0_0);
              gradient1_0 = fma(vec4<f32>(a0.y), b0, gradient1_0);
              gradient2_0 = fma(vec4<f32>(a0.z), b0, gradient2_0);
              gradient3_0 = fma(vec4<f32>(a0.w), b0, gradient3_0);
            }
          }
          gradient0_0 = select(score0_0 * (gradient0_0 - delta0), score0_0, score0_0 == vec4<f32>(0.0));
          gradient1_0 = select(score1_0 * (gradient1_0 - delta0), score1_0, score1_0 == vec4<f32>(0.0));
          gradient2_0 = select(score2_0 * (gradient2_0 - delta0), score2_0, score2_0 == vec4<f32>(0.0));
          gradient3_0 = select(score3_0 * (gradient3_0 - delta0), score3_0, score3_0 == vec4<f32>(0.0));

          tile[weightRegion + (column + 0u) * 17u + row * 1u + 0u] = vec4<f32>(score0_0.x, score1_0.x, score2_0.x, score3_0.x);
          tile[weightRegion + (column + 8u) * 17u + row * 1u + 0u] = vec4<f32>(score0_0.y, score1_0.y, score2_0.y, score3_0.y);
          tile[weightRegion + (column + 16u) * 17u + row * 1u + 0u] = vec4<f32>(score0_0.z, score1_0.z, score2_0.z, score3_0.z);
          tile[weightRegion + (column + 24u) * 17u + row * 1u + 0u] = vec4<f32>(score0_0.w, score1_0.w, score2_0.w, score3_0.w);
          for (var chunk = 0u; chunk < 1u; chunk = (chunk + 1u) ^ nothing) {
            var dOutputRow0 = vec4<f32>(0.0);
            var dOutputRow1 = vec4<f32>(0.0);
            var dOutputRow2 = vec4<f32>(0.0);
            var dOutputRow3 = vec4<f32>(0.0);
            dOutputRow0 = loadDOutput(dOutputBase + min(firstQuery + chunk * 32u + thread / 16u, lastQuery) * params.dOutputRow, thread % 16u);
            dOutputRow1 = loadDOutput(dOutputBase + min(firstQuery + chunk * 32u + (thread + 128u) / 16u, lastQuery) * params.dOutputRow, (thread + 128u) % 16u);
            dOutputRow2 = loadDOutput(dOutputBase + min(firstQuery + chunk * 32u + (thread + 256u) / 16u, lastQuery) * params.dOutputRow, (thread + 256u) % 16u);
            dOutputRow3 = loadDOutput(dOutputBase + min(firstQuery + chunk * 32u + (thread + 384u) / 16u, lastQuery) * params.dOutputRow, (thread + 384u) % 16u);
            workgroupBarrier();
            tile[sourceRegion + thread] = dOutputRow0;
            tile[sourceRegion + (thread + 128u)] = dOutputRow1;
            tile[sourceRegion + (thread + 256u)] = dOutputRow2;
            tile[sourceRegion + (thread + 384u)] = dOutputRow3;
            workgroupBarrier();
            for (var token = 0u; token < 32u; token = (token + 1u) ^ nothing) {
              let w0 = tile[weightRegion + token * 17u + row * 1u + 0u];
              let x0 = tile[sourceRegion + token * 16u + column + 0u];
              let x1 = tile[sourceRegion + token * 16u + column + 8u];
              dValue0_0 = addVisible(dValue0_0, w0.x, x0);
              dValue0_1 = addVisible(dValue0_1, w0.x, x1);
              dValue1_0 = addVisible(dValue1_0, w0.y, x0);
              dValue1_1 = addVisible(dValue1_1, w0.y, x1);
              dValue2_0 = addVisible(dValue2_0, w0.z, x0);
              dValue2_1 = addVisible(dValue2_1, w0.z, x1);
              dValue3_0 = addVisible(dValue3_0, w0.w, x0);
              dValue3_1 = addVisible(dValue3_1, w0.w, x1);
            }
          }
          workgroupBarrier();
          tile[weightRegion + (column + 0u) * 17u + row * 1u + 0u] = vec4<f32>(gradient0_0.x, gradient1_0.x, gradient2_0.x, gradient3_0.x);
          tile[weightRegion + (column + 8u) * 17u + row * 1u + 0u] = vec4<f32>(gradient0_0.y, gradient1_0.y, gradient2_0.y, gradient3_0.y);
          tile[weightRegion + (column + 16u) * 17u + row * 1u + 0u] = vec4<f32>(gradient0_0.z, gradient1_0.z, gradient2_0.z, gradient3_0.z);
          tile[weightRegion + (column + 24u) * 17u + row * 1u + 0u] = vec4<f32>(gradient0_0.w, gradient1_0.w, gradient2_0.w, gradient3_0.w);
          for (var chunk = 0u; chunk < 1u; chunk = (chunk + 1u) ^ nothing) {
            var queryRow0 = vec4<f32>(0.0);
            var queryRow1 = vec4<f32>(0.0);
            var queryRow2 = vec4<f32>(0.0);
            var queryRow3 = vec4<f32>(0.0);
            queryRow0 = loadQuery(queryBase + min(firstQuery + chunk * 32u + thread / 16u, lastQuery) * params.queryRow, thread % 16u);
            queryRow1 = loadQuery(queryBase + min(firstQuery + chunk * 32u + (thread + 128u) / 16u, lastQuery) * params.queryRow, (thread + 128u) % 16u);
            queryRow2 = loadQuery(queryBase + min(firstQuery + chunk * 32u + (thread + 256u) / 16u, lastQuery) * params.queryRow, (thread + 256u) % 16u);
            queryRow3 = loadQuery(queryBase + min(firstQuery + chunk * 32u + (thread + 384u) / 16u, lastQuery) * params.queryRow, (thread + 384u) % 16u);
            workgroupBarrier();
            tile[sourceRegion + thread] = queryRow0;
            tile[sourceRegion + (thread + 128u)] = queryRow1;
            tile[sourceRegion + (thread + 256u)] = queryRow2;
            tile[sourceRegion + (thread + 384u)] = queryRow3;
            workgroupBarrier();
            for (var token = 0u; token < 32u; token = (token + 1u) ^ nothing) {
              let w0 = tile[weightRegion + token * 17u + row * 1u + 0u];
              let x0 = tile[sourceRegion + token * 16u + column + 0u];
              let x1 = tile[sourceRegion + token * 16u + column + 8u];
              dKey0_0 = addVisible(dKey0_0, w0.x, x0);
              dKey0_1 = addVisible(dKey0_1, w0.x, x1);
              dKey1_0 = addVisible(dKey1_0, w0.y, x0);
              dKey1_1 = addVisible(dKey1_1, w0.y, x1);
              dKey2_0 = addVisible(dKey2_0, w0.z, x0);
              dKey2_1 = addVisible(dKey2_1, w0.z, x1);
              dKey3_0 = addVisible(dKey3_0, w0.w, x0);
              dKey3_1 = addVisible(dKey3_1, w0.w, x1);
            }
          }
        }
      }
    }
    let finalKey = params.keyLength - 1u; // padding has gradients too: 0
    var dKeySums = array<vec4<f32>, 8>(dKey0_0, dKey0_1, dKey1_0, dKey1_1, dKey2_0, dKey2_1, dKey3_0, dKey3_1);
    for (var i = 0u; i < 4u; i = (i + 1u) ^ nothing) {
      let tokenRow = firstKey + row * 4u + i;
      if (tokenRow <= finalKey) {
        let base = dKeyBase + tokenRow * params.dKeyRow;
        for (var c = 0u; c < 2u; c = (c + 1u) ^ nothing) {
          {
            let vector = column + c * 8u;
            if (vector < 16u) {
              var sum = dKeySums[i * 2u + c] * scale;
              if (params.accumulate != 0u) { sum += loadDKey(base, vector); }
              storeDKey(base, vector, sum);
            }
          }
        }
      }
    }
    var dValueSums = array<vec4<f32>, 8>(dValue0_0, dValue0_1, dValue1_0, dValue1_1, dValue2_0, dValue2_1, dValue3_0, dValue3_1);
    for (var i = 0u; i < 4u; i = (i + 1u) ^ nothing) {
      let tokenRow = firstKey + row * 4u + i;
      if (tokenRow <= finalKey) {
        let base = dValueBase + tokenRow * params.dValueRow;
        for (var c = 0u; c < 2u; c = (c + 1u) ^ nothing) {
          {
            let vector = column + c * 8u;
            if (vector < 16u) {
              var sum = dValueSums[i * 2u + c];
              if (params.accumulate != 0u) { sum += loadDValue(base, vector); }
              storeDValue(base, vector, sum);
            }
          }
        }
      }
    }
    workgroupBarrier();
  }
}
