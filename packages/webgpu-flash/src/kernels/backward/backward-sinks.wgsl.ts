// Gradients of attention sinks: a sink is a score without a value, so its dP is 0 and its gradient is
// the sum of -P D over the rows of its head. One workgroup a head, in a fixed order.
import { rowFunctions } from '../careful.ts'
import { parameterBlock } from '../parameters.ts'
import type { SoftmaxRow } from '../tile/pair-gradient.ts'
import { sumOfWorkgroup } from '../tile/workgroup-sum.ts'

/** Uniform fields of the kernel. */
export const sinkFields: readonly string[] = [
  'softmaxRowsOffset',
  'queryLength',
  'heads',
  'headBegin',
  'batchBegin',
  'batchEnd',
  'sinkBase',
  'accumulate',
]

const threads = 256

/** The WGSL of the kernel. Entry point: `main`. */
export function sinkGradientKernel(row: SoftmaxRow): string {
  return `${parameterBlock(sinkFields, 0, 0)}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> softmaxRows: array<${row}>;
@group(0) @binding(2) var<storage, read> data: array<u32>;
@group(0) @binding(3) var<storage, read_write> dSinks: array<f32>;

${rowFunctions}

${sumOfWorkgroup(threads)}

@compute @workgroup_size(${threads})
fn main(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(local_invocation_index) thread: u32,
) {
  let head = params.headBegin + workgroup.x;
  let sink = bitcast<f32>(data[params.sinkBase + head]);
  var sum = 0.0;
  for (var batch = params.batchBegin; batch < params.batchEnd; batch++) {
    let first = params.softmaxRowsOffset + (batch * params.heads + head) * params.queryLength;
    for (var row = thread; row < params.queryLength; row += ${threads}u) {
      let softmaxRow = softmaxRows[first + row];
      sum -= exponential(sink - softmaxRow.x) * softmaxRow.y;
    }
  }
  let total = sumOfWorkgroup(thread, sum);
  if (thread == 0u) {
    let earlier = select(0.0, dSinks[head], params.accumulate != 0u);
    dSinks[head] = earlier + total;
  }
}
`
}
