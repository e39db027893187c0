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
@group(0) @binding(7) var<storage, read_write> dValue: array<vec4<f32>>;
@group(0) @binding(8) var<storage, read_write> dKey: array<vec4<f32>>;

alias Left = subgroup_matrix_left<f16, 16, 16>;
alias Right = subgroup_matrix_right<f16, 16, 16>;
alias Result = subgroup_matrix_result<f32, 16, 16>;
const tileRows = 48u;
const tileColumns = 16u;
const scoreStride = 5u;
const weightStride = 10u;
// Finite stand-ins for infinities, with room for one difference.
const hidden = -1.0e38;
const deadRow = 2.0e38;
const weightScale = 16384.0;
const weightUnit = 0.00006103515625;
const log2e = 1.4426950408889634;

// 24192 bytes: a tile of visited rows of two tensors, in one piece of their columns,
var<workgroup> visitedRows: array<array<array<array<vec4<f16>, 544>, 1>, 2>, 1>;
// Of each query: log-sum-exp, and D.
var<workgroup> statistics: array<array<vec4<f32>, 8>, 1>;
// and of each pair S, dP, and the weights of the sums: P and dS.
var<workgroup> scores: array<array<array<vec4<f32>, 80>, 2>, 3>;
var<workgroup> weights: array<array<array<vec4<f16>, 160>, 2>, 3>;

fn loadDValue(base: u32, vector: u32) -> vec4<f32> {
  return dValue[base + vector];
}

fn storeDValue(base: u32, vector: u32, value: vec4<f32>) {
  dValue[base + vector] = value;
}

fn loadDKey(base: u32, vector: u32) -> vec4<f32> {
  return dKey[base + vector];
}

fn storeDKey(base: u32, vector: u32, value: vec4<f32>) {
  dKey[base + vector] = value;
}

fn softmaxRow(batch: u32, head: u32, queryRow: u32) -> vec4<f32> {
  let row = min(queryRow, params.queryLength - 1u);
  let held = softmaxRows[params.softmaxRowsOffset + (batch * params.heads + head) * params.queryLength + row];
  return select(held, vec4<f32>(deadRow, 0.0, held.zw), queryRow >= params.queryLength);
}

// Of Q, K, dO and V.
fn unpackExponents(packed: f32) -> vec4<i32> {
  let bits = bitcast<u32>(packed);
  return vec4<i32>(vec3<i32>((vec3<u32>(bits) >> vec3<u32>(0u, 7u, 14u)) & vec3<u32>(127u)) - 64, i32(bits >> 23u) - 128);
}

fn powerOf(exponent: i32) -> f32 { return bitcast<f32>(u32(clamp(exponent, -126, 127) + 127) << 23u); }

fn highPart(x: vec4<f32>) -> vec4<f32> {
  return bitcast<vec4<f32>>((bitcast<vec4<u32>>(x) + vec4<u32>(0x1000u)) & vec4<u32>(0xffffe000u));
}

fn visible(batch: i32, head: i32, query: i32, queryIndex: i32, key: i32) -> bool {
  return (key <= query);
}

fn mapPlane(batch: u32, head: u32) -> u32 {
  return (min(batch, params.mapBatches - 1u) * params.mapHeads + min(head, params.mapHeads - 1u)) * params.mapRows;
}

