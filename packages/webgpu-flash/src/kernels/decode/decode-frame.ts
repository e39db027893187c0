// What the decode kernel and the merge of its parts have in common: the lengths of a call, and how a
// row ends.
import type { PlacesText } from '../../plan/decode/key-places.ts'

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
