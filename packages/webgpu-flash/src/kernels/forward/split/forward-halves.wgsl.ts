// Rows of float32 as two float16 numbers for each; see halves.ts. A row's first halves come before its second
// ones, and rows lie one after the other, planes too; behind them lie the planes' exponents, 16 bytes for each.
import { indent } from '../../../codegen/snippets.ts'
import { parameterBlock } from '../../parameters.ts'
import {
  exponentOfFunction,
  powerOfTwoFunction,
  splitRowVectors,
  upperHalvesFunction,
} from './halves.ts'
import {
  ofPlane,
  splitDims,
  splitInputBindings,
  splitInputFields,
  splitLoads,
  splitPlane,
  splitTensors,
} from './inputs.ts'
import type { SplitInputs } from './inputs.ts'

/** Rows of a workgroup. */
export const splitRowsAtOnce = 64
const threads = 256

/** Fields of the uniform block. */
export const splitFields: readonly string[] = [...splitInputFields, 'keyLength', 'batches']

/** The WGSL of the kernel. Entry point: `main`; workgroups: `splitRowsAtOnce` rows, planes, sequences. */
export function splitRowsKernel(inputs: SplitInputs): string {
  const split = ofPlane((name, load) => {
    const dims = splitDims(inputs, name)
    const vectors = dims / 4
    const row = splitRowVectors(dims)
    const [heads, length] =
      name === 'query'
        ? ['params.heads', 'params.queryLength']
        : ['params.kvHeads', 'params.keyLength']
    return `let plane = batch * ${heads} + head;
for (var unit = thread; unit < ${splitRowsAtOnce * vectors}u; unit += ${threads}u) {
  let row = firstRow + unit / ${vectors}u;
  if (row < rows) {
    let values = ${load}(base + row * params.${name}Row, unit % ${vectors}u) * factor;
    let upper = upperHalves(values);
    let place = (plane * ${length} + row) * ${row}u + unit % ${vectors}u;
    ${name}Halves[place] = vec4<f16>(upper);
    ${name}Halves[place + ${vectors}u] = vec4<f16>(values - upper);
  }
}
if (workgroup.x == 0u && thread == 0u) {
  ${name}Halves[params.batches * ${heads} * ${length} * ${row}u + 2u * plane] = vec4<f16>(f16(exponent));
}`
  })
  const written = splitTensors.map(
    (name, index) =>
      `@group(0) @binding(${index + 6}) var<storage, read_write> ${name}Halves: array<vec4<f16>>;`,
  )
  return `enable f16;

${parameterBlock(splitFields, 0, 0)}

${splitInputBindings(inputs)}
@group(0) @binding(5) var<storage, read> measures: array<vec4<u32>>;
${written.join('\n')}

// 4 bytes a thread.
var<workgroup> found: array<u32, ${threads}>;

${splitLoads(inputs)}

${upperHalvesFunction}

${powerOfTwoFunction}

${exponentOfFunction}

@compute @workgroup_size(${threads})
fn main(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(local_invocation_index) thread: u32,
) {
${indent(splitPlane, 2)}
  let firstPiece = (batch * planes + workgroup.y) * params.pieces;
  var largest = 0u;
  for (var piece = thread; piece < params.pieces; piece += ${threads}u) {
    largest = max(largest, measures[firstPiece + piece].x);
  }
  found[thread] = largest;
  for (var step = ${threads / 2}u; step > 0u; step >>= 1u) {
    workgroupBarrier();
    if (thread < step) {
      found[thread] = max(found[thread], found[thread + step]);
    }
  }
  workgroupBarrier();
  let exponent = exponentOf(found[0]);
  let factor = powerOfTwo(exponent);
  let firstRow = workgroup.x * ${splitRowsAtOnce}u;
${indent(split, 2)}
}
`
}
