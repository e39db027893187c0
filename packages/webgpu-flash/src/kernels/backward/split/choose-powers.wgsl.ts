// The powers of two of the tensors of each key head, from the ranges of their rows, and whether splitting
// them keeps what float32 holds. Where rows differ too much it would not: the largest may be one that
// nobody sees, beside which the others would lose their bits. Kernels in plain WGSL then do the work.
import { parameterBlock } from '../../parameters.ts'
import { scaleOfBoundFunction } from '../matrix/scaling.ts'
import { followsKeys, largestExponent, packExponents, splitTensors } from './powers.ts'

/** Uniform fields of the kernel. */
export const powerFields: readonly string[] = [
  'heads',
  'headsPerKeyHead',
  ...splitTensors.flatMap((name) => [`${name}Pieces`, `${name}Ranges`]),
  'headroom',
]

const threads = 128

/**
 * The WGSL of the kernel: a workgroup for each key head of each sequence. Entry point: `main`.
 *
 * @param weightBits - Log2 of what P is multiplied by.
 */
export function choosePowersKernel(weightBits: number): string {
  const ranges = splitTensors.map((name) => {
    const planes = followsKeys(name) ? '1u' : 'params.headsPerKeyHead'
    const first = followsKeys(name) ? 'keyPlane' : 'keyPlane * params.headsPerKeyHead'
    return `  let ${name} = rangeOf(params.${name}Ranges + ${first} * params.${name}Pieces, ${planes} * params.${name}Pieces, thread);`
  })
  return `${parameterBlock(powerFields, 0, 0)}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> ranges: array<vec2<f32>>;
@group(0) @binding(2) var<storage, read_write> powers: array<vec2<f32>>;

// Rows that differ by more lose bits that float32 holds.
const widestRange = 0x1p+18f;

// 8 bytes a thread
var<workgroup> ofThreads: array<vec2<f32>, ${threads}>;

// The largest and the smallest of some pieces.
fn rangeOf(first: u32, count: u32, thread: u32) -> vec2<f32> {
  var range = vec2<f32>(0.0, 0x1p+60f);
  for (var piece = thread; piece < count; piece += ${threads}u) {
    let other = ranges[first + piece];
    range = vec2<f32>(max(range.x, other.x), min(range.y, other.y));
  }
  workgroupBarrier();
  ofThreads[thread] = range;
  workgroupBarrier();
  // Others have met none; a loop whose end no compiler knows is compiled once.
  for (var other = 0u; other < min(count, ${threads}u); other++) {
    range = vec2<f32>(max(range.x, ofThreads[other].x), min(range.y, ofThreads[other].y));
  }
  return range;
}

fn canSplit(range: vec2<f32>) -> bool { return range.x <= range.y * widestRange; }

// Of the power of two that brings a number between 2^${largestExponent - 1} and 2^${largestExponent}; none for 0.
fn exponentFor(largest: f32) -> i32 {
  if (largest == 0.0) { return 0; }
  return ${largestExponent - 1} + 127 - i32(bitcast<u32>(largest) >> 23u);
}

${scaleOfBoundFunction(weightBits)}

${packExponents}

@compute @workgroup_size(${threads})
fn main(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(local_invocation_index) thread: u32,
) {
  let keyPlane = workgroup.z * (params.heads / params.headsPerKeyHead) + workgroup.y;
${ranges.join('\n')}
  if (thread != 0u) { return; }
  let split = ${splitTensors.map((name) => `canSplit(${name})`).join(' && ')};
  let gradientScale = scaleOfBound(dOutput.x * value.x * bitcast<f32>(params.headroom));
  let exponents = packExponents(${splitTensors.map((name) => `exponentFor(${name}.x)`).join(', ')});
  // A scale of 0 says that the rows are for the kernels in plain WGSL.
  powers[keyPlane] = select(vec2<f32>(0.0, exponents), vec2<f32>(gradientScale, exponents), split);
}
`
}
