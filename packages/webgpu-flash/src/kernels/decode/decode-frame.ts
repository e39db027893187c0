// What the decode kernels and the merge of their parts have in common: bindings, the lengths of a call, and how
// a row ends.
import { storageType } from '../../codegen/access.ts'
import type { PlacesText } from '../../plan/decode/key-places.ts'
import type { DecodeConfig } from './decode-config.ts'
import type { DecodeAccess } from './decode-access.ts'

/** Words of a sequence among the lengths of a call: those of all, and what says where its keys lie. */
export function lengthWords(places?: Pick<PlacesText, 'kind'>): number {
  return 5 + (places === undefined ? 0 : places.kind === 'ring' ? 4 : 1)
}

/** Fields of the uniform block, beside those of the forward kernels. */
export const decodeFields: readonly string[] = [
  // Tiles of the rows that share keys.
  'rowTiles',
  // Parts of the keys, this dispatch's first one, and chunks of a part.
  'parts',
  'partBase',
  'partChunks',
]

/**
 * WGSL of the bindings.
 *
 * @param stored - The type that keys and values are read in.
 */
export const decodeBindings = (
  { query, key, value, output, whole }: Omit<DecodeConfig, 'tile' | 'memory'>,
  stored: (access: DecodeAccess) => string,
): string => /* wgsl */ `@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> query: array<${storageType(query)}>;
@group(0) @binding(2) var<storage, read> key: array<${stored(key)}>;
@group(0) @binding(3) var<storage, read> value: array<${stored(value)}>;
@group(0) @binding(4) var<storage, read_write> output: array<${whole ? storageType(output) : 'vec4<f32>'}>;
// Of a part of the keys: maximum and sum of each row.
@group(0) @binding(5) var<storage, read_write> logSumExp: array<f32>;
@group(0) @binding(6) var<storage, read> lengths: array<u32>;
// Tables of the expressions.
@group(0) @binding(7) var<storage, read> data: array<u32>;`

/**
 * WGSL that reads the lengths of a sequence: query offset, key count, and the chunks of keys that any
 * of its rows sees, which are neighbours from the first one on, or listed.
 */
export const lengthFunctions = (
  places?: PlacesText,
): string => /* wgsl */ `const lengthWords = ${lengthWords(places)}u;

fn chunkCount(batch: u32) -> u32 {
  return lengths[lengthWords * batch + 2u];
}

fn chunkAt(batch: u32, index: u32) -> u32 {
  let list = lengths[lengthWords * batch + 4u];
  if (list != 0u) { return lengths[list + index]; }
  return lengths[lengthWords * batch + 3u] + index;
}`

/**
 * Statements that find a workgroup's rows, sequence and chunks of keys, and where keys and values of its head begin.
 *
 * @param before - Statements about the sequence, once its key count is known.
 * @param whole - Whether it has all keys of its rows.
 */
export const beginPart = (
  before: string,
  whole: boolean,
): string => /* wgsl */ `let batch = params.batchBase + workgroup.z;
let keyHead = params.headBase + workgroup.y;
let firstRow = (workgroup.x % params.rowTiles) * rows;
let part = params.partBase + workgroup.x / params.rowTiles;
let groupRows = params.headsPerKeyHead * params.queryLength;
let queryOffset = bitcast<i32>(lengths[lengthWords * batch]);
let keyCount = lengths[lengthWords * batch + 1u];
${before}let firstChunk = part * params.partChunks;
let endChunk = min(firstChunk + params.partChunks, chunkCount(batch));
${whole ? '' : 'if (firstChunk >= endChunk) { return; }'}
let keyBase = params.keyOffset + batch * params.keyBatch + keyHead * params.keyHead;
let valueBase = params.valueOffset + batch * params.valueBatch + keyHead * params.valueHead;`

/** Statements that say which chunks a sequence has: neighbours from the first one on, or listed. */
export const declareChunks: string = /* wgsl */ `// Chunks are neighbours from the first one on, or listed.
let chunkStart = lengths[lengthWords * batch + 3u];
let chunkList = lengths[lengthWords * batch + 4u];
`

/**
 * WGSL of `finishDecoded`: a vector of a row's output, and with the first its log-sum-exp. The sum comes
 * divided by `factor`.
 */
export function finishDecodedFunction(sinks: boolean): string {
  const sink = /* wgsl */ `  let sink = bitcast<f32>(data[params.sinkBase + head]);
  let top = max(maximum, sink);
  let share = exponential(maximum - top);
  let all = total * share + exponential(sink - top);`
  const noSink = '  let top = maximum;\n  let share = 1.0;\n  let all = total;'
  return /* wgsl */ `fn finishDecoded(batch: u32, head: u32, queryIndex: u32, vector: u32, maximum: f32, total: f32, sum: vec4<f32>, factor: f32) {
${sinks ? sink : noSink}
  let seen = bitcast<u32>(all) != 0u; // and not all > 0, since a sum of NaN is one
  let base = params.outputOffset + batch * params.outputBatch + head * params.outputHead + queryIndex * params.outputRow;
  storeOutput(base, vector, sum * select(0.0, share / all * factor, seen));
  if (vector == 0u) {
    let place = params.logSumExpOffset + (batch * params.heads + head) * params.queryLength + queryIndex;
    logSumExp[place] = select(bitcast<f32>(params.negativeInfinity), top + logarithm(all), seen);
  }
}`
}
