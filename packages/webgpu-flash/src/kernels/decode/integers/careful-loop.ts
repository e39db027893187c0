// The loop over chunks where something is not finite: pair by pair and in float32, hidden pairs left out.
import { indent, unroll } from '../../../codegen/snippets.ts'
import { rowHalves } from '../../quantized-elements.ts'
import { placeText } from '../decode-places.ts'
import { chunkNumber } from '../matrix/staged-rows.ts'
import { finishScores } from './chunk-scores.ts'
import type { DecodeIntegersConfig } from './config.ts'
import { queryBase } from './query-digits.ts'

/** The loop, which leaves what the usual one does; a thread has a vector of neighbouring dims. */
export function carefulLoop(config: DecodeIntegersConfig): string {
  const { types, places, tile, headDim, valueDim } = config
  const placed = placeText(places, tile.keys)
  const row = (name: 'key' | 'value', dims: number): string =>
    `8u * ${name}Base + place0 * ${rowHalves(types[name], dims)}u`
  const placeOf = (key: string): string =>
    placed.rows(1, 'let ', () => `min(firstKey + ${key}, lastKey)`)
  return `ownDims = vec2<u32>(4u * lane, 4u * lane + 2u);
maximum = vec4<f32>(smallestMaximum);
rowSums = vec4<f32>();
${unroll(4, (r) => `sum${r} = vec4<f32>();`)}
for (var chunk = firstChunk; chunk < endChunk; chunk++) {
  let firstKey = ${chunkNumber('chunk')} * chunkKeys;
  var scores = vec4<f32>();
  {
${indent(placeOf('lane'), 4)}
    for (var r = 0u; r < rows; r++) {
      let row = min(firstRow + r, groupRows - 1u);
      let queryBase = ${queryBase('row')};
      var total = 0.0;
      for (var d = 0u; d < ${headDim / 4}u; d++) {
        total += dot(loadQuery(queryBase, d), loadKey(${row('key', headDim)}, d));
      }
      scores[r] = total * scale;
    }
  }
${indent(finishScores(config), 2)}
  let newMaximum = max(maximum, largestOfThreads(scores, lane, 0u));
  let decay = exp(maximum - newMaximum);
  let shares = pairWeights(scores, newMaximum);
  maximum = newMaximum;
  rowSums = rowSums * decay + shares;
  workgroupBarrier();
  weights[lane] = bitcast<vec4<u32>>(shares);
  workgroupBarrier();
${unroll(4, (r) => `  sum${r} *= decay[${r}];`)}
  for (var key = 0u; key < chunkKeys; key++) {
${indent(placeOf('key'), 4)}
    let elements = loadValue(${row('value', valueDim)}, lane);
    let weight = bitcast<vec4<f32>>(weights[key]);
${unroll(4, (r) => `    sum${r} = addVisible(sum${r}, weight[${r}], elements);`)}
  }
  workgroupBarrier();
}
rowSums = sumOfThreads(rowSums, lane, 0u);`
}
