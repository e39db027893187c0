// What changes the scores of a thread's key: modifiers, the mask, and what of a chunk there is.
import { indent } from '../../../codegen/snippets.ts'
import { placeText } from '../decode-places.ts'
import type { DecodeIntegersConfig } from './config.ts'

/** Statements that finish `scores` of the key `firstKey + lane`. */
export function finishScores({ rules, places, tile }: DecodeIntegersConfig): string {
  const placed = placeText(places, tile.keys)
  const modifiers = rules.pairwise ?? []
  const isRing = places?.kind === 'ring'
  if (!rules.hasMask && modifiers.length === 0 && !isRing) {
    return 'scores = select(vec4<f32>(hidden), scores, firstKey + lane < keyCount);'
  }
  const pair = 'i32(batch), i32(head), queryOffset + queryIndex, queryIndex, i32(key)'
  const held = placed.held('place', 'key', 'queryOffset + queryIndex')
  const visible = rules.hasMask ? ` && visible(${pair})` : ''
  return `{
  ${isRing ? `let place = firstKey + lane;\n  let key = ${placed.position('place')};` : 'let key = firstKey + lane;'}
  for (var r = 0u; r < rows; r++) {
    let row = min(firstRow + r, groupRows - 1u);
    let head = keyHead * params.headsPerKeyHead + row / params.queryLength;
    let queryIndex = i32(row % params.queryLength);
    var score = scores[r];
${indent(modifiers.map((name) => `score = ${name}(score, ${pair});\n`).join(''), 4)}    if (!(key < keyCount${held}${visible})) { score = hidden; }
    scores[r] = score;
  }
}`
}
