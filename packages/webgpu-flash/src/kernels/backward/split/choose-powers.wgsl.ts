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
  const counts = splitTensors.map((name) =>
    followsKeys(name) ? `params.${name}Pieces` : `params.headsPerKeyHead * params.${name}Pieces`,
  )
  const ranges = splitTensors.map((name, number) => {
    const plane = followsKeys(name) ? 'keyPlane' : 'keyPlane * params.headsPerKeyHead'
    return `  ofThreads[${number}][thread] = rangeOf(params.${name}Ranges + ${plane} * params.${name}Pieces, ${counts[number]}, thread);`
  })
  const tensors = splitTensors.length
  return `${parameterBlock(powerFields, 0, 0)}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> ranges: array<vec2<f32>>;
@group(0) @binding(2) var<storage, read_write> powers: array<vec2<f32>>;

// Rows that differ by more lose bits that float32 holds.
const widestRange = 0x1p+18f;

// 8 bytes a thread and tensor, and 8 of each tensor
var<workgroup> ofThreads: array<array<vec2<f32>, ${threads}>, ${tensors}>;
var<workgroup> ofTensors: array<vec2<f32>, ${tensors}>;

fn join(range: vec2<f32>, other: vec2<f32>) -> vec2<f32> {
  return vec2<f32>(max(range.x, other.x), min(range.y, other.y));
}

// The largest and the smallest of a thread's pieces.
fn rangeOf(first: u32, count: u32, thread: u32) -> vec2<f32> {
  var range = vec2<f32>(0.0, 0x1p+60f);
  for (var piece = thread; piece < count; piece += ${threads}u) {
    range = join(range, ranges[first + piece]);
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
  workgroupBarrier();
  // Others have met none; a loop whose end no compiler knows is compiled once. One thread for all tensors would take as
  // long as a kernel over rows.
  if (thread < ${tensors}u) {
    let met = min(max(max(${counts[0]}, ${counts[1]}), max(${counts[2]}, ${counts[3]})), ${threads}u);
    var range = ofThreads[thread][0];
    for (var other = 1u; other < met; other++) { range = join(range, ofThreads[thread][other]); }
    ofTensors[thread] = range;
  }
  workgroupBarrier();
  if (thread != 0u) { return; }
${splitTensors.map((name, number) => `  let ${name} = ofTensors[${number}];`).join('\n')}
  let split = ${splitTensors.map((name) => `canSplit(${name})`).join(' && ')};
  let gradientScale = scaleOfBound(dOutput.x * value.x * bitcast<f32>(params.headroom));
  let exponents = packExponents(${splitTensors.map((name) => `exponentFor(${name}.x)`).join(', ')});
  // A scale of 0 says that the rows are for the kernels in plain WGSL.
  powers[keyPlane] = select(vec2<f32>(0.0, exponents), vec2<f32>(gradientScale, exponents), split);
}
`
}
