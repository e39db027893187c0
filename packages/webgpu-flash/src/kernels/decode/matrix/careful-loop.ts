// The loop over chunks where something is not finite: pair by pair and in float32, hidden pairs left out.
import { indent } from '../../../codegen/snippets.ts'
import { placeText } from '../decode-places.ts'
import type { DecodeMatrixConfig } from './config.ts'
import { sumPlace } from './finish.ts'
import { chunkSoftmax } from './softmax.ts'
import { chunkNumber } from './staged-rows.ts'

/** The loop. */
export function carefulLoop(config: DecodeMatrixConfig): string {
  const { tile, memory, headDim, valueDim } = config
  const threads = tile.subgroups * tile.subgroupSize
  const placed = placeText(config.places, tile.keys)
  const place = placed.rows(1, 'let ', () => 'min(firstKey + key, lastKey)')
  const ownKeys = tile.keys / tile.subgroups
  // In halves of words, or in vectors of four of eight.
  const row = (text: string): string => `2u * (${text})`
  const sum = sumPlace(config, 'tileRow', 'dim')
  return `for (var unit = thread; unit < ${tile.rows * valueDim}u; unit += ${threads}u) {
  let tileRow = unit / ${valueDim}u;
  let dim = unit % ${valueDim}u;
  ${sum} = 0.0;
}
for (var chunk = firstChunk; chunk < endChunk; chunk++) {
  let firstKey = ${chunkNumber('chunk')} * chunkKeys;
  for (var unit = thread; unit < ${tile.rows * tile.keys}u; unit += ${threads}u) {
    let row = min(firstRow + unit / chunkKeys, groupRows - 1u);
    let key = unit % chunkKeys;
${indent(place, 4)}
    let queryBase = params.queryOffset + batch * params.queryBatch + (keyHead * params.headsPerKeyHead + row / params.queryLength) * params.queryHead + (row % params.queryLength) * params.queryRow;
    var total = 0.0;
    for (var d = 0u; d < ${headDim / 4}u; d++) {
      total += dot(loadQuery(queryBase, d), loadKey(${row('keyBase + place0 * params.keyRow')}, d));
    }
    scores[key / ${ownKeys}u][unit / chunkKeys * ${memory.scoreStride}u + key % ${ownKeys}u / 4u][key % 4u] = total;
  }
  workgroupBarrier();
${indent(chunkSoftmax(config, true), 2)}
  workgroupBarrier();
  for (var unit = thread; unit < ${tile.rows * valueDim}u; unit += ${threads}u) {
    let tileRow = unit / ${valueDim}u;
    let dim = unit % ${valueDim}u;
    var sum = ${sum} * rowNumbers[tileRow];
    for (var key = 0u; key < chunkKeys; key++) {
${indent(place, 6)}
      let weight = scores[key / ${ownKeys}u][tileRow * ${memory.scoreStride}u + key % ${ownKeys}u / 4u][key % 4u];
      let element = loadValue(${row('valueBase + place0 * params.valueRow')}, dim / 4u)[dim % 4u];
      sum = addVisible(vec4<f32>(sum), weight, vec4<f32>(element)).x;
    }
    ${sum} = sum;
  }
  workgroupBarrier();
}`
}
