// How large the rows of a tensor are before it is split: of each piece of them the largest norm, or a
// little more, and the smallest that is not 0, of parts of rows. The smallest is 0 where a row cannot be
// split: it is not finite, or so large or small that its squares are not.
import { loadFunction, storageType } from '../../../codegen/access.ts'
import type { Access } from '../../../codegen/access.ts'
import { parameterBlock } from '../../parameters.ts'
import { addressFields } from '../../tensor-address.ts'
import type { SplitTensor } from './powers.ts'

/** Rows that a workgroup reads at a time; pieces are multiples of it. */
const rowsAtOnce = 16
/** Threads that share a row, each taking every eighth vector of it. */
const threadsPerRow = 8
const threads = rowsAtOnce * threadsPerRow
const mostPieces = 256

/** Pieces that the rows of a tensor are measured in: so few that one workgroup reads them in a moment. */
export function rangePieces(length: number): { readonly rows: number; readonly count: number } {
  const rows = rowsAtOnce * Math.ceil(length / rowsAtOnce / mostPieces)
  return { rows, count: Math.ceil(length / rows) }
}

/** Uniform fields of the kernel; those of any name lie alike. */
export function rangeFields(name: SplitTensor | 'tensor'): readonly string[] {
  return [
    ...addressFields([name]),
    'queryLength',
    'heads',
    'headsPerKeyHead',
    'rowTileBase',
    'headBegin',
    'batchBase',
    `${name}Pieces`,
    `${name}PieceRows`,
    `${name}Ranges`,
    `${name}OfKeys`,
  ]
}

/** The WGSL of the kernel for one of the tensors, whatever its name: they share a text. Entry point: `main`. */
export function measureRowsKernel(access: Access, dims: number): string {
  const sections = [
    parameterBlock(rangeFields('tensor'), 0, 0),
    `@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> tensor: array<${storageType(access)}>;
@group(0) @binding(2) var<storage, read> data: array<u32>;
@group(0) @binding(3) var<storage, read_write> ranges: array<vec2<f32>>;

// No float has a larger square, nor a smaller one that is not 0.
const largestSquare = 0x1p+120f;
const smallestSquare = 0x1p-80f;`,
    `// 8 bytes a thread
var<workgroup> own: array<vec2<f32>, ${threads}>;`,
    loadFunction('tensor', access, dims),
    /* wgsl */ `@compute @workgroup_size(${threads})
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
  for (var row = piece * params.tensorPieceRows + thread / ${threadsPerRow}u; row < end; row += ${rowsAtOnce}u) {
    var squares = 0.0;
    var bits = vec4<u32>();
    for (var vector = thread % ${threadsPerRow}u; vector < ${Math.ceil(dims / 4)}u; vector += ${threadsPerRow}u) {
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
  if (thread < ${threadsPerRow}u) {
    for (var other = thread; other < ${threads}u; other += ${threadsPerRow}u) {
      largest = max(largest, own[other].x);
      smallest = min(smallest, own[other].y);
    }
    own[thread] = vec2<f32>(largest, smallest);
  }
  workgroupBarrier();
  if (thread == 0u) {
    var sum = 0.0;
    for (var part = 0u; part < ${threadsPerRow}u; part++) {
      sum += own[part].x;
      smallest = min(smallest, own[part].y);
    }
    let plane = batch * (params.heads / group) + head;
    ranges[params.tensorRanges + plane * params.tensorPieces + piece] = sqrt(vec2<f32>(sum, smallest));
  }
}`,
  ]
  return `${sections.join('\n\n')}\n`
}
