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
  dQueryOffset: u32,
  dQueryBatch: u32,
  dQueryHead: u32,
  dQueryRow: u32,
  dQueryDim: u32,
  dQueryTotalOffset: u32,
  dQueryTotalBatch: u32,
  dQueryTotalHead: u32,
  dQueryTotalRow: u32,
  dQueryTotalDim: u32,
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
@group(0) @binding(7) var<storage, read_write> dQuery: array<vec4<f16>>;
@group(0) @binding(8) var<storage, read> dQueryTotal: array<vec4<f32>>;

alias Left = subgroup_matrix_left<f16, 16, 16>;
alias Right = subgroup_matrix_right<f16, 16, 16>;
alias Result = subgroup_matrix_result<f32, 16, 16>;
const tileRows = 64u;
const tileColumns = 16u;
const scoreStride = 5u;
const weightStride = 6u;
// Finite stand-ins for infinities, with room for one difference.
const hidden = -1.0e38;
const deadRow = 2.0e38;
const weightBits = 8.0;
const weightUnit = 0.00390625;
const log2e = 1.4426950408889634;

// 22544 bytes: two tiles of visited rows,
var<workgroup> visitedRows: array<array<vec4<f16>, 288>, 4>;
// and of each subgroup S, dP, and the weights of the sums: P and dS.
var<workgroup> scores: array<array<vec4<f32>, 80>, 4>;
var<workgroup> gradients: array<array<vec4<f32>, 80>, 4>;
var<workgroup> weights: array<array<vec4<f16>, 96>, 4>;
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

fn loadDQuery(base: u32, vector: u32) -> vec4<f32> {
  return vec4<f32>(dQuery[base + vector]);
}

fn storeDQuery(base: u32, vector: u32, value: vec4<f32>) {
  dQuery[base + vector] = vec4<f16>(value);
}

