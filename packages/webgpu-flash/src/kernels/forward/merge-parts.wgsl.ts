// The second half of split-KV (FlashDecoding; section 3.2 of FlashAttention-2, arXiv 2307.08691):
// rows whose keys were spread over several workgroups are merged by log-sum-exp. Parts lie in buffers
// of their own, bound in place of query and key; everything else is as in the forward kernel.
import {
  loadFunction,
  storageType,
  storeFunction,
  unpackFunctions,
  usesFloat16,
} from '../../codegen/access.ts'
import type { Access } from '../../codegen/access.ts'
import { mergeConstants } from './forward-frame.ts'
import { parameterBlock } from '../parameters.ts'

/** All that decides the text of the kernel. */
export interface MergePartsConfig {
  /** Rows of a tile; a multiple of `mergedRows`. */
  readonly tileQueries: number
  readonly valueDim: number
  readonly output: Access
  /** WGSL of `queryToken(slot)`; see codegen/token-order.ts. */
  readonly tokens: string
  /** The fields of the forward kernel's block, which this one shares. */
  readonly fields: readonly string[]
  readonly descriptorWords: number
  readonly parameterWords: number
}

/** Rows that a workgroup merges. */
export const mergedRows = 8
const columns = 16

/**
 * The WGSL of the merge. Entry point: `main`. A workgroup takes `mergedRows` rows of one of the rows of
 * tiles that were cut, whose parts are `firstParts[i] .. firstParts[i + 1] - 1`.
 */
export function mergePartsKernel(config: MergePartsConfig): string {
  const { tileQueries, valueDim, output, tokens, fields } = config
  const vectors = Math.ceil(valueDim / 4)
  const groups = tileQueries / mergedRows
  const sections = [
    usesFloat16(output) ? 'enable f16;' : '',
    parameterBlock(fields, config.descriptorWords, config.parameterWords),
    /* wgsl */ `@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> partOutput: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> partLogSumExp: array<f32>;
@group(0) @binding(4) var<storage, read_write> output: array<${storageType(output)}>;
@group(0) @binding(5) var<storage, read_write> logSumExp: array<f32>;
@group(0) @binding(6) var<storage, read> blockMap: array<u32>;`,
    `const tileQueries = ${tileQueries}u;\nconst valueVectors = ${vectors}u;\n${mergeConstants}`,
    unpackFunctions([output]),
    loadFunction('output', output, valueDim),
    storeFunction('output', output, valueDim),
    tokens,
    /* wgsl */ `@compute @workgroup_size(${mergedRows * columns})
fn main(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(local_invocation_index) thread: u32,
) {
  let head = params.headBase + workgroup.y;
  let batch = params.batchBase + workgroup.z;
  let cut = workgroup.x / ${groups}u;
  let tileRow = (workgroup.x % ${groups}u) * ${mergedRows}u + thread / ${columns}u;
  let column = thread % ${columns}u;
  let outer = min(batch, params.mapBatches - 1u) * params.mapHeads + min(head, params.mapHeads - 1u);
  let firstPart = blockMap[params.mapRunsBase + cut];
  let endPart = blockMap[params.mapRunsBase + cut + 1u];
  let queryTile = blockMap[params.mapOrderBase + outer * params.mapQueryTiles + firstPart];
  let queryRow = queryToken(queryTile * tileQueries + tileRow);
  let exists = queryRow < params.queryLength;
  let plane = batch * params.heads + head;
  let place = params.logSumExpOffset + plane * params.queryLength + min(queryRow, params.queryLength - 1u);
  let base = params.outputOffset + batch * params.outputBatch + head * params.outputHead + queryRow * params.outputRow;
  let partRow = plane * params.mapQueryTiles * tileQueries + tileRow;
  var previous = bitcast<f32>(params.negativeInfinity);
  if (params.mergeWithOutput != 0u) { previous = logSumExp[place]; }
  // Column 0 writes what the others have read.
  workgroupBarrier();
  if (exists) {
    var larger = max(previous, smallestMaximum);
    for (var part = firstPart; part < endPart; part++) {
      larger = max(larger, partLogSumExp[partRow + part * tileQueries]);
    }
    let previousPart = exponential(previous - larger);
    var total = previousPart;
    for (var part = firstPart; part < endPart; part++) {
      total += exponential(partLogSumExp[partRow + part * tileQueries] - larger);
    }
    let seen = bitcast<u32>(total) != 0u; // and not total > 0, since a sum of NaN is one
    let weight = select(0.0, 1.0 / total, seen);
    for (var vector = column; vector < valueVectors; vector += ${columns}u) {
      var sum = vec4<f32>(0.0);
      // What nothing was written to is not read. Divided before they are added, against overflow.
      if (bitcast<u32>(previous) != hiddenBits) { sum = loadOutput(base, vector) * (previousPart * weight); }
      for (var part = firstPart; part < endPart; part++) {
        let partPlace = partRow + part * tileQueries;
        sum += partOutput[partPlace * valueVectors + vector] * (exponential(partLogSumExp[partPlace] - larger) * weight);
      }
      storeOutput(base, vector, sum);
    }
    if (column == 0u) {
      logSumExp[place] = select(bitcast<f32>(params.negativeInfinity), larger + logarithm(total), seen);
    }
  }
}`,
  ]
  return `${sections.filter((section) => section !== '').join('\n\n')}\n`
}
