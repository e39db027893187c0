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
  dOutputOffset: u32,
  dOutputBatch: u32,
  dOutputHead: u32,
  dOutputRow: u32,
  dOutputDim: u32,
  dValueOffset: u32,
  dValueBatch: u32,
  dValueHead: u32,
  dValueRow: u32,
  dValueDim: u32,
  dKeyOffset: u32,
  dKeyBatch: u32,
  dKeyHead: u32,
  dKeyRow: u32,
  dKeyDim: u32,
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
@group(0) @binding(1) var<storage, read> query: array<vec4<f16>>;
@group(0) @binding(2) var<storage, read> key: array<vec4<f16>>;
@group(0) @binding(3) var<storage, read> value: array<vec4<f16>>;
@group(0) @binding(4) var<storage, read> dOutput: array<vec4<f16>>;
// Log-sum-exp and D of every row, and the scale of dS.
@group(0) @binding(5) var<storage, read> softmaxRows: array<vec4<f32>>;
// Query offset and key count of every sequence, the tables of the expressions, the block map.
@group(0) @binding(6) var<storage, read> data: array<u32>;
@group(0) @binding(7) var<storage, read_write> dValue: array<vec4<f16>>;
@group(0) @binding(8) var<storage, read_write> dKey: array<vec4<f16>>;

alias Left = subgroup_matrix_left<f16, 16, 16>;
alias Right = subgroup_matrix_right<f16, 16, 16>;
alias Result = subgroup_matrix_result<f32, 16, 16>;
const tileRows = 128u;
const tileColumns = 16u;
const scoreStride = 5u;
const weightStride = 10u;
// Finite stand-ins for infinities, with room for one difference.
const hidden = -1.0e38;
const deadRow = 2.0e38;
const weightBits = 8.0;
const weightUnit = 0.00390625;
const log2e = 1.4426950408889634;

// 48400 bytes: two tiles of visited rows,
var<workgroup> queryRows: array<array<vec4<f16>, 544>, 2>;
var<workgroup> dOutputRows: array<array<vec4<f16>, 544>, 2>;
// Of each query: log-sum-exp, and D.
var<workgroup> statistics: array<array<vec4<f32>, 8>, 2>;
// and of each subgroup S, dP, and the weights of the sums: P and dS.
var<workgroup> scores: array<array<vec4<f32>, 80>, 8>;
var<workgroup> gradients: array<array<vec4<f32>, 80>, 8>;
var<workgroup> weights: array<array<vec4<f16>, 160>, 8>;
// Whether any thread has met a sum that is not finite. Like the others a multiple of 16 bytes: drivers lay
// arrays out in an order of their own, back to back, and matrices that begin elsewhere are read wrongly.
var<workgroup> foundStrange: vec4<u32>;

fn loadQuery(base: u32, vector: u32) -> vec4<f32> {
  return vec4<f32>(query[base + vector]);
}

fn loadKey(base: u32, vector: u32) -> vec4<f32> {
  return vec4<f32>(key[base + vector]);
}

fn loadValue(base: u32, vector: u32) -> vec4<f32> {
  return vec4<f32>(value[base + vector]);
}

fn loadDOutput(base: u32, vector: u32) -> vec4<f32> {
  return vec4<f32>(dOutput[base + vector]);
}

fn loadDValue(base: u32, vector: u32) -> vec4<f32> {
  return vec4<f32>(dValue[base + vector]);
}

fn storeDValue(base: u32, vector: u32, value: vec4<f32>) {
  dValue[base + vector] = vec4<f16>(value);
}

fn loadDKey(base: u32, vector: u32) -> vec4<f32> {
  return vec4<f32>(dKey[base + vector]);
}

fn storeDKey(base: u32, vector: u32, value: vec4<f32>) {
  dKey[base + vector] = vec4<f16>(value);
}

fn softmaxRow(batch: u32, head: u32, queryRow: u32) -> vec4<f32> {
  let row = min(queryRow, params.queryLength - 1u);
  let held = softmaxRows[params.softmaxRowsOffset + (batch * params.heads + head) * params.queryLength + row];
  return select(held, vec4<f32>(deadRow, 0.0, held.zw), queryRow >= params.queryLength);
}

const hiddenBits = 0xff800000u; // a score of -Infinity

fn allNaN(values: vec4<f32>) -> bool {
  return all((bitcast<vec4<u32>>(values) & vec4<u32>(0x7fffffffu)) > vec4<u32>(0x7f800000u));
}

