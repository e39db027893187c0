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
  dQueryOffset: u32,
  dQueryBatch: u32,
  dQueryHead: u32,
  dQueryRow: u32,
  dQueryDim: u32,
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
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> query: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> key: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> value: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read> dOutput: array<vec4<f32>>;
// Log-sum-exp and D of every row.
@group(0) @binding(5) var<storage, read> softmaxRows: array<vec2<f32>>;
// Query offset and key count of every sequence, the tables of the expressions, the block map.
@group(0) @binding(6) var<storage, read> data: array<u32>;
@group(0) @binding(7) var<storage, read_write> dQuery: array<vec4<f32>>;

const tileRows = 32u;
const tileColumns = 32u;
const careRegion = 800u;
const rowRegion = 0u;
const columnRegion = 72u;
const sourceRegion = 0u;
const weightRegion = 512u;
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

// 16 bytes times: two chunks of a product 144 or one of a sum 512, and its weights 288; 1 for care
var<workgroup> tile: array<vec4<f32>, 801>;

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

fn loadDQuery(base: u32, vector: u32) -> vec4<f32> {
  return dQuery[base + vector];
}

fn storeDQuery(base: u32, vector: u32, value: vec4<f32>) {
  dQuery[base + vector] = value;
}

fn softmaxRow(batch: u32, head: u32, queryRow: u32) -> vec2<f32> {
  if (queryRow >= params.queryLength) { return vec2<f32>(deadRow, 0.0); }
  return softmaxRows[params.softmaxRowsOffset + (batch * params.heads + head) * params.queryLength + queryRow];
}

fn visible(batch: i32, head: i32, query: i32, queryIndex: i32, key: i32) -> bool {
  return (key <= query);
}

