// The loop over chunks where something is not finite: pair by pair and in float32, hidden pairs left out. Each thread
// has some of the output's vectors.
import { indent } from '../../../codegen/snippets.ts'
import { rowHalves } from '../../quantized-elements.ts'
import { placeText } from '../decode-places.ts'
import type { DecodeMatrixConfig } from './config.ts'
import { finishVector } from './finish.ts'
import { chunkSoftmax, wholeRowSums } from './softmax.ts'
import { chunkNumber } from './staged-rows.ts'

/** The loop, and how its rows are stored. */
export function carefulLoop(config: DecodeMatrixConfig): string {
  const { tile, memory, headDim, valueDim } = config
  const threads = tile.subgroups * tile.subgroupSize
  const placed = placeText(config.places, tile.keys)
  const place = placed.rows(1, 'let ', () => 'min(firstKey + key, lastKey)')
  const ownKeys = tile.keys / tile.subgroups
  const [vectors, ownVectors] = [tile.keys / 4, ownKeys / 4]
  // In halves of blocks, or in vectors of four of eight.
  const row = (name: 'key' | 'value', dims: number): string => {
    const { quantized } = config[name]
    return quantized
      ? `8u * ${name}Base + place0 * ${rowHalves(quantized, dims)}u`
      : `2u * (${name}Base + place0 * params.${name}Row)`
  }
  const units = (tile.rows * valueDim) / 4
  const eachUnit = (
    text: string,
  ): string => `for (var own = 0u; own < ${Math.ceil(units / threads)}u; own++) {
  let unit = own * ${threads}u + thread;
  let tileRow = unit / valueVectors;
  let vector = unit % valueVectors;
  if (tileRow < rows) {
${indent(text, 4)}
  }
}`
  return `reference = smallestMaximum;
rowSum = 0.0;
var sums: array<vec4<f32>, ${Math.ceil(units / threads)}>;
for (var chunk = firstChunk; chunk < endChunk; chunk++) {
  let firstKey = ${chunkNumber('chunk')} * chunkKeys;
  for (var unit = thread; unit < ${tile.rows * vectors}u; unit += ${threads}u) {
    let row = min(firstRow + unit / ${vectors}u, groupRows - 1u);
    let queryBase = params.queryOffset + batch * params.queryBatch + (keyHead * params.headsPerKeyHead + row / params.queryLength) * params.queryHead + (row % params.queryLength) * params.queryRow;
    var four = vec4<f32>();
    for (var i = 0u; i < 4u; i++) {
      let key = 4u * (unit % ${vectors}u) + i;
${indent(place, 6)}
      var total = 0.0;
      for (var d = 0u; d < ${headDim / 4}u; d++) {
        total += dot(loadQuery(queryBase, d), loadKey(${row('key', headDim)}, d));
      }
      four[i] = total;
    }
    scores[unit % ${vectors}u / ${ownVectors}u][unit / ${vectors}u * ${memory.scoreStride}u + unit % ${ownVectors}u] = four;
  }
  workgroupBarrier();
${indent(chunkSoftmax(config, true), 2)}
  workgroupBarrier();
${indent(
  eachUnit(`var sum = sums[own] * rowNumbers[tileRow];
for (var key = 0u; key < chunkKeys; key++) {
${indent(place, 2)}
  let weight = scores[key / ${ownKeys}u][tileRow * ${memory.scoreStride}u + key % ${ownKeys}u / 4u][key % 4u];
  sum = addVisible(sum, weight, loadValue(${row('value', valueDim)}, vector));
}
sums[own] = sum;`),
  2,
)}
  workgroupBarrier();
}
${wholeRowSums(config)}
workgroupBarrier();
${eachUnit(`let sum = sums[own];
${finishVector(config)}`)}`
}