@compute @workgroup_size(192)
fn main(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(subgroup_id) subgroupId: u32,
  @builtin(subgroup_invocation_id) invocation: u32,
) {
  let subgroup = min(subgroupId, 5u);
  let pair = subgroup / 2u;
  let partner = subgroup % 2u;
  let subgroupLane = invocation & 31u;
  let lane = partner * 32u + subgroupLane;
  let thread = subgroup * 32u + subgroupLane;
  let nothing = params.negativeInfinity ^ 0xff800000u;
  let part = lane % 4u;
  let ownRow0 = lane / 4u;
  let sumPart = subgroupLane % 2u;
  let sumRow0 = subgroupLane / 2u;
  let keyHead = params.headBegin / params.headsPerKeyHead + workgroup.x;
  let firstHead = max(params.headBegin, keyHead * params.headsPerKeyHead);
  let endHead = min(params.headEnd, (keyHead + 1u) * params.headsPerKeyHead);
  let batch = params.batchBase + workgroup.z;
  let queryOffset = bitcast<i32>(data[2u * batch]);
  let keyCount = data[2u * batch + 1u];
  let scales = softmaxRow(batch, firstHead, params.columnTileBegin * tileColumns).zw;
  let gradientScale = scales.x;
  if (gradientScale == 0.0) { return; } // cannot be split: left to the kernel in plain WGSL
  let exponents = unpackExponents(scales.y);
  let trueScale = bitcast<f32>(params.scale);
  let scale = trueScale * powerOf(-(exponents.x + exponents.y)); // of products of halves
  let gradientUnit = gradientScale * powerOf(-(exponents.z + exponents.w));
  var rowTile = params.rowTileBase + workgroup.y;
  if (params.mapOrdered != 0u) { rowTile = data[params.mapOrderBase + mapPlane(batch, firstHead) + rowTile]; }
  let keyBase = params.keyOffset + batch * params.keyBatch + keyHead * params.keyHead;
  let valueBase = params.valueOffset + batch * params.valueBatch + keyHead * params.valueHead;
  let dKeyBase = params.dKeyOffset + batch * params.dKeyBatch + keyHead * params.dKeyHead;
  let dValueBase = params.dValueOffset + batch * params.dValueBatch + keyHead * params.dValueHead;
  let firstKey = rowTile * tileRows + pair * 16u;
  let lastKey = max(keyCount, 1u) - 1u;
  let lastQuery = params.queryLength - 1u;
  let keyIndex = firstKey + ownRow0;
  let finalKey = params.keyLength - 1u; // padding has gradients too: 0
  var sum0_0 = Result();
  var sum0_1 = Result();
  var sum0_2 = Result();
  var sum0_3 = Result();
  var total0_0_0 = vec4<f32>();
  var total0_0_1 = vec4<f32>();
  var total0_1_0 = vec4<f32>();
  var total0_1_1 = vec4<f32>();
  var total0_2_0 = vec4<f32>();
  var total0_2_1 = vec4<f32>();
  var total0_3_0 = vec4<f32>();
  var total0_3_1 = vec4<f32>();
  var ownHighRows0_0 = vec4<f16>();
  var ownHighRows0_1 = vec4<f16>();
  var ownLowRows0_0 = vec4<f16>();
  var ownLowRows0_1 = vec4<f16>();
  var ownHighRows1_0 = vec4<f16>();
  var ownHighRows1_1 = vec4<f16>();
  var ownLowRows1_0 = vec4<f16>();
  var ownLowRows1_1 = vec4<f16>();
  var ownHighRows2_0 = vec4<f16>();
  var ownHighRows2_1 = vec4<f16>();
  var ownLowRows2_0 = vec4<f16>();
  var ownLowRows2_1 = vec4<f16>();
  var ownHighRows3_0 = vec4<f16>();
  var ownHighRows3_1 = vec4<f16>();
  var ownLowRows3_0 = vec4<f16>();
  var ownLowRows3_1 = vec4<f16>();
  if (partner == 0u) {
    ownHighRows0_0 = key[keyBase + min(firstKey + subgroupLane / 4u, lastKey) * params.keyRow + 0u + subgroupLane % 4u];
    ownHighRows0_1 = key[keyBase + min(firstKey + (subgroupLane + 32u) / 4u, lastKey) * params.keyRow + 0u + (subgroupLane + 32u) % 4u];
    ownLowRows0_0 = key[keyBase + min(firstKey + subgroupLane / 4u, lastKey) * params.keyRow + 8u + subgroupLane % 4u];
    ownLowRows0_1 = key[keyBase + min(firstKey + (subgroupLane + 32u) / 4u, lastKey) * params.keyRow + 8u + (subgroupLane + 32u) % 4u];
    ownHighRows1_0 = key[keyBase + min(firstKey + subgroupLane / 4u, lastKey) * params.keyRow + 4u + subgroupLane % 4u];
    ownHighRows1_1 = key[keyBase + min(firstKey + (subgroupLane + 32u) / 4u, lastKey) * params.keyRow + 4u + (subgroupLane + 32u) % 4u];
    ownLowRows1_0 = key[keyBase + min(firstKey + subgroupLane / 4u, lastKey) * params.keyRow + 12u + subgroupLane % 4u];
    ownLowRows1_1 = key[keyBase + min(firstKey + (subgroupLane + 32u) / 4u, lastKey) * params.keyRow + 12u + (subgroupLane + 32u) % 4u];
    ownHighRows2_0 = key[keyBase + min(firstKey + subgroupLane / 4u, lastKey) * params.keyRow + 16u + subgroupLane % 4u];
    ownHighRows2_1 = key[keyBase + min(firstKey + (subgroupLane + 32u) / 4u, lastKey) * params.keyRow + 16u + (subgroupLane + 32u) % 4u];
    ownLowRows2_0 = key[keyBase + min(firstKey + subgroupLane / 4u, lastKey) * params.keyRow + 24u + subgroupLane % 4u];
    ownLowRows2_1 = key[keyBase + min(firstKey + (subgroupLane + 32u) / 4u, lastKey) * params.keyRow + 24u + (subgroupLane + 32u) % 4u];
    ownHighRows3_0 = key[keyBase + min(firstKey + subgroupLane / 4u, lastKey) * params.keyRow + 20u + subgroupLane % 4u];
    ownHighRows3_1 = key[keyBase + min(firstKey + (subgroupLane + 32u) / 4u, lastKey) * params.keyRow + 20u + (subgroupLane + 32u) % 4u];
    ownLowRows3_0 = key[keyBase + min(firstKey + subgroupLane / 4u, lastKey) * params.keyRow + 28u + subgroupLane % 4u];
    ownLowRows3_1 = key[keyBase + min(firstKey + (subgroupLane + 32u) / 4u, lastKey) * params.keyRow + 28u + (subgroupLane + 32u) % 4u];
  } else {
    ownHighRows0_0 = value[valueBase + min(firstKey + subgroupLane / 4u, lastKey) * params.valueRow + 0u + subgroupLane % 4u];
    ownHighRows0_1 = value[valueBase + min(firstKey + (subgroupLane + 32u) / 4u, lastKey) * params.valueRow + 0u + (subgroupLane + 32u) % 4u];
    ownLowRows0_0 = value[valueBase + min(firstKey + subgroupLane / 4u, lastKey) * params.valueRow + 8u + subgroupLane % 4u];
    ownLowRows0_1 = value[valueBase + min(firstKey + (subgroupLane + 32u) / 4u, lastKey) * params.valueRow + 8u + (subgroupLane + 32u) % 4u];
    ownHighRows1_0 = value[valueBase + min(firstKey + subgroupLane / 4u, lastKey) * params.valueRow + 4u + subgroupLane % 4u];
    ownHighRows1_1 = value[valueBase + min(firstKey + (subgroupLane + 32u) / 4u, lastKey) * params.valueRow + 4u + (subgroupLane + 32u) % 4u];
    ownLowRows1_0 = value[valueBase + min(firstKey + subgroupLane / 4u, lastKey) * params.valueRow + 12u + subgroupLane % 4u];
    ownLowRows1_1 = value[valueBase + min(firstKey + (subgroupLane + 32u) / 4u, lastKey) * params.valueRow + 12u + (subgroupLane + 32u) % 4u];
    ownHighRows2_0 = value[valueBase + min(firstKey + subgroupLane / 4u, lastKey) * params.valueRow + 16u + subgroupLane % 4u];
    ownHighRows2_1 = value[valueBase + min(firstKey + (subgroupLane + 32u) / 4u, lastKey) * params.valueRow + 16u + (subgroupLane + 32u) % 4u];
    ownLowRows2_0 = value[valueBase + min(firstKey + subgroupLane / 4u, lastKey) * params.valueRow + 24u + subgroupLane % 4u];
    ownLowRows2_1 = value[valueBase + min(firstKey + (subgroupLane + 32u) / 4u, lastKey) * params.valueRow + 24u + (subgroupLane + 32u) % 4u];
    ownHighRows3_0 = value[valueBase + min(firstKey + subgroupLane / 4u, lastKey) * params.valueRow + 20u + subgroupLane % 4u];
    ownHighRows3_1 = value[valueBase + min(firstKey + (subgroupLane + 32u) / 4u, lastKey) * params.valueRow + 20u + (subgroupLane + 32u) % 4u];
    ownLowRows3_0 = value[valueBase + min(firstKey + subgroupLane / 4u, lastKey) * params.valueRow + 28u + subgroupLane % 4u];
    ownLowRows3_1 = value[valueBase + min(firstKey + (subgroupLane + 32u) / 4u, lastKey) * params.valueRow + 28u + (subgroupLane + 32u) % 4u];
  }
  workgroupBarrier();
  weights[pair][0][subgroupLane / 4u * weightStride + partner * 4u + subgroupLane % 4u] = ownHighRows0_0;
  weights[pair][0][(subgroupLane + 32u) / 4u * weightStride + partner * 4u + (subgroupLane + 32u) % 4u] = ownHighRows0_1;
  workgroupBarrier();
  let ownHigh0_0 = subgroupMatrixLoad<Left, row_major>(&weights[pair][0], 0u + partner * 4u, weightStride);
  workgroupBarrier();
  weights[pair][0][subgroupLane / 4u * weightStride + partner * 4u + subgroupLane % 4u] = ownLowRows0_0;
  weights[pair][0][(subgroupLane + 32u) / 4u * weightStride + partner * 4u + (subgroupLane + 32u) % 4u] = ownLowRows0_1;
  workgroupBarrier();
  let ownLow0_0 = subgroupMatrixLoad<Left, row_major>(&weights[pair][0], 0u + partner * 4u, weightStride);
  workgroupBarrier();
  weights[pair][0][subgroupLane / 4u * weightStride + partner * 4u + subgroupLane % 4u] = ownHighRows1_0;
  weights[pair][0][(subgroupLane + 32u) / 4u * weightStride + partner * 4u + (subgroupLane + 32u) % 4u] = ownHighRows1_1;
  workgroupBarrier();
  let ownHigh0_1 = subgroupMatrixLoad<Left, row_major>(&weights[pair][0], 0u + partner * 4u, weightStride);
  workgroupBarrier();
  weights[pair][0][subgroupLane / 4u * weightStride + partner * 4u + subgroupLane % 4u] = ownLowRows1_0;
  weights[pair][0][(subgroupLane + 32u) / 4u * weightStride + partner * 4u + (subgroupLane + 32u) % 4u] = ownLowRows1_1;
  workgroupBarrier();
  let ownLow0_1 = subgroupMatrixLoad<Left, row_major>(&weights[pair][0], 0u + partner * 4u, weightStride);
  workgroupBarrier();
  weights[pair][0][subgroupLane / 4u * weightStride + partner * 4u + subgroupLane % 4u] = ownHighRows2_0;
  weights[pair][0][(subgroupLane + 32u) / 4u * weightStride + partner * 4u + (subgroupLane + 32u) % 4u] = ownHighRows2_1;
  workgroupBarrier();
  let ownHigh0_2 = subgroupMatrixLoad<Left, row_major>(&weights[pair][0], 0u + partner * 4u, weightStride);
  workgroupBarrier();
  weights[pair][0][subgroupLane / 4u * weightStride + partner * 4u + subgroupLane % 4u] = ownLowRows2_0;
  weights[pair][0][(subgroupLane + 32u) / 4u * weightStride + partner * 4u + (subgroupLane + 32u) % 4u] = ownLowRows2_1;
  workgroupBarrier();
  let ownLow0_2 = subgroupMatrixLoad<Left, row_major>(&weights[pair][0], 0u + partner * 4u, weightStride);
  workgroupBarrier();
  weights[pair][0][subgroupLane / 4u * weightStride + partner * 4u + subgroupLane % 4u] = ownHighRows3_0;
  weights[pair][0][(subgroupLane + 32u) / 4u * weightStride + partner * 4u + (subgroupLane + 32u) % 4u] = ownHighRows3_1;
  workgroupBarrier();
  let ownHigh0_3 = subgroupMatrixLoad<Left, row_major>(&weights[pair][0], 0u + partner * 4u, weightStride);
  workgroupBarrier();
  weights[pair][0][subgroupLane / 4u * weightStride + partner * 4u + subgroupLane % 4u] = ownLowRows3_0;
  weights[pair][0][(subgroupLane + 32u) / 4u * weightStride + partner * 4u + (subgroupLane + 32u) % 4u] = ownLowRows3_1;
  workgroupBarrier();
  let ownLow0_3 = subgroupMatrixLoad<Left, row_major>(&weights[pair][0], 0u + partner * 4u, weightStride);
  for (var head = firstHead; head < endHead; head++) {
    let queryBase = params.queryOffset + batch * params.queryBatch + head * params.queryHead;
    let dOutputBase = params.dOutputOffset + batch * params.dOutputBatch + head * params.dOutputHead;
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
    var queryNext2 = vec4<f16>();
    var dOutputNext0 = vec4<f16>();
    var dOutputNext1 = vec4<f16>();
    var dOutputNext2 = vec4<f16>();
    var logSumExpNext = 0.0;
    var deltaNext = 0.0;
    workgroupBarrier();
    if (visits) {
      queryNext0 = query[queryBase + min(columnTile * tileColumns + thread / 32u, lastQuery) * params.queryRow + thread % 32u];
      queryNext1 = query[queryBase + min(columnTile * tileColumns + (thread + 192u) / 32u, lastQuery) * params.queryRow + (thread + 192u) % 32u];
      if (thread < 128u) {
        queryNext2 = query[queryBase + min(columnTile * tileColumns + (thread + 384u) / 32u, lastQuery) * params.queryRow + (thread + 384u) % 32u];
      }
      dOutputNext0 = dOutput[dOutputBase + min(columnTile * tileColumns + thread / 32u, lastQuery) * params.dOutputRow + thread % 32u];
      dOutputNext1 = dOutput[dOutputBase + min(columnTile * tileColumns + (thread + 192u) / 32u, lastQuery) * params.dOutputRow + (thread + 192u) % 32u];
      if (thread < 128u) {
        dOutputNext2 = dOutput[dOutputBase + min(columnTile * tileColumns + (thread + 384u) / 32u, lastQuery) * params.dOutputRow + (thread + 384u) % 32u];
      }
      if (thread < 16u) {
        let softmaxRowNext = softmaxRow(batch, head, columnTile * tileColumns + thread);
        logSumExpNext = softmaxRowNext.x;
        deltaNext = softmaxRowNext.y * gradientScale;
      }
      visitedRows[0u][0][0][thread / 32u * 34u + thread % 32u] = queryNext0;
      visitedRows[0u][0][0][(thread + 192u) / 32u * 34u + (thread + 192u) % 32u] = queryNext1;
      if (thread < 128u) {
        visitedRows[0u][0][0][(thread + 384u) / 32u * 34u + (thread + 384u) % 32u] = queryNext2;
      }
      visitedRows[0u][1][0][thread / 32u * 34u + thread % 32u] = dOutputNext0;
      visitedRows[0u][1][0][(thread + 192u) / 32u * 34u + (thread + 192u) % 32u] = dOutputNext1;
      if (thread < 128u) {
        visitedRows[0u][1][0][(thread + 384u) / 32u * 34u + (thread + 384u) % 32u] = dOutputNext2;
      }
      if (thread < 16u) {
        statistics[0u][thread / 4u][thread % 4u] = logSumExpNext;
        statistics[0u][thread / 4u + 4u][thread % 4u] = deltaNext;
      }
    }
    if (visitsNext) {
      queryNext0 = query[queryBase + min(nextTile * tileColumns + thread / 32u, lastQuery) * params.queryRow + thread % 32u];
      queryNext1 = query[queryBase + min(nextTile * tileColumns + (thread + 192u) / 32u, lastQuery) * params.queryRow + (thread + 192u) % 32u];
      if (thread < 128u) {
        queryNext2 = query[queryBase + min(nextTile * tileColumns + (thread + 384u) / 32u, lastQuery) * params.queryRow + (thread + 384u) % 32u];
      }
      dOutputNext0 = dOutput[dOutputBase + min(nextTile * tileColumns + thread / 32u, lastQuery) * params.dOutputRow + thread % 32u];
      dOutputNext1 = dOutput[dOutputBase + min(nextTile * tileColumns + (thread + 192u) / 32u, lastQuery) * params.dOutputRow + (thread + 192u) % 32u];
      if (thread < 128u) {
        dOutputNext2 = dOutput[dOutputBase + min(nextTile * tileColumns + (thread + 384u) / 32u, lastQuery) * params.dOutputRow + (thread + 384u) % 32u];
      }
      if (thread < 16u) {
        let softmaxRowNext = softmaxRow(batch, head, nextTile * tileColumns + thread);
        logSumExpNext = softmaxRowNext.x;
        deltaNext = softmaxRowNext.y * gradientScale;
      }
    }
    workgroupBarrier();
    while (visits) {
      for (var turn = 0u; turn < 4u && visits; turn = (turn + 1u) ^ nothing) {
        if (nothing == 0u) {
          {
            var product0 = Result();
            let high0 = subgroupMatrixLoad<Right, col_major>(&visitedRows[0u][partner][0], 0u, 34u);
            let low0 = subgroupMatrixLoad<Right, col_major>(&visitedRows[0u][partner][0], 16u, 34u);
            product0 = subgroupMatrixMultiplyAccumulate(ownHigh0_0, low0, product0);
            product0 = subgroupMatrixMultiplyAccumulate(ownLow0_0, high0, product0);
            let high1 = subgroupMatrixLoad<Right, col_major>(&visitedRows[0u][partner][0], 4u, 34u);
            let low1 = subgroupMatrixLoad<Right, col_major>(&visitedRows[0u][partner][0], 20u, 34u);
            product0 = subgroupMatrixMultiplyAccumulate(ownHigh0_1, low1, product0);
            product0 = subgroupMatrixMultiplyAccumulate(ownLow0_1, high1, product0);
            let high2 = subgroupMatrixLoad<Right, col_major>(&visitedRows[0u][partner][0], 8u, 34u);
            let low2 = subgroupMatrixLoad<Right, col_major>(&visitedRows[0u][partner][0], 24u, 34u);
            product0 = subgroupMatrixMultiplyAccumulate(ownHigh0_2, low2, product0);
            product0 = subgroupMatrixMultiplyAccumulate(ownLow0_2, high2, product0);
            let high3 = subgroupMatrixLoad<Right, col_major>(&visitedRows[0u][partner][0], 12u, 34u);
            let low3 = subgroupMatrixLoad<Right, col_major>(&visitedRows[0u][partner][0], 28u, 34u);
            product0 = subgroupMatrixMultiplyAccumulate(ownHigh0_3, low3, product0);
            product0 = subgroupMatrixMultiplyAccumulate(ownLow0_3, high3, product0);
            product0 = subgroupMatrixMultiplyAccumulate(ownHigh0_0, high0, product0);
            product0 = subgroupMatrixMultiplyAccumulate(ownHigh0_1, high1, product0);
            product0 = subgroupMatrixMultiplyAccumulate(ownHigh0_2, high2, product0);
            product0 = subgroupMatrixMultiplyAccumulate(ownHigh0_3, high3, product0);
            subgroupMatrixStore<row_major>(&scores[pair][partner], 0u, product0, scoreStride);
          }
          workgroupBarrier();
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
          let queryIndex = i32(columnTile * tileColumns + 4u * part);
          let position = queryOffset + queryIndex;
          let logSumExp0 = statistics[0u][part];
          let delta0 = statistics[0u][part + 4u];
          var score0_0 = scores[pair][0][ownRow0 * scoreStride + part];
          var gradient0_0 = scores[pair][1][ownRow0 * scoreStride + part];
          score0_0 = fma(score0_0, vec4<f32>(scale), -logSumExp0);
          if (!full) {
            score0_0.x = select(hidden, score0_0.x, (keyIndex + 0u < keyCount) & (visible(i32(batch), i32(head), position + 0, queryIndex + 0, i32(keyIndex + 0u))));
            score0_0.y = select(hidden, score0_0.y, (keyIndex + 0u < keyCount) & (visible(i32(batch), i32(head), position + 1, queryIndex + 1, i32(keyIndex + 0u))));
            score0_0.z = select(hidden, score0_0.z, (keyIndex + 0u < keyCount) & (visible(i32(batch), i32(head), position + 2, queryIndex + 2, i32(keyIndex + 0u))));
            score0_0.w = select(hidden, score0_0.w, (keyIndex + 0u < keyCount) & (visible(i32(batch), i32(head), position + 3, queryIndex + 3, i32(keyIndex + 0u))));
          }
          score0_0 = exp2(score0_0 * log2e) * weightScale;
          gradient0_0 = score0_0 * fma(gradient0_0, vec4<f32>(gradientUnit), -delta0);
          if (!full) {
            gradient0_0 = select(gradient0_0, vec4<f32>(0.0), score0_0 == vec4<f32>(0.0));
          }
          let scoreHigh0_0 = highPart(score0_0);
          weights[pair][0][ownRow0 * weightStride + part] = vec4<f16>(scoreHigh0_0);
          weights[pair][0][ownRow0 * weightStride + part + 4u] = vec4<f16>(score0_0 - scoreHigh0_0);
          let gradientHigh0_0 = highPart(gradient0_0);
          weights[pair][1][ownRow0 * weightStride + part] = vec4<f16>(gradientHigh0_0);
          weights[pair][1][ownRow0 * weightStride + part + 4u] = vec4<f16>(gradient0_0 - gradientHigh0_0);
          workgroupBarrier();
          {
            let weightsHigh0 = subgroupMatrixLoad<Left, row_major>(&weights[pair][partner], 0u, 10u);
            let weightsLow0 = subgroupMatrixLoad<Left, row_major>(&weights[pair][partner], 4u, 10u);
            let high0 = subgroupMatrixLoad<Right, row_major>(&visitedRows[0u][1u - partner][0], 0u, 34u);
            let low0 = subgroupMatrixLoad<Right, row_major>(&visitedRows[0u][1u - partner][0], 16u, 34u);
            sum0_0 = subgroupMatrixMultiplyAccumulate(weightsHigh0, low0, sum0_0);
            sum0_0 = subgroupMatrixMultiplyAccumulate(weightsLow0, high0, sum0_0);
            sum0_0 = subgroupMatrixMultiplyAccumulate(weightsHigh0, high0, sum0_0);
            let high1 = subgroupMatrixLoad<Right, row_major>(&visitedRows[0u][1u - partner][0], 4u, 34u);
            let low1 = subgroupMatrixLoad<Right, row_major>(&visitedRows[0u][1u - partner][0], 20u, 34u);
            sum0_1 = subgroupMatrixMultiplyAccumulate(weightsHigh0, low1, sum0_1);
            sum0_1 = subgroupMatrixMultiplyAccumulate(weightsLow0, high1, sum0_1);
            sum0_1 = subgroupMatrixMultiplyAccumulate(weightsHigh0, high1, sum0_1);
            let high2 = subgroupMatrixLoad<Right, row_major>(&visitedRows[0u][1u - partner][0], 8u, 34u);
            let low2 = subgroupMatrixLoad<Right, row_major>(&visitedRows[0u][1u - partner][0], 24u, 34u);
            sum0_2 = subgroupMatrixMultiplyAccumulate(weightsHigh0, low2, sum0_2);
            sum0_2 = subgroupMatrixMultiplyAccumulate(weightsLow0, high2, sum0_2);
            sum0_2 = subgroupMatrixMultiplyAccumulate(weightsHigh0, high2, sum0_2);
            let high3 = subgroupMatrixLoad<Right, row_major>(&visitedRows[0u][1u - partner][0], 12u, 34u);
            let low3 = subgroupMatrixLoad<Right, row_major>(&visitedRows[0u][1u - partner][0], 28u, 34u);
            sum0_3 = subgroupMatrixMultiplyAccumulate(weightsHigh0, low3, sum0_3);
            sum0_3 = subgroupMatrixMultiplyAccumulate(weightsLow0, high3, sum0_3);
            sum0_3 = subgroupMatrixMultiplyAccumulate(weightsHigh0, high3, sum0_3);
          }
          columnTile = nextTile;
          nextTile = laterTile;
          visits = visitsNext;
          visitsNext = visitsLater;
          full = nextFull;
          nextFull = laterFull;
          workgroupBarrier();
          if (visits) {
            visitedRows[0u][0][0][thread / 32u * 34u + thread % 32u] = queryNext0;
            visitedRows[0u][0][0][(thread + 192u) / 32u * 34u + (thread + 192u) % 32u] = queryNext1;
            if (thread < 128u) {
              visitedRows[0u][0][0][(thread + 384u) / 32u * 34u + (thread + 384u) % 32u] = queryNext2;
            }
            visitedRows[0u][1][0][thread / 32u * 34u + thread % 32u] = dOutputNext0;
            visitedRows[0u][1][0][(thread + 192u) / 32u * 34u + (thread + 192u) % 32u] = dOutputNext1;
            if (thread < 128u) {
              visitedRows[0u][1][0][(thread + 384u) / 32u * 34u + (thread + 384u) % 32u] = dOutputNext2;
            }
            if (thread < 16u) {
              statistics[0u][thread / 4u][thread % 4u] = logSumExpNext;
              statistics[0u][thread / 4u + 4u][thread % 4u] = deltaNext;
            }
          }
          if (visitsNext) {
            queryNext0 = query[queryBase + min(nextTile * tileColumns + thread / 32u, lastQuery) * params.queryRow + thread % 32u];
            queryNext1 = query[queryBase + min(nextTile * tileColumns + (thread + 192u) / 32u, lastQuery) * params.queryRow + (thread + 192u) % 32u];
            if (thread < 128u) {
              queryNext2 = query[queryBase + min(nextTile * tileColumns + (thread + 384u) / 32u, lastQuery) * params.queryRow + (thread + 384u) % 32u];
            }
            dOutputNext0 = dOutput[dOutputBase + min(nextTile * tileColumns + thread / 32u, lastQuery) * params.dOutputRow + thread % 32u];
            dOutputNext1 = dOutput[dOutputBase + min(nextTile * tileColumns + (thread + 192u) / 32u, lastQuery) * params.dOutputRow + (thread + 192u) % 32u];
            if (thread < 128u) {
              dOutputNext2 = dOutput[dOutputBase + min(nextTile * tileColumns + (thread + 384u) / 32u, lastQuery) * params.dOutputRow + (thread + 384u) % 32u];
            }
            if (thread < 16u) {
              let softmaxRowNext = softmaxRow(batch, head, nextTile * tileColumns + thread);
              logSumExpNext = softmaxRowNext.x;
              deltaNext = softmaxRowNext.y * gradientScale;
            }
          }
          workgroupBarrier();
        } else {
          visits = false;
        }
      }
      subgroupMatrixStore<row_major>(&scores[pair][partner], 0u, sum0_0, scoreStride);
      sum0_0 = Result();
      workgroupBarrier();
      total0_0_0 += scores[pair][partner][sumRow0 * scoreStride + sumPart + 0u];
      total0_0_1 += scores[pair][partner][sumRow0 * scoreStride + sumPart + 2u];
      workgroupBarrier();
      subgroupMatrixStore<row_major>(&scores[pair][partner], 0u, sum0_1, scoreStride);
      sum0_1 = Result();
      workgroupBarrier();
      total0_1_0 += scores[pair][partner][sumRow0 * scoreStride + sumPart + 0u];
      total0_1_1 += scores[pair][partner][sumRow0 * scoreStride + sumPart + 2u];
      workgroupBarrier();
      subgroupMatrixStore<row_major>(&scores[pair][partner], 0u, sum0_2, scoreStride);
      sum0_2 = Result();
      workgroupBarrier();
      total0_2_0 += scores[pair][partner][sumRow0 * scoreStride + sumPart + 0u];
      total0_2_1 += scores[pair][partner][sumRow0 * scoreStride + sumPart + 2u];
      workgroupBarrier();
      subgroupMatrixStore<row_major>(&scores[pair][partner], 0u, sum0_3, scoreStride);
      sum0_3 = Result();
      workgroupBarrier();
      total0_3_0 += scores[pair][partner][sumRow0 * scoreStride + sumPart + 0u];
      total0_3_1 += scores[pair][partner][sumRow0 * scoreStride + sumPart + 2u];
    }
  }
  if (partner == 0u) {
    let factor = weightUnit * powerOf(-exponents.z);
    if (firstKey + sumRow0 <= finalKey) {
      let base = dValueBase + (firstKey + sumRow0) * params.dValueRow;
      let vector = 0u + sumPart + 0u;
      var sum = total0_0_0 * factor;
      if (params.accumulate != 0u) { sum += loadDValue(base, vector); }
      storeDValue(base, vector, sum);
    }
    if (firstKey + sumRow0 <= finalKey) {
      let base = dValueBase + (firstKey + sumRow0) * params.dValueRow;
      let vector = 0u + sumPart + 2u;
      var sum = total0_0_1 * factor;
      if (params.accumulate != 0u) { sum += loadDValue(base, vector); }
      storeDValue(base, vector, sum);
    }
    if (firstKey + sumRow0 <= finalKey) {
      let base = dValueBase + (firstKey + sumRow0) * params.dValueRow;
      let vector = 4u + sumPart + 0u;
      var sum = total0_1_0 * factor;
      if (params.accumulate != 0u) { sum += loadDValue(base, vector); }
      storeDValue(base, vector, sum);
    }
    if (firstKey + sumRow0 <= finalKey) {
      let base = dValueBase + (firstKey + sumRow0) * params.dValueRow;
      let vector = 4u + sumPart + 2u;
      var sum = total0_1_1 * factor;
      if (params.accumulate != 0u) { sum += loadDValue(base, vector); }
      storeDValue(base, vector, sum);
    }
    if (firstKey + sumRow0 <= finalKey) {
      let base = dValueBase + (firstKey + sumRow0) * params.dValueRow;
      let vector = 8u + sumPart + 0u;
      var sum = total0_2_0 * factor;
      if (params.accumulate != 0u) { sum += loadDValue(base, vector); }
      storeDValue(base, vector, sum);
    }
    if (firstKey + sumRow0 <= finalKey) {
      let base = dValueBase + (firstKey + sumRow0) * params.dValueRow;
      let vector = 8u + sumPart + 2u;
      var sum = total0_2_1 * factor;
      if (params.accumulate != 0u) { sum += loadDValue(base, vector); }
      storeDValue(base, vector, sum);
    }
    if (firstKey + sumRow0 <= finalKey) {
      let base = dValueBase + (firstKey + sumRow0) * params.dValueRow;
      let vector = 12u + sumPart + 0u;
      var sum = total0_3_0 * factor;
      if (params.accumulate != 0u) { sum += loadDValue(base, vector); }
      storeDValue(base, vector, sum);
    }
    if (firstKey + sumRow0 <= finalKey) {
      let base = dValueBase + (firstKey + sumRow0) * params.dValueRow;
      let vector = 12u + sumPart + 2u;
      var sum = total0_3_1 * factor;
      if (params.accumulate != 0u) { sum += loadDValue(base, vector); }
      storeDValue(base, vector, sum);
    }
  } else {
    let factor = trueScale * (weightUnit / gradientScale) * powerOf(-exponents.x);
    if (firstKey + sumRow0 <= finalKey) {
      let base = dKeyBase + (firstKey + sumRow0) * params.dKeyRow;
      let vector = 0u + sumPart + 0u;
      var sum = total0_0_0 * factor;
      if (params.accumulate != 0u) { sum += loadDKey(base, vector); }
      storeDKey(base, vector, sum);
    }
    if (firstKey + sumRow0 <= finalKey) {
      let base = dKeyBase + (firstKey + sumRow0) * params.dKeyRow;
      let vector = 0u + sumPart + 2u;
      var sum = total0_0_1 * factor;
      if (params.accumulate != 0u) { sum += loadDKey(base, vector); }
      storeDKey(base, vector, sum);
    }
    if (firstKey + sumRow0 <= finalKey) {
      let base = dKeyBase + (firstKey + sumRow0) * params.dKeyRow;
      let vector = 4u + sumPart + 0u;
      var sum = total0_1_0 * factor;
      if (params.accumulate != 0u) { sum += loadDKey(base, vector); }
      storeDKey(base, vector, sum);
    }
    if (firstKey + sumRow0 <= finalKey) {
      let base = dKeyBase + (firstKey + sumRow0) * params.dKeyRow;
      let vector = 4u + sumPart + 2u;
      var sum = total0_1_1 * factor;
      if (params.accumulate != 0u) { sum += loadDKey(base, vector); }
      storeDKey(base, vector, sum);
    }
    if (firstKey + sumRow0 <= finalKey) {
      let base = dKeyBase + (firstKey + sumRow0) * params.dKeyRow;
      let vector = 8u + sumPart + 0u;
      var sum = total0_2_0 * factor;
      if (params.accumulate != 0u) { sum += loadDKey(base, vector); }
      storeDKey(base, vector, sum);
    }
    if (firstKey + sumRow0 <= finalKey) {
      let base = dKeyBase + (firstKey + sumRow0) * params.dKeyRow;
      let vector = 8u + sumPart + 2u;
      var sum = total0_2_1 * factor;
      if (params.accumulate != 0u) { sum += loadDKey(base, vector); }
      storeDKey(base, vector, sum);
    }
    if (firstKey + sumRow0 <= finalKey) {
      let base = dKeyBase + (firstKey + sumRow0) * params.dKeyRow;
      let vector = 12u + sumPart + 0u;
      var sum = total0_3_0 * factor;
      if (params.accumulate != 0u) { sum += loadDKey(base, vector); }
      storeDKey(base, vector, sum);
    }
    if (firstKey + sumRow0 <= finalKey) {
      let base = dKeyBase + (firstKey + sumRow0) * params.dKeyRow;
      let vector = 12u + sumPart + 2u;
      var sum = total0_3_1 * factor;
      if (params.accumulate != 0u) { sum += loadDKey(base, vector); }
      storeDKey(base, vector, sum);
    }
  }
}
