// What the kernels on subgroup matrices do where a sum has come out as NaN or infinity. A product of matrices
// brings what is not finite to rows that may not see it too, since 0 times NaN is NaN, and all of it ends in
// the sums. Then each thread computes its rows pair by pair, as the definition says: without pairs that are
// hidden, or whose score is -Infinity, whatever the rows hold. Slow, and short; rows of which nothing but NaN
// is left are done.
import { capitalized, indent } from '../../../codegen/snippets.ts'
import { matrixThreads } from '../../../plan/backward/gradient-matrix-tile.ts'
import { rolledStep } from '../../rolled-loops.ts'
import { forEachColumnTile } from '../backward-frame.ts'
import { dropoutText, pairCall } from '../../tile/pair-gradient.ts'
import { castRoles } from './roles.ts'
import type { GradientMatrixConfig, GradientSum, Operand } from './roles.ts'
import { summedBefore } from './sum-steps.ts'
import { startsEarly } from './walk-rows.ts'
import { tokenText } from '../slots.ts'

const load = ({ name }: Operand, vector: string): string =>
  `load${capitalized(name)}(${name}Place, ${vector})`

/** The place of a tensor's row. */
const place = ({ name }: Operand, row: string): string =>
  `let ${name}Place = ${name}Base + ${row} * params.${name}Row;`

/** WGSL of `allNaN`, by bits, as compilers may assume that there is none. */
export const strangeFunctions = /* wgsl */ `const hiddenBits = 0xff800000u; // a score of -Infinity

fn allNaN(values: vec4<f32>) -> bool {
  return all((bitcast<vec4<u32>>(values) & vec4<u32>(0x7fffffffu)) > vec4<u32>(0x7f800000u));
}`

/** Computes and writes all rows of the workgroup. */
export function rowByRow(config: GradientMatrixConfig): string {
  const { tile, rowTokens, blockMap } = config
  const { own, visited, sums } = castRoles(config)
  const ofKeys = rowTokens === 'keys'
  const [ownRow, visitedRow] = ofKeys ? ['keyIndex', 'queryRow'] : ['queryRow', 'keyIndex']
  const pairs = forEachColumnTile(
    config,
    'false',
    `if (done) { break; }
for (var ${visitedRow} = columnTile * tileColumns; ${visitedRow} < (columnTile + 1u) * tileColumns; ${visitedRow}++) {
${indent(pair(config), 2)}
}
done = true;
${sums.map(({ name, dims }) => `for (var v = 0u; v < ${dims / 4}u && done; ${rolledStep('v')}) { done = allNaN(${name}Sum[v]); }`).join('\n')}`,
  )
  const heads =
    ofKeys && !startsEarly(config)
      ? `for (${blockMap ? '' : 'var '}head = firstHead; head < endHead; head++) {
${visited.map(({ name }) => `  let ${name}Base = params.${name}Offset + batch * params.${name}Batch + head * params.${name}Head;`).join('\n')}
${indent(pairs, 2)}
}`
      : pairs
  const { ordered } = config.rules
  const ownToken = ordered ? 'ownToken' : ownRow
  return `for (var row = thread; row < tileRows; row += ${matrixThreads(tile)}u) {
  let ${ownRow} = rowTile * tileRows + row;
${ordered ? `  let ownToken = ${tokenText(config.rules, rowTokens, ownRow)};\n` : ''}  if (${ownToken} > ${ofKeys ? 'params.keyLength - 1u' : 'lastQuery'}) { ${ordered ? 'continue' : 'break'}; }
${indent(own.map((operand) => place(operand, ownToken)).join('\n'), 2)}
${sums.map(({ name, dims }) => `  var ${name}Sum = array<vec4<f32>, ${dims / 4}>();`).join('\n')}
  var done = false;
${indent(heads, 2)}
${indent(sums.map((sum) => storeRow(config, sum, config.inParts ? ownRow : ownToken)).join('\n'), 2)}
}`
}

/** One pair, whose weights are added to the sums. */
function pair(config: GradientMatrixConfig): string {
  const { rowTokens, rules, dropout } = config
  const { own, visited, sums } = castRoles(config)
  const visitedRow = rowTokens === 'keys' ? 'queryRow' : 'keyIndex'
  const product = (name: string, at: 0 | 1): string => `var ${name} = 0.0;
for (var v = 0u; v < ${own[at].dims / 4}u; ${rolledStep('v')}) { ${name} += dot(${load(own[at], 'v')}, ${load(visited[at], 'v')}); }`
  const visitedTokens = rowTokens === 'keys' ? 'queries' : 'keys'
  const exists = rules.ordered ? '' : 'keyIndex < keyCount && queryRow < params.queryLength'
  const visible = rules.hasMask ? `${exists === '' ? '' : ' && '}${pairCall('visible')}` : ''
  const modified = rules.hasSlopes
    ? `let both = ${pairCall('modifiedWithSlope', 'score')};\nscore = both.x;`
    : `score = ${pairCall('modified', 'score')};`
  const kept = dropout
    ? `let kept = ${dropoutText(
        [0, 0, 0, 0].map(() => [0, 0] as const),
        rules.countsWithin,
      )}.x;\n`
    : ''
  const thinned = dropout ? ' * kept' : ''
  const adds = sums.map(({ name, dims, source }) => {
    const weight = name === 'dValue' ? `probability${thinned}` : 'gradient'
    return `for (var v = 0u; v < ${dims / 4}u; ${rolledStep('v')}) { ${name}Sum[v] += ${load(source, 'v')} * (${weight}); }`
  })
  return `let queryIndex = i32(queryRow);
let position = queryOffset + queryIndex;
if (!(${exists}${visible})) { continue; }
${visited.map((operand) => place(operand, tokenText(rules, visitedTokens, visitedRow))).join('\n')}
${product('score', 0)}
score *= scale;
${rules.hasModifiers ? `${modified}\n` : ''}if (bitcast<u32>(score) == hiddenBits${rules.hasModifiers ? ' || score <= -1.0e38' : ''}) { continue; }
${product('gradient', 1)}
let held = softmaxRow(batch, head, queryRow);
let probability = exp2((score - held.x) * log2e);
${kept}gradient = select(probability * (gradient${thinned} - held.y), 0.0, probability == 0.0);
${rules.hasSlopes ? 'gradient = select(gradient * both.y, 0.0, gradient == 0.0);\n' : ''}${adds.join('\n')}`
}

function storeRow(
  { finishes }: GradientMatrixConfig,
  { name, dims }: GradientSum,
  row: string,
): string {
  const factor = name === 'dValue' ? '' : ' * scale'
  const before = summedBefore({ finishes }, name)
  const at = finishes ? `${before}Base + ${row} * params.${before}Row` : 'base'
  return `for (var v = 0u; v < ${dims / 4}u; ${rolledStep('v')}) {
  var sum = ${name}Sum[v]${factor};
  let base = ${name}Base + ${row} * params.${name}Row;
  if (params.accumulate != 0u) { sum += load${capitalized(before)}(${at}, v); }
  store${capitalized(name)}(base, v, sum);
}`
}
