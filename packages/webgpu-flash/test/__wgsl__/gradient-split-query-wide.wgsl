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
@group(0) @binding(1) var<storage, read> query: array<vec4<u32>>;
@group(0) @binding(2) var<storage, read> key: array<vec4<u32>>;
@group(0) @binding(3) var<storage, read> value: array<vec4<u32>>;
@group(0) @binding(4) var<storage, read> dOutput: array<vec4<u32>>;
// Log-sum-exp and D of every row, and the scale of dS.
@group(0) @binding(5) var<storage, read> softmaxRows: array<vec4<f32>>;
// Query offset and key count of every sequence, the tables of the expressions, the block map.
@group(0) @binding(6) var<storage, read> data: array<u32>;
@group(0) @binding(7) var<storage, read_write> dQuery: array<vec4<f32>>;

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
const weightScale = 16384.0;
const weightUnit = 0.00006103515625;
const log2e = 1.4426950408889634;

// 48128 bytes: a tile of visited rows of two tensors, in two pieces of their columns,
var<workgroup> visitedRows: array<array<array<array<vec4<f16>, 544>, 2>, 2>, 1>;
// and of each pair S, dP, and the weights of the sums: P and dS.
var<workgroup> scores: array<array<array<vec4<f32>, 80>, 2>, 8>;
var<workgroup> weights: array<array<array<vec4<f16>, 160>, 1>, 8>;

fn loadDQuery(base: u32, vector: u32) -> vec4<f32> {
  return dQuery[base + vector];
}