fn mapPlane(batch: u32, head: u32) -> u32 {
  return (min(batch, params.mapBatches - 1u) * params.mapHeads + min(head, params.mapHeads - 1u)) * params.mapRows;
}

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(local_invocation_index) thread: u32,
) {
  let column = thread % 8u;
  let row = thread / 8u;
  let head = params.headBegin + workgroup.x;
  let batch = params.batchBase + workgroup.z;
  let keyHead = head / params.headsPerKeyHead;
  let queryOffset = bitcast<i32>(data[2u * batch]);
  let keyCount = data[2u * batch + 1u];
  var rowTile = params.rowTileBase + workgroup.y;
  if (params.mapOrdered != 0u) { rowTile = data[params.mapOrderBase + mapPlane(batch, head) + rowTile]; }
  let queryBase = params.queryOffset + batch * params.queryBatch + head * params.queryHead;
  let keyBase = params.keyOffset + batch * params.keyBatch + keyHead * params.keyHead;
  let valueBase = params.valueOffset + batch * params.valueBatch + keyHead * params.valueHead;
  let dOutputBase = params.dOutputOffset + batch * params.dOutputBatch + head * params.dOutputHead;
  let dQueryBase = params.dQueryOffset + batch * params.dQueryBatch + head * params.dQueryHead;
  let firstQuery = rowTile * tileRows;
  let lastQuery = params.queryLength - 1u;
  let lastKey = max(keyCount, 1u) - 1u; // rows past it may hold anything, so they are never read
  let scale = bitcast<f32>(params.scale);
  let hidden = bitcast<f32>(params.negativeInfinity);
  let queryIndex = i32(firstQuery + row * 4u);
  let position = queryOffset + queryIndex;
  let softmaxRow0 = softmaxRow(batch, head, firstQuery + row * 4u + 0u);
  let softmaxRow1 = softmaxRow(batch, head, firstQuery + row * 4u + 1u);
  let softmaxRow2 = softmaxRow(batch, head, firstQuery + row * 4u + 2u);
  let softmaxRow3 = softmaxRow(batch, head, firstQuery + row * 4u + 3u);
  // The second time with care; see kernels/careful.ts.
  var careful = false;
  var care = 0u; // the same as a number, 1 or 0, which no compiler knows
  if (thread == 0u) { tile[careRegion] = vec4<f32>(0.0); }
  loop {
    var dQuery0_0 = vec4<f32>(0.0);
    var dQuery0_1 = vec4<f32>(0.0);
    var dQuery1_0 = vec4<f32>(0.0);
    var dQuery1_1 = vec4<f32>(0.0);
    var dQuery2_0 = vec4<f32>(0.0);
    var dQuery2_1 = vec4<f32>(0.0);
    var dQuery3_0 = vec4<f32>(0.0);
    var dQuery3_1 = vec4<f32>(0.0);

    let mapRow = params.mapBase + mapPlane(batch, head) + rowTile;
    let endRun = data[mapRow + 1u];
    for (var run = data[mapRow]; run < endRun; run++) {
      let start = data[params.mapRunsBase + 2u * run];
      let packed = data[params.mapRunsBase + 2u * run + 1u];
      let endTile = min(start + (packed >> 1u), params.columnTileEnd);
      for (var columnTile = max(start, params.columnTileBegin); columnTile < endTile; columnTile++) {
        let full = (packed & 1u) == 1u;
        let firstKey = columnTile * tileColumns;
        let keyIndex = firstKey + column;
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
            key0_0 = loadKey(keyBase + min(firstKey + (((thread >> 1u) & 3u) | ((thread >> 3u) << 2u)) + 0u, lastKey) * params.keyRow, 0u + ((thread & 1u) | (((thread >> 3u) & 0u) << 1u)));
            key0_1 = loadKey(keyBase + min(firstKey + (((thread >> 1u) & 3u) | ((thread >> 3u) << 2u)) + 8u, lastKey) * params.keyRow, 0u + ((thread & 1u) | (((thread >> 3u) & 0u) << 1u)));
            key0_2 = loadKey(keyBase + min(firstKey + (((thread >> 1u) & 3u) | ((thread >> 3u) << 2u)) + 16u, lastKey) * params.keyRow, 0u + ((thread & 1u) | (((thread >> 3u) & 0u) << 1u)));
            key0_3 = loadKey(keyBase + min(firstKey + (((thread >> 1u) & 3u) | ((thread >> 3u) << 2u)) + 24u, lastKey) * params.keyRow, 0u + ((thread & 1u) | (((thread >> 3u) & 0u) << 1u)));
          }
          var query0_0 = vec4<f32>(0.0);
          var query0_1 = vec4<f32>(0.0);
          var query0_2 = vec4<f32>(0.0);
          var query0_3 = vec4<f32>(0.0);
          if (thread < 16u) {
            query0_0 = loadQuery(queryBase + min(firstQuery + 4u * (((thread >> 1u) & 3u) | ((thread >> 3u) << 2u)) + 0u, lastQuery) * params.queryRow, 0u + ((thread & 1u) | (((thread >> 3u) & 0u) << 1u)));
            query0_1 = loadQuery(queryBase + min(firstQuery + 4u * (((thread >> 1u) & 3u) | ((thread >> 3u) << 2u)) + 1u, lastQuery) * params.queryRow, 0u + ((thread & 1u) | (((thread >> 3u) & 0u) << 1u)));
            query0_2 = loadQuery(queryBase + min(firstQuery + 4u * (((thread >> 1u) & 3u) | ((thread >> 3u) << 2u)) + 2u, lastQuery) * params.queryRow, 0u + ((thread & 1u) | (((thread >> 3u) & 0u) << 1u)));
            query0_3 = loadQuery(queryBase + min(firstQuery + 4u * (((thread >> 1u) & 3u) | ((thread >> 3u) << 2u)) + 3u, lastQuery) * params.queryRow, 0u + ((thread & 1u) | (((thread >> 3u) & 0u) << 1u)));
          }
          for (var chunk = 0u; chunk < 8u; chunk++) {
            workgroupBarrier();
            if (thread < 16u) {
              tile[columnRegion + (4u * ((thread & 1u) | (((thread >> 3u) & 0u) << 1u)) + 0u) * 9u + (((thread >> 1u) & 3u) | ((thread >> 3u) << 2u))] = vec4<f32>(key0_0[0], key0_1[0], key0_2[0], key0_3[0]);
              tile[columnRegion + (4u * ((thread & 1u) | (((thread >> 3u) & 0u) << 1u)) + 1u) * 9u + (((thread >> 1u) & 3u) | ((thread >> 3u) << 2u))] = vec4<f32>(key0_0[1], key0_1[1], key0_2[1], key0_3[1]);
              tile[columnRegion + (4u * ((thread & 1u) | (((thread >> 3u) & 0u) << 1u)) + 2u) * 9u + (((thread >> 1u) & 3u) | ((thread >> 3u) << 2u))] = vec4<f32>(key0_0[2], key0_1[2], key0_2[2], key0_3[2]);
              tile[columnRegion + (4u * ((thread & 1u) | (((thread >> 3u) & 0u) << 1u)) + 3u) * 9u + (((thread >> 1u) & 3u) | ((thread >> 3u) << 2u))] = vec4<f32>(key0_0[3], key0_1[3], key0_2[3], key0_3[3]);
            }
            if (thread < 16u) {
              tile[rowRegion + (4u * ((thread & 1u) | (((thread >> 3u) & 0u) << 1u)) + 0u) * 9u + (((thread >> 1u) & 3u) | ((thread >> 3u) << 2u))] = vec4<f32>(query0_0[0], query0_1[0], query0_2[0], query0_3[0]);
              tile[rowRegion + (4u * ((thread & 1u) | (((thread >> 3u) & 0u) << 1u)) + 1u) * 9u + (((thread >> 1u) & 3u) | ((thread >> 3u) << 2u))] = vec4<f32>(query0_0[1], query0_1[1], query0_2[1], query0_3[1]);
              tile[rowRegion + (4u * ((thread & 1u) | (((thread >> 3u) & 0u) << 1u)) + 2u) * 9u + (((thread >> 1u) & 3u) | ((thread >> 3u) << 2u))] = vec4<f32>(query0_0[2], query0_1[2], query0_2[2], query0_3[2]);
              tile[rowRegion + (4u * ((thread & 1u) | (((thread >> 3u) & 0u) << 1u)) + 3u) * 9u + (((thread >> 1u) & 3u) | ((thread >> 3u) << 2u))] = vec4<f32>(query0_0[3], query0_1[3], query0_2[3], query0_3[3]);
            }
            workgroupBarrier();
            if (chunk < 7u) {
              if (thread < 16u) {
                key0_0 = loadKey(keyBase + min(firstKey + (((thread >> 1u) & 3u) | ((thread >> 3u) << 2u)) + 0u, lastKey) * params.keyRow, (chunk + 1u) * 2u + ((thread & 1u) | (((thread >> 3u) & 0u) << 1u)));
                key0_1 = loadKey(keyBase + min(firstKey + (((thread >> 1u) & 3u) | ((thread >> 3u) << 2u)) + 8u, lastKey) * params.keyRow, (chunk + 1u) * 2u + ((thread & 1u) | (((thread >> 3u) & 0u) << 1u)));
                key0_2 = loadKey(keyBase + min(firstKey + (((thread >> 1u) & 3u) | ((thread >> 3u) << 2u)) + 16u, lastKey) * params.keyRow, (chunk + 1u) * 2u + ((thread & 1u) | (((thread >> 3u) & 0u) << 1u)));
                key0_3 = loadKey(keyBase + min(firstKey + (((thread >> 1u) & 3u) | ((thread >> 3u) << 2u)) + 24u, lastKey) * params.keyRow, (chunk + 1u) * 2u + ((thread & 1u) | (((thread >> 3u) & 0u) << 1u)));
              }
              if (thread < 16u) {
                query0_0 = loadQuery(queryBase + min(firstQuery + 4u * (((thread >> 1u) & 3u) | ((thread >> 3u) << 2u)) + 0u, lastQuery) * params.queryRow, (chunk + 1u) * 2u + ((thread & 1u) | (((thread >> 3u) & 0u) << 1u)));
                query0_1 = loadQuery(queryBase + min(firstQuery + 4u * (((thread >> 1u) & 3u) | ((thread >> 3u) << 2u)) + 1u, lastQuery) * params.queryRow, (chunk + 1u) * 2u + ((thread & 1u) | (((thread >> 3u) & 0u) << 1u)));
                query0_2 = loadQuery(queryBase + min(firstQuery + 4u * (((thread >> 1u) & 3u) | ((thread >> 3u) << 2u)) + 2u, lastQuery) * params.queryRow, (chunk + 1u) * 2u + ((thread & 1u) | (((thread >> 3u) & 0u) << 1u)));
                query0_3 = loadQuery(queryBase + min(firstQuery + 4u * (((thread >> 1u) & 3u) | ((thread >> 3u) << 2u)) + 3u, lastQuery) * params.queryRow, (chunk + 1u) * 2u + ((thread & 1u) | (((thread >> 3u) & 0u) << 1u)));
              }
            }
            for (var dim = 0u; dim < 8u; dim++) {
              let a0 = tile[rowRegion + dim * 9u + row * 1u + 0u];
              let b0 = tile[columnRegion + dim * 9u + column + 0u];
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
          score0_0.x = select(hidden, score0_0.x, (keyIndex + 0u < keyCount) & (visible(i32(batch), i32(head), position + 0, queryIndex + 0, i32(keyIndex + 0u))));
          score0_0.y = select(hidden, score0_0.y, (keyIndex + 8u < keyCount) & (visible(i32(batch), i32(head), position + 0, queryIndex + 0, i32(keyIndex + 8u))));
          score0_0.z = select(hidden, score0_0.z, (keyIndex + 16u < keyCount) & (visible(i32(batch), i32(head), position + 0, queryIndex + 0, i32(keyIndex + 16u))));
          score0_0.w = select(hidden, score0_0.w, (keyIndex + 24u < keyCount) & (visible(i32(batch), i32(head), position + 0, queryIndex + 0, i32(keyIndex + 24u))));
          score1_0.x = select(hidden, score1_0.x, (keyIndex + 0u < keyCount) & (visible(i32(batch), i32(head), position + 1, queryIndex + 1, i32(keyIndex + 0u))));
          score1_0.y = select(hidden, score1_0.y, (keyIndex + 8u < keyCount) & (visible(i32(batch), i32(head), position + 1, queryIndex + 1, i32(keyIndex + 8u))));
          score1_0.z = select(hidden, score1_0.z, (keyIndex + 16u < keyCount) & (visible(i32(batch), i32(head), position + 1, queryIndex + 1, i32(keyIndex + 16u))));
          score1_0.w = select(hidden, score1_0.w, (keyIndex + 24u < keyCount) & (visible(i32(batch), i32(head), position + 1, queryIndex + 1, i32(keyIndex + 24u))));
          score2_0.x = select(hidden, score2_0.x, (keyIndex + 0u < keyCount) & (visible(i32(batch), i32(head), position + 2, queryIndex + 2, i32(keyIndex + 0u))));
          score2_0.y = select(hidden, score2_0.y, (keyIndex + 8u < keyCount) & (visible(i32(batch), i32(head), position + 2, queryIndex + 2, i32(keyIndex + 8u))));
          score2_0.z = select(hidden, score2_0.z, (keyIndex + 16u < keyCount) & (visible(i32(batch), i32(head), position + 2, queryIndex + 2, i32(keyIndex + 16u))));
          score2_0.w = select(hidden, score2_0.w, (keyIndex + 24u < keyCount) & (visible(i32(batch), i32(head), position + 2, queryIndex + 2, i32(keyIndex + 24u))));
          score3_0.x = select(hidden, score3_0.x, (keyIndex + 0u < keyCount) & (visible(i32(batch), i32(head), position + 3, queryIndex + 3, i32(keyIndex + 0u))));
          score3_0.y = select(hidden, score3_0.y, (keyIndex + 8u < keyCount) & (visible(i32(batch), i32(head), position + 3, queryIndex + 3, i32(keyIndex + 8u))));
          score3_0.z = select(hidden, score3_0.z, (keyIndex + 16u < keyCount) & (visible(i32(batch), i32(head), position + 3, queryIndex + 3, i32(keyIndex + 16u))));
          score3_0.w = select(hidden, score3_0.w, (keyIndex + 24u < keyCount) & (visible(i32(batch), i32(head), position + 3, queryIndex + 3, i32(keyIndex + 24u))));
        }
        score0_0 = pairWeights(score0_0, vec4<f32>(softmaxRow0.x));
        score1_0 = pairWeights(score1_0, vec4<f32>(softmaxRow1.x));
        score2_0 = pairWeights(score2_0, vec4<f32>(softmaxRow2.x));
        score3_0 = pairWeights(score3_0, vec4<f32>(softmaxRow3.x));
        var gradient0_0 = vec4<f32>(0.0);
        var gradient1_0 = vec4<f32>(0.0);
        var gradient2_0 = vec4<f32>(0.0);
        var gradient3_0 = vec4<f32>(0.0);
        {
          var value0_0 = vec4<f32>(0.0);
          var value0_1 = vec4<f32>(0.0);
          var value0_2 = vec4<f32>(0.0);
          var value0_3 = vec4<f32>(0.0);
          if (thread < 16u) {
            value0_0 = loadValue(valueBase + min(firstKey + (((thread >> 1u) & 3u) | ((thread >> 3u) << 2u)) + 0u, lastKey) * params.valueRow, 0u + ((thread & 1u) | (((thread >> 3u) & 0u) << 1u)));
            value0_1 = loadValue(valueBase + min(firstKey + (((thread >> 1u) & 3u) | ((thread >> 3u) << 2u)) + 8u, lastKey) * params.valueRow, 0u + ((thread & 1u) | (((thread >> 3u) & 0u) << 1u)));
            value0_2 = loadValue(valueBase + min(firstKey + (((thread >> 1u) & 3u) | ((thread >> 3u) << 2u)) + 16u, lastKey) * params.valueRow, 0u + ((thread & 1u) | (((thread >> 3u) & 0u) << 1u)));
            value0_3 = loadValue(valueBase + min(firstKey + (((thread >> 1u) & 3u) | ((thread >> 3u) << 2u)) + 24u, lastKey) * params.valueRow, 0u + ((thread & 1u) | (((thread >> 3u) & 0u) << 1u)));
          }
          var dOutput0_0 = vec4<f32>(0.0);
          var dOutput0_1 = vec4<f32>(0.0);
          var dOutput0_2 = vec4<f32>(0.0);
          var dOutput0_3 = vec4<f32>(0.0);
          if (thread < 16u) {
            dOutput0_0 = loadDOutput(dOutputBase + min(firstQuery + 4u * (((thread >> 1u) & 3u) | ((thread >> 3u) << 2u)) + 0u, lastQuery) * params.dOutputRow, 0u + ((thread & 1u) | (((thread >> 3u) & 0u) << 1u)));
            dOutput0_1 = loadDOutput(dOutputBase + min(firstQuery + 4u * (((thread >> 1u) & 3u) | ((thread >> 3u) << 2u)) + 1u, lastQuery) * params.dOutputRow, 0u + ((thread & 1u) | (((thread >> 3u) & 0u) << 1u)));
            dOutput0_2 = loadDOutput(dOutputBase + min(firstQuery + 4u * (((thread >> 1u) & 3u) | ((thread >> 3u) << 2u)) + 2u, lastQuery) * params.dOutputRow, 0u + ((thread & 1u) | (((thread >> 3u) & 0u) << 1u)));
            dOutput0_3 = loadDOutput(dOutputBase + min(firstQuery + 4u * (((thread >> 1u) & 3u) | ((thread >> 3u) << 2u)) + 3u, lastQuery) * params.dOutputRow, 0u + ((thread & 1u) | (((thread >> 3u) & 0u) << 1u)));
          }
          for (var chunk = 0u; chunk < 8u; chunk++) {
            workgroupBarrier();
            if (thread < 16u) {
              tile[columnRegion + (4u * ((thread & 1u) | (((thread >> 3u) & 0u) << 1u)) + 0u) * 9u + (((thread >> 1u) & 3u) | ((thread >> 3u) << 2u))] = vec4<f32>(value0_0[0], value0_1[0], value0_2[0], value0_3[0]);
              tile[columnRegion + (4u * ((thread & 1u) | (((thread >> 3u) & 0u) << 1u)) + 1u) * 9u + (((thread >> 1u) & 3u) | ((thread >> 3u) << 2u))] = vec4<f32>(value0_0[1], value0_1[1], value0_2[1], value0_3[1]);
              tile[columnRegion + (4u * ((thread & 1u) | (((thread >> 3u) & 0u) << 1u)) + 2u) * 9u + (((thread >> 1u) & 3u) | ((thread >> 3u) << 2u))] = vec4<f32>(value0_0[2], value0_1[2], value0_2[2], value0_3[2]);
              tile[columnRegion + (4u * ((thread & 1u) | (((thread >> 3u) & 0u) << 1u)) + 3u) * 9u + (((thread >> 1u) & 3u) | ((thread >> 3u) << 2u))] = vec4<f32>(value0_0[3], value0_1[3], value0_2[3], value0_3[3]);
            }
            if (thread < 16u) {
              tile[rowRegion + (4u * ((thread & 1u) | (((thread >> 3u) & 0u) << 1u)) + 0u) * 9u + (((thread >> 1u) & 3u) | ((thread >> 3u) << 2u))] = vec4<f32>(dOutput0_0[0], dOutput0_1[0], dOutput0_2[0], dOutput0_3[0]);
              tile[rowRegion + (4u * ((thread & 1u) | (((thread >> 3u) & 0u) << 1u)) + 1u) * 9u + (((thread >> 1u) & 3u) | ((thread >> 3u) << 2u))] = vec4<f32>(dOutput0_0[1], dOutput0_1[1], dOutput0_2[1], dOutput0_3[1]);
              tile[rowRegion + (4u * ((thread & 1u) | (((thread >> 3u) & 0u) << 1u)) + 2u) * 9u + (((thread >> 1u) & 3u) | ((thread >> 3u) << 2u))] = vec4<f32>(dOutput0_0[2], dOutput0_1[2], dOutput0_2[2], dOutput0_3[2]);
              tile[rowRegion + (4u * ((thread & 1u) | (((thread >> 3u) & 0u) << 1u)) + 3u) * 9u + (((thread >> 1u) & 3u) | ((thread >> 3u) << 2u))] = vec4<f32>(dOutput0_0[3], dOutput0_1[3], dOutput0_2[3], dOutput0_3[3]);
            }
            workgroupBarrier();
            if (chunk < 7u) {
              if (thread < 16u) {
                value0_0 = loadValue(valueBase + min(firstKey + (((thread >> 1u) & 3u) | ((thread >> 3u) << 2u)) + 0u, lastKey) * params.valueRow, (chunk + 1u) * 2u + ((thread & 1u) | (((thread >> 3u) & 0u) << 1u)));
                value0_1 = loadValue(valueBase + min(firstKey + (((thread >> 1u) & 3u) | ((thread >> 3u) << 2u)) + 8u, lastKey) * params.valueRow, (chunk + 1u) * 2u + ((thread & 1u) | (((thread >> 3u) & 0u) << 1u)));
                value0_2 = loadValue(valueBase + min(firstKey + (((thread >> 1u) & 3u) | ((thread >> 3u) << 2u)) + 16u, lastKey) * params.valueRow, (chunk + 1u) * 2u + ((thread & 1u) | (((thread >> 3u) & 0u) << 1u)));
                value0_3 = loadValue(valueBase + min(firstKey + (((thread >> 1u) & 3u) | ((thread >> 3u) << 2u)) + 24u, lastKey) * params.valueRow, (chunk + 1u) * 2u + ((thread & 1u) | (((thread >> 3u) & 0u) << 1u)));
              }
              if (thread < 16u) {
                dOutput0_0 = loadDOutput(dOutputBase + min(firstQuery + 4u * (((thread >> 1u) & 3u) | ((thread >> 3u) << 2u)) + 0u, lastQuery) * params.dOutputRow, (chunk + 1u) * 2u + ((thread & 1u) | (((thread >> 3u) & 0u) << 1u)));
                dOutput0_1 = loadDOutput(dOutputBase + min(firstQuery + 4u * (((thread >> 1u) & 3u) | ((thread >> 3u) << 2u)) + 1u, lastQuery) * params.dOutputRow, (chunk + 1u) * 2u + ((thread & 1u) | (((thread >> 3u) & 0u) << 1u)));
                dOutput0_2 = loadDOutput(dOutputBase + min(firstQuery + 4u * (((thread >> 1u) & 3u) | ((thread >> 3u) << 2u)) + 2u, lastQuery) * params.dOutputRow, (chunk + 1u) * 2u + ((thread & 1u) | (((thread >> 3u) & 0u) << 1u)));
                dOutput0_3 = loadDOutput(dOutputBase + min(firstQuery + 4u * (((thread >> 1u) & 3u) | ((thread >> 3u) << 2u)) + 3u, lastQuery) * params.dOutputRow, (chunk + 1u) * 2u + ((thread & 1u) | (((thread >> 3u) & 0u) << 1u)));
              }
            }
            for (var dim = 0u; dim < 8u; dim++) {
              let a0 = tile[rowRegion + dim * 9u + row * 1u + 0u];
              let b0 = tile[columnRegion + dim * 9u + column + 0u];
              gradient0_0 = fma(vec4<f32>(a0.x), b0, gradient0_0);
              gradient1_0 = fma(vec4<f32>(a0.y), b0, gradient1_0);
              gradient2_0 = fma(vec4<f32>(a0.z), b0, gradient2_0);
              gradient3_0 = fma(vec4<f32>(a0.w), b0, gradient3_0);
            }
          }
        }
        gradient0_0 = select(score0_0 * (gradient0_0 - vec4<f32>(softmaxRow0.y)), score0_0, score0_0 == vec4<f32>(0.0));
        gradient1_0 = select(score1_0 * (gradient1_0 - vec4<f32>(softmaxRow1.y)), score1_0, score1_0 == vec4<f32>(0.0));
        gradient2_0 = select(score2_0 * (gradient2_0 - vec4<f32>(softmaxRow2.y)), score2_0, score2_0 == vec4<f32>(0.0));
        gradient3_0 = select(score3_0 * (gradient3_0 - vec4<f32>(softmaxRow3.y)), score3_0, score3_0 == vec4<f32>(0.0));


        tile[weightRegion + (column + 0u) * 9u + row * 1u + 0u] = vec4<f32>(gradient0_0.x, gradient1_0.x, gradient2_0.x, gradient3_0.x);
        tile[weightRegion + (column + 8u) * 9u + row * 1u + 0u] = vec4<f32>(gradient0_0.y, gradient1_0.y, gradient2_0.y, gradient3_0.y);
        tile[weightRegion + (column + 16u) * 9u + row * 1u + 0u] = vec4<f32>(gradient0_0.z, gradient1_0.z, gradient2_0.z, gradient3_0.z);
        tile[weightRegion + (column + 24u) * 9u + row * 1u + 0u] = vec4<f32>(gradient0_0.w, gradient1_0.w, gradient2_0.w, gradient3_0.w);
        {
          var keyRow0 = vec4<f32>(0.0);
          var keyRow1 = vec4<f32>(0.0);
          var keyRow2 = vec4<f32>(0.0);
          var keyRow3 = vec4<f32>(0.0);
          var keyRow4 = vec4<f32>(0.0);
          var keyRow5 = vec4<f32>(0.0);
          var keyRow6 = vec4<f32>(0.0);
          var keyRow7 = vec4<f32>(0.0);
          keyRow0 = loadKey(keyBase + min(firstKey + 0u + thread / 16u, lastKey) * params.keyRow, thread % 16u);
          keyRow1 = loadKey(keyBase + min(firstKey + 0u + (thread + 64u) / 16u, lastKey) * params.keyRow, (thread + 64u) % 16u);
          keyRow2 = loadKey(keyBase + min(firstKey + 0u + (thread + 128u) / 16u, lastKey) * params.keyRow, (thread + 128u) % 16u);
          keyRow3 = loadKey(keyBase + min(firstKey + 0u + (thread + 192u) / 16u, lastKey) * params.keyRow, (thread + 192u) % 16u);
          keyRow4 = loadKey(keyBase + min(firstKey + 0u + (thread + 256u) / 16u, lastKey) * params.keyRow, (thread + 256u) % 16u);
          keyRow5 = loadKey(keyBase + min(firstKey + 0u + (thread + 320u) / 16u, lastKey) * params.keyRow, (thread + 320u) % 16u);
          keyRow6 = loadKey(keyBase + min(firstKey + 0u + (thread + 384u) / 16u, lastKey) * params.keyRow, (thread + 384u) % 16u);
          keyRow7 = loadKey(keyBase + min(firstKey + 0u + (thread + 448u) / 16u, lastKey) * params.keyRow, (thread + 448u) % 16u);
          workgroupBarrier();
          tile[sourceRegion + thread] = keyRow0;
          tile[sourceRegion + (thread + 64u)] = keyRow1;
          tile[sourceRegion + (thread + 128u)] = keyRow2;
          tile[sourceRegion + (thread + 192u)] = keyRow3;
          tile[sourceRegion + (thread + 256u)] = keyRow4;
          tile[sourceRegion + (thread + 320u)] = keyRow5;
          tile[sourceRegion + (thread + 384u)] = keyRow6;
          tile[sourceRegion + (thread + 448u)] = keyRow7;
          workgroupBarrier();
          if (careful) {
            for (var token = 0u; token < 32u * care; token++) {
              let w0 = tile[weightRegion + token * 9u + row * 1u + 0u];
              let x0 = tile[sourceRegion + token * 16u + column + 0u];
              let x1 = tile[sourceRegion + token * 16u + column + 8u];
              dQuery0_0 = addVisible(dQuery0_0, w0.x, x0);
              dQuery0_1 = addVisible(dQuery0_1, w0.x, x1);
              dQuery1_0 = addVisible(dQuery1_0, w0.y, x0);
              dQuery1_1 = addVisible(dQuery1_1, w0.y, x1);
              dQuery2_0 = addVisible(dQuery2_0, w0.z, x0);
              dQuery2_1 = addVisible(dQuery2_1, w0.z, x1);
              dQuery3_0 = addVisible(dQuery3_0, w0.w, x0);
              dQuery3_1 = addVisible(dQuery3_1, w0.w, x1);
            }
          } else {
            for (var token = 0u; token < 32u; token++) {
              let w0 = tile[weightRegion + token * 9u + row * 1u + 0u];
              let x0 = tile[sourceRegion + token * 16u + column + 0u];
              let x1 = tile[sourceRegion + token * 16u + column + 8u];
              dQuery0_0 = fma(vec4<f32>(w0.x), x0, dQuery0_0);
              dQuery0_1 = fma(vec4<f32>(w0.x), x1, dQuery0_1);
              dQuery1_0 = fma(vec4<f32>(w0.y), x0, dQuery1_0);
              dQuery1_1 = fma(vec4<f32>(w0.y), x1, dQuery1_1);
              dQuery2_0 = fma(vec4<f32>(w0.z), x0, dQuery2_0);
              dQuery2_1 = fma(vec4<f32>(w0.z), x1, dQuery2_1);
              dQuery3_0 = fma(vec4<f32>(w0.w), x0, dQuery3_0);
              dQuery3_1 = fma(vec4<f32>(w0.w), x1, dQuery3_1);
            }
          }
        }
      }
    }
    if (!careful) {
      // Sums may overflow here: then care is taken for nothing.
      if (!allFinite(dQuery0_0 + dQuery0_1 + dQuery1_0 + dQuery1_1 + dQuery2_0 + dQuery2_1 + dQuery3_0 + dQuery3_1)) { tile[careRegion] = vec4<f32>(1.0); }
      care = u32(workgroupUniformLoad(&tile[careRegion]).x);
      careful = care != 0u;
      if (careful) { continue; }
    }
    var dQuerySums = array<vec4<f32>, 8>(dQuery0_0, dQuery0_1, dQuery1_0, dQuery1_1, dQuery2_0, dQuery2_1, dQuery3_0, dQuery3_1);
    for (var i = 0u; i < 4u; i++) {
      let tokenRow = firstQuery + row * 4u + i;
      if (tokenRow <= lastQuery) {
        let base = dQueryBase + tokenRow * params.dQueryRow;
        {
          let vector = column + 0u;
          if (vector < 16u) {
            var sum = dQuerySums[i * 2u + 0u] * scale;
            if (params.accumulate != 0u) { sum += loadDQuery(base, vector); }
            storeDQuery(base, vector, sum);
          }
        }
        {
          let vector = column + 8u;
          if (vector < 16u) {
            var sum = dQuerySums[i * 2u + 1u] * scale;
            if (params.accumulate != 0u) { sum += loadDQuery(base, vector); }
            storeDQuery(base, vector, sum);
          }
        }
      }
    }

    break;
  }
}
