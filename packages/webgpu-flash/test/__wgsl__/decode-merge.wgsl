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
  rowTiles: u32,
  parts: u32,
  partBase: u32,
  partChunks: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> partOutput: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> partSoftmax: array<vec2<f32>>; // maximum and sum
@group(0) @binding(4) var<storage, read_write> output: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read_write> logSumExp: array<f32>;
@group(0) @binding(6) var<storage, read> lengths: array<u32>;
@group(0) @binding(7) var<storage, read> data: array<u32>;

const columns = 16u;
const slices = 16u;
const valueVectors = 16u;
// Large values must not overflow where parts are added up, which have been divided by 16 before.
const partFactor = 0.000244140625;
const sumFactor = 65536.0;
// Finite, so that exp(-Infinity - maximum) is 0 even where nothing is visible; no score is below it.
const smallestMaximum = -3.4028234663852886e38;
const hiddenBits = 0xff800000u; // a score of -Infinity, or a log-sum-exp

fn isNotANumber(x: f32) -> bool {
  return (bitcast<u32>(x) & 0x7fffffffu) > 0x7f800000u;
}

fn exponential(x: f32) -> f32 {
  return select(exp(x), x, isNotANumber(x));
}

fn logarithm(x: f32) -> f32 {
  return select(log(x), x, isNotANumber(x));
}

// What each slice of the parts comes to: 6 KiB.
var<workgroup> sums: array<vec4<f32>, 256>;
var<workgroup> softmax: array<vec2<f32>, 256>;

fn storeOutput(base: u32, vector: u32, value: vec4<f32>) {
  output[base + vector] = value;
}

const lengthWords = 5u;

fn chunkCount(batch: u32) -> u32 {
  return lengths[lengthWords * batch + 2u];
}

fn chunkAt(batch: u32, index: u32) -> u32 {
  let list = lengths[lengthWords * batch + 4u];
  if (list != 0u) { return lengths[list + index]; }
  return lengths[lengthWords * batch + 3u] + index;
}

fn finishDecoded(batch: u32, head: u32, queryIndex: u32, vector: u32, maximum: f32, total: f32, sum: vec4<f32>, factor: f32) {
  let top = maximum;
  let share = 1.0;
  let all = total;
  let seen = bitcast<u32>(all) != 0u; // and not all > 0, since a sum of NaN is one
  let base = params.outputOffset + batch * params.outputBatch + head * params.outputHead + queryIndex * params.outputRow;
  storeOutput(base, vector, sum * select(0.0, share / all * factor, seen));
  if (vector == 0u) {
    let place = params.logSumExpOffset + (batch * params.heads + head) * params.queryLength + queryIndex;
    logSumExp[place] = select(bitcast<f32>(params.negativeInfinity), top + logarithm(all), seen);
  }
}

@compute @workgroup_size(256)
fn main(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(local_invocation_index) thread: u32,
) {
  let column = thread % columns;
  let slice = thread / columns;
  let batch = params.batchBase + workgroup.z;
  let head = params.headBase * params.headsPerKeyHead + workgroup.y;
  let parts = (chunkCount(batch) + params.partChunks - 1u) / params.partChunks;
  let place = ((batch * params.heads + head) * params.queryLength + workgroup.x) * params.parts;
  let vector = min(column, valueVectors - 1u);
  let hidden = bitcast<f32>(params.negativeInfinity);
  var maximum = smallestMaximum;
  var total = 0.0;
  var sum = vec4<f32>(0.0);
  for (var part = slice; part < parts; part += 4u * slices) {
    let part0 = place + min(part + 0u * slices, parts - 1u);
    let softmax0 = partSoftmax[part0];
    let values0 = partOutput[part0 * valueVectors + vector];
    let part1 = place + min(part + 1u * slices, parts - 1u);
    let softmax1 = partSoftmax[part1];
    let values1 = partOutput[part1 * valueVectors + vector];
    let part2 = place + min(part + 2u * slices, parts - 1u);
    let softmax2 = partSoftmax[part2];
    let values2 = partOutput[part2 * valueVectors + vector];
    let part3 = place + min(part + 3u * slices, parts - 1u);
    let softmax3 = partSoftmax[part3];
    let values3 = partOutput[part3 * valueVectors + vector];
    let exists0 = part + 0u * slices < parts;
    let maximum0 = select(hidden, softmax0.x, exists0);
    let exists1 = part + 1u * slices < parts;
    let maximum1 = select(hidden, softmax1.x, exists1);
    let exists2 = part + 2u * slices < parts;
    let maximum2 = select(hidden, softmax2.x, exists2);
    let exists3 = part + 3u * slices < parts;
    let maximum3 = select(hidden, softmax3.x, exists3);
    let top = max(maximum, max(max(max(maximum0, maximum1), maximum2), maximum3));
    let decay = exponential(maximum - top);
    total *= decay;
    sum *= decay;
    maximum = top;
    let share0 = exponential(maximum0 - top);
    total += softmax0.y * share0;
    // The last part stands for those that do not exist, of which an infinity times 0 would be NaN.
    sum += select(vec4<f32>(0.0), values0 * (share0 * partFactor), exists0);
    let share1 = exponential(maximum1 - top);
    total += softmax1.y * share1;
    // The last part stands for those that do not exist, of which an infinity times 0 would be NaN.
    sum += select(vec4<f32>(0.0), values1 * (share1 * partFactor), exists1);
    let share2 = exponential(maximum2 - top);
    total += softmax2.y * share2;
    // The last part stands for those that do not exist, of which an infinity times 0 would be NaN.
    sum += select(vec4<f32>(0.0), values2 * (share2 * partFactor), exists2);
    let share3 = exponential(maximum3 - top);
    total += softmax3.y * share3;
    // The last part stands for those that do not exist, of which an infinity times 0 would be NaN.
    sum += select(vec4<f32>(0.0), values3 * (share3 * partFactor), exists3);
  }
  sums[thread] = sum;
  softmax[thread] = vec2<f32>(maximum, total);
  workgroupBarrier();
  if (slice == 0u && column < valueVectors) {
    for (var other = 1u; other < slices; other++) {
      let its = softmax[other * columns + column];
      let top = max(maximum, its.x);
      let decay = exponential(maximum - top);
      let share = exponential(its.x - top);
      total = total * decay + its.y * share;
      sum = sum * decay + sums[other * columns + column] * share;
      maximum = top;
    }
    finishDecoded(batch, head, workgroup.x, column, maximum, total, sum, sumFactor);
  }
}
