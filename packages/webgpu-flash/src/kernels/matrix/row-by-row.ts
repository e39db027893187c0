// What the matrix kernel does where a tile that is not full has a value that is NaN or infinite: a
// product of matrices would bring it to rows that may not see it, since 0 times NaN is NaN. Then each thread computes its
// rows pair by pair, as the definition says. Slow, and short.
import { changeStatements } from '../../codegen/score-change.ts'
import { indent } from '../../codegen/snippets.ts'
import { tileLoop } from '../forward-frame.ts'
import type { ForwardMatrixConfig } from '../forward-matrix.wgsl.ts'
import { countedQuery } from '../tile/dropout.ts'
import { rowPlaces } from './finish.ts'

/** Computes and writes all rows of the workgroup. */
export function rowByRow(config: ForwardMatrixConfig): string {
  const { tile, rules, headDim, valueDim, dropout } = config
  const { change } = rules
  const threads = tile.subgroups * tile.subgroupSize
  const visible = rules.hasMask
    ? ' && visible(i32(batch), i32(head), position, queryIndex, keyPosition)'
    : ''
  const held = [{ score: 'score', pastQuery: 0, pastKey: 0 }]
  const kept = dropout
    ? ` * dropoutWeights(batch * params.heads + head, vec4<u32>(u32(${countedQuery(rules.countsWithin)})), vec4<u32>(key)).x`
    : ''
  const pairs = `for (var key = keyTile * tileKeys; key < keyTile * tileKeys + tileKeys; key++) {
  let keyPosition = i32(key);
  if (!(key < keyCount${visible})) { continue; }
  let keyRow = keyBase + key * params.keyRow;
  var score = 0.0;
  for (var v = 0u; v < ${headDim / 4}u; v++) {
    score += dot(loadQuery(queryRowBase, v), loadKey(keyRow, v));
  }
  score *= scale;
${change ? indent(changeStatements(change, held), 2) : ''}
  score *= log2e;
  let larger = max(maximum, score);
  let decay = exp2(maximum - larger);
  let share = exp2(score - larger);
  maximum = larger;
  sum = sum * decay + share;
  let weight = share${kept};
  let valueRow = valueBase + key * params.valueRow;
  for (var v = 0u; v < ${valueDim / 4}u; v++) {
    weighted[v] = weighted[v] * decay + loadValue(valueRow, v) * weight;
  }
}`
  return `for (var row = thread; row < tileQueries && firstQuery + row <= lastQuery; row += ${threads}u) {
  let queryRow = firstQuery + row;
  let queryRowBase = queryBase + queryRow * params.queryRow;
  let queryIndex = i32(queryRow);
  let position = queryOffset + queryIndex;
  var maximum = unseen;
  var sum = 0.0;
  var weighted = array<vec4<f32>, ${valueDim / 4}>();
${indent(tileLoop(config.blockMap, pairs), 2)}
${indent(rowPlaces('queryRow', ''), 2)}
  let end = endRow(head, place, sum, maximum);
  for (var v = 0u; v < ${valueDim / 4}u; v++) {
    var value = weighted[v] * end.own;
    if (end.previous > 0.0) { value += loadOutput(outputBase, v) * end.previous; }
    storeOutput(outputBase, v, value);
  }
  logSumExp[place] = end.logSumExp;
}`
}