fn loadDQueryTotal(base: u32, vector: u32) -> vec4<f32> {
  return dQueryTotal[base + vector];
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
  let head = params.headBegin + workgroup.x;
  let batch = params.batchBase + workgroup.z;
  let keyHead = head / params.headsPerKeyHead;
  let queryOffset = bitcast<i32>(data[2u * batch]);
  let keyCount = data[2u * batch + 1u];
  var rowTile = params.rowTileBase + workgroup.y;
  if (params.mapOrdered != 0u) { rowTile = data[params.mapOrderBase + mapPlane(batch, head) + rowTile]; }
  let queryBase = params.queryOffset + batch * params.queryBatch + head * params.queryHead;
  let dOutputBase = params.dOutputOffset + batch * params.dOutputBatch + head * params.dOutputHead;
  let dQueryBase = params.dQueryOffset + batch * params.dQueryBatch + head * params.dQueryHead;
  let dQueryTotalBase = params.dQueryTotalOffset + batch * params.dQueryTotalBatch + head * params.dQueryTotalHead;
  let keyBase = params.keyOffset + batch * params.keyBatch + keyHead * params.keyHead;
  let valueBase = params.valueOffset + batch * params.valueBatch + keyHead * params.valueHead;
  let firstQuery = rowTile * tileRows + subgroup * 16u;
  let lastQuery = params.queryLength - 1u;
  let lastKey = max(keyCount, 1u) - 1u; // rows past it may hold anything, so they are never read
  let scale = bitcast<f32>(params.scale);
  let scaleOfPower = scale * log2e;
  let gradientScale = softmaxRow(batch, head, rowTile * tileRows).z;
  let queryIndex = i32(firstQuery + ownRow0);
  let position = queryOffset + queryIndex;
  let softmaxRow0 = softmaxRow(batch, head, firstQuery + ownRow0);
  let logSumExp0 = softmaxRow0.x * log2e - weightBits;
  let delta0 = softmaxRow0.y * gradientScale;
  var queryOwn0_0 = vec4<f16>();
  var queryOwn0_1 = vec4<f16>();
  var queryOwn0_2 = vec4<f16>();
  var queryOwn0_3 = vec4<f16>();
  var queryOwn0_4 = vec4<f16>();
  var queryOwn0_5 = vec4<f16>();
  var queryOwn0_6 = vec4<f16>();
  var queryOwn0_7 = vec4<f16>();
  queryOwn0_0 = query[queryBase + min(queryToken(firstQuery + lane / 16u), lastQuery) * params.queryRow + lane % 16u];
  queryOwn0_1 = query[queryBase + min(queryToken(firstQuery + (lane + 32u) / 16u), lastQuery) * params.queryRow + (lane + 32u) % 16u];
  queryOwn0_2 = query[queryBase + min(queryToken(firstQuery + (lane + 64u) / 16u), lastQuery) * params.queryRow + (lane + 64u) % 16u];
  queryOwn0_3 = query[queryBase + min(queryToken(firstQuery + (lane + 96u) / 16u), lastQuery) * params.queryRow + (lane + 96u) % 16u];
  queryOwn0_4 = query[queryBase + min(queryToken(firstQuery + (lane + 128u) / 16u), lastQuery) * params.queryRow + (lane + 128u) % 16u];
  queryOwn0_5 = query[queryBase + min(queryToken(firstQuery + (lane + 160u) / 16u), lastQuery) * params.queryRow + (lane + 160u) % 16u];
  queryOwn0_6 = query[queryBase + min(queryToken(firstQuery + (lane + 192u) / 16u), lastQuery) * params.queryRow + (lane + 192u) % 16u];
  queryOwn0_7 = query[queryBase + min(queryToken(firstQuery + (lane + 224u) / 16u), lastQuery) * params.queryRow + (lane + 224u) % 16u];
  var dOutputOwn0_0 = vec4<f16>();
  var dOutputOwn0_1 = vec4<f16>();
  var dOutputOwn0_2 = vec4<f16>();
  var dOutputOwn0_3 = vec4<f16>();
  var dOutputOwn0_4 = vec4<f16>();
  var dOutputOwn0_5 = vec4<f16>();
  var dOutputOwn0_6 = vec4<f16>();
  var dOutputOwn0_7 = vec4<f16>();
  dOutputOwn0_0 = dOutput[dOutputBase + min(queryToken(firstQuery + lane / 16u), lastQuery) * params.dOutputRow + lane % 16u];
  dOutputOwn0_1 = dOutput[dOutputBase + min(queryToken(firstQuery + (lane + 32u) / 16u), lastQuery) * params.dOutputRow + (lane + 32u) % 16u];
  dOutputOwn0_2 = dOutput[dOutputBase + min(queryToken(firstQuery + (lane + 64u) / 16u), lastQuery) * params.dOutputRow + (lane + 64u) % 16u];
  dOutputOwn0_3 = dOutput[dOutputBase + min(queryToken(firstQuery + (lane + 96u) / 16u), lastQuery) * params.dOutputRow + (lane + 96u) % 16u];
  dOutputOwn0_4 = dOutput[dOutputBase + min(queryToken(firstQuery + (lane + 128u) / 16u), lastQuery) * params.dOutputRow + (lane + 128u) % 16u];
  dOutputOwn0_5 = dOutput[dOutputBase + min(queryToken(firstQuery + (lane + 160u) / 16u), lastQuery) * params.dOutputRow + (lane + 160u) % 16u];
  dOutputOwn0_6 = dOutput[dOutputBase + min(queryToken(firstQuery + (lane + 192u) / 16u), lastQuery) * params.dOutputRow + (lane + 192u) % 16u];
  dOutputOwn0_7 = dOutput[dOutputBase + min(queryToken(firstQuery + (lane + 224u) / 16u), lastQuery) * params.dOutputRow + (lane + 224u) % 16u];
  let row2_0 = lane / 8u;
  let vector2_0 = lane % 8u;
  let exists2_0 = queryToken(firstQuery + row2_0) <= lastQuery;
  let row2_1 = (lane + 32u) / 8u;
  let vector2_1 = (lane + 32u) % 8u;
  let exists2_1 = queryToken(firstQuery + row2_1) <= lastQuery;
  let row2_2 = (lane + 64u) / 8u;
  let vector2_2 = (lane + 64u) % 8u;
  let exists2_2 = queryToken(firstQuery + row2_2) <= lastQuery;
  let row2_3 = (lane + 96u) / 8u;
  let vector2_3 = (lane + 96u) % 8u;
  let exists2_3 = queryToken(firstQuery + row2_3) <= lastQuery;
  var dQueryBefore0_0 = vec4<f32>();
  var dQueryBefore0_1 = vec4<f32>();
  var dQueryBefore0_2 = vec4<f32>();
  var dQueryBefore0_3 = vec4<f32>();
  var dQueryBefore2_0 = vec4<f32>();
  var dQueryBefore2_1 = vec4<f32>();
  var dQueryBefore2_2 = vec4<f32>();
  var dQueryBefore2_3 = vec4<f32>();
  if (params.accumulate != 0u) {
    if (exists2_0) {
      let dQueryPlace = dQueryTotalBase + (queryToken(firstQuery + row2_0)) * params.dQueryTotalRow + vector2_0;
      dQueryBefore0_0 = loadDQueryTotal(dQueryPlace, 0u);
      dQueryBefore2_0 = loadDQueryTotal(dQueryPlace, 8u);
    }
    if (exists2_1) {
      let dQueryPlace = dQueryTotalBase + (queryToken(firstQuery + row2_1)) * params.dQueryTotalRow + vector2_1;
      dQueryBefore0_1 = loadDQueryTotal(dQueryPlace, 0u);
      dQueryBefore2_1 = loadDQueryTotal(dQueryPlace, 8u);
    }
    if (exists2_2) {
      let dQueryPlace = dQueryTotalBase + (queryToken(firstQuery + row2_2)) * params.dQueryTotalRow + vector2_2;
      dQueryBefore0_2 = loadDQueryTotal(dQueryPlace, 0u);
      dQueryBefore2_2 = loadDQueryTotal(dQueryPlace, 8u);
    }
    if (exists2_3) {
      let dQueryPlace = dQueryTotalBase + (queryToken(firstQuery + row2_3)) * params.dQueryTotalRow + vector2_3;
      dQueryBefore0_3 = loadDQueryTotal(dQueryPlace, 0u);
      dQueryBefore2_3 = loadDQueryTotal(dQueryPlace, 8u);
    }
  }
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
  var keyNext0 = vec4<f16>();
  var keyNext1 = vec4<f16>();
  var valueNext0 = vec4<f16>();
  var valueNext1 = vec4<f16>();
  if (visits) {
    keyNext0 = key[keyBase + min(keyToken(columnTile * tileColumns + thread / 16u), lastKey) * params.keyRow + thread % 16u];
    keyNext1 = key[keyBase + min(keyToken(columnTile * tileColumns + (thread + 128u) / 16u), lastKey) * params.keyRow + (thread + 128u) % 16u];
    valueNext0 = value[valueBase + min(keyToken(columnTile * tileColumns + thread / 16u), lastKey) * params.valueRow + thread % 16u];
    valueNext1 = value[valueBase + min(keyToken(columnTile * tileColumns + (thread + 128u) / 16u), lastKey) * params.valueRow + (thread + 128u) % 16u];
  }
  workgroupBarrier();
  visitedRows[subgroup][lane / 16u * 18u + lane % 16u] = queryOwn0_0;
  visitedRows[subgroup][(lane + 32u) / 16u * 18u + (lane + 32u) % 16u] = queryOwn0_1;
  visitedRows[subgroup][(lane + 64u) / 16u * 18u + (lane + 64u) % 16u] = queryOwn0_2;
  visitedRows[subgroup][(lane + 96u) / 16u * 18u + (lane + 96u) % 16u] = queryOwn0_3;
  visitedRows[subgroup][(lane + 128u) / 16u * 18u + (lane + 128u) % 16u] = queryOwn0_4;
  visitedRows[subgroup][(lane + 160u) / 16u * 18u + (lane + 160u) % 16u] = queryOwn0_5;
  visitedRows[subgroup][(lane + 192u) / 16u * 18u + (lane + 192u) % 16u] = queryOwn0_6;
  visitedRows[subgroup][(lane + 224u) / 16u * 18u + (lane + 224u) % 16u] = queryOwn0_7;
  workgroupBarrier();
  let query0_0 = subgroupMatrixLoad<Left, row_major>(&visitedRows[subgroup], 0u, 18u);
  let query0_1 = subgroupMatrixLoad<Left, row_major>(&visitedRows[subgroup], 4u, 18u);
  let query0_2 = subgroupMatrixLoad<Left, row_major>(&visitedRows[subgroup], 8u, 18u);
  let query0_3 = subgroupMatrixLoad<Left, row_major>(&visitedRows[subgroup], 12u, 18u);
  workgroupBarrier();
  visitedRows[subgroup][lane / 16u * 18u + lane % 16u] = dOutputOwn0_0;
  visitedRows[subgroup][(lane + 32u) / 16u * 18u + (lane + 32u) % 16u] = dOutputOwn0_1;
  visitedRows[subgroup][(lane + 64u) / 16u * 18u + (lane + 64u) % 16u] = dOutputOwn0_2;
  visitedRows[subgroup][(lane + 96u) / 16u * 18u + (lane + 96u) % 16u] = dOutputOwn0_3;
  visitedRows[subgroup][(lane + 128u) / 16u * 18u + (lane + 128u) % 16u] = dOutputOwn0_4;
  visitedRows[subgroup][(lane + 160u) / 16u * 18u + (lane + 160u) % 16u] = dOutputOwn0_5;
  visitedRows[subgroup][(lane + 192u) / 16u * 18u + (lane + 192u) % 16u] = dOutputOwn0_6;
  visitedRows[subgroup][(lane + 224u) / 16u * 18u + (lane + 224u) % 16u] = dOutputOwn0_7;
  workgroupBarrier();
  let dOutput0_0 = subgroupMatrixLoad<Left, row_major>(&visitedRows[subgroup], 0u, 18u);
  let dOutput0_1 = subgroupMatrixLoad<Left, row_major>(&visitedRows[subgroup], 4u, 18u);
  let dOutput0_2 = subgroupMatrixLoad<Left, row_major>(&visitedRows[subgroup], 8u, 18u);
  let dOutput0_3 = subgroupMatrixLoad<Left, row_major>(&visitedRows[subgroup], 12u, 18u);
  workgroupBarrier();
  if (visits) {
    visitedRows[0u][thread / 16u * 18u + thread % 16u] = keyNext0;
    visitedRows[0u][(thread + 128u) / 16u * 18u + (thread + 128u) % 16u] = keyNext1;
    visitedRows[2u + 0u][thread / 16u * 18u + thread % 16u] = valueNext0;
    visitedRows[2u + 0u][(thread + 128u) / 16u * 18u + (thread + 128u) % 16u] = valueNext1;
  }
  if (visitsNext) {
    keyNext0 = key[keyBase + min(keyToken(nextTile * tileColumns + thread / 16u), lastKey) * params.keyRow + thread % 16u];
    keyNext1 = key[keyBase + min(keyToken(nextTile * tileColumns + (thread + 128u) / 16u), lastKey) * params.keyRow + (thread + 128u) % 16u];
    valueNext0 = value[valueBase + min(keyToken(nextTile * tileColumns + thread / 16u), lastKey) * params.valueRow + thread % 16u];
    valueNext1 = value[valueBase + min(keyToken(nextTile * tileColumns + (thread + 128u) / 16u), lastKey) * params.valueRow + (thread + 128u) % 16u];
  }
  var dQuery0_0 = Result();
  var dQuery0_1 = Result();
  var dQuery0_2 = Result();
  var dQuery0_3 = Result();
  workgroupBarrier();
  {
    var product0 = Result();
    let visited0 = subgroupMatrixLoad<Right, col_major>(&visitedRows[0u], 0u, 18u);
    product0 = subgroupMatrixMultiplyAccumulate(query0_0, visited0, product0);
    let visited1 = subgroupMatrixLoad<Right, col_major>(&visitedRows[0u], 4u, 18u);
    product0 = subgroupMatrixMultiplyAccumulate(query0_1, visited1, product0);
    let visited2 = subgroupMatrixLoad<Right, col_major>(&visitedRows[0u], 8u, 18u);
    product0 = subgroupMatrixMultiplyAccumulate(query0_2, visited2, product0);
    let visited3 = subgroupMatrixLoad<Right, col_major>(&visitedRows[0u], 12u, 18u);
    product0 = subgroupMatrixMultiplyAccumulate(query0_3, visited3, product0);
    subgroupMatrixStore<row_major>(&scores[subgroup], 0u, product0, scoreStride);
  }
  {
    var product0 = Result();
    let visited0 = subgroupMatrixLoad<Right, col_major>(&visitedRows[2u + 0u], 0u, 18u);
    product0 = subgroupMatrixMultiplyAccumulate(dOutput0_0, visited0, product0);
    let visited1 = subgroupMatrixLoad<Right, col_major>(&visitedRows[2u + 0u], 4u, 18u);
    product0 = subgroupMatrixMultiplyAccumulate(dOutput0_1, visited1, product0);
    let visited2 = subgroupMatrixLoad<Right, col_major>(&visitedRows[2u + 0u], 8u, 18u);
    product0 = subgroupMatrixMultiplyAccumulate(dOutput0_2, visited2, product0);
    let visited3 = subgroupMatrixLoad<Right, col_major>(&visitedRows[2u + 0u], 12u, 18u);
    product0 = subgroupMatrixMultiplyAccumulate(dOutput0_3, visited3, product0);
    subgroupMatrixStore<row_major>(&gradients[subgroup], 0u, product0, scoreStride);
  }
  var place = 0u;
  while (visits) {
    let otherPlace = 1u - place;
    workgroupBarrier();
    visitedRows[otherPlace][thread / 16u * 18u + thread % 16u] = keyNext0;
    visitedRows[otherPlace][(thread + 128u) / 16u * 18u + (thread + 128u) % 16u] = keyNext1;
    visitedRows[2u + otherPlace][thread / 16u * 18u + thread % 16u] = valueNext0;
    visitedRows[2u + otherPlace][(thread + 128u) / 16u * 18u + (thread + 128u) % 16u] = valueNext1;
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
      keyNext0 = key[keyBase + min(keyToken(laterTile * tileColumns + thread / 16u), lastKey) * params.keyRow + thread % 16u];
      keyNext1 = key[keyBase + min(keyToken(laterTile * tileColumns + (thread + 128u) / 16u), lastKey) * params.keyRow + (thread + 128u) % 16u];
      valueNext0 = value[valueBase + min(keyToken(laterTile * tileColumns + thread / 16u), lastKey) * params.valueRow + thread % 16u];
      valueNext1 = value[valueBase + min(keyToken(laterTile * tileColumns + (thread + 128u) / 16u), lastKey) * params.valueRow + (thread + 128u) % 16u];
    }
    let keyIndex = columnTile * tileColumns + 4u * part;
    var score0_0 = scores[subgroup][ownRow0 * scoreStride + part];
    var gradient0_0 = gradients[subgroup][ownRow0 * scoreStride + part];
    var score0_1 = scores[subgroup][ownRow0 * scoreStride + part + 2u];
    var gradient0_1 = gradients[subgroup][ownRow0 * scoreStride + part + 2u];
    score0_0 = fma(score0_0, vec4<f32>(scaleOfPower), -vec4<f32>(logSumExp0));
    score0_1 = fma(score0_1, vec4<f32>(scaleOfPower), -vec4<f32>(logSumExp0));
    if (!full) {
      score0_0.x = select(hidden, score0_0.x, (visible(i32(batch), i32(head), position + 0, queryIndex + 0, i32(keyIndex + 0u))));
      score0_0.y = select(hidden, score0_0.y, (visible(i32(batch), i32(head), position + 0, queryIndex + 0, i32(keyIndex + 1u))));
      score0_0.z = select(hidden, score0_0.z, (visible(i32(batch), i32(head), position + 0, queryIndex + 0, i32(keyIndex + 2u))));
      score0_0.w = select(hidden, score0_0.w, (visible(i32(batch), i32(head), position + 0, queryIndex + 0, i32(keyIndex + 3u))));
      score0_1.x = select(hidden, score0_1.x, (visible(i32(batch), i32(head), position + 0, queryIndex + 0, i32(keyIndex + 8u))));
      score0_1.y = select(hidden, score0_1.y, (visible(i32(batch), i32(head), position + 0, queryIndex + 0, i32(keyIndex + 9u))));
      score0_1.z = select(hidden, score0_1.z, (visible(i32(batch), i32(head), position + 0, queryIndex + 0, i32(keyIndex + 10u))));
      score0_1.w = select(hidden, score0_1.w, (visible(i32(batch), i32(head), position + 0, queryIndex + 0, i32(keyIndex + 11u))));
    }
    score0_0 = exp2(score0_0);
    score0_1 = exp2(score0_1);
    gradient0_0 = score0_0 * fma(gradient0_0, vec4<f32>(gradientScale), -vec4<f32>(delta0));
    gradient0_1 = score0_1 * fma(gradient0_1, vec4<f32>(gradientScale), -vec4<f32>(delta0));
    if (!full) {
      gradient0_0 = select(gradient0_0, vec4<f32>(0.0), score0_0 == vec4<f32>(0.0));
      gradient0_1 = select(gradient0_1, vec4<f32>(0.0), score0_1 == vec4<f32>(0.0));
    }
    weights[subgroup][ownRow0 * weightStride + part] = vec4<f16>(gradient0_0);
    weights[subgroup][ownRow0 * weightStride + part + 2u] = vec4<f16>(gradient0_1);
    workgroupBarrier();
    {
      let weights0 = subgroupMatrixLoad<Left, row_major>(&weights[subgroup], 0u, weightStride);
      let visited0 = subgroupMatrixLoad<Right, row_major>(&visitedRows[place], 0u, 18u);
      dQuery0_0 = subgroupMatrixMultiplyAccumulate(weights0, visited0, dQuery0_0);
      let visited1 = subgroupMatrixLoad<Right, row_major>(&visitedRows[place], 4u, 18u);
      dQuery0_1 = subgroupMatrixMultiplyAccumulate(weights0, visited1, dQuery0_1);
      let visited2 = subgroupMatrixLoad<Right, row_major>(&visitedRows[place], 8u, 18u);
      dQuery0_2 = subgroupMatrixMultiplyAccumulate(weights0, visited2, dQuery0_2);
      let visited3 = subgroupMatrixLoad<Right, row_major>(&visitedRows[place], 12u, 18u);
      dQuery0_3 = subgroupMatrixMultiplyAccumulate(weights0, visited3, dQuery0_3);
    }
    {
      var product0 = Result();
      let visited0 = subgroupMatrixLoad<Right, col_major>(&visitedRows[otherPlace], 0u, 18u);
      product0 = subgroupMatrixMultiplyAccumulate(query0_0, visited0, product0);
      let visited1 = subgroupMatrixLoad<Right, col_major>(&visitedRows[otherPlace], 4u, 18u);
      product0 = subgroupMatrixMultiplyAccumulate(query0_1, visited1, product0);
      let visited2 = subgroupMatrixLoad<Right, col_major>(&visitedRows[otherPlace], 8u, 18u);
      product0 = subgroupMatrixMultiplyAccumulate(query0_2, visited2, product0);
      let visited3 = subgroupMatrixLoad<Right, col_major>(&visitedRows[otherPlace], 12u, 18u);
      product0 = subgroupMatrixMultiplyAccumulate(query0_3, visited3, product0);
      subgroupMatrixStore<row_major>(&scores[subgroup], 0u, product0, scoreStride);
    }
    {
      var product0 = Result();
      let visited0 = subgroupMatrixLoad<Right, col_major>(&visitedRows[2u + otherPlace], 0u, 18u);
      product0 = subgroupMatrixMultiplyAccumulate(dOutput0_0, visited0, product0);
      let visited1 = subgroupMatrixLoad<Right, col_major>(&visitedRows[2u + otherPlace], 4u, 18u);
      product0 = subgroupMatrixMultiplyAccumulate(dOutput0_1, visited1, product0);
      let visited2 = subgroupMatrixLoad<Right, col_major>(&visitedRows[2u + otherPlace], 8u, 18u);
      product0 = subgroupMatrixMultiplyAccumulate(dOutput0_2, visited2, product0);
      let visited3 = subgroupMatrixLoad<Right, col_major>(&visitedRows[2u + otherPlace], 12u, 18u);
      product0 = subgroupMatrixMultiplyAccumulate(dOutput0_3, visited3, product0);
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
  let zeros = vec4<f32>(bitcast<f32>(nothing)); // as no compiler knows
  var check = vec4<f32>();
  workgroupBarrier();
  subgroupMatrixStore<row_major>(&scores[subgroup], 0u, dQuery0_0, scoreStride);
  subgroupMatrixStore<row_major>(&gradients[subgroup], 0u, dQuery0_1, scoreStride);
  workgroupBarrier();
  let dQueryOwn0_0 = select(scores[subgroup][row2_0 * scoreStride + vector2_0 % 4u], gradients[subgroup][row2_0 * scoreStride + vector2_0 % 4u], vector2_0 >= 4u);
  check = fma(dQueryOwn0_0, zeros, check);
  let dQueryOwn0_1 = select(scores[subgroup][row2_1 * scoreStride + vector2_1 % 4u], gradients[subgroup][row2_1 * scoreStride + vector2_1 % 4u], vector2_1 >= 4u);
  check = fma(dQueryOwn0_1, zeros, check);
  let dQueryOwn0_2 = select(scores[subgroup][row2_2 * scoreStride + vector2_2 % 4u], gradients[subgroup][row2_2 * scoreStride + vector2_2 % 4u], vector2_2 >= 4u);
  check = fma(dQueryOwn0_2, zeros, check);
  let dQueryOwn0_3 = select(scores[subgroup][row2_3 * scoreStride + vector2_3 % 4u], gradients[subgroup][row2_3 * scoreStride + vector2_3 % 4u], vector2_3 >= 4u);
  check = fma(dQueryOwn0_3, zeros, check);
  workgroupBarrier();
  subgroupMatrixStore<row_major>(&scores[subgroup], 0u, dQuery0_2, scoreStride);
  subgroupMatrixStore<row_major>(&gradients[subgroup], 0u, dQuery0_3, scoreStride);
  workgroupBarrier();
  let dQueryOwn2_0 = select(scores[subgroup][row2_0 * scoreStride + vector2_0 % 4u], gradients[subgroup][row2_0 * scoreStride + vector2_0 % 4u], vector2_0 >= 4u);
  check = fma(dQueryOwn2_0, zeros, check);
  let dQueryOwn2_1 = select(scores[subgroup][row2_1 * scoreStride + vector2_1 % 4u], gradients[subgroup][row2_1 * scoreStride + vector2_1 % 4u], vector2_1 >= 4u);
  check = fma(dQueryOwn2_1, zeros, check);
  let dQueryOwn2_2 = select(scores[subgroup][row2_2 * scoreStride + vector2_2 % 4u], gradients[subgroup][row2_2 * scoreStride + vector2_2 % 4u], vector2_2 >= 4u);
  check = fma(dQueryOwn2_2, zeros, check);
  let dQueryOwn2_3 = select(scores[subgroup][row2_3 * scoreStride + vector2_3 % 4u], gradients[subgroup][row2_3 * scoreStride + vector2_3 % 4u], vector2_3 >= 4u);
  check = fma(dQueryOwn2_3, zeros, check);
  if (any((bitcast<vec4<u32>>(check) & vec4<u32>(0x7fffffffu)) != vec4<u32>())) { foundStrange = vec4<u32>(1u); }
  let again = workgroupUniformLoad(&foundStrange).x != 0u;
  if (!again) {
    if (exists2_0) {
      let dQueryPlace = dQueryBase + (queryToken(firstQuery + row2_0)) * params.dQueryRow + vector2_0;
      storeDQuery(dQueryPlace, 0u, dQueryOwn0_0 * (scale * (weightUnit / gradientScale)) + dQueryBefore0_0);
      storeDQuery(dQueryPlace, 8u, dQueryOwn2_0 * (scale * (weightUnit / gradientScale)) + dQueryBefore2_0);
    }
    if (exists2_1) {
      let dQueryPlace = dQueryBase + (queryToken(firstQuery + row2_1)) * params.dQueryRow + vector2_1;
      storeDQuery(dQueryPlace, 0u, dQueryOwn0_1 * (scale * (weightUnit / gradientScale)) + dQueryBefore0_1);
      storeDQuery(dQueryPlace, 8u, dQueryOwn2_1 * (scale * (weightUnit / gradientScale)) + dQueryBefore2_1);
    }
    if (exists2_2) {
      let dQueryPlace = dQueryBase + (queryToken(firstQuery + row2_2)) * params.dQueryRow + vector2_2;
      storeDQuery(dQueryPlace, 0u, dQueryOwn0_2 * (scale * (weightUnit / gradientScale)) + dQueryBefore0_2);
      storeDQuery(dQueryPlace, 8u, dQueryOwn2_2 * (scale * (weightUnit / gradientScale)) + dQueryBefore2_2);
    }
    if (exists2_3) {
      let dQueryPlace = dQueryBase + (queryToken(firstQuery + row2_3)) * params.dQueryRow + vector2_3;
      storeDQuery(dQueryPlace, 0u, dQueryOwn0_3 * (scale * (weightUnit / gradientScale)) + dQueryBefore0_3);
      storeDQuery(dQueryPlace, 8u, dQueryOwn2_3 * (scale * (weightUnit / gradientScale)) + dQueryBefore2_3);
    }
  }
  if (again) {
    storageBarrier(); // other threads write the same rows now
    for (var row = thread; row < tileRows; row += 128u) {
      let queryRow = rowTile * tileRows + row;
      let ownToken = queryToken(queryRow);
      if (ownToken > lastQuery) { continue; }
      let queryPlace = queryBase + ownToken * params.queryRow;
      let dOutputPlace = dOutputBase + ownToken * params.dOutputRow;
      var dQuerySum = array<vec4<f32>, 16>();
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
          for (var keyIndex = columnTile * tileColumns; keyIndex < (columnTile + 1u) * tileColumns; keyIndex++) {
            let queryIndex = i32(queryRow);
            let position = queryOffset + queryIndex;
            if (!(visible(i32(batch), i32(head), position, queryIndex, i32(keyIndex)))) { continue; }
            let keyPlace = keyBase + keyToken(keyIndex) * params.keyRow;
            let valuePlace = valueBase + keyToken(keyIndex) * params.valueRow;
            var score = 0.0;
            for (var v = 0u; v < 16u; v = (v + 1u) ^ nothing) { score += dot(loadQuery(queryPlace, v), loadKey(keyPlace, v)); }
            score *= scale;
            if (bitcast<u32>(score) == hiddenBits) { continue; }
            var gradient = 0.0;
            for (var v = 0u; v < 16u; v = (v + 1u) ^ nothing) { gradient += dot(loadDOutput(dOutputPlace, v), loadValue(valuePlace, v)); }
            let held = softmaxRow(batch, head, queryRow);
            let probability = exp2((score - held.x) * log2e);
            gradient = select(probability * (gradient - held.y), 0.0, probability == 0.0);
            for (var v = 0u; v < 16u; v = (v + 1u) ^ nothing) { dQuerySum[v] += loadKey(keyPlace, v) * (gradient); }
          }
          done = true;
          for (var v = 0u; v < 16u && done; v = (v + 1u) ^ nothing) { done = allNaN(dQuerySum[v]); }
        }
      }
      for (var v = 0u; v < 16u; v = (v + 1u) ^ nothing) {
        var sum = dQuerySum[v] * scale;
        let base = dQueryBase + ownToken * params.dQueryRow;
        if (params.accumulate != 0u) { sum += loadDQueryTotal(dQueryTotalBase + ownToken * params.dQueryTotalRow, v); }
        storeDQuery(base, v, sum);
      }
    }
  }
}
