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
@group(0) @binding(1) var<storage, read> query: array<vec4<f16>>;
@group(0) @binding(2) var<storage, read> key: array<vec4<f16>>;
@group(0) @binding(3) var<storage, read> value: array<vec4<f16>>;
@group(0) @binding(4) var<storage, read> dOutput: array<vec4<f16>>;
// Log-sum-exp and D of every row, and the scale of dS.
@group(0) @binding(5) var<storage, read> softmaxRows: array<vec4<f32>>;
// Query offset and key count of every sequence, the tables of the expressions, the block map.
@group(0) @binding(6) var<storage, read> data: array<u32>;
@group(0) @binding(7) var<storage, read_write> dQuery: array<vec4<f16>>;

alias Left = subgroup_matrix_left<f16, 16, 16>;
alias Right = subgroup_matrix_right<f16, 16, 16>;
alias Result = subgroup_matrix_result<f32, 16, 16>;
const tileRows = 128u;
const tileColumns = 16u;
const scoreStride = 6u;
const weightStride = 6u;
// Finite stand-ins for infinities, with room for one difference.
const hidden = -1.0e38;
const deadRow = 2.0e38;
const weightBits = 8.0;
const weightUnit = 0.00390625;
const log2e = 1.4426950408889634;

// 39952 bytes: two tiles of visited rows,
var<workgroup> keyRows: array<array<vec4<f16>, 288>, 2>;
var<workgroup> valueRows: array<array<vec4<f16>, 288>, 2>;
// and of each subgroup S, dP, and the weights of the sums: P and dS.
var<workgroup> scores: array<array<vec4<f32>, 96>, 8>;
var<workgroup> gradients: array<array<vec4<f32>, 96>, 8>;
var<workgroup> weights: array<array<vec4<f16>, 96>, 8>;
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
  let head = params.headBegin + workgroup.x;
  let batch = params.batchBase + workgroup.z;
  let keyHead = head / params.headsPerKeyHead;
  let queryOffset = bitcast<i32>(data[2u * batch]);
  let keyCount = data[2u * batch + 1u];
  let rowTile = params.rowTileBase + workgroup.y;
  let queryBase = params.queryOffset + batch * params.queryBatch + head * params.queryHead;
  let dOutputBase = params.dOutputOffset + batch * params.dOutputBatch + head * params.dOutputHead;
  let dQueryBase = params.dQueryOffset + batch * params.dQueryBatch + head * params.dQueryHead;
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
  queryOwn0_0 = query[queryBase + min(firstQuery + lane / 4u, lastQuery) * params.queryRow + lane % 4u];
  queryOwn0_1 = query[queryBase + min(firstQuery + (lane + 32u) / 4u, lastQuery) * params.queryRow + (lane + 32u) % 4u];
  var queryOwn1_0 = vec4<f16>();
  var queryOwn1_1 = vec4<f16>();
  queryOwn1_0 = query[queryBase + min(firstQuery + lane / 4u, lastQuery) * params.queryRow + 4u + lane % 4u];
  queryOwn1_1 = query[queryBase + min(firstQuery + (lane + 32u) / 4u, lastQuery) * params.queryRow + 4u + (lane + 32u) % 4u];
  var queryOwn2_0 = vec4<f16>();
  var queryOwn2_1 = vec4<f16>();
  queryOwn2_0 = query[queryBase + min(firstQuery + lane / 4u, lastQuery) * params.queryRow + 8u + lane % 4u];
  queryOwn2_1 = query[queryBase + min(firstQuery + (lane + 32u) / 4u, lastQuery) * params.queryRow + 8u + (lane + 32u) % 4u];
  var queryOwn3_0 = vec4<f16>();
  var queryOwn3_1 = vec4<f16>();
  queryOwn3_0 = query[queryBase + min(firstQuery + lane / 4u, lastQuery) * params.queryRow + 12u + lane % 4u];
  queryOwn3_1 = query[queryBase + min(firstQuery + (lane + 32u) / 4u, lastQuery) * params.queryRow + 12u + (lane + 32u) % 4u];
  var dOutputOwn0_0 = vec4<f16>();
  var dOutputOwn0_1 = vec4<f16>();
  dOutputOwn0_0 = dOutput[dOutputBase + min(firstQuery + lane / 4u, lastQuery) * params.dOutputRow + lane % 4u];
  dOutputOwn0_1 = dOutput[dOutputBase + min(firstQuery + (lane + 32u) / 4u, lastQuery) * params.dOutputRow + (lane + 32u) % 4u];
  var dOutputOwn1_0 = vec4<f16>();
  var dOutputOwn1_1 = vec4<f16>();
  dOutputOwn1_0 = dOutput[dOutputBase + min(firstQuery + lane / 4u, lastQuery) * params.dOutputRow + 4u + lane % 4u];
  dOutputOwn1_1 = dOutput[dOutputBase + min(firstQuery + (lane + 32u) / 4u, lastQuery) * params.dOutputRow + 4u + (lane + 32u) % 4u];
  var dOutputOwn2_0 = vec4<f16>();
  var dOutputOwn2_1 = vec4<f16>();
  dOutputOwn2_0 = dOutput[dOutputBase + min(firstQuery + lane / 4u, lastQuery) * params.dOutputRow + 8u + lane % 4u];
  dOutputOwn2_1 = dOutput[dOutputBase + min(firstQuery + (lane + 32u) / 4u, lastQuery) * params.dOutputRow + 8u + (lane + 32u) % 4u];
  var dOutputOwn3_0 = vec4<f16>();
  var dOutputOwn3_1 = vec4<f16>();
  dOutputOwn3_0 = dOutput[dOutputBase + min(firstQuery + lane / 4u, lastQuery) * params.dOutputRow + 12u + lane % 4u];
  dOutputOwn3_1 = dOutput[dOutputBase + min(firstQuery + (lane + 32u) / 4u, lastQuery) * params.dOutputRow + 12u + (lane + 32u) % 4u];
  workgroupBarrier();
  weights[subgroup][lane / 4u * weightStride + lane % 4u] = queryOwn0_0;
  weights[subgroup][(lane + 32u) / 4u * weightStride + (lane + 32u) % 4u] = queryOwn0_1;
  workgroupBarrier();
  let query0_0 = subgroupMatrixLoad<Left, row_major>(&weights[subgroup], 0u, weightStride);
  workgroupBarrier();
  weights[subgroup][lane / 4u * weightStride + lane % 4u] = queryOwn1_0;
  weights[subgroup][(lane + 32u) / 4u * weightStride + (lane + 32u) % 4u] = queryOwn1_1;
  workgroupBarrier();
  let query0_1 = subgroupMatrixLoad<Left, row_major>(&weights[subgroup], 0u, weightStride);
  workgroupBarrier();
  weights[subgroup][lane / 4u * weightStride + lane % 4u] = queryOwn2_0;
  weights[subgroup][(lane + 32u) / 4u * weightStride + (lane + 32u) % 4u] = queryOwn2_1;
  workgroupBarrier();
  let query0_2 = subgroupMatrixLoad<Left, row_major>(&weights[subgroup], 0u, weightStride);
  workgroupBarrier();
  weights[subgroup][lane / 4u * weightStride + lane % 4u] = queryOwn3_0;
  weights[subgroup][(lane + 32u) / 4u * weightStride + (lane + 32u) % 4u] = queryOwn3_1;
  workgroupBarrier();
  let query0_3 = subgroupMatrixLoad<Left, row_major>(&weights[subgroup], 0u, weightStride);
  workgroupBarrier();
  weights[subgroup][lane / 4u * weightStride + lane % 4u] = dOutputOwn0_0;
  weights[subgroup][(lane + 32u) / 4u * weightStride + (lane + 32u) % 4u] = dOutputOwn0_1;
  workgroupBarrier();
  let dOutput0_0 = subgroupMatrixLoad<Left, row_major>(&weights[subgroup], 0u, weightStride);
  workgroupBarrier();
  weights[subgroup][lane / 4u * weightStride + lane % 4u] = dOutputOwn1_0;
  weights[subgroup][(lane + 32u) / 4u * weightStride + (lane + 32u) % 4u] = dOutputOwn1_1;
  workgroupBarrier();
  let dOutput0_1 = subgroupMatrixLoad<Left, row_major>(&weights[subgroup], 0u, weightStride);
  workgroupBarrier();
  weights[subgroup][lane / 4u * weightStride + lane % 4u] = dOutputOwn2_0;
  weights[subgroup][(lane + 32u) / 4u * weightStride + (lane + 32u) % 4u] = dOutputOwn2_1;
  workgroupBarrier();
  let dOutput0_2 = subgroupMatrixLoad<Left, row_major>(&weights[subgroup], 0u, weightStride);
  workgroupBarrier();
  weights[subgroup][lane / 4u * weightStride + lane % 4u] = dOutputOwn3_0;
  weights[subgroup][(lane + 32u) / 4u * weightStride + (lane + 32u) % 4u] = dOutputOwn3_1;
  workgroupBarrier();
  let dOutput0_3 = subgroupMatrixLoad<Left, row_major>(&weights[subgroup], 0u, weightStride);
  var dQuery0_0 = Result();
  var dQuery0_1 = Result();
  var dQuery0_2 = Result();
  var dQuery0_3 = Result();
  var columnTile = params.columnTileBegin;
  var nextTile = columnTile + 1u;
  var visits = columnTile < params.columnTileEnd;
  var visitsNext = nextTile < params.columnTileEnd;
  var full = (columnTile + 1u) * tileColumns <= keyCount;
  var keyNext0 = vec4<f16>();
  var valueNext0 = vec4<f16>();
  workgroupBarrier();
  if (visits) {
    keyNext0 = key[keyBase + min(columnTile * tileColumns + thread / 16u, lastKey) * params.keyRow + thread % 16u];
    valueNext0 = value[valueBase + min(columnTile * tileColumns + thread / 16u, lastKey) * params.valueRow + thread % 16u];
    keyRows[0u][thread / 16u * 18u + thread % 16u] = keyNext0;
    valueRows[0u][thread / 16u * 18u + thread % 16u] = valueNext0;
  }
  if (visitsNext) {
    keyNext0 = key[keyBase + min(nextTile * tileColumns + thread / 16u, lastKey) * params.keyRow + thread % 16u];
    valueNext0 = value[valueBase + min(nextTile * tileColumns + thread / 16u, lastKey) * params.valueRow + thread % 16u];
  }
  workgroupBarrier();
  {
    var product0 = Result();
    let visited0 = subgroupMatrixLoad<Right, col_major>(&keyRows[0u], 0u, 18u);
    product0 = subgroupMatrixMultiplyAccumulate(query0_0, visited0, product0);
    let visited1 = subgroupMatrixLoad<Right, col_major>(&keyRows[0u], 4u, 18u);
    product0 = subgroupMatrixMultiplyAccumulate(query0_1, visited1, product0);
    let visited2 = subgroupMatrixLoad<Right, col_major>(&keyRows[0u], 8u, 18u);
    product0 = subgroupMatrixMultiplyAccumulate(query0_2, visited2, product0);
    let visited3 = subgroupMatrixLoad<Right, col_major>(&keyRows[0u], 12u, 18u);
    product0 = subgroupMatrixMultiplyAccumulate(query0_3, visited3, product0);
    subgroupMatrixStore<row_major>(&scores[subgroup], 0u, product0, scoreStride);
  }
  {
    var product0 = Result();
    let visited0 = subgroupMatrixLoad<Right, col_major>(&valueRows[0u], 0u, 18u);
    product0 = subgroupMatrixMultiplyAccumulate(dOutput0_0, visited0, product0);
    let visited1 = subgroupMatrixLoad<Right, col_major>(&valueRows[0u], 4u, 18u);
    product0 = subgroupMatrixMultiplyAccumulate(dOutput0_1, visited1, product0);
    let visited2 = subgroupMatrixLoad<Right, col_major>(&valueRows[0u], 8u, 18u);
    product0 = subgroupMatrixMultiplyAccumulate(dOutput0_2, visited2, product0);
    let visited3 = subgroupMatrixLoad<Right, col_major>(&valueRows[0u], 12u, 18u);
    product0 = subgroupMatrixMultiplyAccumulate(dOutput0_3, visited3, product0);
    subgroupMatrixStore<row_major>(&gradients[subgroup], 0u, product0, scoreStride);
  }
  var place = 0u;
  while (visits) {
    let otherPlace = 1u - place;
    workgroupBarrier();
    keyRows[otherPlace][thread / 16u * 18u + thread % 16u] = keyNext0;
    valueRows[otherPlace][thread / 16u * 18u + thread % 16u] = valueNext0;
    let laterTile = nextTile + 1u;
    let visitsLater = laterTile < params.columnTileEnd;
    if (visitsLater) {
      keyNext0 = key[keyBase + min(laterTile * tileColumns + thread / 16u, lastKey) * params.keyRow + thread % 16u];
      valueNext0 = value[valueBase + min(laterTile * tileColumns + thread / 16u, lastKey) * params.valueRow + thread % 16u];
    }
    let keyIndex = columnTile * tileColumns + 4u * part;
    var score0_0 = scores[subgroup][ownRow0 * scoreStride + part];
    var gradient0_0 = gradients[subgroup][ownRow0 * scoreStride + part];
    var score0_1 = scores[subgroup][ownRow0 * scoreStride + part + 2u];
    var gradient0_1 = gradients[subgroup][ownRow0 * scoreStride + part + 2u];
    score0_0 = fma(score0_0, vec4<f32>(scaleOfPower), -vec4<f32>(logSumExp0));
    score0_1 = fma(score0_1, vec4<f32>(scaleOfPower), -vec4<f32>(logSumExp0));
    if (!full) {
      score0_0.x = select(hidden, score0_0.x, (keyIndex + 0u < keyCount));
      score0_0.y = select(hidden, score0_0.y, (keyIndex + 1u < keyCount));
      score0_0.z = select(hidden, score0_0.z, (keyIndex + 2u < keyCount));
      score0_0.w = select(hidden, score0_0.w, (keyIndex + 3u < keyCount));
      score0_1.x = select(hidden, score0_1.x, (keyIndex + 8u < keyCount));
      score0_1.y = select(hidden, score0_1.y, (keyIndex + 9u < keyCount));
      score0_1.z = select(hidden, score0_1.z, (keyIndex + 10u < keyCount));
      score0_1.w = select(hidden, score0_1.w, (keyIndex + 11u < keyCount));
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
      let visited0 = subgroupMatrixLoad<Right, row_major>(&keyRows[place], 0u, 18u);
      dQuery0_0 = subgroupMatrixMultiplyAccumulate(weights0, visited0, dQuery0_0);
      let visited1 = subgroupMatrixLoad<Right, row_major>(&keyRows[place], 4u, 18u);
      dQuery0_1 = subgroupMatrixMultiplyAccumulate(weights0, visited1, dQuery0_1);
      let visited2 = subgroupMatrixLoad<Right, row_major>(&keyRows[place], 8u, 18u);
      dQuery0_2 = subgroupMatrixMultiplyAccumulate(weights0, visited2, dQuery0_2);
      let visited3 = subgroupMatrixLoad<Right, row_major>(&keyRows[place], 12u, 18u);
      dQuery0_3 = subgroupMatrixMultiplyAccumulate(weights0, visited3, dQuery0_3);
    }
    {
      var product0 = Result();
      let visited0 = subgroupMatrixLoad<Right, col_major>(&keyRows[otherPlace], 0u, 18u);
      product0 = subgroupMatrixMultiplyAccumulate(query0_0, visited0, product0);
      let visited1 = subgroupMatrixLoad<Right, col_major>(&keyRows[otherPlace], 4u, 18u);
      product0 = subgroupMatrixMultiplyAccumulate(query0_1, visited1, product0);
      let visited2 = subgroupMatrixLoad<Right, col_major>(&keyRows[otherPlace], 8u, 18u);
      product0 = subgroupMatrixMultiplyAccumulate(query0_2, visited2, product0);
      let visited3 = subgroupMatrixLoad<Right, col_major>(&keyRows[otherPlace], 12u, 18u);
      product0 = subgroupMatrixMultiplyAccumulate(query0_3, visited3, product0);
      subgroupMatrixStore<row_major>(&scores[subgroup], 0u, product0, scoreStride);
    }
    {
      var product0 = Result();
      let visited0 = subgroupMatrixLoad<Right, col_major>(&valueRows[otherPlace], 0u, 18u);
      product0 = subgroupMatrixMultiplyAccumulate(dOutput0_0, visited0, product0);
      let visited1 = subgroupMatrixLoad<Right, col_major>(&valueRows[otherPlace], 4u, 18u);
      product0 = subgroupMatrixMultiplyAccumulate(dOutput0_1, visited1, product0);
      let visited2 = subgroupMatrixLoad<Right, col_major>(&valueRows[otherPlace], 8u, 18u);
      product0 = subgroupMatrixMultiplyAccumulate(dOutput0_2, visited2, product0);
      let visited3 = subgroupMatrixLoad<Right, col_major>(&valueRows[otherPlace], 12u, 18u);
      product0 = subgroupMatrixMultiplyAccumulate(dOutput0_3, visited3, product0);
      subgroupMatrixStore<row_major>(&gradients[subgroup], 0u, product0, scoreStride);
    }
    columnTile = nextTile;
    nextTile = laterTile;
    visits = visitsNext;
    visitsNext = visitsLater;
    full = (columnTile + 1u) * tileColumns <= keyCount;
    place = otherPlace;
  }
  let zeros = vec4<f32>(bitcast<f32>(nothing)); // as no compiler knows
  var check = vec4<f32>();
  var again = false;
  for (var round = select(1u, 0u, params.accumulate != 0u); round < 2u && !again; round++) {
    workgroupBarrier();
    subgroupMatrixStore<row_major>(&scores[subgroup], 0u, dQuery0_0, scoreStride);
    workgroupBarrier();
    {
      let row = lane / 4u;
      let vector = 0u + lane % 4u;
      if (firstQuery + row <= lastQuery && vector < 16u) {
        let product = scores[subgroup][row * scoreStride + lane % 4u];
        check = fma(product, zeros, check);
        if (round == 1u) {
          let base = dQueryBase + (firstQuery + row) * params.dQueryRow;
          var sum = product * (scale * (weightUnit / gradientScale));
          if (params.accumulate != 0u) { sum += loadDQuery(base, vector); }
          storeDQuery(base, vector, sum);
        }
      }
    }
    {
      let row = (lane + 32u) / 4u;
      let vector = 0u + (lane + 32u) % 4u;
      if (firstQuery + row <= lastQuery && vector < 16u) {
        let product = scores[subgroup][row * scoreStride + (lane + 32u) % 4u];
        check = fma(product, zeros, check);
        if (round == 1u) {
          let base = dQueryBase + (firstQuery + row) * params.dQueryRow;
          var sum = product * (scale * (weightUnit / gradientScale));
          if (params.accumulate != 0u) { sum += loadDQuery(base, vector); }
          storeDQuery(base, vector, sum);
        }
      }
    }
    workgroupBarrier();
    subgroupMatrixStore<row_major>(&scores[subgroup], 0u, dQuery0_1, scoreStride);
    workgroupBarrier();
    {
      let row = lane / 4u;
      let vector = 4u + lane % 4u;
      if (firstQuery + row <= lastQuery && vector < 16u) {
        let product = scores[subgroup][row * scoreStride + lane % 4u];
        check = fma(product, zeros, check);
        if (round == 1u) {
          let base = dQueryBase + (firstQuery + row) * params.dQueryRow;
          var sum = product * (scale * (weightUnit / gradientScale));
          if (params.accumulate != 0u) { sum += loadDQuery(base, vector); }
          storeDQuery(base, vector, sum);
        }
      }
    }
    {
      let row = (lane + 32u) / 4u;
      let vector = 4u + (lane + 32u) % 4u;
      if (firstQuery + row <= lastQuery && vector < 16u) {
        let product = scores[subgroup][row * scoreStride + (lane + 32u) % 4u];
        check = fma(product, zeros, check);
        if (round == 1u) {
          let base = dQueryBase + (firstQuery + row) * params.dQueryRow;
          var sum = product * (scale * (weightUnit / gradientScale));
          if (params.accumulate != 0u) { sum += loadDQuery(base, vector); }
          storeDQuery(base, vector, sum);
        }
      }
    }
    workgroupBarrier();
    subgroupMatrixStore<row_major>(&scores[subgroup], 0u, dQuery0_2, scoreStride);
    workgroupBarrier();
    {
      let row = lane / 4u;
      let vector = 8u + lane % 4u;
      if (firstQuery + row <= lastQuery && vector < 16u) {
        let product = scores[subgroup][row * scoreStride + lane % 4u];
        check = fma(product, zeros, check);
        if (round == 1u) {
          let base = dQueryBase + (firstQuery + row) * params.dQueryRow;
          var sum = product * (scale * (weightUnit / gradientScale));
          if (params.accumulate != 0u) { sum += loadDQuery(base, vector); }
          storeDQuery(base, vector, sum);
        }
      }
    }
    {
      let row = (lane + 32u) / 4u;
      let vector = 8u + (lane + 32u) % 4u;
      if (firstQuery + row <= lastQuery && vector < 16u) {
        let product = scores[subgroup][row * scoreStride + (lane + 32u) % 4u];
        check = fma(product, zeros, check);
        if (round == 1u) {
          let base = dQueryBase + (firstQuery + row) * params.dQueryRow;
          var sum = product * (scale * (weightUnit / gradientScale));
          if (params.accumulate != 0u) { sum += loadDQuery(base, vector); }
          storeDQuery(base, vector, sum);
        }
      }
    }
    workgroupBarrier();
    subgroupMatrixStore<row_major>(&scores[subgroup], 0u, dQuery0_3, scoreStride);
    workgroupBarrier();
    {
      let row = lane / 4u;
      let vector = 12u + lane % 4u;
      if (firstQuery + row <= lastQuery && vector < 16u) {
        let product = scores[subgroup][row * scoreStride + lane % 4u];
        check = fma(product, zeros, check);
        if (round == 1u) {
          let base = dQueryBase + (firstQuery + row) * params.dQueryRow;
          var sum = product * (scale * (weightUnit / gradientScale));
          if (params.accumulate != 0u) { sum += loadDQuery(base, vector); }
          storeDQuery(base, vector, sum);
        }
      }
    }
    {
      let row = (lane + 32u) / 4u;
      let vector = 12u + (lane + 32u) % 4u;
      if (firstQuery + row <= lastQuery && vector < 16u) {
        let product = scores[subgroup][row * scoreStride + (lane + 32u) % 4u];
        check = fma(product, zeros, check);
        if (round == 1u) {
          let base = dQueryBase + (firstQuery + row) * params.dQueryRow;
          var sum = product * (scale * (weightUnit / gradientScale));
          if (params.accumulate != 0u) { sum += loadDQuery(base, vector); }
          storeDQuery(base, vector, sum);
        }
      }
    }
    if (any((bitcast<vec4<u32>>(check) & vec4<u32>(0x7fffffffu)) != vec4<u32>())) { foundStrange = vec4<u32>(1u); }
    again = workgroupUniformLoad(&foundStrange).x != 0u;
  }
  if (again) {
    storageBarrier(); // other threads write the same rows now
    for (var row = thread; row < tileRows; row += 256u) {
      let queryRow = rowTile * tileRows + row;
      if (queryRow > lastQuery) { break; }
      let queryPlace = queryBase + queryRow * params.queryRow;
      let dOutputPlace = dOutputBase + queryRow * params.dOutputRow;
      var dQuerySum = array<vec4<f32>, 16>();
      var done = false;
      for (var columnTile = params.columnTileBegin; columnTile < params.columnTileEnd; columnTile++) {
        let full = false;
        if (done) { break; }
        for (var keyIndex = columnTile * tileColumns; keyIndex < (columnTile + 1u) * tileColumns; keyIndex++) {
          let queryIndex = i32(queryRow);
          let position = queryOffset + queryIndex;
          if (!(keyIndex < keyCount && queryRow < params.queryLength)) { continue; }
          let keyPlace = keyBase + keyIndex * params.keyRow;
          let valuePlace = valueBase + keyIndex * params.valueRow;
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
      for (var v = 0u; v < 16u; v = (v + 1u) ^ nothing) {
        var sum = dQuerySum[v] * scale;
        let base = dQueryBase + queryRow * params.dQueryRow;
        if (params.accumulate != 0u) { sum += loadDQuery(base, v); }
        storeDQuery(base, v, sum);
      }
    }
  }
}