fn storeDQuery(base: u32, vector: u32, value: vec4<f32>) {
  dQuery[base + vector] = value;
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

@compute @workgroup_size(512)
fn main(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(subgroup_id) subgroupId: u32,
  @builtin(subgroup_invocation_id) invocation: u32,
) {
  let subgroup = min(subgroupId, 15u);
  let pair = subgroup / 2u;
  let partner = subgroup % 2u;
  let subgroupLane = invocation & 31u;
  let lane = partner * 32u + subgroupLane;
  let swapped = (subgroupLane >> 3u) & 1u;
  let thread = subgroup * 32u + subgroupLane;
  let nothing = params.negativeInfinity ^ 0xff800000u;
  let part = lane % 4u;
  let ownRow0 = lane / 4u;
  let sumPart = subgroupLane % 2u;
  let sumRow0 = subgroupLane / 2u;
  let head = params.headBegin + workgroup.x;
  let batch = params.batchBase + workgroup.z;
  let keyHead = head / params.headsPerKeyHead;
  let queryOffset = bitcast<i32>(data[2u * batch]);
  let keyCount = data[2u * batch + 1u];
  let rowTile = params.rowTileBase + workgroup.y;
  let scales = softmaxRow(batch, head, rowTile * tileRows).zw;
  let gradientScale = scales.x;
  if (gradientScale == 0.0) { return; } // cannot be split: left to the kernel in plain WGSL
  let exponents = unpackExponents(scales.y);
  let trueScale = bitcast<f32>(params.scale);
  let scale = trueScale * powerOf(-(exponents.x + exponents.y)); // of products of halves
  let gradientUnit = gradientScale * powerOf(-(exponents.z + exponents.w));
  let queryBase = params.queryOffset + batch * params.queryBatch + head * params.queryHead;
  let dOutputBase = params.dOutputOffset + batch * params.dOutputBatch + head * params.dOutputHead;
  let dQueryBase = params.dQueryOffset + batch * params.dQueryBatch + head * params.dQueryHead;
  let keyBase = params.keyOffset + batch * params.keyBatch + keyHead * params.keyHead;
  let valueBase = params.valueOffset + batch * params.valueBatch + keyHead * params.valueHead;
  let firstQuery = rowTile * tileRows + pair * 16u;
  let lastQuery = params.queryLength - 1u;
  let lastKey = max(keyCount, 1u) - 1u;
  let queryIndex = i32(firstQuery + ownRow0);
  let position = queryOffset + queryIndex;
  let softmaxRow0 = softmaxRow(batch, head, firstQuery + ownRow0);
  let logSumExp0 = softmaxRow0.x;
  let delta0 = softmaxRow0.y * gradientScale;
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
  var ownHigh0_0 = Left();
  var ownLow0_0 = Left();
  var ownHigh0_1 = Left();
  var ownLow0_1 = Left();
  var ownHigh0_2 = Left();
  var ownLow0_2 = Left();
  var ownHigh0_3 = Left();
  var ownLow0_3 = Left();
  var ownHigh0_4 = Left();
  var ownLow0_4 = Left();
  var ownHigh0_5 = Left();
  var ownLow0_5 = Left();
  var ownHigh0_6 = Left();
  var ownLow0_6 = Left();
  var ownHigh0_7 = Left();
  var ownLow0_7 = Left();
  {
    var queryNext0 = vec4<u32>();
    var dOutputNext0 = vec4<u32>();
    queryNext0 = query[((queryBase + min(rowTile * tileRows + 0u + thread / 32u, lastQuery) * params.queryRow) >> 1u) + thread % 32u];
    dOutputNext0 = dOutput[((dOutputBase + min(rowTile * tileRows + 0u + thread / 32u, lastQuery) * params.dOutputRow) >> 1u) + thread % 32u];
    for (var turn = 0u; turn < 8u; turn = (turn + 1u) ^ nothing) {
      workgroupBarrier();
      visitedRows[0][0][thread / 16u % 2u][thread / 32u * 34u + thread % 16u * 2u + swapped] = bitcast<vec4<f16>>(select(queryNext0.xy, queryNext0.zw, swapped == 1u));
      visitedRows[0][0][thread / 16u % 2u][thread / 32u * 34u + thread % 16u * 2u + 1u - swapped] = bitcast<vec4<f16>>(select(queryNext0.zw, queryNext0.xy, swapped == 1u));
      visitedRows[0][1][thread / 16u % 2u][thread / 32u * 34u + thread % 16u * 2u + swapped] = bitcast<vec4<f16>>(select(dOutputNext0.xy, dOutputNext0.zw, swapped == 1u));
      visitedRows[0][1][thread / 16u % 2u][thread / 32u * 34u + thread % 16u * 2u + 1u - swapped] = bitcast<vec4<f16>>(select(dOutputNext0.zw, dOutputNext0.xy, swapped == 1u));
      workgroupBarrier();
      if (turn < 7u) {
        queryNext0 = query[((queryBase + min(rowTile * tileRows + (turn + 1u) * 16u + thread / 32u, lastQuery) * params.queryRow) >> 1u) + thread % 32u];
        dOutputNext0 = dOutput[((dOutputBase + min(rowTile * tileRows + (turn + 1u) * 16u + thread / 32u, lastQuery) * params.dOutputRow) >> 1u) + thread % 32u];
      }
      if ((pair * 16u + 0u) / 16u == turn) {
        let place = (pair * 16u + 0u) % 16u * 34u;
        ownHigh0_0 = subgroupMatrixLoad<Left, row_major>(&visitedRows[0][partner][0], place + 0u, 34u);
        ownLow0_0 = subgroupMatrixLoad<Left, row_major>(&visitedRows[0][partner][1], place + 0u, 34u);
        ownHigh0_1 = subgroupMatrixLoad<Left, row_major>(&visitedRows[0][partner][0], place + 4u, 34u);
        ownLow0_1 = subgroupMatrixLoad<Left, row_major>(&visitedRows[0][partner][1], place + 4u, 34u);
        ownHigh0_2 = subgroupMatrixLoad<Left, row_major>(&visitedRows[0][partner][0], place + 8u, 34u);
        ownLow0_2 = subgroupMatrixLoad<Left, row_major>(&visitedRows[0][partner][1], place + 8u, 34u);
        ownHigh0_3 = subgroupMatrixLoad<Left, row_major>(&visitedRows[0][partner][0], place + 12u, 34u);
        ownLow0_3 = subgroupMatrixLoad<Left, row_major>(&visitedRows[0][partner][1], place + 12u, 34u);
        ownHigh0_4 = subgroupMatrixLoad<Left, row_major>(&visitedRows[0][partner][0], place + 16u, 34u);
        ownLow0_4 = subgroupMatrixLoad<Left, row_major>(&visitedRows[0][partner][1], place + 16u, 34u);
        ownHigh0_5 = subgroupMatrixLoad<Left, row_major>(&visitedRows[0][partner][0], place + 20u, 34u);
        ownLow0_5 = subgroupMatrixLoad<Left, row_major>(&visitedRows[0][partner][1], place + 20u, 34u);
        ownHigh0_6 = subgroupMatrixLoad<Left, row_major>(&visitedRows[0][partner][0], place + 24u, 34u);
        ownLow0_6 = subgroupMatrixLoad<Left, row_major>(&visitedRows[0][partner][1], place + 24u, 34u);
        ownHigh0_7 = subgroupMatrixLoad<Left, row_major>(&visitedRows[0][partner][0], place + 28u, 34u);
        ownLow0_7 = subgroupMatrixLoad<Left, row_major>(&visitedRows[0][partner][1], place + 28u, 34u);
      }
    }
  }
  var columnTile = params.columnTileBegin;
  var nextTile = columnTile + 1u;
  var visits = columnTile < params.columnTileEnd;
  var visitsNext = nextTile < params.columnTileEnd;
  var full = (columnTile + 1u) * tileColumns <= keyCount;
  var keyNext0 = vec4<u32>();
  var valueNext0 = vec4<u32>();
  workgroupBarrier();
  if (visits) {
    keyNext0 = key[((keyBase + min(columnTile * tileColumns + thread / 32u, lastKey) * params.keyRow) >> 1u) + thread % 32u];
    valueNext0 = value[((valueBase + min(columnTile * tileColumns + thread / 32u, lastKey) * params.valueRow) >> 1u) + thread % 32u];
    visitedRows[0u][0][thread / 16u % 2u][thread / 32u * 34u + thread % 16u * 2u + swapped] = bitcast<vec4<f16>>(select(keyNext0.xy, keyNext0.zw, swapped == 1u));
    visitedRows[0u][0][thread / 16u % 2u][thread / 32u * 34u + thread % 16u * 2u + 1u - swapped] = bitcast<vec4<f16>>(select(keyNext0.zw, keyNext0.xy, swapped == 1u));
    visitedRows[0u][1][thread / 16u % 2u][thread / 32u * 34u + thread % 16u * 2u + swapped] = bitcast<vec4<f16>>(select(valueNext0.xy, valueNext0.zw, swapped == 1u));
    visitedRows[0u][1][thread / 16u % 2u][thread / 32u * 34u + thread % 16u * 2u + 1u - swapped] = bitcast<vec4<f16>>(select(valueNext0.zw, valueNext0.xy, swapped == 1u));
  }
  if (visitsNext) {
    keyNext0 = key[((keyBase + min(nextTile * tileColumns + thread / 32u, lastKey) * params.keyRow) >> 1u) + thread % 32u];
    valueNext0 = value[((valueBase + min(nextTile * tileColumns + thread / 32u, lastKey) * params.valueRow) >> 1u) + thread % 32u];
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
          let high4 = subgroupMatrixLoad<Right, col_major>(&visitedRows[0u][partner][1], 0u, 34u);
          let low4 = subgroupMatrixLoad<Right, col_major>(&visitedRows[0u][partner][1], 16u, 34u);
          product0 = subgroupMatrixMultiplyAccumulate(ownHigh0_4, low4, product0);
          product0 = subgroupMatrixMultiplyAccumulate(ownLow0_4, high4, product0);
          let high5 = subgroupMatrixLoad<Right, col_major>(&visitedRows[0u][partner][1], 4u, 34u);
          let low5 = subgroupMatrixLoad<Right, col_major>(&visitedRows[0u][partner][1], 20u, 34u);
          product0 = subgroupMatrixMultiplyAccumulate(ownHigh0_5, low5, product0);
          product0 = subgroupMatrixMultiplyAccumulate(ownLow0_5, high5, product0);
          let high6 = subgroupMatrixLoad<Right, col_major>(&visitedRows[0u][partner][1], 8u, 34u);
          let low6 = subgroupMatrixLoad<Right, col_major>(&visitedRows[0u][partner][1], 24u, 34u);
          product0 = subgroupMatrixMultiplyAccumulate(ownHigh0_6, low6, product0);
          product0 = subgroupMatrixMultiplyAccumulate(ownLow0_6, high6, product0);
          let high7 = subgroupMatrixLoad<Right, col_major>(&visitedRows[0u][partner][1], 12u, 34u);
          let low7 = subgroupMatrixLoad<Right, col_major>(&visitedRows[0u][partner][1], 28u, 34u);
          product0 = subgroupMatrixMultiplyAccumulate(ownHigh0_7, low7, product0);
          product0 = subgroupMatrixMultiplyAccumulate(ownLow0_7, high7, product0);
          let again0 = subgroupMatrixLoad<Right, col_major>(&visitedRows[0u][partner ^ nothing][0], 0u, 34u);
          product0 = subgroupMatrixMultiplyAccumulate(ownHigh0_0, again0, product0);
          let again1 = subgroupMatrixLoad<Right, col_major>(&visitedRows[0u][partner ^ nothing][0], 4u, 34u);
          product0 = subgroupMatrixMultiplyAccumulate(ownHigh0_1, again1, product0);
          let again2 = subgroupMatrixLoad<Right, col_major>(&visitedRows[0u][partner ^ nothing][0], 8u, 34u);
          product0 = subgroupMatrixMultiplyAccumulate(ownHigh0_2, again2, product0);
          let again3 = subgroupMatrixLoad<Right, col_major>(&visitedRows[0u][partner ^ nothing][0], 12u, 34u);
          product0 = subgroupMatrixMultiplyAccumulate(ownHigh0_3, again3, product0);
          let again4 = subgroupMatrixLoad<Right, col_major>(&visitedRows[0u][partner ^ nothing][1], 0u, 34u);
          product0 = subgroupMatrixMultiplyAccumulate(ownHigh0_4, again4, product0);
          let again5 = subgroupMatrixLoad<Right, col_major>(&visitedRows[0u][partner ^ nothing][1], 4u, 34u);
          product0 = subgroupMatrixMultiplyAccumulate(ownHigh0_5, again5, product0);
          let again6 = subgroupMatrixLoad<Right, col_major>(&visitedRows[0u][partner ^ nothing][1], 8u, 34u);
          product0 = subgroupMatrixMultiplyAccumulate(ownHigh0_6, again6, product0);
          let again7 = subgroupMatrixLoad<Right, col_major>(&visitedRows[0u][partner ^ nothing][1], 12u, 34u);
          product0 = subgroupMatrixMultiplyAccumulate(ownHigh0_7, again7, product0);
          subgroupMatrixStore<row_major>(&scores[pair][partner], 0u, product0, scoreStride);
        }
        workgroupBarrier();
        let laterTile = nextTile + 1u;
        let visitsLater = laterTile < params.columnTileEnd;
        let keyIndex = columnTile * tileColumns + 4u * part;
        var score0_0 = scores[pair][0][ownRow0 * scoreStride + part];
        var gradient0_0 = scores[pair][1][ownRow0 * scoreStride + part];
        score0_0 = fma(score0_0, vec4<f32>(scale), -vec4<f32>(logSumExp0));
        if (!full) {
          score0_0.x = select(hidden, score0_0.x, (keyIndex + 0u < keyCount));
          score0_0.y = select(hidden, score0_0.y, (keyIndex + 1u < keyCount));
          score0_0.z = select(hidden, score0_0.z, (keyIndex + 2u < keyCount));
          score0_0.w = select(hidden, score0_0.w, (keyIndex + 3u < keyCount));
        }
        score0_0 = exp2(score0_0 * log2e) * weightScale;
        gradient0_0 = score0_0 * fma(gradient0_0, vec4<f32>(gradientUnit), -vec4<f32>(delta0));
        if (!full) {
          gradient0_0 = select(gradient0_0, vec4<f32>(0.0), score0_0 == vec4<f32>(0.0));
        }
        let gradientHigh0_0 = highPart(gradient0_0);
        weights[pair][0][ownRow0 * weightStride + part] = vec4<f16>(gradientHigh0_0);
        weights[pair][0][ownRow0 * weightStride + part + 4u] = vec4<f16>(gradient0_0 - gradientHigh0_0);
        workgroupBarrier();
        {
          let weightsHigh0 = subgroupMatrixLoad<Left, row_major>(&weights[pair][0], 0u, 10u);
          let weightsLow0 = subgroupMatrixLoad<Left, row_major>(&weights[pair][0], 4u, 10u);
          let high0 = subgroupMatrixLoad<Right, row_major>(&visitedRows[0u][0][partner], 0u, 34u);
          let low0 = subgroupMatrixLoad<Right, row_major>(&visitedRows[0u][0][partner], 16u, 34u);
          sum0_0 = subgroupMatrixMultiplyAccumulate(weightsHigh0, low0, sum0_0);
          sum0_0 = subgroupMatrixMultiplyAccumulate(weightsLow0, high0, sum0_0);
          sum0_0 = subgroupMatrixMultiplyAccumulate(weightsHigh0, high0, sum0_0);
          let high1 = subgroupMatrixLoad<Right, row_major>(&visitedRows[0u][0][partner], 4u, 34u);
          let low1 = subgroupMatrixLoad<Right, row_major>(&visitedRows[0u][0][partner], 20u, 34u);
          sum0_1 = subgroupMatrixMultiplyAccumulate(weightsHigh0, low1, sum0_1);
          sum0_1 = subgroupMatrixMultiplyAccumulate(weightsLow0, high1, sum0_1);
          sum0_1 = subgroupMatrixMultiplyAccumulate(weightsHigh0, high1, sum0_1);
          let high2 = subgroupMatrixLoad<Right, row_major>(&visitedRows[0u][0][partner], 8u, 34u);
          let low2 = subgroupMatrixLoad<Right, row_major>(&visitedRows[0u][0][partner], 24u, 34u);
          sum0_2 = subgroupMatrixMultiplyAccumulate(weightsHigh0, low2, sum0_2);
          sum0_2 = subgroupMatrixMultiplyAccumulate(weightsLow0, high2, sum0_2);
          sum0_2 = subgroupMatrixMultiplyAccumulate(weightsHigh0, high2, sum0_2);
          let high3 = subgroupMatrixLoad<Right, row_major>(&visitedRows[0u][0][partner], 12u, 34u);
          let low3 = subgroupMatrixLoad<Right, row_major>(&visitedRows[0u][0][partner], 28u, 34u);
          sum0_3 = subgroupMatrixMultiplyAccumulate(weightsHigh0, low3, sum0_3);
          sum0_3 = subgroupMatrixMultiplyAccumulate(weightsLow0, high3, sum0_3);
          sum0_3 = subgroupMatrixMultiplyAccumulate(weightsHigh0, high3, sum0_3);
        }
        columnTile = nextTile;
        nextTile = laterTile;
        visits = visitsNext;
        visitsNext = visitsLater;
        full = (columnTile + 1u) * tileColumns <= keyCount;
        workgroupBarrier();
        if (visits) {
          visitedRows[0u][0][thread / 16u % 2u][thread / 32u * 34u + thread % 16u * 2u + swapped] = bitcast<vec4<f16>>(select(keyNext0.xy, keyNext0.zw, swapped == 1u));
          visitedRows[0u][0][thread / 16u % 2u][thread / 32u * 34u + thread % 16u * 2u + 1u - swapped] = bitcast<vec4<f16>>(select(keyNext0.zw, keyNext0.xy, swapped == 1u));
          visitedRows[0u][1][thread / 16u % 2u][thread / 32u * 34u + thread % 16u * 2u + swapped] = bitcast<vec4<f16>>(select(valueNext0.xy, valueNext0.zw, swapped == 1u));
          visitedRows[0u][1][thread / 16u % 2u][thread / 32u * 34u + thread % 16u * 2u + 1u - swapped] = bitcast<vec4<f16>>(select(valueNext0.zw, valueNext0.xy, swapped == 1u));
        }
        if (visitsNext) {
          keyNext0 = key[((keyBase + min(nextTile * tileColumns + thread / 32u, lastKey) * params.keyRow) >> 1u) + thread % 32u];
          valueNext0 = value[((valueBase + min(nextTile * tileColumns + thread / 32u, lastKey) * params.valueRow) >> 1u) + thread % 32u];
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
  let factor = trueScale * (weightUnit / gradientScale) * powerOf(-exponents.y);
  if (firstQuery + sumRow0 <= lastQuery) {
    let base = dQueryBase + (firstQuery + sumRow0) * params.dQueryRow;
    let vector = partner * 16u + 0u + sumPart + 0u;
    var sum = total0_0_0 * factor;
    if (params.accumulate != 0u) { sum += loadDQuery(base, vector); }
    storeDQuery(base, vector, sum);
  }
  if (firstQuery + sumRow0 <= lastQuery) {
    let base = dQueryBase + (firstQuery + sumRow0) * params.dQueryRow;
    let vector = partner * 16u + 0u + sumPart + 2u;
    var sum = total0_0_1 * factor;
    if (params.accumulate != 0u) { sum += loadDQuery(base, vector); }
    storeDQuery(base, vector, sum);
  }
  if (firstQuery + sumRow0 <= lastQuery) {
    let base = dQueryBase + (firstQuery + sumRow0) * params.dQueryRow;
    let vector = partner * 16u + 4u + sumPart + 0u;
    var sum = total0_1_0 * factor;
    if (params.accumulate != 0u) { sum += loadDQuery(base, vector); }
    storeDQuery(base, vector, sum);
  }
  if (firstQuery + sumRow0 <= lastQuery) {
    let base = dQueryBase + (firstQuery + sumRow0) * params.dQueryRow;
    let vector = partner * 16u + 4u + sumPart + 2u;
    var sum = total0_1_1 * factor;
    if (params.accumulate != 0u) { sum += loadDQuery(base, vector); }
    storeDQuery(base, vector, sum);
  }
  if (firstQuery + sumRow0 <= lastQuery) {
    let base = dQueryBase + (firstQuery + sumRow0) * params.dQueryRow;
    let vector = partner * 16u + 8u + sumPart + 0u;
    var sum = total0_2_0 * factor;
    if (params.accumulate != 0u) { sum += loadDQuery(base, vector); }
    storeDQuery(base, vector, sum);
  }
  if (firstQuery + sumRow0 <= lastQuery) {
    let base = dQueryBase + (firstQuery + sumRow0) * params.dQueryRow;
    let vector = partner * 16u + 8u + sumPart + 2u;
    var sum = total0_2_1 * factor;
    if (params.accumulate != 0u) { sum += loadDQuery(base, vector); }
    storeDQuery(base, vector, sum);
  }
  if (firstQuery + sumRow0 <= lastQuery) {
    let base = dQueryBase + (firstQuery + sumRow0) * params.dQueryRow;
    let vector = partner * 16u + 12u + sumPart + 0u;
    var sum = total0_3_0 * factor;
    if (params.accumulate != 0u) { sum += loadDQuery(base, vector); }
    storeDQuery(base, vector, sum);
  }
  if (firstQuery + sumRow0 <= lastQuery) {
    let base = dQueryBase + (firstQuery + sumRow0) * params.dQueryRow;
    let vector = partner * 16u + 12u + sumPart + 2u;
    var sum = total0_3_1 * factor;
    if (params.accumulate != 0u) { sum += loadDQuery(base, vector); }
    storeDQuery(base, vector, sum);
  }
}
