// The last step of the backward kernels on split float32: gradients leave the lanes' registers.
import { indent, unroll } from '../../../codegen/snippets.ts'
import { laneVectors, sumLanes } from '../../../plan/backward/split-matrix-tile.ts'
import { eachLaneRow } from '../../forward/matrix/lane-rows.ts'
import { gradientRow, tokenText } from '../slots.ts'
import { eachTotal } from './products.ts'
import { castSplitRoles } from './roles.ts'
import type { SplitMatrixConfig, SplitRole } from './roles.ts'

/** Writes the gradients, or adds them to what earlier dispatches wrote. */
export function storeTotals(config: SplitMatrixConfig, first: string, last: string): string {
  const { tile } = config
  const { roles, sumDims } = castSplitRoles(config)
  const token = (r: number): string =>
    tokenText(config.rules, config.rowTokens, `${first} + sumRow${r}`)
  const row = (r: number): string => gradientRow(config, config.rowTokens, `${first} + sumRow${r}`)
  const totals: string[] = []
  eachTotal(config, (total) => {
    totals.push(total)
    return ''
  })
  const lanes = sumLanes(tile)
  const vectors = laneVectors(lanes, tile.matrix.columns)
  const perColumn = lanes.rowsPerLane * vectors
  const stores = ({ sum: { name }, factor }: SplitRole, firstVector: string): string => {
    const capital = `${name[0]!.toUpperCase()}${name.slice(1)}`
    const lines = eachLaneRow(
      lanes,
      (r) => `if (${token(r)} <= ${last}) {
  let base = ${name}Base + (${row(r)}) * params.${name}Row;
${unroll(
  vectors,
  (j) => `  {
    let vector = ${firstVector}column * ${tile.matrix.columns / 4}u + sumPart + ${j * lanes.lanesPerRow}u;
    var sum = totals[column * ${perColumn}u + ${r * vectors + j}u] * factor;
    if (params.accumulate != 0u) { sum += load${capital}(base, vector); }
    store${capital}(base, vector, sum);
  }`,
)}
}`,
    )
    // A loop whose end no compiler knows: it runs once, and unrolled it would be much of the program to compile.
    return `let factor = ${factor};
for (var column = 0u; column < select(0u, ${totals.length / perColumn}u, params.keyLength != 0u); column++) {
${indent(lines, 2)}
}`
  }
  const gathered = `var totals = array<vec4<f32>, ${totals.length}>(${totals.join(', ')});`
  if (config.rowTokens === 'queries') {
    return `${gathered}\n${stores(roles[0], `partner * ${sumDims / 4}u + `)}`
  }
  return `${gathered}
if (partner == 0u) {
${indent(stores(roles[0], ''), 2)}
} else {
${indent(stores(roles[1], ''), 2)}
}`
}
