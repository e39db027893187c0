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
@group(0) @binding(7) var<storage, read_write> dKey: array<vec4<f32>>;
@group(0) @binding(8) var<storage, read_write> dValue: array<vec4<f32>>;

const tileRows = 32u;
const tileColumns = 32u;
const careRegion = 832u;
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

// 16 bytes times: chunks of the products 576, or of the sums 512 and their weights 288; log-sum-exp and D 32; 1 for care
var<workgroup> tile: array<vec4<f32>, 833>;

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
  return softmaxRows[params.softmaxRowsOffset + (batch * params.heads + head) * params.queryLength + queryRow];
}

@compute @workgroup_size(128)
fn main(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(local_invocation_index) thread: u32,
) {
  let team = thread / 64u;
  let member = thread % 64u;
  let column = member % 8u;
  let row = member / 8u;
  let keyHead = params.headBegin / params.headsPerKeyHead + workgroup.x;
  let firstHead = max(params.headBegin, keyHead * params.headsPerKeyHead);
  let endHead = min(params.headEnd, (keyHead + 1u) * params.headsPerKeyHead);
  let batch = params.batchBase + workgroup.z;
  let queryOffset = bitcast<i32>(data[2u * batch]);
  let keyCount = data[2u * batch + 1u];
  let rowTile = params.rowTileBase + workgroup.y;
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
  // The second time with care; see kernels/careful.ts.
  var careful = false;
  var care = 0u; // the same as a number, 1 or 0, which no compiler knows
  if (thread == 0u) { tile[careRegion] = vec4<f32>(0.0); }
  loop {
    var sum0_0 = vec4<f32>(0.0);
    var sum0_1 = vec4<f32>(0.0);
    var sum1_0 = vec4<f32>(0.0);
    var sum1_1 = vec4<f32>(0.0);
    var sum2_0 = vec4<f32>(0.0);
    var sum2_1 = vec4<f32>(0.0);
    var sum3_0 = vec4<f32>(0.0);
    var sum3_1 = vec4<f32>(0.0);
    for (var head = firstHead; head < endHead; head++) {
      let queryBase = params.queryOffset + batch * params.queryBatch + head * params.queryHead;
      let dOutputBase = params.dOutputOffset + batch * params.dOutputBatch + head * params.dOutputHead;
      for (var columnTile = params.columnTileBegin; columnTile < params.columnTileEnd; columnTile++) {
        let full = (rowTile + 1u) * tileRows <= keyCount && (columnTile + 1u) * tileColumns <= params.queryLength;
        let firstQuery = columnTile * tileColumns;
        let queryIndex = i32(firstQuery + column);
        let position = queryOffset + queryIndex;
        for (var slot = thread; slot < 32u; slot += 128u) {
          tile[800u + slot] = vec4<f32>(softmaxRow(batch, head, firstQuery + slot), 0.0, 0.0);
        }
        var score0_0 = vec4<f32>(0.0);
        var score1_0 = vec4<f32>(0.0);
        var score2_0 = vec4<f32>(0.0);
        var score3_0 = vec4<f32>(0.0);
        {
          var operand0_0 = vec4<f32>(0.0);
          var operand0_1 = vec4<f32>(0.0);
          var operand0_2 = vec4<f32>(0.0);
          var operand0_3 = vec4<f32>(0.0);
          if (thread < 16u) {
            operand0_0 = loadKey(keyBase + min(firstKey + 4u * ((thread >> 1u) % 4u + (thread >> 3u) * 4u) + 0u, lastKey) * params.keyRow, 0u + (thread % 2u));
            operand0_1 = loadKey(keyBase + min(firstKey + 4u * ((thread >> 1u) % 4u + (thread >> 3u) * 4u) + 1u, lastKey) * params.keyRow, 0u + (thread % 2u));
            operand0_2 = loadKey(keyBase + min(firstKey + 4u * ((thread >> 1u) % 4u + (thread >> 3u) * 4u) + 2u, lastKey) * params.keyRow, 0u + (thread % 2u));
            operand0_3 = loadKey(keyBase + min(firstKey + 4u * ((thread >> 1u) % 4u + (thread >> 3u) * 4u) + 3u, lastKey) * params.keyRow, 0u + (thread % 2u));
          } else if (thread < 32u) {
            operand0_0 = loadQuery(queryBase + min(firstQuery + (((thread - 16u) >> 1u) % 4u + ((thread - 16u) >> 3u) * 4u) + 0u, lastQuery) * params.queryRow, 0u + ((thread - 16u) % 2u));
            operand0_1 = loadQuery(queryBase + min(firstQuery + (((thread - 16u) >> 1u) % 4u + ((thread - 16u) >> 3u) * 4u) + 8u, lastQuery) * params.queryRow, 0u + ((thread - 16u) % 2u));
            operand0_2 = loadQuery(queryBase + min(firstQuery + (((thread - 16u) >> 1u) % 4u + ((thread - 16u) >> 3u) * 4u) + 16u, lastQuery) * params.queryRow, 0u + ((thread - 16u) % 2u));
            operand0_3 = loadQuery(queryBase + min(firstQuery + (((thread - 16u) >> 1u) % 4u + ((thread - 16u) >> 3u) * 4u) + 24u, lastQuery) * params.queryRow, 0u + ((thread - 16u) % 2u));
          } else if (thread < 48u) {
            operand0_0 = loadValue(valueBase + min(firstKey + 4u * (((thread - 32u) >> 1u) % 4u + ((thread - 32u) >> 3u) * 4u) + 0u, lastKey) * params.valueRow, 0u + ((thread - 32u) % 2u));
            operand0_1 = loadValue(valueBase + min(firstKey + 4u * (((thread - 32u) >> 1u) % 4u + ((thread - 32u) >> 3u) * 4u) + 1u, lastKey) * params.valueRow, 0u + ((thread - 32u) % 2u));
            operand0_2 = loadValue(valueBase + min(firstKey + 4u * (((thread - 32u) >> 1u) % 4u + ((thread - 32u) >> 3u) * 4u) + 2u, lastKey) * params.valueRow, 0u + ((thread - 32u) % 2u));
            operand0_3 = loadValue(valueBase + min(firstKey + 4u * (((thread - 32u) >> 1u) % 4u + ((thread - 32u) >> 3u) * 4u) + 3u, lastKey) * params.valueRow, 0u + ((thread - 32u) % 2u));
          } else if (thread < 64u) {
            operand0_0 = loadDOutput(dOutputBase + min(firstQuery + (((thread - 48u) >> 1u) % 4u + ((thread - 48u) >> 3u) * 4u) + 0u, lastQuery) * params.dOutputRow, 0u + ((thread - 48u) % 2u));
            operand0_1 = loadDOutput(dOutputBase + min(firstQuery + (((thread - 48u) >> 1u) % 4u + ((thread - 48u) >> 3u) * 4u) + 8u, lastQuery) * params.dOutputRow, 0u + ((thread - 48u) % 2u));
            operand0_2 = loadDOutput(dOutputBase + min(firstQuery + (((thread - 48u) >> 1u) % 4u + ((thread - 48u) >> 3u) * 4u) + 16u, lastQuery) * params.dOutputRow, 0u + ((thread - 48u) % 2u));
            operand0_3 = loadDOutput(dOutputBase + min(firstQuery + (((thread - 48u) >> 1u) % 4u + ((thread - 48u) >> 3u) * 4u) + 24u, lastQuery) * params.dOutputRow, 0u + ((thread - 48u) % 2u));
          }
          workgroupBarrier();
          if (thread < 16u) {
            tile[0u + 0u + (thread % 2u) * 36u + ((thread >> 1u) % 4u + (thread >> 3u) * 4u)] = vec4<f32>(operand0_0[0], operand0_1[0], operand0_2[0], operand0_3[0]);
            tile[0u + 9u + (thread % 2u) * 36u + ((thread >> 1u) % 4u + (thread >> 3u) * 4u)] = vec4<f32>(operand0_0[1], operand0_1[1], operand0_2[1], operand0_3[1]);
            tile[0u + 18u + (thread % 2u) * 36u + ((thread >> 1u) % 4u + (thread >> 3u) * 4u)] = vec4<f32>(operand0_0[2], operand0_1[2], operand0_2[2], operand0_3[2]);
            tile[0u + 27u + (thread % 2u) * 36u + ((thread >> 1u) % 4u + (thread >> 3u) * 4u)] = vec4<f32>(operand0_0[3], operand0_1[3], operand0_2[3], operand0_3[3]);
          } else if (thread < 32u) {
            tile[0u + 144u + ((thread - 16u) % 2u) * 36u + (((thread - 16u) >> 1u) % 4u + ((thread - 16u) >> 3u) * 4u)] = vec4<f32>(operand0_0[0], operand0_1[0], operand0_2[0], operand0_3[0]);
            tile[0u + 153u + ((thread - 16u) % 2u) * 36u + (((thread - 16u) >> 1u) % 4u + ((thread - 16u) >> 3u) * 4u)] = vec4<f32>(operand0_0[1], operand0_1[1], operand0_2[1], operand0_3[1]);
            tile[0u + 162u + ((thread - 16u) % 2u) * 36u + (((thread - 16u) >> 1u) % 4u + ((thread - 16u) >> 3u) * 4u)] = vec4<f32>(operand0_0[2], operand0_1[2], operand0_2[2], operand0_3[2]);
            tile[0u + 171u + ((thread - 16u) % 2u) * 36u + (((thread - 16u) >> 1u) % 4u + ((thread - 16u) >> 3u) * 4u)] = vec4<f32>(operand0_0[3], operand0_1[3], operand0_2[3], operand0_3[3]);
          } else if (thread < 48u) {
            tile[0u + 72u + ((thread - 32u) % 2u) * 36u + (((thread - 32u) >> 1u) % 4u + ((thread - 32u) >> 3u) * 4u)] = vec4<f32>(operand0_0[0], operand0_1[0], operand0_2[0], operand0_3[0]);
            tile[0u + 81u + ((thread - 32u) % 2u) * 36u + (((thread - 32u) >> 1u) % 4u + ((thread - 32u) >> 3u) * 4u)] = vec4<f32>(operand0_0[1], operand0_1[1], operand0_2[1], operand0_3[1]);
            tile[0u + 90u + ((thread - 32u) % 2u) * 36u + (((thread - 32u) >> 1u) % 4u + ((thread - 32u) >> 3u) * 4u)] = vec4<f32>(operand0_0[2], operand0_1[2], operand0_2[2], operand0_3[2]);
            tile[0u + 99u + ((thread - 32u) % 2u) * 36u + (((thread - 32u) >> 1u) % 4u + ((thread - 32u) >> 3u) * 4u)] = vec4<f32>(operand0_0[3], operand0_1[3], operand0_2[3], operand0_3[3]);
          } else if (thread < 64u) {
            tile[0u + 216u + ((thread - 48u) % 2u) * 36u + (((thread - 48u) >> 1u) % 4u + ((thread - 48u) >> 3u) * 4u)] = vec4<f32>(operand0_0[0], operand0_1[0], operand0_2[0], operand0_3[0]);
            tile[0u + 225u + ((thread - 48u) % 2u) * 36u + (((thread - 48u) >> 1u) % 4u + ((thread - 48u) >> 3u) * 4u)] = vec4<f32>(operand0_0[1], operand0_1[1], operand0_2[1], operand0_3[1]);
            tile[0u + 234u + ((thread - 48u) % 2u) * 36u + (((thread - 48u) >> 1u) % 4u + ((thread - 48u) >> 3u) * 4u)] = vec4<f32>(operand0_0[2], operand0_1[2], operand0_2[2], operand0_3[2]);
            tile[0u + 243u + ((thread - 48u) % 2u) * 36u + (((thread - 48u) >> 1u) % 4u + ((thread - 48u) >> 3u) * 4u)] = vec4<f32>(operand0_0[3], operand0_1[3], operand0_2[3], operand0_3[3]);
          }
          for (var chunk = 0u; chunk < 8u; chunk++) {
            workgroupBarrier();
            if (chunk < 7u) {
              if (thread < 16u) {
                operand0_0 = loadKey(keyBase + min(firstKey + 4u * ((thread >> 1u) % 4u + (thread >> 3u) * 4u) + 0u, lastKey) * params.keyRow, (chunk + 1u) * 2u + (thread % 2u));
                operand0_1 = loadKey(keyBase + min(firstKey + 4u * ((thread >> 1u) % 4u + (thread >> 3u) * 4u) + 1u, lastKey) * params.keyRow, (chunk + 1u) * 2u + (thread % 2u));
                operand0_2 = loadKey(keyBase + min(firstKey + 4u * ((thread >> 1u) % 4u + (thread >> 3u) * 4u) + 2u, lastKey) * params.keyRow, (chunk + 1u) * 2u + (thread % 2u));
                operand0_3 = loadKey(keyBase + min(firstKey + 4u * ((thread >> 1u) % 4u + (thread >> 3u) * 4u) + 3u, lastKey) * params.keyRow, (chunk + 1u) * 2u + (thread % 2u));
              } else if (thread < 32u) {
                operand0_0 = loadQuery(queryBase + min(firstQuery + (((thread - 16u) >> 1u) % 4u + ((thread - 16u) >> 3u) * 4u) + 0u, lastQuery) * params.queryRow, (chunk + 1u) * 2u + ((thread - 16u) % 2u));
                operand0_1 = loadQuery(queryBase + min(firstQuery + (((thread - 16u) >> 1u) % 4u + ((thread - 16u) >> 3u) * 4u) + 8u, lastQuery) * params.queryRow, (chunk + 1u) * 2u + ((thread - 16u) % 2u));
                operand0_2 = loadQuery(queryBase + min(firstQuery + (((thread - 16u) >> 1u) % 4u + ((thread - 16u) >> 3u) * 4u) + 16u, lastQuery) * params.queryRow, (chunk + 1u) * 2u + ((thread - 16u) % 2u));
                operand0_3 = loadQuery(queryBase + min(firstQuery + (((thread - 16u) >> 1u) % 4u + ((thread - 16u) >> 3u) * 4u) + 24u, lastQuery) * params.queryRow, (chunk + 1u) * 2u + ((thread - 16u) % 2u));
              } else if (thread < 48u) {
                operand0_0 = loadValue(valueBase + min(firstKey + 4u * (((thread - 32u) >> 1u) % 4u + ((thread - 32u) >> 3u) * 4u) + 0u, lastKey) * params.valueRow, (chunk + 1u) * 2u + ((thread - 32u) % 2u));
                operand0_1 = loadValue(valueBase + min(firstKey + 4u * (((thread - 32u) >> 1u) % 4u + ((thread - 32u) >> 3u) * 4u) + 1u, lastKey) * params.valueRow, (chunk + 1u) * 2u + ((thread - 32u) % 2u));
                operand0_2 = loadValue(valueBase + min(firstKey + 4u * (((thread - 32u) >> 1u) % 4u + ((thread - 32u) >> 3u) * 4u) + 2u, lastKey) * params.valueRow, (chunk + 1u) * 2u + ((thread - 32u) % 2u));
                operand0_3 = loadValue(valueBase + min(firstKey + 4u * (((thread - 32u) >> 1u) % 4u + ((thread - 32u) >> 3u) * 4u) + 3u, lastKey) * params.valueRow, (chunk + 1u) * 2u + ((thread - 32u) % 2u));
              } else if (thread < 64u) {
                operand0_0 = loadDOutput(dOutputBase + min(firstQuery + (((thread - 48u) >> 1u) % 4u + ((thread - 48u) >> 3u) * 4u) + 0u, lastQuery) * params.dOutputRow, (chunk + 1u) * 2u + ((thread - 48u) % 2u));
                operand0_1 = loadDOutput(dOutputBase + min(firstQuery + (((thread - 48u) >> 1u) % 4u + ((thread - 48u) >> 3u) * 4u) + 8u, lastQuery) * params.dOutputRow, (chunk + 1u) * 2u + ((thread - 48u) % 2u));
                operand0_2 = loadDOutput(dOutputBase + min(firstQuery + (((thread - 48u) >> 1u) % 4u + ((thread - 48u) >> 3u) * 4u) + 16u, lastQuery) * params.dOutputRow, (chunk + 1u) * 2u + ((thread - 48u) % 2u));
                operand0_3 = loadDOutput(dOutputBase + min(firstQuery + (((thread - 48u) >> 1u) % 4u + ((thread - 48u) >> 3u) * 4u) + 24u, lastQuery) * params.dOutputRow, (chunk + 1u) * 2u + ((thread - 48u) % 2u));
              }
            }
            for (var dim = 0u; dim < 8u; dim++) {
              let a0 = tile[(chunk % 2u) * 288u + team * 72u + dim * 9u + row * 1u + 0u];
              let b0 = tile[(chunk % 2u) * 288u + 144u + team * 72u + dim * 9u + column + 0u];
              score0_0 = fma(vec4<f32>(a0.x), b0, score0_0);
              score1_0 = fma(vec4<f32>(a0.y), b0, score1_0);
              score2_0 = fma(vec4<f32>(a0.z), b0, score2_0);
              score3_0 = fma(vec4<f32>(a0.w), b0, score3_0);
            }
            if (chunk < 7u) {
              if (thread < 16u) {
                tile[((chunk + 1u) % 2u) * 288u + 0u + (thread % 2u) * 36u + ((thread >> 1u) % 4u + (thread >> 3u) * 4u)] = vec4<f32>(operand0_0[0], operand0_1[0], operand0_2[0], operand0_3[0]);
                tile[((chunk + 1u) % 2u) * 288u + 9u + (thread % 2u) * 36u + ((thread >> 1u) % 4u + (thread >> 3u) * 4u)] = vec4<f32>(operand0_0[1], operand0_1[1], operand0_2[1], operand0_3[1]);
                tile[((chunk + 1u) % 2u) * 288u + 18u + (thread % 2u) * 36u + ((thread >> 1u) % 4u + (thread >> 3u) * 4u)] = vec4<f32>(operand0_0[2], operand0_1[2], operand0_2[2], operand0_3[2]);
                tile[((chunk + 1u) % 2u) * 288u + 27u + (thread % 2u) * 36u + ((thread >> 1u) % 4u + (thread >> 3u) * 4u)] = vec4<f32>(operand0_0[3], operand0_1[3], operand0_2[3], operand0_3[3]);
              } else if (thread < 32u) {
                tile[((chunk + 1u) % 2u) * 288u + 144u + ((thread - 16u) % 2u) * 36u + (((thread - 16u) >> 1u) % 4u + ((thread - 16u) >> 3u) * 4u)] = vec4<f32>(operand0_0[0], operand0_1[0], operand0_2[0], operand0_3[0]);
                tile[((chunk + 1u) % 2u) * 288u + 153u + ((thread - 16u) % 2u) * 36u + (((thread - 16u) >> 1u) % 4u + ((thread - 16u) >> 3u) * 4u)] = vec4<f32>(operand0_0[1], operand0_1[1], operand0_2[1], operand0_3[1]);
                tile[((chunk + 1u) % 2u) * 288u + 162u + ((thread - 16u) % 2u) * 36u + (((thread - 16u) >> 1u) % 4u + ((thread - 16u) >> 3u) * 4u)] = vec4<f32>(operand0_0[2], operand0_1[2], operand0_2[2], operand0_3[2]);
                tile[((chunk + 1u) % 2u) * 288u + 171u + ((thread - 16u) % 2u) * 36u + (((thread - 16u) >> 1u) % 4u + ((thread - 16u) >> 3u) * 4u)] = vec4<f32>(operand0_0[3], operand0_1[3], operand0_2[3], operand0_3[3]);
              } else if (thread < 48u) {
                tile[((chunk + 1u) % 2u) * 288u + 72u + ((thread - 32u) % 2u) * 36u + (((thread - 32u) >> 1u) % 4u + ((thread - 32u) >> 3u) * 4u)] = vec4<f32>(operand0_0[0], operand0_1[0], operand0_2[0], operand0_3[0]);
                tile[((chunk + 1u) % 2u) * 288u + 81u + ((thread - 32u) % 2u) * 36u + (((thread - 32u) >> 1u) % 4u + ((thread - 32u) >> 3u) * 4u)] = vec4<f32>(operand0_0[1], operand0_1[1], operand0_2[1], operand0_3[1]);
                tile[((chunk + 1u) % 2u) * 288u + 90u + ((thread - 32u) % 2u) * 36u + (((thread - 32u) >> 1u) % 4u + ((thread - 32u) >> 3u) * 4u)] = vec4<f32>(operand0_0[2], operand0_1[2], operand0_2[2], operand0_3[2]);
                tile[((chunk + 1u) % 2u) * 288u + 99u + ((thread - 32u) % 2u) * 36u + (((thread - 32u) >> 1u) % 4u + ((thread - 32u) >> 3u) * 4u)] = vec4<f32>(operand0_0[3], operand0_1[3], operand0_2[3], operand0_3[3]);
              } else if (thread < 64u) {
                tile[((chunk + 1u) % 2u) * 288u + 216u + ((thread - 48u) % 2u) * 36u + (((thread - 48u) >> 1u) % 4u + ((thread - 48u) >> 3u) * 4u)] = vec4<f32>(operand0_0[0], operand0_1[0], operand0_2[0], operand0_3[0]);
                tile[((chunk + 1u) % 2u) * 288u + 225u + ((thread - 48u) % 2u) * 36u + (((thread - 48u) >> 1u) % 4u + ((thread - 48u) >> 3u) * 4u)] = vec4<f32>(operand0_0[1], operand0_1[1], operand0_2[1], operand0_3[1]);
                tile[((chunk + 1u) % 2u) * 288u + 234u + ((thread - 48u) % 2u) * 36u + (((thread - 48u) >> 1u) % 4u + ((thread - 48u) >> 3u) * 4u)] = vec4<f32>(operand0_0[2], operand0_1[2], operand0_2[2], operand0_3[2]);
                tile[((chunk + 1u) % 2u) * 288u + 243u + ((thread - 48u) % 2u) * 36u + (((thread - 48u) >> 1u) % 4u + ((thread - 48u) >> 3u) * 4u)] = vec4<f32>(operand0_0[3], operand0_1[3], operand0_2[3], operand0_3[3]);
              }
            }
          }
        }
        var sourceRow0_0 = vec4<f32>(0.0);
        var sourceRow1_0 = vec4<f32>(0.0);
        sourceRow0_0 = loadDOutput(dOutputBase + min(firstQuery + 0u + thread / 16u, lastQuery) * params.dOutputRow, thread % 16u);
        sourceRow1_0 = loadQuery(queryBase + min(firstQuery + 0u + thread / 16u, lastQuery) * params.queryRow, thread % 16u);
        if (team == 0u) {
          let softmaxRow0_0 = tile[800u + column + 0u].xy;
          let softmaxRow0_1 = tile[800u + column + 8u].xy;
          let softmaxRow0_2 = tile[800u + column + 16u].xy;
          let softmaxRow0_3 = tile[800u + column + 24u].xy;
          let logSumExp0 = vec4<f32>(softmaxRow0_0.x, softmaxRow0_1.x, softmaxRow0_2.x, softmaxRow0_3.x);
          let delta0 = vec4<f32>(softmaxRow0_0.y, softmaxRow0_1.y, softmaxRow0_2.y, softmaxRow0_3.y);
          score0_0 *= scale;
          score1_0 *= scale;
          score2_0 *= scale;
          score3_0 *= scale;
          if (!full) {
            score0_0.x = select(hidden, score0_0.x, (keyIndex + 0u < keyCount) & (queryIndex + 0 < i32(params.queryLength)));
            score0_0.y = select(hidden, score0_0.y, (keyIndex + 0u < keyCount) & (queryIndex + 8 < i32(params.queryLength)));
            score0_0.z = select(hidden, score0_0.z, (keyIndex + 0u < keyCount) & (queryIndex + 16 < i32(params.queryLength)));
            score0_0.w = select(hidden, score0_0.w, (keyIndex + 0u < keyCount) & (queryIndex + 24 < i32(params.queryLength)));
            score1_0.x = select(hidden, score1_0.x, (keyIndex + 1u < keyCount) & (queryIndex + 0 < i32(params.queryLength)));
            score1_0.y = select(hidden, score1_0.y, (keyIndex + 1u < keyCount) & (queryIndex + 8 < i32(params.queryLength)));
            score1_0.z = select(hidden, score1_0.z, (keyIndex + 1u < keyCount) & (queryIndex + 16 < i32(params.queryLength)));
            score1_0.w = select(hidden, score1_0.w, (keyIndex + 1u < keyCount) & (queryIndex + 24 < i32(params.queryLength)));
            score2_0.x = select(hidden, score2_0.x, (keyIndex + 2u < keyCount) & (queryIndex + 0 < i32(params.queryLength)));
            score2_0.y = select(hidden, score2_0.y, (keyIndex + 2u < keyCount) & (queryIndex + 8 < i32(params.queryLength)));
            score2_0.z = select(hidden, score2_0.z, (keyIndex + 2u < keyCount) & (queryIndex + 16 < i32(params.queryLength)));
            score2_0.w = select(hidden, score2_0.w, (keyIndex + 2u < keyCount) & (queryIndex + 24 < i32(params.queryLength)));
            score3_0.x = select(hidden, score3_0.x, (keyIndex + 3u < keyCount) & (queryIndex + 0 < i32(params.queryLength)));
            score3_0.y = select(hidden, score3_0.y, (keyIndex + 3u < keyCount) & (queryIndex + 8 < i32(params.queryLength)));
            score3_0.z = select(hidden, score3_0.z, (keyIndex + 3u < keyCount) & (queryIndex + 16 < i32(params.queryLength)));
            score3_0.w = select(hidden, score3_0.w, (keyIndex + 3u < keyCount) & (queryIndex + 24 < i32(params.queryLength)));
          }
          score0_0 = pairWeights(score0_0, logSumExp0);
          score1_0 = pairWeights(score1_0, logSumExp0);
          score2_0 = pairWeights(score2_0, logSumExp0);
          score3_0 = pairWeights(score3_0, logSumExp0);
        }
        {
          workgroupBarrier();
          tile[0u + 0u + thread] = sourceRow0_0;
          tile[0u + 128u + thread] = sourceRow1_0;
          if (team == 0u) {
            tile[512u + (column + 0u) * 9u + row * 1u + 0u] = vec4<f32>(score0_0.x, score1_0.x, score2_0.x, score3_0.x);
            tile[512u + (column + 8u) * 9u + row * 1u + 0u] = vec4<f32>(score0_0.y, score1_0.y, score2_0.y, score3_0.y);
          }
          workgroupBarrier();
          if (team == 1u) {
            let softmaxRow0_0 = tile[800u + column + 0u].xy;
            let softmaxRow0_1 = tile[800u + column + 8u].xy;
            let softmaxRow0_2 = tile[800u + column + 16u].xy;
            let softmaxRow0_3 = tile[800u + column + 24u].xy;
            let logSumExp0 = vec4<f32>(softmaxRow0_0.x, softmaxRow0_1.x, softmaxRow0_2.x, softmaxRow0_3.x);
            let delta0 = vec4<f32>(softmaxRow0_0.y, softmaxRow0_1.y, softmaxRow0_2.y, softmaxRow0_3.y);
            {
              let probability = tile[512u + (column + 0u) * 9u + row * 1u + 0u];
              tile[144u + 512u + (column + 0u) * 9u + row * 1u + 0u] = select(probability * (vec4<f32>(score0_0.x, score1_0.x, score2_0.x, score3_0.x) - vec4<f32>(delta0.x)), probability, probability == vec4<f32>(0.0));
            }
            {
              let probability = tile[512u + (column + 8u) * 9u + row * 1u + 0u];
              tile[144u + 512u + (column + 8u) * 9u + row * 1u + 0u] = select(probability * (vec4<f32>(score0_0.y, score1_0.y, score2_0.y, score3_0.y) - vec4<f32>(delta0.y)), probability, probability == vec4<f32>(0.0));
            }
          }
          for (var chunk = 0u; chunk < 2u; chunk++) {
            workgroupBarrier();
            sourceRow0_0 = loadDOutput(dOutputBase + min(firstQuery + 0u + (chunk + 1u) * 8u + thread / 16u, lastQuery) * params.dOutputRow, thread % 16u);
            sourceRow1_0 = loadQuery(queryBase + min(firstQuery + 0u + (chunk + 1u) * 8u + thread / 16u, lastQuery) * params.queryRow, thread % 16u);
            if (careful) {
              for (var token = 0u; token < 8u * care; token++) {
                let w0 = tile[512u + team * 144u + (chunk * 8u + token) * 9u + row * 1u + 0u];
                let x0 = tile[(chunk % 2u) * 256u + team * 128u + token * 16u + column + 0u];
                let x1 = tile[(chunk % 2u) * 256u + team * 128u + token * 16u + column + 8u];
                sum0_0 = addVisible(sum0_0, w0.x, x0);
                sum0_1 = addVisible(sum0_1, w0.x, x1);
                sum1_0 = addVisible(sum1_0, w0.y, x0);
                sum1_1 = addVisible(sum1_1, w0.y, x1);
                sum2_0 = addVisible(sum2_0, w0.z, x0);
                sum2_1 = addVisible(sum2_1, w0.z, x1);
                sum3_0 = addVisible(sum3_0, w0.w, x0);
                sum3_1 = addVisible(sum3_1, w0.w, x1);
              }
            } else {
              for (var token = 0u; token < 8u; token++) {
                let w0 = tile[512u + team * 144u + (chunk * 8u + token) * 9u + row * 1u + 0u];
                let x0 = tile[(chunk % 2u) * 256u + team * 128u + token * 16u + column + 0u];
                let x1 = tile[(chunk % 2u) * 256u + team * 128u + token * 16u + column + 8u];
                sum0_0 = fma(vec4<f32>(w0.x), x0, sum0_0);
                sum0_1 = fma(vec4<f32>(w0.x), x1, sum0_1);
                sum1_0 = fma(vec4<f32>(w0.y), x0, sum1_0);
                sum1_1 = fma(vec4<f32>(w0.y), x1, sum1_1);
                sum2_0 = fma(vec4<f32>(w0.z), x0, sum2_0);
                sum2_1 = fma(vec4<f32>(w0.z), x1, sum2_1);
                sum3_0 = fma(vec4<f32>(w0.w), x0, sum3_0);
                sum3_1 = fma(vec4<f32>(w0.w), x1, sum3_1);
              }
            }
            if (chunk < 1u) {
              tile[((chunk + 1u) % 2u) * 256u + 0u + thread] = sourceRow0_0;
              tile[((chunk + 1u) % 2u) * 256u + 128u + thread] = sourceRow1_0;
            }
          }
        }
        {
          workgroupBarrier();
          tile[0u + 0u + thread] = sourceRow0_0;
          tile[0u + 128u + thread] = sourceRow1_0;
          if (team == 0u) {
            tile[512u + (column + 0u) * 9u + row * 1u + 0u] = vec4<f32>(score0_0.z, score1_0.z, score2_0.z, score3_0.z);
            tile[512u + (column + 8u) * 9u + row * 1u + 0u] = vec4<f32>(score0_0.w, score1_0.w, score2_0.w, score3_0.w);
          }
          workgroupBarrier();
          if (team == 1u) {
            let softmaxRow0_0 = tile[800u + column + 0u].xy;
            let softmaxRow0_1 = tile[800u + column + 8u].xy;
            let softmaxRow0_2 = tile[800u + column + 16u].xy;
            let softmaxRow0_3 = tile[800u + column + 24u].xy;
            let logSumExp0 = vec4<f32>(softmaxRow0_0.x, softmaxRow0_1.x, softmaxRow0_2.x, softmaxRow0_3.x);
            let delta0 = vec4<f32>(softmaxRow0_0.y, softmaxRow0_1.y, softmaxRow0_2.y, softmaxRow0_3.y);
            {
              let probability = tile[512u + (column + 0u) * 9u + row * 1u + 0u];
              tile[144u + 512u + (column + 0u) * 9u + row * 1u + 0u] = select(probability * (vec4<f32>(score0_0.z, score1_0.z, score2_0.z, score3_0.z) - vec4<f32>(delta0.z)), probability, probability == vec4<f32>(0.0));
            }
            {
              let probability = tile[512u + (column + 8u) * 9u + row * 1u + 0u];
              tile[144u + 512u + (column + 8u) * 9u + row * 1u + 0u] = select(probability * (vec4<f32>(score0_0.w, score1_0.w, score2_0.w, score3_0.w) - vec4<f32>(delta0.w)), probability, probability == vec4<f32>(0.0));
            }
          }
          for (var chunk = 0u; chunk < 2u; chunk++) {
            workgroupBarrier();
            if (chunk < 1u) {
              sourceRow0_0 = loadDOutput(dOutputBase + min(firstQuery + 16u + (chunk + 1u) * 8u + thread / 16u, lastQuery) * params.dOutputRow, thread % 16u);
              sourceRow1_0 = loadQuery(queryBase + min(firstQuery + 16u + (chunk + 1u) * 8u + thread / 16u, lastQuery) * params.queryRow, thread % 16u);
            }
            if (careful) {
              for (var token = 0u; token < 8u * care; token++) {
                let w0 = tile[512u + team * 144u + (chunk * 8u + token) * 9u + row * 1u + 0u];
                let x0 = tile[(chunk % 2u) * 256u + team * 128u + token * 16u + column + 0u];
                let x1 = tile[(chunk % 2u) * 256u + team * 128u + token * 16u + column + 8u];
                sum0_0 = addVisible(sum0_0, w0.x, x0);
                sum0_1 = addVisible(sum0_1, w0.x, x1);
                sum1_0 = addVisible(sum1_0, w0.y, x0);
                sum1_1 = addVisible(sum1_1, w0.y, x1);
                sum2_0 = addVisible(sum2_0, w0.z, x0);
                sum2_1 = addVisible(sum2_1, w0.z, x1);
                sum3_0 = addVisible(sum3_0, w0.w, x0);
                sum3_1 = addVisible(sum3_1, w0.w, x1);
              }
            } else {
              for (var token = 0u; token < 8u; token++) {
                let w0 = tile[512u + team * 144u + (chunk * 8u + token) * 9u + row * 1u + 0u];
                let x0 = tile[(chunk % 2u) * 256u + team * 128u + token * 16u + column + 0u];
                let x1 = tile[(chunk % 2u) * 256u + team * 128u + token * 16u + column + 8u];
                sum0_0 = fma(vec4<f32>(w0.x), x0, sum0_0);
                sum0_1 = fma(vec4<f32>(w0.x), x1, sum0_1);
                sum1_0 = fma(vec4<f32>(w0.y), x0, sum1_0);
                sum1_1 = fma(vec4<f32>(w0.y), x1, sum1_1);
                sum2_0 = fma(vec4<f32>(w0.z), x0, sum2_0);
                sum2_1 = fma(vec4<f32>(w0.z), x1, sum2_1);
                sum3_0 = fma(vec4<f32>(w0.w), x0, sum3_0);
                sum3_1 = fma(vec4<f32>(w0.w), x1, sum3_1);
              }
            }
            if (chunk < 1u) {
              tile[((chunk + 1u) % 2u) * 256u + 0u + thread] = sourceRow0_0;
              tile[((chunk + 1u) % 2u) * 256u + 128u + thread] = sourceRow1_0;
            }
          }
        }
      }
    }
    if (!careful) {
      // Sums may overflow here: then care is taken for nothing.
      if (!allFinite(sum0_0 + sum0_1 + sum1_0 + sum1_1 + sum2_0 + sum2_1 + sum3_0 + sum3_1)) { tile[careRegion] = vec4<f32>(1.0); }
      care = u32(workgroupUniformLoad(&tile[careRegion]).x);
      careful = care != 0u;
      if (careful) { continue; }
    }
    let finalKey = params.keyLength - 1u; // padding has gradients too: 0
    var sums = array<vec4<f32>, 8>(sum0_0, sum0_1, sum1_0, sum1_1, sum2_0, sum2_1, sum3_0, sum3_1);
    if (team == 0u) {
      for (var i = 0u; i < 4u; i++) {
        let tokenRow = firstKey + row * 4u + i;
        if (tokenRow <= finalKey) {
          let base = dValueBase + tokenRow * params.dValueRow;
          {
            let vector = column + 0u;
            if (vector < 16u) {
              var sum = sums[i * 2u + 0u];
              if (params.accumulate != 0u) { sum += loadDValue(base, vector); }
              storeDValue(base, vector, sum);
            }
          }
          {
            let vector = column + 8u;
            if (vector < 16u) {
              var sum = sums[i * 2u + 1u];
              if (params.accumulate != 0u) { sum += loadDValue(base, vector); }
              storeDValue(base, vector, sum);
            }
          }
        }
      }
    } else {
      for (var i = 0u; i < 4u; i++) {
        let tokenRow = firstKey + row * 4u + i;
        if (tokenRow <= finalKey) {
          let base = dKeyBase + tokenRow * params.dKeyRow;
          {
            let vector = column + 0u;
            if (vector < 16u) {
              var sum = sums[i * 2u + 0u] * scale;
              if (params.accumulate != 0u) { sum += loadDKey(base, vector); }
              storeDKey(base, vector, sum);
            }
          }
          {
            let vector = column + 8u;
            if (vector < 16u) {
              var sum = sums[i * 2u + 1u] * scale;
              if (params.accumulate != 0u) { sum += loadDKey(base, vector); }
              storeDKey(base, vector, sum);
            }
          }
        }
      }
    }
    break;
  }
}
