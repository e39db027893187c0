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
  dValueTotalOffset: u32,
  dValueTotalBatch: u32,
  dValueTotalHead: u32,
  dValueTotalRow: u32,
  dValueTotalDim: u32,
  dKeyTotalOffset: u32,
  dKeyTotalBatch: u32,
  dKeyTotalHead: u32,
  dKeyTotalRow: u32,
  dKeyTotalDim: u32,
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
@group(0) @binding(9) var<storage, read> dValueTotal: array<vec4<f32>>;
@group(0) @binding(10) var<storage, read> dKeyTotal: array<vec4<f32>>;

alias Left = subgroup_matrix_left<f16, 16, 16>;
alias Right = subgroup_matrix_right<f16, 16, 16>;
alias Result = subgroup_matrix_result<f32, 16, 16>;
const tileRows = 64u;
const tileColumns = 16u;
const scoreStride = 4u;
const weightStride = 10u;
// Finite stand-ins for infinities, with room for one difference.
const hidden = -1.0e38;
const deadRow = 2.0e38;
const weightBits = 8.0;
const weightUnit = 0.00390625;
const log2e = 1.4426950408889634;

// 22800 bytes: two tiles of visited rows,
var<workgroup> visitedRows: array<array<vec4<f16>, 288>, 4>;
// Of each query: log-sum-exp, and D.
var<workgroup> statistics: array<array<vec4<f32>, 8>, 2>;
// and of each subgroup S, dP, and the weights of the sums: P and dS.
var<workgroup> scores: array<array<vec4<f32>, 64>, 4>;
var<workgroup> gradients: array<array<vec4<f32>, 64>, 4>;
var<workgroup> weights: array<array<vec4<f16>, 160>, 4>;
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

fn loadDValueTotal(base: u32, vector: u32) -> vec4<f32> {
  return dValueTotal[base + vector];
}

fn loadDKeyTotal(base: u32, vector: u32) -> vec4<f32> {
  return dKeyTotal[base + vector];
}

fn softmaxRow(batch: u32, head: u32, slot: u32) -> vec4<f32> {
  let queryRow = queryToken(slot);
  let row = min(queryRow, params.queryLength - 1u);
  let held = softmaxRows[params.softmaxRowsOffset + (batch * params.heads + head) * params.queryLength + row];
  return select(held, vec4<f32>(deadRow, 0.0, held.zw), queryRow >= params.queryLength);
}

fn visibleOfTokens(batch: i32, head: i32, query: i32, queryIndex: i32, key: i32) -> bool {
  return (((key <= query) & (((query - key) & 63) == 0)) & !((key <= query) & (key >= (query - 64))));
}

fn queryToken(slot: u32) -> u32 {
  return (((slot & 63u) * 64u) + (slot >> 6u));
}

fn keyToken(slot: u32) -> u32 {
  return (((slot & 63u) * 64u) + (slot >> 6u));
}

fn visible(batch: i32, head: i32, position: i32, queryIndex: i32, key: i32) -> bool {
  let query = i32(queryToken(u32(queryIndex)));
  let token = i32(keyToken(u32(key)));
  // Gaps between the parts of an order have numbers past the last token.
  let exist = (u32(query) < params.queryLength) & (u32(token) < data[2u * u32(batch) + 1u]);
  return exist & visibleOfTokens(batch, head, position - queryIndex + query, query, token);
}

fn mapPlane(batch: u32, head: u32) -> u32 {
  return (min(batch, params.mapBatches - 1u) * params.mapHeads + min(head, params.mapHeads - 1u)) * params.mapRows;
}

const hiddenBits = 0xff800000u; // a score of -Infinity

