// Values that are NaN or infinite, in tiles that are not full, and in all where score modifiers may hide
// pairs. A product of matrices would bring them to rows that may not see them, since 0 times NaN is NaN. So such
// tiles are multiplied with zeros in their place, and where there were any, the rows that do see them get them
// added in the end, pair by pair.
import { changeStatements } from '../../../codegen/score-change.ts'
import { indent } from '../../../codegen/snippets.ts'
import { tileLoop } from '../forward-frame.ts'
import type { ForwardMatrixConfig } from './config.ts'
import { outputBaseOf } from './finish.ts'
import { rowStep } from './lane-rows.ts'
import { changesScores } from './lane-scores.ts'
import { keyTokenAt, pairOf, querySlot, queryTokenAt } from './tokens.ts'

/** Whether a pair may be hidden: by the mask, by padding, or by a modifier that makes a score -Infinity. */
export function mayHide({ wholeTiles, rules }: ForwardMatrixConfig): boolean {
  return !wholeTiles || changesScores(rules)
}

/** WGSL of what the texts below call; halves are looked at as the words they are. */
export function strangeFunctions({ tile, value }: ForwardMatrixConfig): string {
  const words = value.wide ? 'vec4<u32>' : 'vec2<u32>'
  const strangePart = /* wgsl */ `// Zeros in place of numbers that are finite.
fn strangePart(values: vec4<f32>) -> vec4<f32> {
  let exponents = bitcast<vec4<u32>>(values) & vec4<u32>(0x7f800000u);
  return select(vec4<f32>(0.0), values, exponents == vec4<u32>(0x7f800000u));
}`
  if (tile.operands === 'f32') return strangePart
  return /* wgsl */ `// Zeros in place of halves that are not finite.
fn finiteHalves(words: ${words}) -> ${words} {
  let low = select(${words}(0xffffu), ${words}(0u), (words & ${words}(0x7c00u)) == ${words}(0x7c00u));
  let high = select(${words}(0xffff0000u), ${words}(0u), (words & ${words}(0x7c000000u)) == ${words}(0x7c000000u));
  return words & (low | high);
}

${strangePart}`
}

/** Cleans the registers of values, and notes in \`strange\` whether there was anything to clean. */
export function cleanValues(
  { tile, value }: ForwardMatrixConfig,
  registers: readonly string[],
): string {
  if (tile.operands === 'f32') {
    return registers
      .map(
        (register) => `{
  let words = bitcast<vec4<u32>>(${register});
  let odd = (words & vec4<u32>(0x7f800000u)) == vec4<u32>(0x7f800000u);
  strange = strange || any(odd);
  ${register} = select(${register}, vec4<f32>(0.0), odd);
}`,
      )
      .join('\n')
  }
  return registers
    .map((register) =>
      value.wide
        ? `{
  let clean = finiteHalves(${register});
  strange = strange || any(clean != ${register});
  ${register} = clean;
}`
        : `{
  let words = bitcast<vec2<u32>>(${register});
  let clean = finiteHalves(words);
  strange = strange || any(clean != words);
  ${register} = bitcast<vec4<f16>>(clean);
}`,
    )
    .join('\n')
}

/** Adds what was left out to the rows that see it. Each lane does so where it wrote the output. */
export function addStrangeValues(config: ForwardMatrixConfig): string {
  const { tile, rules, headDim } = config
  const { change } = rules
  // What dropout drops has a weight of 0, times which either infinity is NaN.
  const kept = config.dropout
    ? `let kept = dropoutWeights(batch * params.heads + head, vec4<u32>(${rules.countsWithin ? 'queryRow' : 'u32(queryOffset + i32(queryRow))'}), vec4<u32>(key)).x;\n`
    : ''
  const visible = rules.hasMask ? ` && visible(${pairOf('queryRow', 'key')})` : ''
  const changes = changesScores(rules)
  const changed = change
    ? changeStatements(change, [{ score: 'score', pastQuery: 0, pastKey: 0 }])
    : (rules.pairwise ?? [])
        .map((name) => `score = ${name}(score, ${pairOf('queryRow', 'key')});`)
        .join('\n')
  const score = changes
    ? `${change ? 'let keyPosition = i32(key);\n' : ''}var score = 0.0;
for (var d = 0u; d < ${headDim / 4}u; d++) {
  score += dot(loadQuery(queryBase + queryRow * params.queryRow, d), loadKey(keyBase + key * params.keyRow, d));
}
score *= scale;
${changed}
if (bitcast<u32>(score) == bitcast<u32>(params.negativeInfinity)) { continue; }
`
    : ''
  const ordered = config.tokens !== undefined
  const slot = ordered ? 'slot' : 'key'
  const look = `if (${changes ? 'true' : '!full'}) {
  for (var ${slot} = keyTile * tileKeys; ${slot} < keyTile * tileKeys + tileKeys; ${slot}++) {
${ordered ? `    let key = ${keyTokenAt(config, slot)};\n` : ''}    if (!(key < keyCount${visible})) { continue; }
    for (var v = part; v < valueVectors; v += ${tile.lanesPerRow}u) {
      let strange = strangePart(loadValue(valueBase + key * params.valueRow, v));
      if (any(bitcast<vec4<u32>>(strange) != vec4<u32>(0u))) {
${indent(`${score}${kept}`, 8)}        storeOutput(outputBase, v, loadOutput(outputBase, v) + strange${kept === '' ? '' : ' * kept'});
      }
    }
  }
}`
  return `for (var r = 0u; r < ${tile.rowsPerLane}u; r++) {
  let ownRow = ownRow0 + r * ${rowStep(tile)}u;
  let queryRow = ${queryTokenAt(config, querySlot(config, 'ownRow'))};
  if (queryRow > lastQuery) { ${ordered ? 'continue' : 'break'}; }
${change ? '  let queryIndex = i32(queryRow);\n  let position = queryOffset + queryIndex;\n' : ''}  let outputBase = ${outputBaseOf(config, 'queryRow', 'ownRow')};
${indent(tileLoop(config.blockMap, look), 2)}
}`
}
