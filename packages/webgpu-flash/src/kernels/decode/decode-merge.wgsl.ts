// The second half of split-KV: the parts of each row are merged by their maxima and sums. A workgroup
// takes one row; its threads share the parts, and each some dims of the output.
import { storageType, storeFunction, unpackFunctions, usesFloat16 } from '../../codegen/access.ts'
import type { Access } from '../../codegen/access.ts'
import { unroll } from '../../codegen/snippets.ts'
import { hiddenScore } from '../careful.ts'
import { finishDecodedFunction, lengthFunctions } from './decode-frame.ts'
import { mergeConstants } from '../forward/forward-frame.ts'
import { parameterBlock } from '../parameters.ts'
import type { PlacesText } from '../../plan/decode/key-places.ts'

/** All that decides the text of the kernel. */
export interface DecodeMergeConfig {
  readonly valueDim: number
  readonly output: Access
  readonly sinks: boolean
  /** Where keys lie. Default: at the rows of their positions. */
  readonly places?: PlacesText | undefined
  /** What the sums of the parts are divided by; see the end of the decode kernel. */
  readonly slots: number
  /** The fields of the decode kernel's block, which this one shares. */
  readonly fields: readonly string[]
  readonly descriptorWords: number
  readonly parameterWords: number
}

const threads = 256
/** Parts that a thread loads before it waits for the first. */
const partsAhead = 4

/** The WGSL of the merge. Entry point: `main`; one workgroup a row `[queryIndex, head, batch]`. */
export function decodeMergeKernel(config: DecodeMergeConfig): string {
  const { valueDim, output, sinks, fields } = config
  const vectors = Math.ceil(valueDim / 4)
  const columns = 2 ** Math.ceil(Math.log2(vectors))
  const slices = threads / columns
  const sections = [
    usesFloat16(output) ? 'enable f16;' : '',
    parameterBlock(fields, config.descriptorWords, config.parameterWords),
    /* wgsl */ `@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> partOutput: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> partSoftmax: array<vec2<f32>>; // maximum and sum
@group(0) @binding(4) var<storage, read_write> output: array<${storageType(output)}>;
@group(0) @binding(5) var<storage, read_write> logSumExp: array<f32>;
@group(0) @binding(6) var<storage, read> lengths: array<u32>;
@group(0) @binding(7) var<storage, read> data: array<u32>;`,
    `const columns = ${columns}u;
const slices = ${slices}u;
const valueVectors = ${vectors}u;
// Large values must not overflow where parts are added up, which have been divided by ${config.slots} before.
const partFactor = 0.000244140625;
const sumFactor = ${config.slots * 4096}.0;
${mergeConstants}`,
    `// What each slice of the parts comes to: 6 KiB.
var<workgroup> sums: array<vec4<f32>, ${threads}>;
var<workgroup> softmax: array<vec2<f32>, ${threads}>;`,
    unpackFunctions([output]),
    storeFunction('output', output, valueDim),
    lengthFunctions(config.places),
    finishDecodedFunction(sinks),
    /* wgsl */ `@compute @workgroup_size(${threads})
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
  ${hiddenScore}
  var maximum = smallestMaximum;
  var total = 0.0;
  var sum = vec4<f32>(0.0);
  for (var part = slice; part < parts; part += ${partsAhead}u * slices) {
${unroll(
  partsAhead,
  (i) => `    let part${i} = place + min(part + ${i}u * slices, parts - 1u);
    let softmax${i} = partSoftmax[part${i}];
    let values${i} = partOutput[part${i} * valueVectors + vector];`,
)}
${unroll(
  partsAhead,
  (i) => `    let exists${i} = part + ${i}u * slices < parts;
    let maximum${i} = select(hidden, softmax${i}.x, exists${i});`,
)}
    let top = max(maximum, ${Array.from({ length: partsAhead }, (_, i) => `maximum${i}`).reduce((x, y) => `max(${x}, ${y})`)});
    let decay = exponential(maximum - top);
    total *= decay;
    sum *= decay;
    maximum = top;
${unroll(
  partsAhead,
  (i) => `    let share${i} = exponential(maximum${i} - top);
    total += softmax${i}.y * share${i};
    // The last part stands for those that do not exist, of which an infinity times 0 would be NaN.
    sum += select(vec4<f32>(0.0), values${i} * (share${i} * partFactor), exists${i});`,
)}
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
}`,
  ]
  return `${sections.filter((section) => section !== '').join('\n\n')}\n`
}
