struct Params {
  tensorOffset: u32,
  tensorBatch: u32,
  tensorHead: u32,
  tensorRow: u32,
  tensorDim: u32,
  queryLength: u32,
  heads: u32,
  headsPerKeyHead: u32,
  rowTileBase: u32,
  headBegin: u32,
  batchBase: u32,
  tensorPieces: u32,
  tensorPieceRows: u32,
  tensorRanges: u32,
  tensorOfKeys: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> tensor: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> data: array<u32>;
@group(0) @binding(3) var<storage, read_write> ranges: array<vec2<f32>>;

// No float has a larger square, nor a smaller one that is not 0.
const largestSquare = 0x1p+120f;
const smallestSquare = 0x1p-80f;

// 8 bytes a thread
var<workgroup> own: array<vec2<f32>, 128>;

fn loadTensor(base: u32, vector: u32) -> vec4<f32> {
  return tensor[base + vector];
}

@compute @workgroup_size(128)
fn main(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(local_invocation_index) thread: u32,
) {
  let batch = params.batchBase + workgroup.z;
  let ofKeys = params.tensorOfKeys != 0u;
  let group = select(1u, params.headsPerKeyHead, ofKeys);
  let head = params.headBegin / group + workgroup.y;
  let piece = params.rowTileBase + workgroup.x;
  let count = select(params.queryLength, data[2u * batch + 1u], ofKeys); // rows past it may hold anything
  let end = min((piece + 1u) * params.tensorPieceRows, count);
  let base = params.tensorOffset + batch * params.tensorBatch + head * params.tensorHead;
  // Squares of the largest and the smallest part of a row.
  var largest = 0.0;
  var smallest = largestSquare;
  for (var row = piece * params.tensorPieceRows + thread / 8u; row < end; row += 16u) {
    var squares = 0.0;
    var bits = vec4<u32>();
    for (var vector = thread % 8u; vector < 16u; vector += 8u) {
      let value = loadTensor(base + row * params.tensorRow, vector);
      squares += dot(value, value);
      bits |= bitcast<vec4<u32>>(value) & vec4<u32>(0x7fffffffu);
    }
    // By bits, since compilers may take for granted that floats are finite.
    let inRange = bitcast<u32>(squares) < bitcast<u32>(largestSquare) && bitcast<u32>(squares) > bitcast<u32>(smallestSquare);
    if (inRange) {
      largest = max(largest, squares);
      smallest = min(smallest, squares);
    } else if (any(bits != vec4<u32>())) {
      smallest = 0.0;
    }
  }
  own[thread] = vec2<f32>(largest, smallest);
  workgroupBarrier();
  if (thread < 8u) {
    for (var other = thread; other < 128u; other += 8u) {
      largest = max(largest, own[other].x);
      smallest = min(smallest, own[other].y);
    }
    own[thread] = vec2<f32>(largest, smallest);
  }
  workgroupBarrier();
  if (thread == 0u) {
    var sum = 0.0;
    for (var part = 0u; part < 8u; part++) {
      sum += own[part].x;
      smallest = min(smallest, own[part].y);
    }
    let plane = batch * (params.heads / group) + head;
    ranges[params.tensorRanges + plane * params.tensorPieces + piece] = sqrt(vec2<f32>(sum, smallest));
  }
}