@compute @workgroup_size(256)
fn main(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(subgroup_id) subgroupId: u32,
  @builtin(subgroup_invocation_id) invocation: u32,
) {
  let subgroup = subgroupId & 7u;
  let lane = invocation & 31u;
  let thread = subgroup * 32u + lane;
  let nothing = params.negativeInfinity ^ 0xff800000u;
  let part = lane % 2u;
  let ownRow0 = lane / 2u;
  if (thread == 0u) { foundStrange = vec4<u32>(0u); }
  let keyHead = params.headBegin / params.headsPerKeyHead + workgroup.x;
  let firstHead = max(params.headBegin, keyHead * params.headsPerKeyHead);
  let endHead = min(params.headEnd, (keyHead + 1u) * params.headsPerKeyHead);
  let batch = params.batchBase + workgroup.z;
  let queryOffset = bitcast<i32>(data[2u * batch]);
  let keyCount = data[2u * batch + 1u];
  let rowTile = params.rowTileBase + workgroup.y;
  let keyBase = params.keyOffset + batch * params.keyBatch + keyHead * params.keyHead;
  let valueBase = params.valueOffset + batch * params.valueBatch + keyHead * params.valueHead;
  let dValueBase = params.dValueOffset + batch * params.dValueBatch + keyHead * params.dValueHead;
  let dKeyBase = params.dKeyOffset + batch * params.dKeyBatch + keyHead * params.dKeyHead;
  let firstKey = rowTile * tileRows + subgroup * 16u;
  let lastKey = max(keyCount, 1u) - 1u; // rows past it may hold anything, so they are never read
  let lastQuery = params.queryLength - 1u;
  let scale = bitcast<f32>(params.scale);
  let scaleOfPower = scale * log2e;
  // The same for every query that shares these keys.
  let gradientScale = softmaxRow(batch, firstHead, params.columnTileBegin * tileColumns).z;
  let keyIndex = firstKey + ownRow0;
  let finalKey = params.keyLength - 1u; // padding has gradients too: 0
  var keyOwn0_0 = vec4<f16>();
  var keyOwn0_1 = vec4<f16>();
  var keyOwn0_2 = vec4<f16>();
  var keyOwn0_3 = vec4<f16>();
  keyOwn0_0 = key[keyBase + min(firstKey + lane / 8u, lastKey) * params.keyRow + lane % 8u];
  keyOwn0_1 = key[keyBase + min(firstKey + (lane + 32u) / 8u, lastKey) * params.keyRow + (lane + 32u) % 8u];
  keyOwn0_2 = key[keyBase + min(firstKey + (lane + 64u) / 8u, lastKey) * params.keyRow + (lane + 64u) % 8u];
  keyOwn0_3 = key[keyBase + min(firstKey + (lane + 96u) / 8u, lastKey) * params.keyRow + (lane + 96u) % 8u];
  var keyOwn1_0 = vec4<f16>();
  var keyOwn1_1 = vec4<f16>();
  var keyOwn1_2 = vec4<f16>();
  var keyOwn1_3 = vec4<f16>();
  keyOwn1_0 = key[keyBase + min(firstKey + lane / 8u, lastKey) * params.keyRow + 8u + lane % 8u];
  keyOwn1_1 = key[keyBase + min(firstKey + (lane + 32u) / 8u, lastKey) * params.keyRow + 8u + (lane + 32u) % 8u];
  keyOwn1_2 = key[keyBase + min(firstKey + (lane + 64u) / 8u, lastKey) * params.keyRow + 8u + (lane + 64u) % 8u];
  keyOwn1_3 = key[keyBase + min(firstKey + (lane + 96u) / 8u, lastKey) * params.keyRow + 8u + (lane + 96u) % 8u];
  var keyOwn2_0 = vec4<f16>();
  var keyOwn2_1 = vec4<f16>();
  var keyOwn2_2 = vec4<f16>();
  var keyOwn2_3 = vec4<f16>();
  keyOwn2_0 = key[keyBase + min(firstKey + lane / 8u, lastKey) * params.keyRow + 16u + lane % 8u];
  keyOwn2_1 = key[keyBase + min(firstKey + (lane + 32u) / 8u, lastKey) * params.keyRow + 16u + (lane + 32u) % 8u];
  keyOwn2_2 = key[keyBase + min(firstKey + (lane + 64u) / 8u, lastKey) * params.keyRow + 16u + (lane + 64u) % 8u];
  keyOwn2_3 = key[keyBase + min(firstKey + (lane + 96u) / 8u, lastKey) * params.keyRow + 16u + (lane + 96u) % 8u];
  var keyOwn3_0 = vec4<f16>();
  var keyOwn3_1 = vec4<f16>();
  var keyOwn3_2 = vec4<f16>();
  var keyOwn3_3 = vec4<f16>();
  keyOwn3_0 = key[keyBase + min(firstKey + lane / 8u, lastKey) * params.keyRow + 24u + lane % 8u];
  keyOwn3_1 = key[keyBase + min(firstKey + (lane + 32u) / 8u, lastKey) * params.keyRow + 24u + (lane + 32u) % 8u];
  keyOwn3_2 = key[keyBase + min(firstKey + (lane + 64u) / 8u, lastKey) * params.keyRow + 24u + (lane + 64u) % 8u];
  keyOwn3_3 = key[keyBase + min(firstKey + (lane + 96u) / 8u, lastKey) * params.keyRow + 24u + (lane + 96u) % 8u];
  var valueOwn0_0 = vec4<f16>();
  var valueOwn0_1 = vec4<f16>();
  var valueOwn0_2 = vec4<f16>();
  var valueOwn0_3 = vec4<f16>();
  valueOwn0_0 = value[valueBase + min(firstKey + lane / 8u, lastKey) * params.valueRow + lane % 8u];
  valueOwn0_1 = value[valueBase + min(firstKey + (lane + 32u) / 8u, lastKey) * params.valueRow + (lane + 32u) % 8u];
  valueOwn0_2 = value[valueBase + min(firstKey + (lane + 64u) / 8u, lastKey) * params.valueRow + (lane + 64u) % 8u];
  valueOwn0_3 = value[valueBase + min(firstKey + (lane + 96u) / 8u, lastKey) * params.valueRow + (lane + 96u) % 8u];
  var valueOwn1_0 = vec4<f16>();
  var valueOwn1_1 = vec4<f16>();
  var valueOwn1_2 = vec4<f16>();
  var valueOwn1_3 = vec4<f16>();
  valueOwn1_0 = value[valueBase + min(firstKey + lane / 8u, lastKey) * params.valueRow + 8u + lane % 8u];
  valueOwn1_1 = value[valueBase + min(firstKey + (lane + 32u) / 8u, lastKey) * params.valueRow + 8u + (lane + 32u) % 8u];
  valueOwn1_2 = value[valueBase + min(firstKey + (lane + 64u) / 8u, lastKey) * params.valueRow + 8u + (lane + 64u) % 8u];
  valueOwn1_3 = value[valueBase + min(firstKey + (lane + 96u) / 8u, lastKey) * params.valueRow + 8u + (lane + 96u) % 8u];
  var valueOwn2_0 = vec4<f16>();
  var valueOwn2_1 = vec4<f16>();
  var valueOwn2_2 = vec4<f16>();
  var valueOwn2_3 = vec4<f16>();
  valueOwn2_0 = value[valueBase + min(firstKey + lane / 8u, lastKey) * params.valueRow + 16u + lane % 8u];
  valueOwn2_1 = value[valueBase + min(firstKey + (lane + 32u) / 8u, lastKey) * params.valueRow + 16u + (lane + 32u) % 8u];
  valueOwn2_2 = value[valueBase + min(firstKey + (lane + 64u) / 8u, lastKey) * params.valueRow + 16u + (lane + 64u) % 8u];
  valueOwn2_3 = value[valueBase + min(firstKey + (lane + 96u) / 8u, lastKey) * params.valueRow + 16u + (lane + 96u) % 8u];
  var valueOwn3_0 = vec4<f16>();
  var valueOwn3_1 = vec4<f16>();
  var valueOwn3_2 = vec4<f16>();
  var valueOwn3_3 = vec4<f16>();
  valueOwn3_0 = value[valueBase + min(firstKey + lane / 8u, lastKey) * params.valueRow + 24u + lane % 8u];
  valueOwn3_1 = value[valueBase + min(firstKey + (lane + 32u) / 8u, lastKey) * params.valueRow + 24u + (lane + 32u) % 8u];
  valueOwn3_2 = value[valueBase + min(firstKey + (lane + 64u) / 8u, lastKey) * params.valueRow + 24u + (lane + 64u) % 8u];
  valueOwn3_3 = value[valueBase + min(firstKey + (lane + 96u) / 8u, lastKey) * params.valueRow + 24u + (lane + 96u) % 8u];
  workgroupBarrier();
  weights[subgroup][lane / 8u * weightStride + lane % 8u] = keyOwn0_0;
  weights[subgroup][(lane + 32u) / 8u * weightStride + (lane + 32u) % 8u] = keyOwn0_1;
  weights[subgroup][(lane + 64u) / 8u * weightStride + (lane + 64u) % 8u] = keyOwn0_2;
  weights[subgroup][(lane + 96u) / 8u * weightStride + (lane + 96u) % 8u] = keyOwn0_3;
  workgroupBarrier();
  let key0_0 = subgroupMatrixLoad<Left, row_major>(&weights[subgroup], 0u, weightStride);
  let key0_1 = subgroupMatrixLoad<Left, row_major>(&weights[subgroup], 4u, weightStride);
  workgroupBarrier();
  weights[subgroup][lane / 8u * weightStride + lane % 8u] = keyOwn1_0;
  weights[subgroup][(lane + 32u) / 8u * weightStride + (lane + 32u) % 8u] = keyOwn1_1;
  weights[subgroup][(lane + 64u) / 8u * weightStride + (lane + 64u) % 8u] = keyOwn1_2;
  weights[subgroup][(lane + 96u) / 8u * weightStride + (lane + 96u) % 8u] = keyOwn1_3;
  workgroupBarrier();
  let key0_2 = subgroupMatrixLoad<Left, row_major>(&weights[subgroup], 0u, weightStride);
  let key0_3 = subgroupMatrixLoad<Left, row_major>(&weights[subgroup], 4u, weightStride);
  workgroupBarrier();
  weights[subgroup][lane / 8u * weightStride + lane % 8u] = keyOwn2_0;
  weights[subgroup][(lane + 32u) / 8u * weightStride + (lane + 32u) % 8u] = keyOwn2_1;
  weights[subgroup][(lane + 64u) / 8u * weightStride + (lane + 64u) % 8u] = keyOwn2_2;
  weights[subgroup][(lane + 96u) / 8u * weightStride + (lane + 96u) % 8u] = keyOwn2_3;
  workgroupBarrier();
  let key0_4 = subgroupMatrixLoad<Left, row_major>(&weights[subgroup], 0u, weightStride);
  let key0_5 = subgroupMatrixLoad<Left, row_major>(&weights[subgroup], 4u, weightStride);
  workgroupBarrier();
  weights[subgroup][lane / 8u * weightStride + lane % 8u] = keyOwn3_0;
  weights[subgroup][(lane + 32u) / 8u * weightStride + (lane + 32u) % 8u] = keyOwn3_1;
  weights[subgroup][(lane + 64u) / 8u * weightStride + (lane + 64u) % 8u] = keyOwn3_2;
  weights[subgroup][(lane + 96u) / 8u * weightStride + (lane + 96u) % 8u] = keyOwn3_3;
  workgroupBarrier();
  let key0_6 = subgroupMatrixLoad<Left, row_major>(&weights[subgroup], 0u, weightStride);
  let key0_7 = subgroupMatrixLoad<Left, row_major>(&weights[subgroup], 4u, weightStride);
  workgroupBarrier();
  weights[subgroup][lane / 8u * weightStride + lane % 8u] = valueOwn0_0;
  weights[subgroup][(lane + 32u) / 8u * weightStride + (lane + 32u) % 8u] = valueOwn0_1;
  weights[subgroup][(lane + 64u) / 8u * weightStride + (lane + 64u) % 8u] = valueOwn0_2;
  weights[subgroup][(lane + 96u) / 8u * weightStride + (lane + 96u) % 8u] = valueOwn0_3;
  workgroupBarrier();
  let value0_0 = subgroupMatrixLoad<Left, row_major>(&weights[subgroup], 0u, weightStride);
  let value0_1 = subgroupMatrixLoad<Left, row_major>(&weights[subgroup], 4u, weightStride);
  workgroupBarrier();
  weights[subgroup][lane / 8u * weightStride + lane % 8u] = valueOwn1_0;
  weights[subgroup][(lane + 32u) / 8u * weightStride + (lane + 32u) % 8u] = valueOwn1_1;
  weights[subgroup][(lane + 64u) / 8u * weightStride + (lane + 64u) % 8u] = valueOwn1_2;
  weights[subgroup][(lane + 96u) / 8u * weightStride + (lane + 96u) % 8u] = valueOwn1_3;
  workgroupBarrier();
  let value0_2 = subgroupMatrixLoad<Left, row_major>(&weights[subgroup], 0u, weightStride);
  let value0_3 = subgroupMatrixLoad<Left, row_major>(&weights[subgroup], 4u, weightStride);
  workgroupBarrier();
  weights[subgroup][lane / 8u * weightStride + lane % 8u] = valueOwn2_0;
  weights[subgroup][(lane + 32u) / 8u * weightStride + (lane + 32u) % 8u] = valueOwn2_1;
  weights[subgroup][(lane + 64u) / 8u * weightStride + (lane + 64u) % 8u] = valueOwn2_2;
  weights[subgroup][(lane + 96u) / 8u * weightStride + (lane + 96u) % 8u] = valueOwn2_3;
  workgroupBarrier();
  let value0_4 = subgroupMatrixLoad<Left, row_major>(&weights[subgroup], 0u, weightStride);
  let value0_5 = subgroupMatrixLoad<Left, row_major>(&weights[subgroup], 4u, weightStride);
  workgroupBarrier();
  weights[subgroup][lane / 8u * weightStride + lane % 8u] = valueOwn3_0;
  weights[subgroup][(lane + 32u) / 8u * weightStride + (lane + 32u) % 8u] = valueOwn3_1;
  weights[subgroup][(lane + 64u) / 8u * weightStride + (lane + 64u) % 8u] = valueOwn3_2;
  weights[subgroup][(lane + 96u) / 8u * weightStride + (lane + 96u) % 8u] = valueOwn3_3;
  workgroupBarrier();
  let value0_6 = subgroupMatrixLoad<Left, row_major>(&weights[subgroup], 0u, weightStride);
  let value0_7 = subgroupMatrixLoad<Left, row_major>(&weights[subgroup], 4u, weightStride);
  var dValue0_0 = Result();
  var dValue0_1 = Result();
  var dValue0_2 = Result();
  var dValue0_3 = Result();
  var dValue0_4 = Result();
  var dValue0_5 = Result();
  var dValue0_6 = Result();
  var dValue0_7 = Result();
  var dKey0_0 = Result();
  var dKey0_1 = Result();
  var dKey0_2 = Result();
  var dKey0_3 = Result();
  var dKey0_4 = Result();
  var dKey0_5 = Result();
  var dKey0_6 = Result();
  var dKey0_7 = Result();
  for (var head = firstHead; head < endHead; head++) {
    let queryBase = params.queryOffset + batch * params.queryBatch + head * params.queryHead;
    let dOutputBase = params.dOutputOffset + batch * params.dOutputBatch + head * params.dOutputHead;
    var columnTile = params.columnTileBegin;
    var nextTile = columnTile + 1u;
    var visits = columnTile < params.columnTileEnd;
    var visitsNext = nextTile < params.columnTileEnd;
    var full = (rowTile + 1u) * tileRows <= keyCount;
    var queryNext0 = vec4<f16>();
    var queryNext1 = vec4<f16>();
    var dOutputNext0 = vec4<f16>();
    var dOutputNext1 = vec4<f16>();
    var logSumExpNext = 0.0;
    var deltaNext = 0.0;
    workgroupBarrier();
    if (visits) {
      queryNext0 = query[queryBase + min(columnTile * tileColumns + thread / 32u, lastQuery) * params.queryRow + thread % 32u];
      queryNext1 = query[queryBase + min(columnTile * tileColumns + (thread + 256u) / 32u, lastQuery) * params.queryRow + (thread + 256u) % 32u];
      dOutputNext0 = dOutput[dOutputBase + min(columnTile * tileColumns + thread / 32u, lastQuery) * params.dOutputRow + thread % 32u];
      dOutputNext1 = dOutput[dOutputBase + min(columnTile * tileColumns + (thread + 256u) / 32u, lastQuery) * params.dOutputRow + (thread + 256u) % 32u];
      if (thread < 16u) {
        let softmaxRowNext = softmaxRow(batch, head, columnTile * tileColumns + thread);
        logSumExpNext = softmaxRowNext.x * log2e - weightBits;
        deltaNext = softmaxRowNext.y * gradientScale;
      }
      queryRows[0u][thread / 32u * 34u + thread % 32u] = queryNext0;
      queryRows[0u][(thread + 256u) / 32u * 34u + (thread + 256u) % 32u] = queryNext1;
      dOutputRows[0u][thread / 32u * 34u + thread % 32u] = dOutputNext0;
      dOutputRows[0u][(thread + 256u) / 32u * 34u + (thread + 256u) % 32u] = dOutputNext1;
      if (thread < 16u) {
        statistics[0u][thread / 4u][thread % 4u] = logSumExpNext;
        statistics[0u][thread / 4u + 4u][thread % 4u] = deltaNext;
      }
    }
    if (visitsNext) {
      queryNext0 = query[queryBase + min(nextTile * tileColumns + thread / 32u, lastQuery) * params.queryRow + thread % 32u];
      queryNext1 = query[queryBase + min(nextTile * tileColumns + (thread + 256u) / 32u, lastQuery) * params.queryRow + (thread + 256u) % 32u];
      dOutputNext0 = dOutput[dOutputBase + min(nextTile * tileColumns + thread / 32u, lastQuery) * params.dOutputRow + thread % 32u];
      dOutputNext1 = dOutput[dOutputBase + min(nextTile * tileColumns + (thread + 256u) / 32u, lastQuery) * params.dOutputRow + (thread + 256u) % 32u];
      if (thread < 16u) {
        let softmaxRowNext = softmaxRow(batch, head, nextTile * tileColumns + thread);
        logSumExpNext = softmaxRowNext.x * log2e - weightBits;
        deltaNext = softmaxRowNext.y * gradientScale;
      }
    }
    workgroupBarrier();
    {
      var product0 = Result();
      let visited0 = subgroupMatrixLoad<Right, col_major>(&queryRows[0u], 0u, 34u);
      product0 = subgroupMatrixMultiplyAccumulate(key0_0, visited0, product0);
      let visited1 = subgroupMatrixLoad<Right, col_major>(&queryRows[0u], 4u, 34u);
      product0 = subgroupMatrixMultiplyAccumulate(key0_1, visited1, product0);
      let visited2 = subgroupMatrixLoad<Right, col_major>(&queryRows[0u], 8u, 34u);
      product0 = subgroupMatrixMultiplyAccumulate(key0_2, visited2, product0);
      let visited3 = subgroupMatrixLoad<Right, col_major>(&queryRows[0u], 12u, 34u);
      product0 = subgroupMatrixMultiplyAccumulate(key0_3, visited3, product0);
      let visited4 = subgroupMatrixLoad<Right, col_major>(&queryRows[0u], 16u, 34u);
      product0 = subgroupMatrixMultiplyAccumulate(key0_4, visited4, product0);
      let visited5 = subgroupMatrixLoad<Right, col_major>(&queryRows[0u], 20u, 34u);
      product0 = subgroupMatrixMultiplyAccumulate(key0_5, visited5, product0);
      let visited6 = subgroupMatrixLoad<Right, col_major>(&queryRows[0u], 24u, 34u);
      product0 = subgroupMatrixMultiplyAccumulate(key0_6, visited6, product0);
      let visited7 = subgroupMatrixLoad<Right, col_major>(&queryRows[0u], 28u, 34u);
      product0 = subgroupMatrixMultiplyAccumulate(key0_7, visited7, product0);
      subgroupMatrixStore<row_major>(&scores[subgroup], 0u, product0, scoreStride);
    }
    {
      var product0 = Result();
      let visited0 = subgroupMatrixLoad<Right, col_major>(&dOutputRows[0u], 0u, 34u);
      product0 = subgroupMatrixMultiplyAccumulate(value0_0, visited0, product0);
      let visited1 = subgroupMatrixLoad<Right, col_major>(&dOutputRows[0u], 4u, 34u);
      product0 = subgroupMatrixMultiplyAccumulate(value0_1, visited1, product0);
      let visited2 = subgroupMatrixLoad<Right, col_major>(&dOutputRows[0u], 8u, 34u);
      product0 = subgroupMatrixMultiplyAccumulate(value0_2, visited2, product0);
      let visited3 = subgroupMatrixLoad<Right, col_major>(&dOutputRows[0u], 12u, 34u);
      product0 = subgroupMatrixMultiplyAccumulate(value0_3, visited3, product0);
      let visited4 = subgroupMatrixLoad<Right, col_major>(&dOutputRows[0u], 16u, 34u);
      product0 = subgroupMatrixMultiplyAccumulate(value0_4, visited4, product0);
      let visited5 = subgroupMatrixLoad<Right, col_major>(&dOutputRows[0u], 20u, 34u);
      product0 = subgroupMatrixMultiplyAccumulate(value0_5, visited5, product0);
      let visited6 = subgroupMatrixLoad<Right, col_major>(&dOutputRows[0u], 24u, 34u);
      product0 = subgroupMatrixMultiplyAccumulate(value0_6, visited6, product0);
      let visited7 = subgroupMatrixLoad<Right, col_major>(&dOutputRows[0u], 28u, 34u);
      product0 = subgroupMatrixMultiplyAccumulate(value0_7, visited7, product0);
      subgroupMatrixStore<row_major>(&gradients[subgroup], 0u, product0, scoreStride);
    }
    while (visits) {
      {
        workgroupBarrier();
        queryRows[1u][thread / 32u * 34u + thread % 32u] = queryNext0;
        queryRows[1u][(thread + 256u) / 32u * 34u + (thread + 256u) % 32u] = queryNext1;
        dOutputRows[1u][thread / 32u * 34u + thread % 32u] = dOutputNext0;
        dOutputRows[1u][(thread + 256u) / 32u * 34u + (thread + 256u) % 32u] = dOutputNext1;
        if (thread < 16u) {
          statistics[1u][thread / 4u][thread % 4u] = logSumExpNext;
          statistics[1u][thread / 4u + 4u][thread % 4u] = deltaNext;
        }
        let laterTile = nextTile + 1u;
        let visitsLater = laterTile < params.columnTileEnd;
        if (visitsLater) {
          queryNext0 = query[queryBase + min(laterTile * tileColumns + thread / 32u, lastQuery) * params.queryRow + thread % 32u];
          queryNext1 = query[queryBase + min(laterTile * tileColumns + (thread + 256u) / 32u, lastQuery) * params.queryRow + (thread + 256u) % 32u];
          dOutputNext0 = dOutput[dOutputBase + min(laterTile * tileColumns + thread / 32u, lastQuery) * params.dOutputRow + thread % 32u];
          dOutputNext1 = dOutput[dOutputBase + min(laterTile * tileColumns + (thread + 256u) / 32u, lastQuery) * params.dOutputRow + (thread + 256u) % 32u];
          if (thread < 16u) {
            let softmaxRowNext = softmaxRow(batch, head, laterTile * tileColumns + thread);
            logSumExpNext = softmaxRowNext.x * log2e - weightBits;
            deltaNext = softmaxRowNext.y * gradientScale;
          }
        }
        let queryIndex = i32(columnTile * tileColumns + 4u * part);
        let position = queryOffset + queryIndex;
        let logSumExp0 = statistics[0u][part];
        let delta0 = statistics[0u][part + 4u];
        let logSumExp1 = statistics[0u][part + 2u];
        let delta1 = statistics[0u][part + 2u + 4u];
        var score0_0 = scores[subgroup][ownRow0 * scoreStride + part];
        var gradient0_0 = gradients[subgroup][ownRow0 * scoreStride + part];
        var score0_1 = scores[subgroup][ownRow0 * scoreStride + part + 2u];
        var gradient0_1 = gradients[subgroup][ownRow0 * scoreStride + part + 2u];
        score0_0 = fma(score0_0, vec4<f32>(scaleOfPower), -logSumExp0);
        score0_1 = fma(score0_1, vec4<f32>(scaleOfPower), -logSumExp1);
        if (!full) {
          score0_0.x = select(hidden, score0_0.x, (keyIndex + 0u < keyCount));
          score0_0.y = select(hidden, score0_0.y, (keyIndex + 0u < keyCount));
          score0_0.z = select(hidden, score0_0.z, (keyIndex + 0u < keyCount));
          score0_0.w = select(hidden, score0_0.w, (keyIndex + 0u < keyCount));
          score0_1.x = select(hidden, score0_1.x, (keyIndex + 0u < keyCount));
          score0_1.y = select(hidden, score0_1.y, (keyIndex + 0u < keyCount));
          score0_1.z = select(hidden, score0_1.z, (keyIndex + 0u < keyCount));
          score0_1.w = select(hidden, score0_1.w, (keyIndex + 0u < keyCount));
        }
        score0_0 = exp2(score0_0);
        score0_1 = exp2(score0_1);
        gradient0_0 = score0_0 * fma(gradient0_0, vec4<f32>(gradientScale), -delta0);
        gradient0_1 = score0_1 * fma(gradient0_1, vec4<f32>(gradientScale), -delta1);
        if (!full) {
          gradient0_0 = select(gradient0_0, vec4<f32>(0.0), score0_0 == vec4<f32>(0.0));
          gradient0_1 = select(gradient0_1, vec4<f32>(0.0), score0_1 == vec4<f32>(0.0));
        }
        weights[subgroup][ownRow0 * weightStride + part] = vec4<f16>(score0_0);
        weights[subgroup][ownRow0 * weightStride + part + 4u] = vec4<f16>(gradient0_0);
        weights[subgroup][ownRow0 * weightStride + part + 2u] = vec4<f16>(score0_1);
        weights[subgroup][ownRow0 * weightStride + part + 2u + 4u] = vec4<f16>(gradient0_1);
        workgroupBarrier();
        {
          let weights0 = subgroupMatrixLoad<Left, row_major>(&weights[subgroup], 0u, weightStride);
          let visited0 = subgroupMatrixLoad<Right, row_major>(&dOutputRows[0u], 0u, 34u);
          dValue0_0 = subgroupMatrixMultiplyAccumulate(weights0, visited0, dValue0_0);
          let visited1 = subgroupMatrixLoad<Right, row_major>(&dOutputRows[0u], 4u, 34u);
          dValue0_1 = subgroupMatrixMultiplyAccumulate(weights0, visited1, dValue0_1);
          let visited2 = subgroupMatrixLoad<Right, row_major>(&dOutputRows[0u], 8u, 34u);
          dValue0_2 = subgroupMatrixMultiplyAccumulate(weights0, visited2, dValue0_2);
          let visited3 = subgroupMatrixLoad<Right, row_major>(&dOutputRows[0u], 12u, 34u);
          dValue0_3 = subgroupMatrixMultiplyAccumulate(weights0, visited3, dValue0_3);
          let visited4 = subgroupMatrixLoad<Right, row_major>(&dOutputRows[0u], 16u, 34u);
          dValue0_4 = subgroupMatrixMultiplyAccumulate(weights0, visited4, dValue0_4);
          let visited5 = subgroupMatrixLoad<Right, row_major>(&dOutputRows[0u], 20u, 34u);
          dValue0_5 = subgroupMatrixMultiplyAccumulate(weights0, visited5, dValue0_5);
          let visited6 = subgroupMatrixLoad<Right, row_major>(&dOutputRows[0u], 24u, 34u);
          dValue0_6 = subgroupMatrixMultiplyAccumulate(weights0, visited6, dValue0_6);
          let visited7 = subgroupMatrixLoad<Right, row_major>(&dOutputRows[0u], 28u, 34u);
          dValue0_7 = subgroupMatrixMultiplyAccumulate(weights0, visited7, dValue0_7);
        }
        {
          let weights0 = subgroupMatrixLoad<Left, row_major>(&weights[subgroup], 4u, weightStride);
          let visited0 = subgroupMatrixLoad<Right, row_major>(&queryRows[0u], 0u, 34u);
          dKey0_0 = subgroupMatrixMultiplyAccumulate(weights0, visited0, dKey0_0);
          let visited1 = subgroupMatrixLoad<Right, row_major>(&queryRows[0u], 4u, 34u);
          dKey0_1 = subgroupMatrixMultiplyAccumulate(weights0, visited1, dKey0_1);
          let visited2 = subgroupMatrixLoad<Right, row_major>(&queryRows[0u], 8u, 34u);
          dKey0_2 = subgroupMatrixMultiplyAccumulate(weights0, visited2, dKey0_2);
          let visited3 = subgroupMatrixLoad<Right, row_major>(&queryRows[0u], 12u, 34u);
          dKey0_3 = subgroupMatrixMultiplyAccumulate(weights0, visited3, dKey0_3);
          let visited4 = subgroupMatrixLoad<Right, row_major>(&queryRows[0u], 16u, 34u);
          dKey0_4 = subgroupMatrixMultiplyAccumulate(weights0, visited4, dKey0_4);
          let visited5 = subgroupMatrixLoad<Right, row_major>(&queryRows[0u], 20u, 34u);
          dKey0_5 = subgroupMatrixMultiplyAccumulate(weights0, visited5, dKey0_5);
          let visited6 = subgroupMatrixLoad<Right, row_major>(&queryRows[0u], 24u, 34u);
          dKey0_6 = subgroupMatrixMultiplyAccumulate(weights0, visited6, dKey0_6);
          let visited7 = subgroupMatrixLoad<Right, row_major>(&queryRows[0u], 28u, 34u);
          dKey0_7 = subgroupMatrixMultiplyAccumulate(weights0, visited7, dKey0_7);
        }
        {
          var product0 = Result();
          let visited0 = subgroupMatrixLoad<Right, col_major>(&queryRows[1u], 0u, 34u);
          product0 = subgroupMatrixMultiplyAccumulate(key0_0, visited0, product0);
          let visited1 = subgroupMatrixLoad<Right, col_major>(&queryRows[1u], 4u, 34u);
          product0 = subgroupMatrixMultiplyAccumulate(key0_1, visited1, product0);
          let visited2 = subgroupMatrixLoad<Right, col_major>(&queryRows[1u], 8u, 34u);
          product0 = subgroupMatrixMultiplyAccumulate(key0_2, visited2, product0);
          let visited3 = subgroupMatrixLoad<Right, col_major>(&queryRows[1u], 12u, 34u);
          product0 = subgroupMatrixMultiplyAccumulate(key0_3, visited3, product0);
          let visited4 = subgroupMatrixLoad<Right, col_major>(&queryRows[1u], 16u, 34u);
          product0 = subgroupMatrixMultiplyAccumulate(key0_4, visited4, product0);
          let visited5 = subgroupMatrixLoad<Right, col_major>(&queryRows[1u], 20u, 34u);
          product0 = subgroupMatrixMultiplyAccumulate(key0_5, visited5, product0);
          let visited6 = subgroupMatrixLoad<Right, col_major>(&queryRows[1u], 24u, 34u);
          product0 = subgroupMatrixMultiplyAccumulate(key0_6, visited6, product0);
          let visited7 = subgroupMatrixLoad<Right, col_major>(&queryRows[1u], 28u, 34u);
          product0 = subgroupMatrixMultiplyAccumulate(key0_7, visited7, product0);
          subgroupMatrixStore<row_major>(&scores[subgroup], 0u, product0, scoreStride);
        }
        {
          var product0 = Result();
          let visited0 = subgroupMatrixLoad<Right, col_major>(&dOutputRows[1u], 0u, 34u);
          product0 = subgroupMatrixMultiplyAccumulate(value0_0, visited0, product0);
          let visited1 = subgroupMatrixLoad<Right, col_major>(&dOutputRows[1u], 4u, 34u);
          product0 = subgroupMatrixMultiplyAccumulate(value0_1, visited1, product0);
          let visited2 = subgroupMatrixLoad<Right, col_major>(&dOutputRows[1u], 8u, 34u);
          product0 = subgroupMatrixMultiplyAccumulate(value0_2, visited2, product0);
          let visited3 = subgroupMatrixLoad<Right, col_major>(&dOutputRows[1u], 12u, 34u);
          product0 = subgroupMatrixMultiplyAccumulate(value0_3, visited3, product0);
          let visited4 = subgroupMatrixLoad<Right, col_major>(&dOutputRows[1u], 16u, 34u);
          product0 = subgroupMatrixMultiplyAccumulate(value0_4, visited4, product0);
          let visited5 = subgroupMatrixLoad<Right, col_major>(&dOutputRows[1u], 20u, 34u);
          product0 = subgroupMatrixMultiplyAccumulate(value0_5, visited5, product0);
          let visited6 = subgroupMatrixLoad<Right, col_major>(&dOutputRows[1u], 24u, 34u);
          product0 = subgroupMatrixMultiplyAccumulate(value0_6, visited6, product0);
          let visited7 = subgroupMatrixLoad<Right, col_major>(&dOutputRows[1u], 28u, 34u);
          product0 = subgroupMatrixMultiplyAccumulate(value0_7, visited7, product0);
          subgroupMatrixStore<row_major>(&gradients[subgroup], 0u, product0, scoreStride);
        }
        columnTile = nextTile;
        nextTile = laterTile;
        visits = visitsNext;
        visitsNext = visitsLater;
        full = (rowTile + 1u) * tileRows <= keyCount;
      }
      if (visits) {
        workgroupBarrier();
        queryRows[0u][thread / 32u * 34u + thread % 32u] = queryNext0;
        queryRows[0u][(thread + 256u) / 32u * 34u + (thread + 256u) % 32u] = queryNext1;
        dOutputRows[0u][thread / 32u * 34u + thread % 32u] = dOutputNext0;
        dOutputRows[0u][(thread + 256u) / 32u * 34u + (thread + 256u) % 32u] = dOutputNext1;
        if (thread < 16u) {
          statistics[0u][thread / 4u][thread % 4u] = logSumExpNext;
          statistics[0u][thread / 4u + 4u][thread % 4u] = deltaNext;
        }
        let laterTile = nextTile + 1u;
        let visitsLater = laterTile < params.columnTileEnd;
        if (visitsLater) {
          queryNext0 = query[queryBase + min(laterTile * tileColumns + thread / 32u, lastQuery) * params.queryRow + thread % 32u];
          queryNext1 = query[queryBase + min(laterTile * tileColumns + (thread + 256u) / 32u, lastQuery) * params.queryRow + (thread + 256u) % 32u];
          dOutputNext0 = dOutput[dOutputBase + min(laterTile * tileColumns + thread / 32u, lastQuery) * params.dOutputRow + thread % 32u];
          dOutputNext1 = dOutput[dOutputBase + min(laterTile * tileColumns + (thread + 256u) / 32u, lastQuery) * params.dOutputRow + (thread + 256u) % 32u];
          if (thread < 16u) {
            let softmaxRowNext = softmaxRow(batch, head, laterTile * tileColumns + thread);
            logSumExpNext = softmaxRowNext.x * log2e - weightBits;
            deltaNext = softmaxRowNext.y * gradientScale;
          }
        }
        let queryIndex = i32(columnTile * tileColumns + 4u * part);
        let position = queryOffset + queryIndex;
        let logSumExp0 = statistics[1u][part];
        let delta0 = statistics[1u][part + 4u];
        let logSumExp1 = statistics[1u][part + 2u];
        let delta1 = statistics[1u][part + 2u + 4u];
        var score0_0 = scores[subgroup][ownRow0 * scoreStride + part];
        var gradient0_0 = gradients[subgroup][ownRow0 * scoreStride + part];
        var score0_1 = scores[subgroup][ownRow0 * scoreStride + part + 2u];
        var gradient0_1 = gradients[subgroup][ownRow0 * scoreStride + part + 2u];
        score0_0 = fma(score0_0, vec4<f32>(scaleOfPower), -logSumExp0);
        score0_1 = fma(score0_1, vec4<f32>(scaleOfPower), -logSumExp1);
        if (!full) {
          score0_0.x = select(hidden, score0_0.x, (keyIndex + 0u < keyCount));
          score0_0.y = select(hidden, score0_0.y, (keyIndex + 0u < keyCount));
          score0_0.z = select(hidden, score0_0.z, (keyIndex + 0u < keyCount));
          score0_0.w = select(hidden, score0_0.w, (keyIndex + 0u < keyCount));
          score0_1.x = select(hidden, score0_1.x, (keyIndex + 0u < keyCount));
          score0_1.y = select(hidden, score0_1.y, (keyIndex + 0u < keyCount));
          score0_1.z = select(hidden, score0_1.z, (keyIndex + 0u < keyCount));
          score0_1.w = select(hidden, score0_1.w, (keyIndex + 0u < keyCount));
        }
        score0_0 = exp2(score0_0);
        score0_1 = exp2(score0_1);
        gradient0_0 = score0_0 * fma(gradient0_0, vec4<f32>(gradientScale), -delta0);
        gradient0_1 = score0_1 * fma(gradient0_1, vec4<f32>(gradientScale), -delta1);
        if (!full) {
          gradient0_0 = select(gradient0_0, vec4<f32>(0.0), score0_0 == vec4<f32>(0.0));
          gradient0_1 = select(gradient0_1, vec4<f32>(0.0), score0_1 == vec4<f32>(0.0));
        }
        weights[subgroup][ownRow0 * weightStride + part] = vec4<f16>(score0_0);
        weights[subgroup][ownRow0 * weightStride + part + 4u] = vec4<f16>(gradient0_0);
        weights[subgroup][ownRow0 * weightStride + part + 2u] = vec4<f16>(score0_1);
        weights[subgroup][ownRow0 * weightStride + part + 2u + 4u] = vec4<f16>(gradient0_1);
        workgroupBarrier();
        {
          let weights0 = subgroupMatrixLoad<Left, row_major>(&weights[subgroup], 0u, weightStride);
          let visited0 = subgroupMatrixLoad<Right, row_major>(&dOutputRows[1u], 0u, 34u);
          dValue0_0 = subgroupMatrixMultiplyAccumulate(weights0, visited0, dValue0_0);
          let visited1 = subgroupMatrixLoad<Right, row_major>(&dOutputRows[1u], 4u, 34u);
          dValue0_1 = subgroupMatrixMultiplyAccumulate(weights0, visited1, dValue0_1);
          let visited2 = subgroupMatrixLoad<Right, row_major>(&dOutputRows[1u], 8u, 34u);
          dValue0_2 = subgroupMatrixMultiplyAccumulate(weights0, visited2, dValue0_2);
          let visited3 = subgroupMatrixLoad<Right, row_major>(&dOutputRows[1u], 12u, 34u);
          dValue0_3 = subgroupMatrixMultiplyAccumulate(weights0, visited3, dValue0_3);
          let visited4 = subgroupMatrixLoad<Right, row_major>(&dOutputRows[1u], 16u, 34u);
          dValue0_4 = subgroupMatrixMultiplyAccumulate(weights0, visited4, dValue0_4);
          let visited5 = subgroupMatrixLoad<Right, row_major>(&dOutputRows[1u], 20u, 34u);
          dValue0_5 = subgroupMatrixMultiplyAccumulate(weights0, visited5, dValue0_5);
          let visited6 = subgroupMatrixLoad<Right, row_major>(&dOutputRows[1u], 24u, 34u);
          dValue0_6 = subgroupMatrixMultiplyAccumulate(weights0, visited6, dValue0_6);
          let visited7 = subgroupMatrixLoad<Right, row_major>(&dOutputRows[1u], 28u, 34u);
          dValue0_7 = subgroupMatrixMultiplyAccumulate(weights0, visited7, dValue0_7);
        }
        {
          let weights0 = subgroupMatrixLoad<Left, row_major>(&weights[subgroup], 4u, weightStride);
          let visited0 = subgroupMatrixLoad<Right, row_major>(&queryRows[1u], 0u, 34u);
          dKey0_0 = subgroupMatrixMultiplyAccumulate(weights0, visited0, dKey0_0);
          let visited1 = subgroupMatrixLoad<Right, row_major>(&queryRows[1u], 4u, 34u);
          dKey0_1 = subgroupMatrixMultiplyAccumulate(weights0, visited1, dKey0_1);
          let visited2 = subgroupMatrixLoad<Right, row_major>(&queryRows[1u], 8u, 34u);
          dKey0_2 = subgroupMatrixMultiplyAccumulate(weights0, visited2, dKey0_2);
          let visited3 = subgroupMatrixLoad<Right, row_major>(&queryRows[1u], 12u, 34u);
          dKey0_3 = subgroupMatrixMultiplyAccumulate(weights0, visited3, dKey0_3);
          let visited4 = subgroupMatrixLoad<Right, row_major>(&queryRows[1u], 16u, 34u);
          dKey0_4 = subgroupMatrixMultiplyAccumulate(weights0, visited4, dKey0_4);
          let visited5 = subgroupMatrixLoad<Right, row_major>(&queryRows[1u], 20u, 34u);
          dKey0_5 = subgroupMatrixMultiplyAccumulate(weights0, visited5, dKey0_5);
          let visited6 = subgroupMatrixLoad<Right, row_major>(&queryRows[1u], 24u, 34u);
          dKey0_6 = subgroupMatrixMultiplyAccumulate(weights0, visited6, dKey0_6);
          let visited7 = subgroupMatrixLoad<Right, row_major>(&queryRows[1u], 28u, 34u);
          dKey0_7 = subgroupMatrixMultiplyAccumulate(weights0, visited7, dKey0_7);
        }
        {
          var product0 = Result();
          let visited0 = subgroupMatrixLoad<Right, col_major>(&queryRows[0u], 0u, 34u);
          product0 = subgroupMatrixMultiplyAccumulate(key0_0, visited0, product0);
          let visited1 = subgroupMatrixLoad<Right, col_major>(&queryRows[0u], 4u, 34u);
          product0 = subgroupMatrixMultiplyAccumulate(key0_1, visited1, product0);
          let visited2 = subgroupMatrixLoad<Right, col_major>(&queryRows[0u], 8u, 34u);
          product0 = subgroupMatrixMultiplyAccumulate(key0_2, visited2, product0);
          let visited3 = subgroupMatrixLoad<Right, col_major>(&queryRows[0u], 12u, 34u);
          product0 = subgroupMatrixMultiplyAccumulate(key0_3, visited3, product0);
          let visited4 = subgroupMatrixLoad<Right, col_major>(&queryRows[0u], 16u, 34u);
          product0 = subgroupMatrixMultiplyAccumulate(key0_4, visited4, product0);
          let visited5 = subgroupMatrixLoad<Right, col_major>(&queryRows[0u], 20u, 34u);
          product0 = subgroupMatrixMultiplyAccumulate(key0_5, visited5, product0);
          let visited6 = subgroupMatrixLoad<Right, col_major>(&queryRows[0u], 24u, 34u);
          product0 = subgroupMatrixMultiplyAccumulate(key0_6, visited6, product0);
          let visited7 = subgroupMatrixLoad<Right, col_major>(&queryRows[0u], 28u, 34u);
          product0 = subgroupMatrixMultiplyAccumulate(key0_7, visited7, product0);
          subgroupMatrixStore<row_major>(&scores[subgroup], 0u, product0, scoreStride);
        }
        {
          var product0 = Result();
          let visited0 = subgroupMatrixLoad<Right, col_major>(&dOutputRows[0u], 0u, 34u);
          product0 = subgroupMatrixMultiplyAccumulate(value0_0, visited0, product0);
          let visited1 = subgroupMatrixLoad<Right, col_major>(&dOutputRows[0u], 4u, 34u);
          product0 = subgroupMatrixMultiplyAccumulate(value0_1, visited1, product0);
          let visited2 = subgroupMatrixLoad<Right, col_major>(&dOutputRows[0u], 8u, 34u);
          product0 = subgroupMatrixMultiplyAccumulate(value0_2, visited2, product0);
          let visited3 = subgroupMatrixLoad<Right, col_major>(&dOutputRows[0u], 12u, 34u);
          product0 = subgroupMatrixMultiplyAccumulate(value0_3, visited3, product0);
          let visited4 = subgroupMatrixLoad<Right, col_major>(&dOutputRows[0u], 16u, 34u);
          product0 = subgroupMatrixMultiplyAccumulate(value0_4, visited4, product0);
          let visited5 = subgroupMatrixLoad<Right, col_major>(&dOutputRows[0u], 20u, 34u);
          product0 = subgroupMatrixMultiplyAccumulate(value0_5, visited5, product0);
          let visited6 = subgroupMatrixLoad<Right, col_major>(&dOutputRows[0u], 24u, 34u);
          product0 = subgroupMatrixMultiplyAccumulate(value0_6, visited6, product0);
          let visited7 = subgroupMatrixLoad<Right, col_major>(&dOutputRows[0u], 28u, 34u);
          product0 = subgroupMatrixMultiplyAccumulate(value0_7, visited7, product0);
          subgroupMatrixStore<row_major>(&gradients[subgroup], 0u, product0, scoreStride);
        }
        columnTile = nextTile;
        nextTile = laterTile;
        visits = visitsNext;
        visitsNext = visitsLater;
        full = (rowTile + 1u) * tileRows <= keyCount;
      }
    }
  }
  let zeros = vec4<f32>(bitcast<f32>(nothing)); // as no compiler knows
  var check = vec4<f32>();
  var again = false;
  for (var round = select(1u, 0u, params.accumulate != 0u); round < 2u && !again; round++) {
    for (var columns = 0u; columns < select(0u, 8u, params.keyLength != 0u); columns++) {
      workgroupBarrier();
      switch (columns) {
        case 0u: {
          subgroupMatrixStore<row_major>(&scores[subgroup], 0u, dValue0_0, scoreStride);
        }
        case 1u: {
          subgroupMatrixStore<row_major>(&scores[subgroup], 0u, dValue0_1, scoreStride);
        }
        case 2u: {
          subgroupMatrixStore<row_major>(&scores[subgroup], 0u, dValue0_2, scoreStride);
        }
        case 3u: {
          subgroupMatrixStore<row_major>(&scores[subgroup], 0u, dValue0_3, scoreStride);
        }
        case 4u: {
          subgroupMatrixStore<row_major>(&scores[subgroup], 0u, dValue0_4, scoreStride);
        }
        case 5u: {
          subgroupMatrixStore<row_major>(&scores[subgroup], 0u, dValue0_5, scoreStride);
        }
        case 6u: {
          subgroupMatrixStore<row_major>(&scores[subgroup], 0u, dValue0_6, scoreStride);
        }
        default: {
          subgroupMatrixStore<row_major>(&scores[subgroup], 0u, dValue0_7, scoreStride);
        }
      }
      workgroupBarrier();
      {
        let row = lane / 4u;
        let vector = columns * 4u + lane % 4u;
        if (firstKey + row <= finalKey && vector < 32u) {
          let product = scores[subgroup][row * scoreStride + lane % 4u];
          check = fma(product, zeros, check);
          if (round == 1u) {
            let base = dValueBase + (firstKey + row) * params.dValueRow;
            var sum = product * (weightUnit);
            if (params.accumulate != 0u) { sum += loadDValue(base, vector); }
            storeDValue(base, vector, sum);
          }
        }
      }
      {
        let row = (lane + 32u) / 4u;
        let vector = columns * 4u + (lane + 32u) % 4u;
        if (firstKey + row <= finalKey && vector < 32u) {
          let product = scores[subgroup][row * scoreStride + (lane + 32u) % 4u];
          check = fma(product, zeros, check);
          if (round == 1u) {
            let base = dValueBase + (firstKey + row) * params.dValueRow;
            var sum = product * (weightUnit);
            if (params.accumulate != 0u) { sum += loadDValue(base, vector); }
            storeDValue(base, vector, sum);
          }
        }
      }
    }
    for (var columns = 0u; columns < select(0u, 8u, params.keyLength != 0u); columns++) {
      workgroupBarrier();
      switch (columns) {
        case 0u: {
          subgroupMatrixStore<row_major>(&scores[subgroup], 0u, dKey0_0, scoreStride);
        }
        case 1u: {
          subgroupMatrixStore<row_major>(&scores[subgroup], 0u, dKey0_1, scoreStride);
        }
        case 2u: {
          subgroupMatrixStore<row_major>(&scores[subgroup], 0u, dKey0_2, scoreStride);
        }
        case 3u: {
          subgroupMatrixStore<row_major>(&scores[subgroup], 0u, dKey0_3, scoreStride);
        }
        case 4u: {
          subgroupMatrixStore<row_major>(&scores[subgroup], 0u, dKey0_4, scoreStride);
        }
        case 5u: {
          subgroupMatrixStore<row_major>(&scores[subgroup], 0u, dKey0_5, scoreStride);
        }
        case 6u: {
          subgroupMatrixStore<row_major>(&scores[subgroup], 0u, dKey0_6, scoreStride);
        }
        default: {
          subgroupMatrixStore<row_major>(&scores[subgroup], 0u, dKey0_7, scoreStride);
        }
      }
      workgroupBarrier();
      {
        let row = lane / 4u;
        let vector = columns * 4u + lane % 4u;
        if (firstKey + row <= finalKey && vector < 32u) {
          let product = scores[subgroup][row * scoreStride + lane % 4u];
          check = fma(product, zeros, check);
          if (round == 1u) {
            let base = dKeyBase + (firstKey + row) * params.dKeyRow;
            var sum = product * (scale * (weightUnit / gradientScale));
            if (params.accumulate != 0u) { sum += loadDKey(base, vector); }
            storeDKey(base, vector, sum);
          }
        }
      }
      {
        let row = (lane + 32u) / 4u;
        let vector = columns * 4u + (lane + 32u) % 4u;
        if (firstKey + row <= finalKey && vector < 32u) {
          let product = scores[subgroup][row * scoreStride + (lane + 32u) % 4u];
          check = fma(product, zeros, check);
          if (round == 1u) {
            let base = dKeyBase + (firstKey + row) * params.dKeyRow;
            var sum = product * (scale * (weightUnit / gradientScale));
            if (params.accumulate != 0u) { sum += loadDKey(base, vector); }
            storeDKey(base, vector, sum);
          }
        }
      }
    }
    if (any((bitcast<vec4<u32>>(check) & vec4<u32>(0x7fffffffu)) != vec4<u32>())) { foundStrange = vec4<u32>(1u); }
    again = workgroupUniformLoad(&foundStrange).x != 0u;
  }
  if (again) {
    storageBarrier(); // other threads write the same rows now
    for (var row = thread; row < tileRows; row += 256u) {
      let keyIndex = rowTile * tileRows + row;
      if (keyIndex > params.keyLength - 1u) { break; }
      let keyPlace = keyBase + keyIndex * params.keyRow;
      let valuePlace = valueBase + keyIndex * params.valueRow;
      var dValueSum = array<vec4<f32>, 32>();
      var dKeySum = array<vec4<f32>, 32>();
      var done = false;
      for (var head = firstHead; head < endHead; head++) {
        let queryBase = params.queryOffset + batch * params.queryBatch + head * params.queryHead;
        let dOutputBase = params.dOutputOffset + batch * params.dOutputBatch + head * params.dOutputHead;
        for (var columnTile = params.columnTileBegin; columnTile < params.columnTileEnd; columnTile++) {
          let full = false;
          if (done) { break; }
          for (var queryRow = columnTile * tileColumns; queryRow < (columnTile + 1u) * tileColumns; queryRow++) {
            let queryIndex = i32(queryRow);
            let position = queryOffset + queryIndex;
            if (!(keyIndex < keyCount && queryRow < params.queryLength)) { continue; }
            let queryPlace = queryBase + queryRow * params.queryRow;
            let dOutputPlace = dOutputBase + queryRow * params.dOutputRow;
            var score = 0.0;
            for (var v = 0u; v < 32u; v = (v + 1u) ^ nothing) { score += dot(loadKey(keyPlace, v), loadQuery(queryPlace, v)); }
            score *= scale;
            if (bitcast<u32>(score) == hiddenBits) { continue; }
            var gradient = 0.0;
            for (var v = 0u; v < 32u; v = (v + 1u) ^ nothing) { gradient += dot(loadValue(valuePlace, v), loadDOutput(dOutputPlace, v)); }
            let held = softmaxRow(batch, head, queryRow);
            let probability = exp2((score - held.x) * log2e);
            gradient = select(probability * (gradient - held.y), 0.0, probability == 0.0);
            for (var v = 0u; v < 32u; v = (v + 1u) ^ nothing) { dValueSum[v] += loadDOutput(dOutputPlace, v) * (probability); }
            for (var v = 0u; v < 32u; v = (v + 1u) ^ nothing) { dKeySum[v] += loadQuery(queryPlace, v) * (gradient); }
          }
          done = true;
          for (var v = 0u; v < 32u && done; v = (v + 1u) ^ nothing) { done = allNaN(dValueSum[v]); }
          for (var v = 0u; v < 32u && done; v = (v + 1u) ^ nothing) { done = allNaN(dKeySum[v]); }
        }
      }
      for (var v = 0u; v < 32u; v = (v + 1u) ^ nothing) {
        var sum = dValueSum[v];
        let base = dValueBase + keyIndex * params.dValueRow;
        if (params.accumulate != 0u) { sum += loadDValue(base, v); }
        storeDValue(base, v, sum);
      }
      for (var v = 0u; v < 32u; v = (v + 1u) ^ nothing) {
        var sum = dKeySum[v] * scale;
        let base = dKeyBase + keyIndex * params.dKeyRow;
        if (params.accumulate != 0u) { sum += loadDKey(base, v); }
        storeDKey(base, v, sum);
      }
    }
  }
}