fn allNaN(values: vec4<f32>) -> bool {
  return all((bitcast<vec4<u32>>(values) & vec4<u32>(0x7fffffffu)) > vec4<u32>(0x7f800000u));
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
  let head = firstHead;
  var rowTile = params.rowTileBase + workgroup.y;
  if (params.mapOrdered != 0u) { rowTile = data[params.mapOrderBase + mapPlane(batch, head) + rowTile]; }
  let keyBase = params.keyOffset + batch * params.keyBatch + keyHead * params.keyHead;
  let valueBase = params.valueOffset + batch * params.valueBatch + keyHead * params.valueHead;
  let dValueBase = params.dValueOffset + batch * params.dValueBatch + keyHead * params.dValueHead;
  let dValueTotalBase = params.dValueTotalOffset + batch * params.dValueTotalBatch + keyHead * params.dValueTotalHead;
  let dKeyBase = params.dKeyOffset + batch * params.dKeyBatch + keyHead * params.dKeyHead;
  let dKeyTotalBase = params.dKeyTotalOffset + batch * params.dKeyTotalBatch + keyHead * params.dKeyTotalHead;
  let firstKey = rowTile * tileRows + subgroup * 16u;
  let lastKey = max(keyCount, 1u) - 1u; // rows past it may hold anything, so they are never read
  let lastQuery = params.queryLength - 1u;
  let scale = bitcast<f32>(params.scale);
  let scaleOfPower = scale * log2e;
  // The same for every query that shares these keys.
  let gradientScale = softmaxRow(batch, firstHead, params.columnTileBegin * tileColumns).z;
  let keyIndex = firstKey + ownRow0;
  let finalKey = params.keyLength - 1u; // padding has gradients too: 0
  let queryBase = params.queryOffset + batch * params.queryBatch + head * params.queryHead;
  let dOutputBase = params.dOutputOffset + batch * params.dOutputBatch + head * params.dOutputHead;
  var keyOwn0_0 = vec4<f16>();
  var keyOwn0_1 = vec4<f16>();
  var keyOwn0_2 = vec4<f16>();
  var keyOwn0_3 = vec4<f16>();
  var keyOwn0_4 = vec4<f16>();
  var keyOwn0_5 = vec4<f16>();
  var keyOwn0_6 = vec4<f16>();
  var keyOwn0_7 = vec4<f16>();
  keyOwn0_0 = key[keyBase + min(keyToken(firstKey + lane / 16u), lastKey) * params.keyRow + lane % 16u];
  keyOwn0_1 = key[keyBase + min(keyToken(firstKey + (lane + 32u) / 16u), lastKey) * params.keyRow + (lane + 32u) % 16u];
  keyOwn0_2 = key[keyBase + min(keyToken(firstKey + (lane + 64u) / 16u), lastKey) * params.keyRow + (lane + 64u) % 16u];
  keyOwn0_3 = key[keyBase + min(keyToken(firstKey + (lane + 96u) / 16u), lastKey) * params.keyRow + (lane + 96u) % 16u];
  keyOwn0_4 = key[keyBase + min(keyToken(firstKey + (lane + 128u) / 16u), lastKey) * params.keyRow + (lane + 128u) % 16u];
  keyOwn0_5 = key[keyBase + min(keyToken(firstKey + (lane + 160u) / 16u), lastKey) * params.keyRow + (lane + 160u) % 16u];
  keyOwn0_6 = key[keyBase + min(keyToken(firstKey + (lane + 192u) / 16u), lastKey) * params.keyRow + (lane + 192u) % 16u];
  keyOwn0_7 = key[keyBase + min(keyToken(firstKey + (lane + 224u) / 16u), lastKey) * params.keyRow + (lane + 224u) % 16u];
  var valueOwn0_0 = vec4<f16>();
  var valueOwn0_1 = vec4<f16>();
  var valueOwn0_2 = vec4<f16>();
  var valueOwn0_3 = vec4<f16>();
  var valueOwn0_4 = vec4<f16>();
  var valueOwn0_5 = vec4<f16>();
  var valueOwn0_6 = vec4<f16>();
  var valueOwn0_7 = vec4<f16>();
  valueOwn0_0 = value[valueBase + min(keyToken(firstKey + lane / 16u), lastKey) * params.valueRow + lane % 16u];
  valueOwn0_1 = value[valueBase + min(keyToken(firstKey + (lane + 32u) / 16u), lastKey) * params.valueRow + (lane + 32u) % 16u];
  valueOwn0_2 = value[valueBase + min(keyToken(firstKey + (lane + 64u) / 16u), lastKey) * params.valueRow + (lane + 64u) % 16u];
  valueOwn0_3 = value[valueBase + min(keyToken(firstKey + (lane + 96u) / 16u), lastKey) * params.valueRow + (lane + 96u) % 16u];
  valueOwn0_4 = value[valueBase + min(keyToken(firstKey + (lane + 128u) / 16u), lastKey) * params.valueRow + (lane + 128u) % 16u];
  valueOwn0_5 = value[valueBase + min(keyToken(firstKey + (lane + 160u) / 16u), lastKey) * params.valueRow + (lane + 160u) % 16u];
  valueOwn0_6 = value[valueBase + min(keyToken(firstKey + (lane + 192u) / 16u), lastKey) * params.valueRow + (lane + 192u) % 16u];
  valueOwn0_7 = value[valueBase + min(keyToken(firstKey + (lane + 224u) / 16u), lastKey) * params.valueRow + (lane + 224u) % 16u];
  let mapRow = params.mapBase + mapPlane(batch, head) + rowTile;
  let endRun = data[mapRow + 1u];
  var run = data[mapRow];
  var endTile = 0u;
  var full = false;
  var nextFull = false;
  var columnTile = 0u;
  var visits = false;
  while (columnTile >= endTile && run < endRun) {
    let start = data[params.mapRunsBase + 2u * run];
    let packed = data[params.mapRunsBase + 2u * run + 1u];
    endTile = min(start + (packed >> 1u), params.columnTileEnd);
    full = (packed & 1u) == 1u;
    columnTile = max(start, params.columnTileBegin);
    run++;
  }
  visits = columnTile < endTile;
  nextFull = full;
  var nextTile = columnTile + 1u;
  var visitsNext = false;
  while (nextTile >= endTile && run < endRun) {
    let start = data[params.mapRunsBase + 2u * run];
    let packed = data[params.mapRunsBase + 2u * run + 1u];
    endTile = min(start + (packed >> 1u), params.columnTileEnd);
    nextFull = (packed & 1u) == 1u;
    nextTile = max(start, params.columnTileBegin);
    run++;
  }
  visitsNext = nextTile < endTile;
  var queryNext0 = vec4<f16>();
  var queryNext1 = vec4<f16>();
  var dOutputNext0 = vec4<f16>();
  var dOutputNext1 = vec4<f16>();
  var logSumExpNext = 0.0;
  var deltaNext = 0.0;
  if (visits) {
    queryNext0 = query[queryBase + min(queryToken(columnTile * tileColumns + thread / 16u), lastQuery) * params.queryRow + thread % 16u];
    queryNext1 = query[queryBase + min(queryToken(columnTile * tileColumns + (thread + 128u) / 16u), lastQuery) * params.queryRow + (thread + 128u) % 16u];
    dOutputNext0 = dOutput[dOutputBase + min(queryToken(columnTile * tileColumns + thread / 16u), lastQuery) * params.dOutputRow + thread % 16u];
    dOutputNext1 = dOutput[dOutputBase + min(queryToken(columnTile * tileColumns + (thread + 128u) / 16u), lastQuery) * params.dOutputRow + (thread + 128u) % 16u];
    if (thread < 16u) {
      let softmaxRowNext = softmaxRow(batch, head, columnTile * tileColumns + thread);
      logSumExpNext = softmaxRowNext.x * log2e - weightBits;
      deltaNext = softmaxRowNext.y * gradientScale;
    }
  }
  workgroupBarrier();
  visitedRows[subgroup][lane / 16u * 18u + lane % 16u] = keyOwn0_0;
  visitedRows[subgroup][(lane + 32u) / 16u * 18u + (lane + 32u) % 16u] = keyOwn0_1;
  visitedRows[subgroup][(lane + 64u) / 16u * 18u + (lane + 64u) % 16u] = keyOwn0_2;
  visitedRows[subgroup][(lane + 96u) / 16u * 18u + (lane + 96u) % 16u] = keyOwn0_3;
  visitedRows[subgroup][(lane + 128u) / 16u * 18u + (lane + 128u) % 16u] = keyOwn0_4;
  visitedRows[subgroup][(lane + 160u) / 16u * 18u + (lane + 160u) % 16u] = keyOwn0_5;
  visitedRows[subgroup][(lane + 192u) / 16u * 18u + (lane + 192u) % 16u] = keyOwn0_6;
  visitedRows[subgroup][(lane + 224u) / 16u * 18u + (lane + 224u) % 16u] = keyOwn0_7;
  workgroupBarrier();
  let key0_0 = subgroupMatrixLoad<Left, row_major>(&visitedRows[subgroup], 0u, 18u);
  let key0_1 = subgroupMatrixLoad<Left, row_major>(&visitedRows[subgroup], 4u, 18u);
  let key0_2 = subgroupMatrixLoad<Left, row_major>(&visitedRows[subgroup], 8u, 18u);
  let key0_3 = subgroupMatrixLoad<Left, row_major>(&visitedRows[subgroup], 12u, 18u);
  workgroupBarrier();
  visitedRows[subgroup][lane / 16u * 18u + lane % 16u] = valueOwn0_0;
  visitedRows[subgroup][(lane + 32u) / 16u * 18u + (lane + 32u) % 16u] = valueOwn0_1;
  visitedRows[subgroup][(lane + 64u) / 16u * 18u + (lane + 64u) % 16u] = valueOwn0_2;
  visitedRows[subgroup][(lane + 96u) / 16u * 18u + (lane + 96u) % 16u] = valueOwn0_3;
  visitedRows[subgroup][(lane + 128u) / 16u * 18u + (lane + 128u) % 16u] = valueOwn0_4;
  visitedRows[subgroup][(lane + 160u) / 16u * 18u + (lane + 160u) % 16u] = valueOwn0_5;
  visitedRows[subgroup][(lane + 192u) / 16u * 18u + (lane + 192u) % 16u] = valueOwn0_6;
  visitedRows[subgroup][(lane + 224u) / 16u * 18u + (lane + 224u) % 16u] = valueOwn0_7;
  workgroupBarrier();
  let value0_0 = subgroupMatrixLoad<Left, row_major>(&visitedRows[subgroup], 0u, 18u);
  let value0_1 = subgroupMatrixLoad<Left, row_major>(&visitedRows[subgroup], 4u, 18u);
  let value0_2 = subgroupMatrixLoad<Left, row_major>(&visitedRows[subgroup], 8u, 18u);
  let value0_3 = subgroupMatrixLoad<Left, row_major>(&visitedRows[subgroup], 12u, 18u);
  workgroupBarrier();
  if (visits) {
    visitedRows[0u][thread / 16u * 18u + thread % 16u] = queryNext0;
    visitedRows[0u][(thread + 128u) / 16u * 18u + (thread + 128u) % 16u] = queryNext1;
    visitedRows[2u + 0u][thread / 16u * 18u + thread % 16u] = dOutputNext0;
    visitedRows[2u + 0u][(thread + 128u) / 16u * 18u + (thread + 128u) % 16u] = dOutputNext1;
    if (thread < 16u) {
      statistics[0u][thread / 4u][thread % 4u] = logSumExpNext;
      statistics[0u][thread / 4u + 4u][thread % 4u] = deltaNext;
    }
  }
  if (visitsNext) {
    queryNext0 = query[queryBase + min(queryToken(nextTile * tileColumns + thread / 16u), lastQuery) * params.queryRow + thread % 16u];
    queryNext1 = query[queryBase + min(queryToken(nextTile * tileColumns + (thread + 128u) / 16u), lastQuery) * params.queryRow + (thread + 128u) % 16u];
    dOutputNext0 = dOutput[dOutputBase + min(queryToken(nextTile * tileColumns + thread / 16u), lastQuery) * params.dOutputRow + thread % 16u];
    dOutputNext1 = dOutput[dOutputBase + min(queryToken(nextTile * tileColumns + (thread + 128u) / 16u), lastQuery) * params.dOutputRow + (thread + 128u) % 16u];
    if (thread < 16u) {
      let softmaxRowNext = softmaxRow(batch, head, nextTile * tileColumns + thread);
      logSumExpNext = softmaxRowNext.x * log2e - weightBits;
      deltaNext = softmaxRowNext.y * gradientScale;
    }
  }
  var dValue0_0 = Result();
  var dValue0_1 = Result();
  var dValue0_2 = Result();
  var dValue0_3 = Result();
  var dKey0_0 = Result();
  var dKey0_1 = Result();
  var dKey0_2 = Result();
  var dKey0_3 = Result();
  workgroupBarrier();
  {
    var product0 = Result();
    let visited0 = subgroupMatrixLoad<Right, col_major>(&visitedRows[0u], 0u, 18u);
    product0 = subgroupMatrixMultiplyAccumulate(key0_0, visited0, product0);
    let visited1 = subgroupMatrixLoad<Right, col_major>(&visitedRows[0u], 4u, 18u);
    product0 = subgroupMatrixMultiplyAccumulate(key0_1, visited1, product0);
    let visited2 = subgroupMatrixLoad<Right, col_major>(&visitedRows[0u], 8u, 18u);
    product0 = subgroupMatrixMultiplyAccumulate(key0_2, visited2, product0);
    let visited3 = subgroupMatrixLoad<Right, col_major>(&visitedRows[0u], 12u, 18u);
    product0 = subgroupMatrixMultiplyAccumulate(key0_3, visited3, product0);
    subgroupMatrixStore<row_major>(&scores[subgroup], 0u, product0, scoreStride);
  }
  {
    var product0 = Result();
    let visited0 = subgroupMatrixLoad<Right, col_major>(&visitedRows[2u + 0u], 0u, 18u);
    product0 = subgroupMatrixMultiplyAccumulate(value0_0, visited0, product0);
    let visited1 = subgroupMatrixLoad<Right, col_major>(&visitedRows[2u + 0u], 4u, 18u);
    product0 = subgroupMatrixMultiplyAccumulate(value0_1, visited1, product0);
    let visited2 = subgroupMatrixLoad<Right, col_major>(&visitedRows[2u + 0u], 8u, 18u);
    product0 = subgroupMatrixMultiplyAccumulate(value0_2, visited2, product0);
    let visited3 = subgroupMatrixLoad<Right, col_major>(&visitedRows[2u + 0u], 12u, 18u);
    product0 = subgroupMatrixMultiplyAccumulate(value0_3, visited3, product0);
    subgroupMatrixStore<row_major>(&gradients[subgroup], 0u, product0, scoreStride);
  }
  var place = 0u;
  while (visits) {
    let otherPlace = 1u - place;
    workgroupBarrier();
    visitedRows[otherPlace][thread / 16u * 18u + thread % 16u] = queryNext0;
    visitedRows[otherPlace][(thread + 128u) / 16u * 18u + (thread + 128u) % 16u] = queryNext1;
    visitedRows[2u + otherPlace][thread / 16u * 18u + thread % 16u] = dOutputNext0;
    visitedRows[2u + otherPlace][(thread + 128u) / 16u * 18u + (thread + 128u) % 16u] = dOutputNext1;
    if (thread < 16u) {
      statistics[otherPlace][thread / 4u][thread % 4u] = logSumExpNext;
      statistics[otherPlace][thread / 4u + 4u][thread % 4u] = deltaNext;
    }
    var laterTile = nextTile + 1u;
    var laterFull = nextFull;
    var visitsLater = false;
    while (laterTile >= endTile && run < endRun) {
      let start = data[params.mapRunsBase + 2u * run];
      let packed = data[params.mapRunsBase + 2u * run + 1u];
      endTile = min(start + (packed >> 1u), params.columnTileEnd);
      laterFull = (packed & 1u) == 1u;
      laterTile = max(start, params.columnTileBegin);
      run++;
    }
    visitsLater = laterTile < endTile;
    if (visitsLater) {
      queryNext0 = query[queryBase + min(queryToken(laterTile * tileColumns + thread / 16u), lastQuery) * params.queryRow + thread % 16u];
      queryNext1 = query[queryBase + min(queryToken(laterTile * tileColumns + (thread + 128u) / 16u), lastQuery) * params.queryRow + (thread + 128u) % 16u];
      dOutputNext0 = dOutput[dOutputBase + min(queryToken(laterTile * tileColumns + thread / 16u), lastQuery) * params.dOutputRow + thread % 16u];
      dOutputNext1 = dOutput[dOutputBase + min(queryToken(laterTile * tileColumns + (thread + 128u) / 16u), lastQuery) * params.dOutputRow + (thread + 128u) % 16u];
      if (thread < 16u) {
        let softmaxRowNext = softmaxRow(batch, head, laterTile * tileColumns + thread);
        logSumExpNext = softmaxRowNext.x * log2e - weightBits;
        deltaNext = softmaxRowNext.y * gradientScale;
      }
    }
    let queryIndex = i32(columnTile * tileColumns + 4u * part);
    let position = queryOffset + queryIndex;
    let logSumExp0 = statistics[place][part];
    let delta0 = statistics[place][part + 4u];
    let logSumExp1 = statistics[place][part + 2u];
    let delta1 = statistics[place][part + 2u + 4u];
    var score0_0 = scores[subgroup][ownRow0 * scoreStride + part];
    var gradient0_0 = gradients[subgroup][ownRow0 * scoreStride + part];
    var score0_1 = scores[subgroup][ownRow0 * scoreStride + part + 2u];
    var gradient0_1 = gradients[subgroup][ownRow0 * scoreStride + part + 2u];
    score0_0 = fma(score0_0, vec4<f32>(scaleOfPower), -logSumExp0);
    score0_1 = fma(score0_1, vec4<f32>(scaleOfPower), -logSumExp1);
    if (!full) {
      score0_0.x = select(hidden, score0_0.x, (visible(i32(batch), i32(head), position + 0, queryIndex + 0, i32(keyIndex + 0u))));
      score0_0.y = select(hidden, score0_0.y, (visible(i32(batch), i32(head), position + 1, queryIndex + 1, i32(keyIndex + 0u))));
      score0_0.z = select(hidden, score0_0.z, (visible(i32(batch), i32(head), position + 2, queryIndex + 2, i32(keyIndex + 0u))));
      score0_0.w = select(hidden, score0_0.w, (visible(i32(batch), i32(head), position + 3, queryIndex + 3, i32(keyIndex + 0u))));
      score0_1.x = select(hidden, score0_1.x, (visible(i32(batch), i32(head), position + 8, queryIndex + 8, i32(keyIndex + 0u))));
      score0_1.y = select(hidden, score0_1.y, (visible(i32(batch), i32(head), position + 9, queryIndex + 9, i32(keyIndex + 0u))));
      score0_1.z = select(hidden, score0_1.z, (visible(i32(batch), i32(head), position + 10, queryIndex + 10, i32(keyIndex + 0u))));
      score0_1.w = select(hidden, score0_1.w, (visible(i32(batch), i32(head), position + 11, queryIndex + 11, i32(keyIndex + 0u))));
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
      let visited0 = subgroupMatrixLoad<Right, row_major>(&visitedRows[2u + place], 0u, 18u);
      dValue0_0 = subgroupMatrixMultiplyAccumulate(weights0, visited0, dValue0_0);
      let visited1 = subgroupMatrixLoad<Right, row_major>(&visitedRows[2u + place], 4u, 18u);
      dValue0_1 = subgroupMatrixMultiplyAccumulate(weights0, visited1, dValue0_1);
      let visited2 = subgroupMatrixLoad<Right, row_major>(&visitedRows[2u + place], 8u, 18u);
      dValue0_2 = subgroupMatrixMultiplyAccumulate(weights0, visited2, dValue0_2);
      let visited3 = subgroupMatrixLoad<Right, row_major>(&visitedRows[2u + place], 12u, 18u);
      dValue0_3 = subgroupMatrixMultiplyAccumulate(weights0, visited3, dValue0_3);
    }
    {
      let weights0 = subgroupMatrixLoad<Left, row_major>(&weights[subgroup], 4u, weightStride);
      let visited0 = subgroupMatrixLoad<Right, row_major>(&visitedRows[place], 0u, 18u);
      dKey0_0 = subgroupMatrixMultiplyAccumulate(weights0, visited0, dKey0_0);
      let visited1 = subgroupMatrixLoad<Right, row_major>(&visitedRows[place], 4u, 18u);
      dKey0_1 = subgroupMatrixMultiplyAccumulate(weights0, visited1, dKey0_1);
      let visited2 = subgroupMatrixLoad<Right, row_major>(&visitedRows[place], 8u, 18u);
      dKey0_2 = subgroupMatrixMultiplyAccumulate(weights0, visited2, dKey0_2);
      let visited3 = subgroupMatrixLoad<Right, row_major>(&visitedRows[place], 12u, 18u);
      dKey0_3 = subgroupMatrixMultiplyAccumulate(weights0, visited3, dKey0_3);
    }
    {
      var product0 = Result();
      let visited0 = subgroupMatrixLoad<Right, col_major>(&visitedRows[otherPlace], 0u, 18u);
      product0 = subgroupMatrixMultiplyAccumulate(key0_0, visited0, product0);
      let visited1 = subgroupMatrixLoad<Right, col_major>(&visitedRows[otherPlace], 4u, 18u);
      product0 = subgroupMatrixMultiplyAccumulate(key0_1, visited1, product0);
      let visited2 = subgroupMatrixLoad<Right, col_major>(&visitedRows[otherPlace], 8u, 18u);
      product0 = subgroupMatrixMultiplyAccumulate(key0_2, visited2, product0);
      let visited3 = subgroupMatrixLoad<Right, col_major>(&visitedRows[otherPlace], 12u, 18u);
      product0 = subgroupMatrixMultiplyAccumulate(key0_3, visited3, product0);
      subgroupMatrixStore<row_major>(&scores[subgroup], 0u, product0, scoreStride);
    }
    {
      var product0 = Result();
      let visited0 = subgroupMatrixLoad<Right, col_major>(&visitedRows[2u + otherPlace], 0u, 18u);
      product0 = subgroupMatrixMultiplyAccumulate(value0_0, visited0, product0);
      let visited1 = subgroupMatrixLoad<Right, col_major>(&visitedRows[2u + otherPlace], 4u, 18u);
      product0 = subgroupMatrixMultiplyAccumulate(value0_1, visited1, product0);
      let visited2 = subgroupMatrixLoad<Right, col_major>(&visitedRows[2u + otherPlace], 8u, 18u);
      product0 = subgroupMatrixMultiplyAccumulate(value0_2, visited2, product0);
      let visited3 = subgroupMatrixLoad<Right, col_major>(&visitedRows[2u + otherPlace], 12u, 18u);
      product0 = subgroupMatrixMultiplyAccumulate(value0_3, visited3, product0);
      subgroupMatrixStore<row_major>(&gradients[subgroup], 0u, product0, scoreStride);
    }
    columnTile = nextTile;
    nextTile = laterTile;
    visits = visitsNext;
    visitsNext = visitsLater;
    full = nextFull;
    nextFull = laterFull;
    place = otherPlace;
  }
  let row2_0 = lane / 8u;
  let vector2_0 = lane % 8u;
  let exists2_0 = keyToken(firstKey + row2_0) <= finalKey;
  let row2_1 = (lane + 32u) / 8u;
  let vector2_1 = (lane + 32u) % 8u;
  let exists2_1 = keyToken(firstKey + row2_1) <= finalKey;
  let row2_2 = (lane + 64u) / 8u;
  let vector2_2 = (lane + 64u) % 8u;
  let exists2_2 = keyToken(firstKey + row2_2) <= finalKey;
  let row2_3 = (lane + 96u) / 8u;
  let vector2_3 = (lane + 96u) % 8u;
  let exists2_3 = keyToken(firstKey + row2_3) <= finalKey;
  var dValueBefore0_0 = vec4<f32>();
  var dValueBefore0_1 = vec4<f32>();
  var dValueBefore0_2 = vec4<f32>();
  var dValueBefore0_3 = vec4<f32>();
  var dValueBefore2_0 = vec4<f32>();
  var dValueBefore2_1 = vec4<f32>();
  var dValueBefore2_2 = vec4<f32>();
  var dValueBefore2_3 = vec4<f32>();
  var dKeyBefore0_0 = vec4<f32>();
  var dKeyBefore0_1 = vec4<f32>();
  var dKeyBefore0_2 = vec4<f32>();
  var dKeyBefore0_3 = vec4<f32>();
  var dKeyBefore2_0 = vec4<f32>();
  var dKeyBefore2_1 = vec4<f32>();
  var dKeyBefore2_2 = vec4<f32>();
  var dKeyBefore2_3 = vec4<f32>();
  if (params.accumulate != 0u) {
    if (exists2_0) {
      let dValuePlace = dValueTotalBase + (keyToken(firstKey + row2_0)) * params.dValueTotalRow + vector2_0;
      let dKeyPlace = dKeyTotalBase + (keyToken(firstKey + row2_0)) * params.dKeyTotalRow + vector2_0;
      dValueBefore0_0 = loadDValueTotal(dValuePlace, 0u);
      dValueBefore2_0 = loadDValueTotal(dValuePlace, 8u);
      dKeyBefore0_0 = loadDKeyTotal(dKeyPlace, 0u);
      dKeyBefore2_0 = loadDKeyTotal(dKeyPlace, 8u);
    }
    if (exists2_1) {
      let dValuePlace = dValueTotalBase + (keyToken(firstKey + row2_1)) * params.dValueTotalRow + vector2_1;
      let dKeyPlace = dKeyTotalBase + (keyToken(firstKey + row2_1)) * params.dKeyTotalRow + vector2_1;
      dValueBefore0_1 = loadDValueTotal(dValuePlace, 0u);
      dValueBefore2_1 = loadDValueTotal(dValuePlace, 8u);
      dKeyBefore0_1 = loadDKeyTotal(dKeyPlace, 0u);
      dKeyBefore2_1 = loadDKeyTotal(dKeyPlace, 8u);
    }
    if (exists2_2) {
      let dValuePlace = dValueTotalBase + (keyToken(firstKey + row2_2)) * params.dValueTotalRow + vector2_2;
      let dKeyPlace = dKeyTotalBase + (keyToken(firstKey + row2_2)) * params.dKeyTotalRow + vector2_2;
      dValueBefore0_2 = loadDValueTotal(dValuePlace, 0u);
      dValueBefore2_2 = loadDValueTotal(dValuePlace, 8u);
      dKeyBefore0_2 = loadDKeyTotal(dKeyPlace, 0u);
      dKeyBefore2_2 = loadDKeyTotal(dKeyPlace, 8u);
    }
    if (exists2_3) {
      let dValuePlace = dValueTotalBase + (keyToken(firstKey + row2_3)) * params.dValueTotalRow + vector2_3;
      let dKeyPlace = dKeyTotalBase + (keyToken(firstKey + row2_3)) * params.dKeyTotalRow + vector2_3;
      dValueBefore0_3 = loadDValueTotal(dValuePlace, 0u);
      dValueBefore2_3 = loadDValueTotal(dValuePlace, 8u);
      dKeyBefore0_3 = loadDKeyTotal(dKeyPlace, 0u);
      dKeyBefore2_3 = loadDKeyTotal(dKeyPlace, 8u);
    }
  }
  let zeros = vec4<f32>(bitcast<f32>(nothing)); // as no compiler knows
  var check = vec4<f32>();
  workgroupBarrier();
  subgroupMatrixStore<row_major>(&scores[subgroup], 0u, dValue0_0, scoreStride);
  subgroupMatrixStore<row_major>(&gradients[subgroup], 0u, dValue0_1, scoreStride);
  workgroupBarrier();
  let dValueOwn0_0 = select(scores[subgroup][row2_0 * scoreStride + vector2_0 % 4u], gradients[subgroup][row2_0 * scoreStride + vector2_0 % 4u], vector2_0 >= 4u);
  check = fma(dValueOwn0_0, zeros, check);
  let dValueOwn0_1 = select(scores[subgroup][row2_1 * scoreStride + vector2_1 % 4u], gradients[subgroup][row2_1 * scoreStride + vector2_1 % 4u], vector2_1 >= 4u);
  check = fma(dValueOwn0_1, zeros, check);
  let dValueOwn0_2 = select(scores[subgroup][row2_2 * scoreStride + vector2_2 % 4u], gradients[subgroup][row2_2 * scoreStride + vector2_2 % 4u], vector2_2 >= 4u);
  check = fma(dValueOwn0_2, zeros, check);
  let dValueOwn0_3 = select(scores[subgroup][row2_3 * scoreStride + vector2_3 % 4u], gradients[subgroup][row2_3 * scoreStride + vector2_3 % 4u], vector2_3 >= 4u);
  check = fma(dValueOwn0_3, zeros, check);
  workgroupBarrier();
  subgroupMatrixStore<row_major>(&scores[subgroup], 0u, dValue0_2, scoreStride);
  subgroupMatrixStore<row_major>(&gradients[subgroup], 0u, dValue0_3, scoreStride);
  workgroupBarrier();
  let dValueOwn2_0 = select(scores[subgroup][row2_0 * scoreStride + vector2_0 % 4u], gradients[subgroup][row2_0 * scoreStride + vector2_0 % 4u], vector2_0 >= 4u);
  check = fma(dValueOwn2_0, zeros, check);
  let dValueOwn2_1 = select(scores[subgroup][row2_1 * scoreStride + vector2_1 % 4u], gradients[subgroup][row2_1 * scoreStride + vector2_1 % 4u], vector2_1 >= 4u);
  check = fma(dValueOwn2_1, zeros, check);
  let dValueOwn2_2 = select(scores[subgroup][row2_2 * scoreStride + vector2_2 % 4u], gradients[subgroup][row2_2 * scoreStride + vector2_2 % 4u], vector2_2 >= 4u);
  check = fma(dValueOwn2_2, zeros, check);
  let dValueOwn2_3 = select(scores[subgroup][row2_3 * scoreStride + vector2_3 % 4u], gradients[subgroup][row2_3 * scoreStride + vector2_3 % 4u], vector2_3 >= 4u);
  check = fma(dValueOwn2_3, zeros, check);
  workgroupBarrier();
  subgroupMatrixStore<row_major>(&scores[subgroup], 0u, dKey0_0, scoreStride);
  subgroupMatrixStore<row_major>(&gradients[subgroup], 0u, dKey0_1, scoreStride);
  workgroupBarrier();
  let dKeyOwn0_0 = select(scores[subgroup][row2_0 * scoreStride + vector2_0 % 4u], gradients[subgroup][row2_0 * scoreStride + vector2_0 % 4u], vector2_0 >= 4u);
  check = fma(dKeyOwn0_0, zeros, check);
  let dKeyOwn0_1 = select(scores[subgroup][row2_1 * scoreStride + vector2_1 % 4u], gradients[subgroup][row2_1 * scoreStride + vector2_1 % 4u], vector2_1 >= 4u);
  check = fma(dKeyOwn0_1, zeros, check);
  let dKeyOwn0_2 = select(scores[subgroup][row2_2 * scoreStride + vector2_2 % 4u], gradients[subgroup][row2_2 * scoreStride + vector2_2 % 4u], vector2_2 >= 4u);
  check = fma(dKeyOwn0_2, zeros, check);
  let dKeyOwn0_3 = select(scores[subgroup][row2_3 * scoreStride + vector2_3 % 4u], gradients[subgroup][row2_3 * scoreStride + vector2_3 % 4u], vector2_3 >= 4u);
  check = fma(dKeyOwn0_3, zeros, check);
  workgroupBarrier();
  subgroupMatrixStore<row_major>(&scores[subgroup], 0u, dKey0_2, scoreStride);
  subgroupMatrixStore<row_major>(&gradients[subgroup], 0u, dKey0_3, scoreStride);
  workgroupBarrier();
  let dKeyOwn2_0 = select(scores[subgroup][row2_0 * scoreStride + vector2_0 % 4u], gradients[subgroup][row2_0 * scoreStride + vector2_0 % 4u], vector2_0 >= 4u);
  check = fma(dKeyOwn2_0, zeros, check);
  let dKeyOwn2_1 = select(scores[subgroup][row2_1 * scoreStride + vector2_1 % 4u], gradients[subgroup][row2_1 * scoreStride + vector2_1 % 4u], vector2_1 >= 4u);
  check = fma(dKeyOwn2_1, zeros, check);
  let dKeyOwn2_2 = select(scores[subgroup][row2_2 * scoreStride + vector2_2 % 4u], gradients[subgroup][row2_2 * scoreStride + vector2_2 % 4u], vector2_2 >= 4u);
  check = fma(dKeyOwn2_2, zeros, check);
  let dKeyOwn2_3 = select(scores[subgroup][row2_3 * scoreStride + vector2_3 % 4u], gradients[subgroup][row2_3 * scoreStride + vector2_3 % 4u], vector2_3 >= 4u);
  check = fma(dKeyOwn2_3, zeros, check);
  if (any((bitcast<vec4<u32>>(check) & vec4<u32>(0x7fffffffu)) != vec4<u32>())) { foundStrange = vec4<u32>(1u); }
  let again = workgroupUniformLoad(&foundStrange).x != 0u;
  if (!again) {
    if (exists2_0) {
      let dValuePlace = dValueBase + (keyToken(firstKey + row2_0)) * params.dValueRow + vector2_0;
      let dKeyPlace = dKeyBase + (keyToken(firstKey + row2_0)) * params.dKeyRow + vector2_0;
      storeDValue(dValuePlace, 0u, dValueOwn0_0 * (weightUnit) + dValueBefore0_0);
      storeDValue(dValuePlace, 8u, dValueOwn2_0 * (weightUnit) + dValueBefore2_0);
      storeDKey(dKeyPlace, 0u, dKeyOwn0_0 * (scale * (weightUnit / gradientScale)) + dKeyBefore0_0);
      storeDKey(dKeyPlace, 8u, dKeyOwn2_0 * (scale * (weightUnit / gradientScale)) + dKeyBefore2_0);
    }
    if (exists2_1) {
      let dValuePlace = dValueBase + (keyToken(firstKey + row2_1)) * params.dValueRow + vector2_1;
      let dKeyPlace = dKeyBase + (keyToken(firstKey + row2_1)) * params.dKeyRow + vector2_1;
      storeDValue(dValuePlace, 0u, dValueOwn0_1 * (weightUnit) + dValueBefore0_1);
      storeDValue(dValuePlace, 8u, dValueOwn2_1 * (weightUnit) + dValueBefore2_1);
      storeDKey(dKeyPlace, 0u, dKeyOwn0_1 * (scale * (weightUnit / gradientScale)) + dKeyBefore0_1);
      storeDKey(dKeyPlace, 8u, dKeyOwn2_1 * (scale * (weightUnit / gradientScale)) + dKeyBefore2_1);
    }
    if (exists2_2) {
      let dValuePlace = dValueBase + (keyToken(firstKey + row2_2)) * params.dValueRow + vector2_2;
      let dKeyPlace = dKeyBase + (keyToken(firstKey + row2_2)) * params.dKeyRow + vector2_2;
      storeDValue(dValuePlace, 0u, dValueOwn0_2 * (weightUnit) + dValueBefore0_2);
      storeDValue(dValuePlace, 8u, dValueOwn2_2 * (weightUnit) + dValueBefore2_2);
      storeDKey(dKeyPlace, 0u, dKeyOwn0_2 * (scale * (weightUnit / gradientScale)) + dKeyBefore0_2);
      storeDKey(dKeyPlace, 8u, dKeyOwn2_2 * (scale * (weightUnit / gradientScale)) + dKeyBefore2_2);
    }
    if (exists2_3) {
      let dValuePlace = dValueBase + (keyToken(firstKey + row2_3)) * params.dValueRow + vector2_3;
      let dKeyPlace = dKeyBase + (keyToken(firstKey + row2_3)) * params.dKeyRow + vector2_3;
      storeDValue(dValuePlace, 0u, dValueOwn0_3 * (weightUnit) + dValueBefore0_3);
      storeDValue(dValuePlace, 8u, dValueOwn2_3 * (weightUnit) + dValueBefore2_3);
      storeDKey(dKeyPlace, 0u, dKeyOwn0_3 * (scale * (weightUnit / gradientScale)) + dKeyBefore0_3);
      storeDKey(dKeyPlace, 8u, dKeyOwn2_3 * (scale * (weightUnit / gradientScale)) + dKeyBefore2_3);
    }
  }
  if (again) {
    storageBarrier(); // other threads write the same rows now
    for (var row = thread; row < tileRows; row += 128u) {
      let keyIndex = rowTile * tileRows + row;
      let ownToken = keyToken(keyIndex);
      if (ownToken > params.keyLength - 1u) { continue; }
      let keyPlace = keyBase + ownToken * params.keyRow;
      let valuePlace = valueBase + ownToken * params.valueRow;
      var dValueSum = array<vec4<f32>, 16>();
      var dKeySum = array<vec4<f32>, 16>();
      var done = false;
      let mapRow = params.mapBase + mapPlane(batch, head) + rowTile;
      let endRun = data[mapRow + 1u];
      for (var run = data[mapRow]; run < endRun; run++) {
        let start = data[params.mapRunsBase + 2u * run];
        let packed = data[params.mapRunsBase + 2u * run + 1u];
        let endTile = min(start + (packed >> 1u), params.columnTileEnd);
        for (var columnTile = max(start, params.columnTileBegin); columnTile < endTile; columnTile++) {
          let full = (packed & 1u) == 1u;
          if (done) { break; }
          for (var queryRow = columnTile * tileColumns; queryRow < (columnTile + 1u) * tileColumns; queryRow++) {
            let queryIndex = i32(queryRow);
            let position = queryOffset + queryIndex;
            if (!(visible(i32(batch), i32(head), position, queryIndex, i32(keyIndex)))) { continue; }
            let queryPlace = queryBase + queryToken(queryRow) * params.queryRow;
            let dOutputPlace = dOutputBase + queryToken(queryRow) * params.dOutputRow;
            var score = 0.0;
            for (var v = 0u; v < 16u; v = (v + 1u) ^ nothing) { score += dot(loadKey(keyPlace, v), loadQuery(queryPlace, v)); }
            score *= scale;
            if (bitcast<u32>(score) == hiddenBits) { continue; }
            var gradient = 0.0;
            for (var v = 0u; v < 16u; v = (v + 1u) ^ nothing) { gradient += dot(loadValue(valuePlace, v), loadDOutput(dOutputPlace, v)); }
            let held = softmaxRow(batch, head, queryRow);
            let probability = exp2((score - held.x) * log2e);
            gradient = select(probability * (gradient - held.y), 0.0, probability == 0.0);
            for (var v = 0u; v < 16u; v = (v + 1u) ^ nothing) { dValueSum[v] += loadDOutput(dOutputPlace, v) * (probability); }
            for (var v = 0u; v < 16u; v = (v + 1u) ^ nothing) { dKeySum[v] += loadQuery(queryPlace, v) * (gradient); }
          }
          done = true;
          for (var v = 0u; v < 16u && done; v = (v + 1u) ^ nothing) { done = allNaN(dValueSum[v]); }
          for (var v = 0u; v < 16u && done; v = (v + 1u) ^ nothing) { done = allNaN(dKeySum[v]); }
        }
      }
      for (var v = 0u; v < 16u; v = (v + 1u) ^ nothing) {
        var sum = dValueSum[v];
        let base = dValueBase + ownToken * params.dValueRow;
        if (params.accumulate != 0u) { sum += loadDValueTotal(dValueTotalBase + ownToken * params.dValueTotalRow, v); }
        storeDValue(base, v, sum);
      }
      for (var v = 0u; v < 16u; v = (v + 1u) ^ nothing) {
        var sum = dKeySum[v] * scale;
        let base = dKeyBase + ownToken * params.dKeyRow;
        if (params.accumulate != 0u) { sum += loadDKeyTotal(dKeyTotalBase + ownToken * params.dKeyTotalRow, v); }
        storeDKey(base, v, sum);
      }
    }
  }
}
