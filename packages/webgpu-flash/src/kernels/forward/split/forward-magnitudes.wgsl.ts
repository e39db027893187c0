// How large the numbers of a call are: of each piece of a plane's rows the largest magnitude, that of the
// smallest row, and the largest sum of a row's magnitudes. The last two are bounds: of each eighth of the
// rows the extremes, as each thread keeps those of its own part.
import { indent } from '../../../codegen/snippets.ts'
import { parameterBlock } from '../../parameters.ts'
import {
  ofPlane,
  splitDims,
  splitInputBindings,
  splitInputFields,
  splitLoads,
  splitPlane,
} from './inputs.ts'
import type { SplitInputs } from './inputs.ts'

/** Threads that share a row. */
const threadsPerRow = 8
/** Rows that a workgroup reads at a time. */
export const measuredRowsAtOnce = 32
const threads = measuredRowsAtOnce * threadsPerRow

/** The WGSL of the kernel. Entry point: `main`; workgroups: pieces, planes, sequences. */
export function splitMagnitudesKernel(inputs: SplitInputs): string {
  const measure = ofPlane(
    (name, load) => `for (var row = first; row < end; row += ${measuredRowsAtOnce}u) {
  var own = vec4<u32>(0u);
  var sum = 0.0;
  for (var vector = part; vector < ${splitDims(inputs, name) / 4}u; vector += ${threadsPerRow}u) {
    let values = ${load}(base + row * params.${name}Row, vector);
    own = max(own, bitcast<vec4<u32>>(values) & vec4<u32>(0x7fffffffu));
    sum += dot(abs(values), vec4<f32>(1.0));
  }
  let most = max(max(own.x, own.y), max(own.z, own.w));
  largest = max(largest, most);
  smallest = select(smallest, min(smallest, most), most != 0u);
  norm = max(norm, sum);
}`,
  )
  return `${parameterBlock(splitInputFields, 0, 0)}

${splitInputBindings(inputs)}
@group(0) @binding(5) var<storage, read_write> measures: array<vec4<u32>>;

// 16 bytes a thread.
var<workgroup> found: array<vec4<u32>, ${threads}>;

${splitLoads(inputs)}

// Magnitudes are compared as words: so NaN and infinity are larger than numbers.
@compute @workgroup_size(${threads})
fn main(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(local_invocation_index) thread: u32,
) {
${indent(splitPlane, 2)}
  let piece = workgroup.x;
  let pieceRows = select(params.keyPieceRows, params.queryPieceRows, ofQueries);
  let part = thread % ${threadsPerRow}u;
  let first = piece * pieceRows + thread / ${threadsPerRow}u;
  let end = min((piece + 1u) * pieceRows, rows);
  var largest = 0u;
  var smallest = 0x7f800000u;
  var norm = 0.0;
${indent(measure, 2)}
  found[thread] = vec4<u32>(largest, smallest, bitcast<u32>(norm), 0u);
  workgroupBarrier();
  if (thread < ${threadsPerRow}u) {
    for (var other = thread; other < ${threads}u; other += ${threadsPerRow}u) {
      let one = found[other];
      largest = max(largest, one.x);
      smallest = min(smallest, one.y);
      norm = max(norm, bitcast<f32>(one.z));
    }
    found[thread] = vec4<u32>(largest, smallest, bitcast<u32>(norm), 0u);
  }
  workgroupBarrier();
  if (thread == 0u) {
    var sum = 0.0;
    for (var other = 0u; other < ${threadsPerRow}u; other++) {
      largest = max(largest, found[other].x);
      smallest = min(smallest, found[other].y);
      sum += bitcast<f32>(found[other].z);
    }
    measures[(batch * planes + workgroup.y) * params.pieces + piece] = vec4<u32>(largest, smallest, bitcast<u32>(sum), 0u);
  }
}
`
}
