enable f16;

struct Params {
  tensorOffset: u32,
  tensorBatch: u32,
  tensorHead: u32,
  tensorRow: u32,
  tensorDim: u32,
  tensorHalvesOffset: u32,
  tensorHalvesBatch: u32,
  tensorHalvesHead: u32,
  tensorHalvesRow: u32,
  tensorHalvesDim: u32,
  queryLength: u32,
  keyLength: u32,
  heads: u32,
  headsPerKeyHead: u32,
  rowTileBase: u32,
  headBegin: u32,
  batchBase: u32,
  exponent: u32,
  tensorOfKeys: u32,
  tensorPieceVectors: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> tensor: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> data: array<u32>;
@group(0) @binding(3) var<storage, read> powers: array<vec2<f32>>;
@group(0) @binding(4) var<storage, read_write> tensorHalves: array<vec4<f16>>;

fn loadTensor(base: u32, vector: u32) -> vec4<f32> {
  return tensor[base + vector];
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

@compute @workgroup_size(256)
fn main(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(local_invocation_index) thread: u32,
) {
  let batch = params.batchBase + workgroup.z;
  let ofKeys = params.tensorOfKeys != 0u;
  let head = params.headBegin / select(1u, params.headsPerKeyHead, ofKeys) + workgroup.y;
  let keyHead = head / select(params.headsPerKeyHead, 1u, ofKeys);
  let row = (params.rowTileBase + workgroup.x) * 32u + thread / 8u;
  if (row >= select(params.queryLength, params.keyLength, ofKeys)) { return; }
  let exponents = unpackExponents(powers[batch * (params.heads / params.headsPerKeyHead) + keyHead].y);
  let power = powerOf(exponents[params.exponent]);
  let source = params.tensorOffset + batch * params.tensorBatch + head * params.tensorHead + row * params.tensorRow;
  let destination = params.tensorHalvesOffset + batch * params.tensorHalvesBatch + head * params.tensorHalvesHead + row * params.tensorHalvesRow;
  let exists = !ofKeys || row < data[2u * batch + 1u]; // rows past the last key may hold anything
  let width = params.tensorPieceVectors;
  for (var vector = thread % 8u; vector < 16u; vector += 8u) {
    let value = select(vec4<f32>(), loadTensor(source, vector) * power, exists);
    let high = highPart(value);
    let place = destination + vector / width * 2u * width + vector % width;
    tensorHalves[place] = vec4<f16>(high);
    tensorHalves[place + width] = vec4<f16>(value - high);
  }
}
